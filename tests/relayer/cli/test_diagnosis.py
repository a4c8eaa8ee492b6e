"""The doctor on whole deployments: dead ones, and a real one on local chains."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from chains.devnet.actors import RELAYER, guardian_keys
from chains.devnet.kit import DeployedChain, Devnet
from chains.types import text_of_word
from relayer.cli.checks import Check, CheckState
from relayer.cli.diagnosis import findings_answer
from relayer.clock import SystemClock
from tests.relayer.cli.conftest import Ask, Run
from tests.relayer.cli.samples import open_at


def test_a_dead_deployment_is_examined_to_the_end(ask: Ask) -> None:
    """No node, guardian or key is there: each is named once, and the database is still right."""
    report = ask("doctor", exit_code=2)

    states = {(check["code"], check["subject"]): check["state"] for check in report["checks"]}
    assert states["config", "settings"] == "ok"
    assert states["database.schema", "database"] == "ok"
    assert states["broker.reachable", "broker"] == "ok"
    for chain_id in ("eip155:1", "eip155:8453", "eip155:42161"):
        assert states["chain.node", chain_id] == "broken"
    for label in ("guardian-1", "guardian-2", "guardian-3"):
        assert states["guardian.reachable", label] == "broken"
    assert states["sender.key", "/etc/relayer/sender.key"] == "broken"
    assert all(check["remedy"] for check in report["checks"] if check["state"] == "broken")


def test_a_wrong_configuration_is_the_only_finding(run: Run, tmp_path: Path) -> None:
    """Every mistake is a line; nothing else is tried."""
    config = tmp_path / "relayer.toml"
    config.write_text('hub = "hub:a"')

    result = run("doctor", "--config", str(config))

    assert result.exit_code == 2
    assert "database_url: Field required" in result.stdout


def test_warnings_do_not_make_a_deployment_broken() -> None:
    """Exit status 0 as long as nothing is broken."""
    warned = Check("chain.head", "eip155:1", CheckState.WARNING, "old")
    broken = Check("chain.node", "eip155:1", CheckState.BROKEN, "dead")

    assert findings_answer((warned,)).exit_code == 0
    assert findings_answer((warned, broken)).exit_code == 2


@pytest.fixture(scope="module")
def devnet() -> Iterator[Devnet]:
    """Three local chains with the standard layout."""
    with Devnet() as running:
        yield running


def chain_text(deployed: DeployedChain, operator: bytes, node_count: int = 1) -> str:
    """Return one chain of the layout as TOML; several names of its node count as several nodes."""
    rpc_urls = [f"{deployed.rpc_url}/{'?' * place}" for place in range(node_count)]
    lines = [
        "[[chains]]",
        f'chain_id = "{deployed.chain_id}"',
        f"rpc_urls = {rpc_urls}",
    ]
    if deployed.vault is not None:
        lines += ["[[chains.vaults]]", f'address = "{text_of_word(deployed.vault)}"']
    if deployed.credit_line is not None:
        lines += [
            "[[chains.credit_lines]]",
            'protocol = "lender"',
            f'address = "{text_of_word(deployed.credit_line)}"',
            f'token = "{text_of_word(deployed.tokens["USDC"])}"',
            f'operator = "{text_of_word(operator)}"',
        ]
    return "\n".join(lines)


def asset_text(devnet: Devnet, asset_id: str, scale: int) -> str:
    """Return one asset of the layout as TOML."""
    lines = ["[[assets]]", f'asset_id = "{asset_id}"', f"scale = {scale}"]
    for deployed in devnet.chains:
        for section, addresses in (("tokens", deployed.tokens), ("feeds", deployed.feeds)):
            if asset_id in addresses:
                lines += [f"[[assets.{section}]]", f'chain_id = "{deployed.chain_id}"']
                lines.append(f'address = "{text_of_word(addresses[asset_id])}"')
                if section == "feeds":
                    lines.append(f'label = "{asset_id}-{deployed.chain_id}"')
    return "\n".join(lines)


def write_devnet_config(
    devnet: Devnet, folder: Path, *, threshold: int = 2, node_count: int = 1
) -> Path:
    """Write the settings of the layout and the sending key."""
    key_file = folder / "sender.key"
    key_file.write_text(RELAYER.key.hex())
    key_file.chmod(0o600)
    members = "\n".join(
        f'[[guardians.members]]\nlabel = "g{place}"\naddress = "{text_of_word(key.address)}"\n'
        'url = "http://127.0.0.1:1"'
        for place, key in enumerate(guardian_keys(3))
    )
    config = folder / "relayer.toml"
    config.write_text(
        "\n".join(
            (
                'hub = "hub:devnet"',
                'profile = "development"',
                f'database_url = "sqlite:///{folder / "hub.db"}"',
                *(chain_text(chain, RELAYER.address, node_count) for chain in devnet.chains),
                asset_text(devnet, "WETH", 18),
                asset_text(devnet, "USDC", 6),
                f"[guardians]\nthreshold = {threshold}",
                members,
                f'[sender]\nkey_file = "{key_file}"',
            )
        )
    )
    store = open_at(f"sqlite:///{folder / 'hub.db'}", SystemClock())
    store.upgrade()
    store.close()
    return config


@pytest.mark.parametrize("node_count", [1, 3])
def test_a_real_deployment_is_right_but_for_its_guardians(
    node_count: int, run: Run, devnet: Devnet, tmp_path: Path
) -> None:
    """Nodes, contracts, feeds, prices and the sender pass; nobody serves the guardians' ports."""
    config = write_devnet_config(devnet, tmp_path, node_count=node_count)

    result = run("doctor", "--config", str(config))

    assert result.exit_code == 2
    lines = [line.strip() for line in result.stdout.splitlines()]
    broken = [line for line in lines if line.startswith("BROKEN")]
    assert len(broken) == 3
    assert all("guardian.reachable" in line for line in broken)
    for code in (
        "chain.nodes",
        "vault.answers",
        "vault.exit",
        "credit_line.answers",
        "contract.guardians",
        "price.usable",
        "sender.funds",
    ):
        assert any(line.startswith("ok") and code in line for line in lines), code
    assert "2,000.00 USD from 2 feeds" in result.stdout
    assert text_of_word(RELAYER.address) in result.stdout


def test_another_threshold_than_the_contracts_is_found(
    run: Run, devnet: Devnet, tmp_path: Path
) -> None:
    """Settings that would make unusable attestations are named for each contract."""
    config = write_devnet_config(devnet, tmp_path, threshold=3)

    result = run("doctor", "--config", str(config))

    broken = [line for line in result.stdout.splitlines() if line.strip().startswith("BROKEN")]
    assert sum("contract.guardians" in line for line in broken) == 3


def test_a_sending_key_without_coins_is_found(run: Run, devnet: Devnet, tmp_path: Path) -> None:
    """On each chain, with the address to send coins to."""
    config = write_devnet_config(devnet, tmp_path)
    (tmp_path / "sender.key").write_text("09" * 32)

    result = run("doctor", "--config", str(config))

    broken = [line for line in result.stdout.splitlines() if line.strip().startswith("BROKEN")]
    assert sum("sender.funds" in line and "has 0 wei" in line for line in broken) == 3

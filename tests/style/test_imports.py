"""The contracts of import-linter in pyproject.toml break on what they forbid."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.style.source import ROOT

MODULES = (
    "relayer.errors", "relayer.money", "relayer.clock", "relayer.ledger.journal",
    "relayer.oracle.price", "relayer.risk.margin", "relayer.reconcile.rules",
    "relayer.liquidation.sizing", "relayer.governor.windows", "relayer.outbox.life",
    "relayer.guardian.checks",
    "relayer.store.engine", "relayer.steps.observe", "relayer.wiring", "relayer.wiring_readers",
    "relayer.wiring_senders",
    "relayer.worker.app",
    "relayer.api.app", "relayer.cli.main", "chains.types", "chains.errors", "chains.events",
    "chains.message", "chains.finality", "chains.attestation", "chains.command",
    "chains.correction", "chains.port", "chains.nodes", "chains.base58", "chains.line.client",
    "chains.key_files", "chains.sending", "chains.ed25519",
    "chains.agreement.quorum", "chains.evm.reader", "chains.solana.vault_events",
    "chains.bridges.guardian",
    "chains.oracles.chainlink",
    "chains.devnet.deploy",
)  # fmt: skip

FORBIDDEN = [
    ("relayer: a module", "relayer.risk.margin", "relayer.store.engine"),
    ("relayer: a module", "relayer.api.app", "relayer.cli.main"),
    ("relayer: a module", "relayer.money", "relayer.clock"),
    ("relayer: a module", "chains.events", "relayer.money"),
    ("chains: devnet", "chains.message", "chains.port"),
    ("chains: devnet", "chains.evm.reader", "chains.bridges.guardian"),
    ("chains: devnet", "chains.agreement.quorum", "chains.evm.reader"),
    ("chains: devnet", "chains.line.client", "chains.evm.reader"),
    ("chains: devnet", "chains.agreement.quorum", "chains.line.client"),
    ("chains: devnet", "chains.base58", "chains.types"),
    ("the core imports no", "relayer.ledger.journal", "time"),
    ("the core imports no", "relayer.outbox.life", "structlog"),
    ("the core imports no", "relayer.risk.margin", "os"),
    ("the core imports no", "relayer.guardian.checks", "chains.evm.reader"),
    ("the core imports no", "relayer.guardian.checks", "chains.solana.vault_events"),
    ("the core imports no", "relayer.guardian.checks", "solders"),
    ("only wiring and the devnet", "relayer.steps.observe", "chains.evm.reader"),
    ("only wiring and the devnet", "relayer.steps.observe", "chains.solana.vault_events"),
    ("only wiring and the devnet", "relayer.steps.observe", "chains.line.client"),
    ("SQL stays", "relayer.steps.observe", "sqlalchemy"),
    ("chain SDKs stay", "relayer.wiring", "web3"),
    ("Celery stays", "relayer.api.app", "kombu"),
]

ALLOWED = [
    ("relayer.wiring", "chains.evm.reader"),
    ("relayer.wiring", "relayer.wiring_readers"),
    ("relayer.wiring_readers", "chains.solana.vault_events"),
    ("chains.evm.reader", "chains.agreement.quorum"),
    ("chains.evm.reader", "chains.line.client"),
    ("chains.line.client", "chains.agreement.quorum"),
    ("chains.types", "chains.base58"),
    ("chains.bridges.guardian", "chains.solana.vault_events"),
    ("chains.agreement.quorum", "chains.sending"),
    ("relayer.wiring_senders", "chains.solana.vault_events"),
    ("chains.solana.vault_events", "chains.agreement.quorum"),
    ("relayer.wiring", "chains.solana.vault_events"),
    ("relayer.wiring", "relayer.store.engine"),
    ("relayer.store.engine", "sqlalchemy"),
    ("relayer.store.engine", "relayer.ledger.journal"),
    ("relayer.worker.app", "celery"),
    ("relayer.worker.app", "relayer.wiring"),
    ("relayer.ledger.journal", "relayer.clock"),
    ("relayer.ledger.journal", "chains.message"),
    ("relayer.clock", "time"),
    ("chains.message", "chains.ed25519"),
    ("chains.ed25519", "solders"),
    ("chains.devnet.deploy", "chains.evm.reader"),
    ("chains.evm.reader", "web3"),
]


def contracts_report(root: Path, imports: list[tuple[str, str]]) -> str:
    """Return what import-linter says about a small tree with these imports, under our contracts."""
    for name in MODULES:
        path = root.joinpath(*name.split(".")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        for folder in path.relative_to(root).parents[:-1]:
            (root / folder / "__init__.py").write_text('"""A package."""\n')
        path.write_text("".join(f"import {to}\n" for module, to in imports if module == name))
    (root / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    answer = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache", "--no-logo"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return answer.stdout + answer.stderr


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The report on a tree that breaks every contract."""
    imports = [(module, imported) for _, module, imported in FORBIDDEN]
    return contracts_report(tmp_path_factory.mktemp("broken"), imports)


@pytest.mark.parametrize(("contract", "module", "imported"), FORBIDDEN)
def test_a_forbidden_import_breaks_its_contract(
    contract: str, module: str, imported: str, report: str
) -> None:
    """Each contract names the import that it is for."""
    _, _, details = report.partition("Broken contracts")
    _, _, section = details.partition(f"\n{contract}")

    assert f"{module} -> {imported} (" in section, report


def test_allowed_imports_break_nothing(tmp_path: Path) -> None:
    """The modules that are there for an import may have it."""
    report = contracts_report(tmp_path, ALLOWED)

    assert " 0 broken." in report, report

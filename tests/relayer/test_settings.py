"""A configuration is right as a whole, or every mistake in it is listed."""

import copy
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from relayer.errors import SettingsError
from relayer.sections import GuardianMemberSettings
from relayer.settings import (
    CONFIG_VARIABLE,
    POSTGRESQL_DEFAULT,
    POSTGRESQL_VARIABLE,
    RABBITMQ_VARIABLE,
    Settings,
    demo_server_urls,
    load_settings,
)

EXAMPLE = Path(__file__).parents[2] / "deploy" / "relayer.example.toml"
Change = Callable[[dict[str, Any]], object]


@pytest.fixture
def example() -> dict[str, Any]:
    """Return the values of the example file."""
    return tomllib.loads(EXAMPLE.read_text())


def toml_value(value: object) -> str:
    """Return a value as inline TOML."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case dict():
            inner = ", ".join(f"{key} = {toml_value(part)}" for key, part in value.items())
            return f"{{ {inner} }}"
        case list():
            return f"[{', '.join(toml_value(part) for part in value)}]"
        case _:
            return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


def load(values: dict[str, Any], folder: Path) -> Settings:
    """Write the values as a file and load it."""
    path = folder / "relayer.toml"
    path.write_text("\n".join(f"{key} = {toml_value(value)}" for key, value in values.items()))
    return load_settings(path)


def mistakes_of(values: dict[str, Any], folder: Path) -> tuple[str, ...]:
    """Return the mistakes that loading the values lists."""
    with pytest.raises(SettingsError) as caught:
        load(values, folder)
    return caught.value.mistakes


def test_the_example_file_loads() -> None:
    """The file that operators copy is right."""
    settings = load_settings(EXAMPLE)

    assert [chain.chain_id for chain in settings.chains] == [
        "eip155:1",
        "eip155:8453",
        "eip155:42161",
        "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp",
    ]
    assert settings.guardians.threshold == 2


def test_the_example_file_shows_every_key(example: dict[str, Any]) -> None:
    """A key that exists in the settings stands in the example, so none is hidden."""

    def shown(model: type[BaseModel], values: list[dict[str, Any]], path: str) -> list[str]:
        missing = []
        for name, field in model.model_fields.items():
            found = [value[name] for value in values if name in value]
            if not found:
                missing.append(f"{path}{name}")
                continue
            inner = [
                part for value in found for part in (value if isinstance(value, list) else [value])
            ]
            for section in _sections_in(field.annotation):
                missing += shown(section, inner, f"{path}{name}.")
        return missing

    assert shown(Settings, [example], "") == []


def _sections_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for part in getattr(annotation, "__args__", ()) for found in _sections_in(part)]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda v: v.update(colour="red"), "colour: Extra inputs are not permitted"),
        (lambda v: v["chains"][0].update(rpc_timeout="10s"), "chains.0.rpc_timeout"),
        (lambda v: v["api"].update(listen_port=70_000), "api.listen_port"),
        (lambda v: v["risk"].update(soft_credit_bps=5_001), "risk.soft_credit_bps"),
        (lambda v: v["risk"].update(target_factor_bps=10_000), "risk.target_factor_bps"),
        (lambda v: v["risk"]["paths"][0].update(initial_weight_bps=0.75), "initial_weight_bps"),
        (lambda v: v["messages"].update(expiry_seconds="1h"), "messages.expiry_seconds"),
        (lambda v: v["messages"].update(expiry_seconds=0), "messages.expiry_seconds"),
        (lambda v: v["assets"][0].update(scale=37), "assets.0.scale"),
        (lambda v: v["chains"][0].update(chain_id="mainnet"), "chains.0.chain_id"),
        (lambda v: v["chains"][0]["vaults"][0].update(address="0x12"), "chains.0.vaults.0.address"),
        (lambda v: v.update(profile="test"), "profile"),
        (lambda v: v.update(broker_url="htp:/x"), "broker_url"),
        (lambda v: v.update(chains={}), "chains"),
        (lambda v: v.pop("database_url"), "database_url: Field required"),
        (lambda v: v["guardians"].update(members=[]), "guardians.members"),
        (lambda v: v["guardians"].update(threshold=0), "guardians.threshold"),
        (lambda v: v["chains"][0].update(rpc_urls=[]), "chains.0.rpc_urls"),
        (lambda v: v["chains"][0].update(rpc_urls=["http://n"] * 10), "chains.0.rpc_urls"),
        (lambda v: v["chains"][0].update(rpc_quorum=0), "chains.0.rpc_quorum"),
        (lambda v: v["chains"][0].update(rpc_url="http://n"), "chains.0.rpc_url: Extra inputs"),
    ],
)
def test_a_wrong_value_is_named(
    change: Change, named: str, example: dict[str, Any], tmp_path: Path
) -> None:
    """An unknown key, a wrong unit, a value out of range: the mistake names the field."""
    change(example)

    assert any(named in mistake for mistake in mistakes_of(example, tmp_path))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (
            lambda v: v["assets"][0]["tokens"][0].update(chain_id="eip155:5"),
            "assets.WETH: chain eip155:5 is not configured",
        ),
        (
            lambda v: v["assets"][0]["feeds"][0].update(chain_id="eip155:5"),
            "assets.WETH: chain eip155:5 is not configured",
        ),
        (
            lambda v: v["risk"]["paths"][0].update(asset_id="DAI"),
            "risk.paths: DAI on eip155:1 is not configured",
        ),
        (
            lambda v: v["chains"][2]["credit_lines"][0].update(token="0x" + "99" * 20),
            "credit_lines.example-lend: token 0x" + "00" * 12 + "99" * 20 + " of eip155:42161",
        ),
        (
            lambda v: v["risk"]["paths"][0].update(initial_weight_bps=9_000),
            "risk.paths.WETH: initial_weight_bps must not be above maintenance_weight_bps",
        ),
    ],
)
def test_a_dangling_reference_is_named(
    change: Change, named: str, example: dict[str, Any], tmp_path: Path
) -> None:
    """What is referred to must be configured."""
    change(example)

    assert any(named in mistake for mistake in mistakes_of(example, tmp_path))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda v: v["chains"].append(v["chains"][1]), "chains.chain_id: eip155:8453 stands twice"),
        (lambda v: v["assets"].append(v["assets"][0]), "assets.asset_id: WETH stands twice"),
        (
            lambda v: v["guardians"]["members"][0].update(
                address=v["guardians"]["members"][1]["address"]
            ),
            "guardians.members.address",
        ),
        (
            lambda v: v["assets"][1]["feeds"][0].update(label="usdc-arbitrum"),
            "assets.feeds.label: usdc-arbitrum stands twice",
        ),
        (
            lambda v: v["assets"][0]["feeds"].append(
                {**v["assets"][0]["feeds"][0], "label": "the same again"}
            ),
            "assets.feeds: eip155:",
        ),
        (
            lambda v: v["chains"][2]["credit_lines"].append(
                {**v["chains"][2]["credit_lines"][0], "protocol": "another"}
            ),
            "credit_lines.address: eip155:42161",
        ),
        (lambda v: v["risk"]["paths"].append(v["risk"]["paths"][0]), "risk.paths: WETH"),
        (lambda v: v["liquidators"].append(v["liquidators"][0]), "liquidators.account: 0x"),
    ],
)
def test_a_name_that_stands_twice_is_named(
    change: Change, named: str, example: dict[str, Any], tmp_path: Path
) -> None:
    """Two entries of one name would hide one of them."""
    change(example)

    assert any(named in mistake for mistake in mistakes_of(example, tmp_path))


def test_production_refuses_a_threshold_of_one(example: dict[str, Any], tmp_path: Path) -> None:
    """One stolen key must never be enough."""
    example["guardians"] |= {"threshold": 1, "members": example["guardians"]["members"][:1]}

    mistakes = "\n".join(mistakes_of(example, tmp_path))

    assert "guardians.threshold: 1 is refused in production; use at least 2" in mistakes
    assert "guardians.members: 1; production needs 3 or more" in mistakes


def test_development_takes_a_threshold_of_one(example: dict[str, Any], tmp_path: Path) -> None:
    """The same set is fine while developing."""
    example["guardians"] |= {"threshold": 1, "members": example["guardians"]["members"][:1]}
    example["profile"] = "development"

    assert load(example, tmp_path).guardians.threshold == 1


@pytest.mark.parametrize("count", range(1, 20))
def test_r17_without_a_threshold_more_than_two_thirds_must_agree(
    count: int, example: dict[str, Any], tmp_path: Path
) -> None:
    """floor(2n/3) + 1 of n; a production set of one or two is refused all the same."""
    member = example["guardians"]["members"][0]
    members = [
        member | {"label": f"g{place}", "address": f"0x{place + 1:040x}"} for place in range(count)
    ]
    example["guardians"] = {"members": members}
    if count < 3:
        assert f"guardians.members: {count}" in "\n".join(mistakes_of(example, tmp_path))
        example["profile"] = "development"

    assert load(example, tmp_path).guardians.threshold == 2 * count // 3 + 1


def test_r17_production_refuses_one_of_one_even_by_default(
    example: dict[str, Any], tmp_path: Path
) -> None:
    """The default of a set of one is one, which one stolen key reaches."""
    example["guardians"] = {"members": example["guardians"]["members"][:1]}

    mistakes = "\n".join(mistakes_of(example, tmp_path))

    assert "guardians.threshold: 1 is refused in production; use at least 2" in mistakes


@given(count=st.integers(1, 19), threshold=st.integers(1, 19))
def test_two_quorums_always_share_a_member(count: int, threshold: int) -> None:
    """A guardian set is accepted in development exactly when two quorums must meet."""
    values = copy.deepcopy(tomllib.loads(EXAMPLE.read_text()))
    members = [
        GuardianMemberSettings(
            label=f"g{index}", address="0x" + f"{index + 1:064x}", url="http://127.0.0.1"
        ).model_dump()
        for index in range(count)
    ]
    values |= {
        "profile": "development",
        "guardians": {"index": 0, "threshold": threshold, "members": members},
    }

    try:
        Settings(**values)
        is_accepted = True
    except ValueError:
        is_accepted = False

    assert is_accepted == (threshold <= count and 2 * threshold > count)


def test_every_mistake_is_listed_at_once(example: dict[str, Any], tmp_path: Path) -> None:
    """An operator corrects a file in one go."""
    example["colour"] = "red"
    example["api"]["listen_port"] = 0
    example["risk"]["bonus_max_bps"] = -1
    del example["hub"]

    mistakes = mistakes_of(example, tmp_path)

    for field in ("colour", "api.listen_port", "risk.bonus_max_bps", "hub"):
        assert any(mistake.startswith(field) for mistake in mistakes), field
    assert len(mistakes) == 4


def test_every_dangling_reference_is_listed_at_once(
    example: dict[str, Any], tmp_path: Path
) -> None:
    """Mistakes between sections are listed together too."""
    example["risk"]["paths"][0]["asset_id"] = "DAI"
    example["risk"]["paths"][1]["asset_id"] = "FRAX"

    text = "\n".join(mistakes_of(example, tmp_path))

    assert "DAI" in text
    assert "FRAX" in text


def test_a_missing_file_says_how_to_name_one(tmp_path: Path) -> None:
    """The remedy is in the message."""
    with pytest.raises(SettingsError, match=f"--config or set {CONFIG_VARIABLE}"):
        load_settings(tmp_path / "none.toml")


def test_a_file_that_is_not_toml_is_refused(tmp_path: Path) -> None:
    """A syntax mistake names its line."""
    path = tmp_path / "relayer.toml"
    path.write_text('hub = "hub:a"\nthis is not toml')

    with pytest.raises(SettingsError, match="line 2"):
        load_settings(path)


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    """Bytes that are no UTF-8 give one clear error."""
    path = tmp_path / "relayer.toml"
    path.write_bytes(b"\xff\xfe\x00")

    with pytest.raises(SettingsError, match="cannot be read"):
        load_settings(path)


def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable replaces one key, also inside a section."""
    monkeypatch.setenv("RELAYER_DATABASE_URL", "sqlite:///other.db")
    monkeypatch.setenv("RELAYER_API__LISTEN_PORT", "9999")

    settings = load_settings(EXAMPLE)

    assert settings.database_url == "sqlite:///other.db"
    assert settings.api.listen_port == 9_999
    assert settings.api.listen_host == "127.0.0.1"


def test_the_file_is_found_through_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """RELAYER_CONFIG names the file when --config does not, and is no setting itself."""
    monkeypatch.setenv(CONFIG_VARIABLE, str(EXAMPLE))

    assert load_settings().hub == "hub:example"


def test_settings_are_frozen() -> None:
    """Nothing changes a process's configuration while it runs."""
    settings = load_settings(EXAMPLE)

    with pytest.raises(ValueError, match="frozen"):
        settings.hub = "hub:other"  # type: ignore[misc]


def test_an_unknown_chain_names_the_known_ones() -> None:
    """Asking for a chain that is not configured says which are."""
    with pytest.raises(SettingsError, match="eip155:5 is not configured; known: eip155:1, "):
        load_settings(EXAMPLE).chain("eip155:5")


def test_the_demo_finds_its_servers_through_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without variables they are the usual ports of this machine."""
    monkeypatch.delenv(POSTGRESQL_VARIABLE, raising=False)
    monkeypatch.setenv(RABBITMQ_VARIABLE, "amqp://127.0.0.1:7//")

    assert demo_server_urls() == (POSTGRESQL_DEFAULT, "amqp://127.0.0.1:7//")

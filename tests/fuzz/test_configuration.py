# ruff: noqa: PT017
"""The configuration file: right as a whole, or every mistake by its field; never a traceback."""

import tomllib
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from relayer import wiring
from relayer.errors import SettingsError
from relayer.settings import Settings, load_settings
from tests.fuzz.bounds import bounded, fuzzed
from tests.fuzz.garbage import JSON_VALUES, TEXTS, mutated, mutated_bytes, places_of

EXAMPLE: Final = Path(__file__).parents[2] / "deploy" / "relayer.example.toml"
RAW: Final = EXAMPLE.read_bytes()
VALUES: Final = tomllib.loads(RAW.decode())
TOML_VALUES: Final = st.one_of(
    JSON_VALUES.filter(lambda value: value is not None),
    st.dates(),
    st.datetimes(),
    st.floats(),
    st.sampled_from([2**64, -1, 0, 10**300, "", "\x00", "http://", "memory://", "sqlite:///x"]),
)


def toml_of(value: object) -> str:
    """Return a value as inline TOML; what TOML cannot say is left out."""
    match value:
        case None:
            return '"none"'
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case str():
            escaped = "".join(
                letter if letter.isalnum() else f"\\U{ord(letter):08x}" for letter in value
            )
            return f'"{escaped}"'
        case list():
            return f"[{', '.join(map(toml_of, value))}]"
        case dict():
            return f"{{{', '.join(f'{toml_of(k)} = {toml_of(v)}' for k, v in value.items())}}}"
        case _:
            return str(value)


def load(folder: Path, raw: bytes) -> Settings | SettingsError:
    """Return what a file says, or why it is refused; nothing else leaves the loader."""
    path = folder / "relayer.toml"
    path.write_bytes(raw)
    with bounded():
        try:
            return load_settings(path)
        except SettingsError as refused:
            assert refused.mistakes
            assert all(mistake.strip() for mistake in refused.mistakes)
            return refused


@fuzzed(80)
@given(values=mutated(VALUES, TOML_VALUES))
def test_a_changed_file_is_right_or_its_mistakes_are_named(
    tmp_path: Path, values: dict[str, Any]
) -> None:
    """What is accepted can be wired, or is refused there by the same error."""
    raw = "\n".join(f"{toml_of(name)} = {toml_of(part)}" for name, part in values.items())

    found = load(tmp_path, raw.encode())

    if isinstance(found, Settings):
        try:
            wiring.catalog_of(found)
        except SettingsError as refused:
            assert refused.mistakes


@fuzzed(80)
@given(place=st.sampled_from(places_of(VALUES)[1:]), garbage=TOML_VALUES)
def test_a_mistake_names_its_section(tmp_path: Path, place: tuple[Any, ...], garbage: Any) -> None:
    """One value is replaced; where that is refused, its section is named."""
    values = tomllib.loads(RAW.decode())
    parent = values
    for part in place[:-1]:
        parent = parent[part]
    parent[place[-1]] = garbage
    raw = "\n".join(f"{toml_of(name)} = {toml_of(part)}" for name, part in values.items())

    found = load(tmp_path, raw.encode())

    if isinstance(found, SettingsError):
        names = {str(place[0]), str(place[0]).removesuffix("s"), "credit_lines", "risk", "assets"}
        assert any(name in str(found) for name in names), str(found)


@fuzzed(100)
@given(raw=mutated_bytes(RAW) | st.binary(max_size=60))
@example(raw=b"a=" + b"[" * 50_000)
@example(raw=b"a=" + b"9" * 50_000)
@example(raw=b"a=" + b"{a=" * 5_000)
@example(raw=b"a." * 3_000 + b"a=1")
@example(raw=b"_env_file='/etc/passwd'\n" + RAW)
@example(raw=b"_cli_parse_args=true\n" + RAW)
@example(raw=b"__pydantic_self__=1\n" + RAW)
@example(raw=b"'' = 1\n" + RAW)
@example(raw=b"\xff\xfe" + RAW)
@example(raw=b"#" * 3_000_000)
def test_any_bytes_are_a_file_or_refused(tmp_path: Path, raw: bytes) -> None:
    """Cut short, with bits turned, deep, long, or of another encoding."""
    load(tmp_path, raw)


@fuzzed(60)
@given(name=TEXTS.filter(lambda text: 0 < len(text) < 60 and text not in Settings.model_fields))
@example(name="_secrets_dir")
@example(name="self")
def test_an_unknown_key_is_named(tmp_path: Path, name: str) -> None:
    """Wherever the constructor would take it."""
    found = load(tmp_path, f"{toml_of(name)} = 1\n".encode() + RAW)

    assert isinstance(found, SettingsError)
    assert name in str(found)


@fuzzed(60)
@given(
    name=st.sampled_from(sorted(Settings.model_fields)),
    text=TEXTS.filter(lambda text: "\x00" not in text),
)
def test_a_wrong_variable_is_named(tmp_path: Path, name: str, text: str) -> None:
    """The environment is a door too: what cannot be read there is refused like the file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(f"RELAYER_{name.upper()}", text)
        found = load(tmp_path, RAW)

    if isinstance(found, SettingsError):
        assert "Traceback" not in str(found)

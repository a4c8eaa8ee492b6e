"""A configuration file of any bytes is read, or refused as one that cannot be."""

from pathlib import Path

import pytest

from relayer.errors import SettingsError
from relayer.settings import CONFIG_BYTES_MAX, load_settings

EXAMPLE = Path(__file__).parents[2] / "deploy" / "relayer.example.toml"


@pytest.mark.parametrize(
    "name",
    ["_env_file", "_secrets_dir", "_cli_parse_args", "_case_sensitive", "__pydantic_self__"],
)
def test_no_key_is_an_option_of_the_reader(tmp_path: Path, name: str) -> None:
    """Such a key named another file to read, or was a fault; it is unknown like any other."""
    path = tmp_path / "relayer.toml"
    path.write_text(f"{name} = true\nnonsense = 1\n" + EXAMPLE.read_text())

    with pytest.raises(SettingsError) as refused:
        load_settings(path)

    assert f"{name}: Extra inputs are not permitted" in refused.value.mistakes
    assert "nonsense: Extra inputs are not permitted" in refused.value.mistakes


@pytest.mark.parametrize(
    "text", ["a = " + "[" * 5_000, "a = " + "9" * 5_000, "#" * (CONFIG_BYTES_MAX + 1)]
)
def test_a_file_that_is_too_much_cannot_be_read(tmp_path: Path, text: str) -> None:
    """Too deep, too many digits, too long: none is a fault."""
    path = tmp_path / "relayer.toml"
    path.write_text(text)

    with pytest.raises(SettingsError, match="cannot be read"):
        load_settings(path)


def test_a_variable_that_is_no_json_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was a fault of the reader."""
    path = tmp_path / "relayer.toml"
    path.write_text(EXAMPLE.read_text())
    monkeypatch.setenv("RELAYER_CHAINS", "not json")

    with pytest.raises(SettingsError, match=r'environment: .*"chains"'):
        load_settings(path)

"""The command line as a whole: what it imports, and what every command has in common."""

import subprocess
import sys
from collections.abc import Iterator

import pytest
import typer.main
from typer.core import TyperCommand, TyperGroup

from relayer.cli.main import app
from tests.relayer.cli.conftest import Run

HEAVY = (
    "web3", "celery", "kombu", "sqlalchemy", "sqlmodel", "alembic", "pydantic", "fastapi", "httpx",
    "structlog", "eth_account", "coincurve", "uvicorn", "psycopg", "orjson", "asyncio",
)  # fmt: skip


def commands_of(
    group: TyperGroup, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], TyperCommand]]:
    """Yield every command with its words."""
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from commands_of(command, (*path, name))
        else:
            assert isinstance(command, TyperCommand)
            yield (*path, name), command


def all_commands() -> dict[str, TyperCommand]:
    """Return every command by its words."""
    root = typer.main.get_command(app)
    assert isinstance(root, TyperGroup)
    return {" ".join(path): command for path, command in commands_of(root)}


def test_help_imports_nothing_heavy() -> None:
    """--help is quick, as it loads no SDK, database, queue or server."""
    program = (
        "import sys\n"
        "from relayer.cli.main import app\n"
        "try:\n    app(['--help'])\nexcept SystemExit:\n    pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )

    assert "doctor" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


def test_every_verb_of_an_operator_exists() -> None:
    """No command of the guide is missing."""
    assert set(all_commands()) == {
        "demo", "up", "watch", "worker", "api", "guardian", "sweep", "doctor", "status", "why",
        "custody breaks", "custody clear", "audit", "replay", "reindex", "pause", "resume",
        "switches", "governor status", "governor release", "governor drop", "governor extend",
        "account list", "account show", "message list",
        "message show", "ledger verify", "ledger correct", "ledger entries", "ledger root",
        "ledger roots", "ledger records", "ledger prove", "ledger prove-growth",
        "ledger check-proof", "db upgrade", "db check", "dlq list", "dlq show", "dlq replay",
        "dlq close", "jobs list", "jobs replay", "chain halt", "chain recover", "chain resume",
        "chain table",
        "config check", "devnet solana",
    }  # fmt: skip


@pytest.mark.parametrize("words", sorted(all_commands()))
def test_every_command_takes_config_and_json_as_long_flags(words: str) -> None:
    """--config and --json are everywhere but where no configuration is read; no short flags."""
    options = [
        name for parameter in all_commands()[words].params for name in parameter.opts
        if name.startswith("-")
    ]  # fmt: skip

    assert "--json" in options
    assert ("--config" in options) == (words not in ("demo", "ledger check-proof", "devnet solana"))
    assert all(option.startswith("--") for option in options)


@pytest.mark.parametrize("words", sorted(all_commands()))
def test_every_command_explains_itself(words: str, run: Run) -> None:
    """Each has a help text that ends by itself."""
    result = run(*words.split(" "), "--help")

    assert result.exit_code == 0
    assert "--json" in result.stdout


@pytest.mark.parametrize(
    "words",
    [
        "db upgrade",
        "dlq replay",
        "dlq close",
        "jobs replay",
        "chain halt",
        "chain resume",
        "ledger root",
    ],
)
def test_commands_that_change_state_ask_for_yes(words: str) -> None:
    """Nothing that changes state runs by a slip."""
    assert any("--yes" in parameter.opts for parameter in all_commands()[words].params)


def test_an_unknown_command_is_a_usage_error(run: Run) -> None:
    """Exit status 2."""
    assert run("fly").exit_code == 2


def test_an_unknown_option_is_a_usage_error(run: Run) -> None:
    """Exit status 2."""
    assert run("status", "--wings").exit_code == 2

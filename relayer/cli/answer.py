"""What a command answers: one object for machines, the same facts as tables for people."""

import json
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from rich.console import RenderableType

    from chains.port import ChainReader
    from chains.types import ChainId
    from relayer.settings import Settings
    from relayer.store.unit_of_work import Store

DONE: Final = 0
REFUSED: Final = 1
BROKEN: Final = 2
INTERRUPTED: Final = 130
INTEGER_EXACT_MAX: Final = 2**53
WORD_BYTES: Final = 32

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", help="The TOML file; $RELAYER_CONFIG, then ./relayer.toml."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
YesOption = Annotated[bool, typer.Option("--yes", help="Do it: this command changes state.")]
LimitOption = Annotated[
    int, typer.Option("--limit", min=1, max=1_000, help="How many lines at most.")
]


@dataclass(frozen=True, slots=True)
class Answer:
    """
    The outcome of one command.

    Args:
        value: what --json prints; texts, integers, bools, lists and mappings only.
        shown: what a person sees, top to bottom.
        exit_code: 0 done, 1 refused, 2 broken.
    """

    value: Mapping[str, object]
    shown: tuple["RenderableType", ...]
    exit_code: int = DONE


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a command has no answer; code is stable and machine-readable."""

    code: str
    details: tuple[str, ...]
    exit_code: int


def answer(make: Callable[[], Answer], *, as_json: bool) -> None:
    """
    Print what a command answers, or why it cannot, and exit.

    Raises:
        Exit: always; 0 done, 1 refused, 2 broken.
    """
    try:
        made = make()
    except typer.Exit:
        raise
    except Exception as exc:  # the outermost edge: every failure becomes an exit code
        raise typer.Exit(print_failure(exc, as_json=as_json)) from exc
    if as_json:
        print(json_text(made.value))
    else:
        _print_shown(made.shown)
    raise typer.Exit(made.exit_code)


def failure_of(error: Exception) -> Failure:
    """Return what an error means to the one who typed the command; nothing in it is secret."""
    from chains.errors import ChainError
    from relayer.errors import NotYetError, RefusedError, RelayerError, SettingsError
    from relayer.telemetry import redacted_text

    match error:
        case RefusedError():
            return Failure(error.code, (redacted_text(error.detail),), REFUSED)
        case NotYetError():
            return Failure(error.reason, (redacted_text(error.detail),), REFUSED)
        case SettingsError():
            return Failure("settings", tuple(map(redacted_text, error.mistakes)), BROKEN)
        case RelayerError() | ChainError():
            return Failure(_code_of(error), (redacted_text(str(error)),), BROKEN)
        case _:
            first_line = str(error).strip().split("\n", maxsplit=1)[0]
            name = f"{type(error).__module__}.{type(error).__qualname__}"
            return Failure("unexpected", (redacted_text(f"{name}: {first_line}"),), BROKEN)


def _code_of(error: Exception) -> str:
    name = type(error).__name__.removesuffix("Error")
    return "".join("_" + c.lower() if c.isupper() else c for c in name).removeprefix("_")


def json_text(value: Mapping[str, object]) -> str:
    """
    Return one JSON object in UTF-8; integers that doubles would round become text.

    An argument that was no UTF-8 comes as half characters; they are escaped.
    """
    text = json.dumps(_exact(value), indent=2, ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace").decode()


def _exact(value: object) -> object:
    match value:
        case bool():
            return value
        case int() if abs(value) > INTEGER_EXACT_MAX:
            return str(value)
        case Mapping():
            return {str(key): _exact(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_exact(inner) for inner in value]
        case _:
            return value


def print_failure(error: Exception, *, as_json: bool) -> int:
    """Print why there is no answer, and return the exit status."""
    failed = failure_of(error)
    if as_json:
        print(json_text({"error": {"code": failed.code, "details": list(failed.details)}}))
    else:
        word = "refused" if failed.exit_code == REFUSED else "broken"
        for detail in failed.details:
            print(f"{word}: {failed.code}: {detail}", file=sys.stderr)
    return failed.exit_code


def _print_shown(shown: tuple["RenderableType", ...]) -> None:
    from rich.console import Console

    # Not a terminal: tables are not squeezed to 80 columns, so that grep sees whole ids.
    console = Console(highlight=False, soft_wrap=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=200)
    for part in shown:
        console.print(part)


def confirm(yes: bool, what: str) -> None:
    """
    Refuse what changes state unless --yes was given.

    Raises:
        RefusedError: it was not.
    """
    from relayer.errors import RefusedError

    if not yes:
        raise RefusedError(code="not_confirmed", detail=f"this {what}; repeat it with --yes")


def settings_of(config: Path | None) -> "Settings":
    """
    Read the settings, and keep their RPC URLs out of all that is printed or logged from now on.

    Raises:
        SettingsError: every mistake of the file.
    """
    from relayer.settings import load_settings
    from relayer.telemetry import SECRET_LENGTH_MIN, hide_secret

    settings = load_settings(config)
    for chain in settings.chains:
        for url in (*chain.rpc_urls, chain.websocket_url):
            if url is not None and len(url) >= SECRET_LENGTH_MIN:
                hide_secret(url)
    return settings


def log_to_stderr(settings: "Settings") -> None:
    """Log what steps say beside the answer, so that --json stays one object."""
    import os
    import socket

    from relayer.telemetry import configure_logging

    configure_logging(
        service="cli",
        node=f"{socket.gethostname()}:{os.getpid()}",
        log_format=settings.log_format,
        log_level=settings.log_level,
    )


def scales_of(settings: "Settings") -> dict[str, int]:
    """Return the digits behind the point by asset."""
    return {asset.asset_id: asset.scale for asset in settings.assets}


def word_of(text: str, field: str) -> bytes:
    """
    Return the 32 bytes behind 0x-hex that a person typed.

    Raises:
        SettingsError: not 32 bytes of hex; names the field.
    """
    from relayer.errors import SettingsError

    try:
        word = bytes.fromhex(text.removeprefix("0x"))
    except ValueError as exc:
        raise SettingsError((f"{field}: {text!r} is not hexadecimal",)) from exc
    if len(word) != WORD_BYTES:
        raise SettingsError((f"{field}: {len(word)} bytes; 32 bytes as 0x-hex are needed",))
    return word


def text_of(text: str, field: str) -> str:
    """
    Return a text that a person typed, if a database can hold it.

    Raises:
        SettingsError: it was not UTF-8; names the field.
    """
    from relayer.errors import SettingsError

    try:
        text.encode("utf-8")
    except UnicodeEncodeError as exc:
        raise SettingsError((f"{field}: {text!r} is not UTF-8; type it again",)) from exc
    return text


@contextmanager
def opened_store(config: Path | None) -> Iterator[tuple["Settings", "Store"]]:
    """
    Yield the settings and the store they name, at the schema of this code; closed afterwards.

    Raises:
        SettingsError: the settings are unusable.
        SchemaVersionError: the database is at another migration.
    """
    with opened_store_unchecked(config) as (settings, store):
        store.check_schema()
        yield settings, store


@contextmanager
def opened_store_unchecked(config: Path | None) -> Iterator[tuple["Settings", "Store"]]:
    """Yield the settings and the store, whatever migration it is at; closed afterwards."""
    from relayer.clock import SystemClock
    from relayer.store.engine import engine_of
    from relayer.store.unit_of_work import Store

    settings = settings_of(config)
    store = Store(engine_of(settings.database_url), SystemClock())
    try:
        yield settings, store
    finally:
        store.close()


@asynccontextmanager
async def opened_reader(settings: "Settings", chain_id: "ChainId") -> "AsyncIterator[ChainReader]":
    """Yield the reader of a chain; closed afterwards."""
    from relayer import wiring

    reader = wiring.chain_reader(settings, chain_id)
    try:
        yield reader
    finally:
        await reader.close()

"""The command that posts a correction which enough people signed."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from relayer.cli.answer import (
    Answer,
    ConfigOption,
    JsonOption,
    YesOption,
    answer,
    confirm,
    log_to_stderr,
    opened_store,
)

if TYPE_CHECKING:
    from chains.correction import SignedCorrection
    from chains.types import ChainId
    from relayer.settings import Settings
    from relayer.steps.correct import Corrected
    from relayer.store.unit_of_work import Store

FILE_BYTES_MAX: Final = 65_536
FileOption = Annotated[Path, typer.Option("--file", help="The signed correction, as JSON.")]


def correct(
    *,
    file: FileOption,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    yes: YesOption = False,
) -> None:
    """Post a signed correction against a break, and clear the break if nothing differs then."""

    def make() -> Answer:
        with opened_store(config) as (settings, store):
            log_to_stderr(settings)
            signed = _signed_correction(file)
            digest = signed.correction.digest(_hub(settings))
            confirm(yes, f"posts correction 0x{digest.hex()}: {signed.correction.reason}")
            done = _post(settings, store, signed)
            still = _clear(settings, store, signed, done)
        return correction_answer(signed, done, still)

    answer(make, as_json=as_json)


def _hub(settings: "Settings") -> "ChainId":
    from chains.types import chain_id_of

    return chain_id_of(settings.hub)


def _signed_correction(path: Path) -> "SignedCorrection":
    """
    Read a signed correction.

    Raises:
        RefusedError: the file is missing, too long, no JSON, or no correction.
    """
    import orjson

    from chains.correction import signed_correction_of
    from chains.errors import MessageFormatError
    from relayer.errors import RefusedError

    try:
        raw = path.read_bytes()
        if len(raw) > FILE_BYTES_MAX:
            raise RefusedError(code="file", detail=f"--file: more than {FILE_BYTES_MAX} bytes")
        document = orjson.loads(raw)
    except (OSError, ValueError) as exc:
        raise RefusedError(code="file", detail=f"--file: {path} cannot be read: {exc}") from exc
    if not isinstance(document, dict):
        raise RefusedError(code="file", detail="--file: one JSON object is needed")
    try:
        return signed_correction_of(document)
    except MessageFormatError as exc:
        raise RefusedError(code="correction_invalid", detail=str(exc)) from exc


def _post(settings: "Settings", store: "Store", signed: "SignedCorrection") -> "Corrected":
    from relayer import wiring
    from relayer.steps.correct import correct as post

    rule = wiring.correction_rule(settings)
    return post(store, wiring.catalog_of(settings), rule, signed)


def _clear(
    settings: "Settings", store: "Store", signed: "SignedCorrection", done: "Corrected"
) -> str | None:
    """Clear the break that a correction answers; return why not, None when it is cleared."""
    from chains.errors import ChainError
    from relayer.cli.breaks import clear_checked
    from relayer.errors import NotYetError, RefusedError
    from relayer.steps.correct import Clearance

    correction = signed.correction
    by = f"correction 0x{done.correction_id.hex()}"
    try:
        clear_checked(settings, store, Clearance(correction.break_id, correction.reason, by))
    except (RefusedError, NotYetError, ChainError) as exc:
        return str(exc)
    return None


def correction_answer(signed: "SignedCorrection", done: "Corrected", still: str | None) -> Answer:
    """Return what was posted, and whether its break is cleared."""
    from chains.correction import correction_fields
    from relayer.cli.render import plain

    value = {
        "correction_id": "0x" + done.correction_id.hex(),
        "entry_id": "0x" + done.entry_id.hex(),
        "status": "created" if done.is_new else "exists",
        "is_break_cleared": still is None,
        "break_still_open": still,
        **correction_fields(signed.correction),
    }
    posted = "posted" if done.is_new else "was posted before"
    break_id = signed.correction.break_id
    text = (
        f"break {break_id} is cleared"
        if still is None
        else f"break {break_id} is not cleared: {still}"
    )
    name = f"correction 0x{done.correction_id.hex()}"
    return Answer(value, (plain(f"{name} {posted} as entry 0x{done.entry_id.hex()}"), plain(text)))

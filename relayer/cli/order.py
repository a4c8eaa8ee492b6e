"""What the commands ask for that change something on a person's word: why, and who says so."""

from dataclasses import dataclass
from typing import Annotated, Final

import typer

from relayer.cli.answer import ConfigOption, JsonOption, YesOption, text_of

REASON_LENGTH_MAX: Final = 500
NAME_LENGTH_MAX: Final = 100

ReasonOption = Annotated[str, typer.Option("--reason", help="Why; it is kept with the change.")]
ByOption = Annotated[
    str | None, typer.Option("--by", help="Who; by default the name of this login.")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderOptions:
    """What every order takes."""

    reason: ReasonOption
    config: ConfigOption = None
    as_json: JsonOption = False
    yes: YesOption = False


def kept_reason(reason: str) -> str:
    """
    Return a reason as it is kept.

    Raises:
        RefusedError: it is empty or too long.
        SettingsError: it was not UTF-8.
    """
    from relayer.errors import RefusedError

    kept = text_of(reason, "--reason").strip()
    if not kept or len(kept) > REASON_LENGTH_MAX:
        raise RefusedError(code="reason", detail=f"--reason: 1 to {REASON_LENGTH_MAX} characters")
    return kept


def kept_name(by: str | None) -> str:
    """
    Return who gives an order: as said, or the name of the login.

    Raises:
        RefusedError: it is empty or too long.
    """
    from relayer.errors import RefusedError

    kept = (login_name() if by is None else by).strip()
    if not kept or len(kept) > NAME_LENGTH_MAX:
        raise RefusedError(code="by", detail=f"--by: 1 to {NAME_LENGTH_MAX} characters")
    return kept


def login_name() -> str:
    """Return the name of this login."""
    import getpass

    return getpass.getuser()

"""Pure rendering: amounts with their scale, ages as text, tables of texts."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

MINUTE_SECONDS: Final = 60
HOUR_SECONDS: Final = 3_600
DAY_SECONDS: Final = 86_400
SHORT_HEX_DIGITS: Final = 8
NOTHING: Final = "-"


def amount_text(units: int, scale: int | None, asset_id: str) -> str:
    """
    Return an amount in whole tokens and, so that nothing is lost, in base units.

    Args:
        units: base units, may be negative.
        scale: digits behind the point; None when the asset is not configured any more.
    """
    if not scale:
        return f"{units} {asset_id}" + (" (base units)" if scale is None else "")
    return f"{whole_text(units, scale)} {asset_id} ({units})"


def whole_text(units: int, scale: int) -> str:
    """Return base units as whole tokens: all digits, without trailing zeros."""
    digits = str(abs(units)).rjust(scale + 1, "0")
    cut = len(digits) - scale
    fraction = digits[cut:].rstrip("0")
    sign = "-" if units < 0 else ""
    return f"{sign}{int(digits[:cut]):,}" + (f".{fraction}" if fraction else "")


def age_text(age_seconds: int | None) -> str:
    """Return an age in its two largest units; a negative one lies in the future."""
    if age_seconds is None:
        return NOTHING
    if age_seconds < 0:
        return f"in {age_text(-age_seconds)}"
    days, rest = divmod(age_seconds, DAY_SECONDS)
    hours, rest = divmod(rest, HOUR_SECONDS)
    minutes, seconds = divmod(rest, MINUTE_SECONDS)
    if days:
        return f"{days}d {hours}h"
    if hours:
        return f"{hours}h {minutes}m"
    if minutes:
        return f"{minutes}m {seconds}s"
    return f"{seconds}s"


def when_text(at_seconds: int | None, now_seconds: int) -> str:
    """Return a moment as its distance: 5s ago, in 2m 0s, now, or - when there is none."""
    if at_seconds is None:
        return NOTHING
    distance = now_seconds - at_seconds
    if distance == 0:
        return "now"
    return f"{age_text(distance)} ago" if distance > 0 else age_text(distance)


def time_text(at_seconds: int | None) -> str:
    """Return Unix seconds as RFC 3339 in UTC."""
    from datetime import UTC, datetime

    if at_seconds is None:
        return NOTHING
    return datetime.fromtimestamp(at_seconds, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def short_hex(text: str) -> str:
    """Return the first and the last digits of a long 0x-hex text."""
    if len(text) <= 2 * SHORT_HEX_DIGITS + 2:
        return text
    return f"{text[: SHORT_HEX_DIGITS + 2]}..{text[-SHORT_HEX_DIGITS:]}"


def short_code(code: str) -> str:
    """Return an account code with its long ids shortened."""
    return ":".join(short_hex(part) if part.startswith("0x") else part for part in code.split(":"))


def plain(text: str, *, style: str = "") -> "Text":
    """Return text that rich does not read as markup: a [/] in a reason stays as it is."""
    from rich.text import Text

    return Text(text, style=style)


def table_of(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> "Table":
    """Return a table; cells are shown as they are, None as -, a column of numbers to the right."""
    from rich import box
    from rich.table import Table

    kept = [list(row) for row in rows]
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, title_style="bold")
    for index, column in enumerate(columns):
        is_number = bool(kept) and all(isinstance(row[index], int) for row in kept)
        table.add_column(column, justify="right" if is_number else "left", overflow="fold")
    for row in kept:
        table.add_row(*(plain(_cell(cell)) for cell in row))
    if not kept:
        table.add_row(*(plain("(none)" if index == 0 else "") for index in range(len(columns))))
    return table


def fields_of(title: str, pairs: Mapping[str, object]) -> "Table":
    """Return a two-column table of names and values."""
    from rich import box
    from rich.table import Table

    table = Table(
        title=title, title_justify="left", box=box.SIMPLE, show_header=False, title_style="bold"
    )
    table.add_column("", style="dim", no_wrap=True)
    table.add_column("", overflow="fold")
    for name, value in pairs.items():
        table.add_row(plain(name), plain(_cell(value)))
    return table


def _cell(value: object) -> str:
    match value:
        case None:
            return NOTHING
        case bool():
            return "yes" if value else "no"
        case _:
            return str(value)

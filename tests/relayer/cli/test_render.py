"""Rendering loses no unit and reads no markup."""

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console, RenderableType

from relayer.cli.render import (
    age_text,
    amount_text,
    fields_of,
    plain,
    short_code,
    short_hex,
    table_of,
    time_text,
    when_text,
    whole_text,
)


def printed(part: RenderableType) -> str:
    """Return what a console shows."""
    console = Console(width=120, highlight=False)
    with console.capture() as capture:
        console.print(part)
    return capture.get()


def test_an_amount_shows_whole_tokens_and_base_units() -> None:
    """Both are there, so nothing is rounded away."""
    assert amount_text(1_500_000, 6, "USDC") == "1.5 USDC (1500000)"
    assert amount_text(-1, 18, "WETH") == "-0.000000000000000001 WETH (-1)"
    assert amount_text(12_345_000_000, 6, "USDC") == "12,345 USDC (12345000000)"


def test_an_amount_without_a_scale_is_in_base_units() -> None:
    """An asset that left the configuration is still shown."""
    assert amount_text(7, None, "OLD") == "7 OLD (base units)"
    assert amount_text(7, 0, "NFT") == "7 NFT"


@given(units=st.integers(-(2**256), 2**256), scale=st.integers(1, 36))
def test_whole_tokens_are_exact(units: int, scale: int) -> None:
    """The text, read back, is the very number of base units."""
    whole, _, fraction = whole_text(units, scale).replace(",", "").partition(".")

    assert int(whole + fraction.ljust(scale, "0")) == units


def test_ages_use_their_two_largest_units() -> None:
    """Seconds do not matter after an hour."""
    assert age_text(0) == "0s"
    assert age_text(61) == "1m 1s"
    assert age_text(3_661) == "1h 1m"
    assert age_text(90_000) == "1d 1h"
    assert age_text(-5) == "in 5s"
    assert age_text(None) == "-"


def test_moments_are_distances() -> None:
    """Past, future, now and never."""
    assert when_text(90, 100) == "10s ago"
    assert when_text(220, 100) == "in 2m 0s"
    assert when_text(100, 100) == "now"
    assert when_text(None, 100) == "-"


def test_times_are_utc() -> None:
    """RFC 3339, to the second."""
    assert time_text(1_700_000_000) == "2023-11-14T22:13:20Z"
    assert time_text(None) == "-"


def test_long_ids_are_shortened_and_short_ones_kept() -> None:
    """Both ends stay, so that ids can be told apart."""
    assert short_hex("0x" + "ab" * 32) == "0xabababab..abababab"
    assert short_hex("0xabcd") == "0xabcd"
    assert short_code("margin:0x" + "cd" * 32) == "margin:0xcdcdcdcd..cdcdcdcd"


def test_a_cell_is_never_read_as_markup() -> None:
    """A reason with brackets can neither vanish nor break the table."""
    text = printed(table_of("T", ("reason",), [("[red]x[/] [/nonsense]",)]))

    assert "[red]x[/] [/nonsense]" in text
    assert "[/b]" in printed(plain("[/b]"))


def test_an_empty_table_says_so() -> None:
    """No rows is an answer too."""
    assert "(none)" in printed(table_of("T", ("a", "b"), []))


def test_values_are_words() -> None:
    """None is a dash, a bool is yes or no."""
    text = printed(fields_of("F", {"a": None, "b": True, "c": False}))

    assert [line.split() for line in text.splitlines() if line.strip()] == [
        ["F"],
        ["a", "-"],
        ["b", "yes"],
        ["c", "no"],
    ]

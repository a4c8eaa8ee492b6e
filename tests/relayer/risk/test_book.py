"""The book of all accounts."""

from dataclasses import replace

from relayer.assets import Path
from relayer.money import BPS, UNITS_MAX, AssetId
from relayer.risk.book import WIDTH_MIN, RiskBook
from relayer.risk.margin import CollateralLine, Position
from relayer.risk.parameters import PathParameters
from tests.relayer.risk.example import (
    ACCOUNT,
    CALM,
    ETHEREUM,
    FALLEN,
    PARAMETERS,
    book_of,
    example_position,
)


def book_with(*positions: Position) -> RiskBook:
    """Return a book of these positions."""
    book = RiskBook(PARAMETERS.scales)
    for position in positions:
        book.put(position)
    return book


def test_an_empty_book_finds_nobody() -> None:
    """No rows, no answer, no error."""
    found = book_with().assess(parameters=PARAMETERS, prices=CALM)

    assert (found.liquidatable, found.waiting, found.visited_count) == ((), (), 0)


def test_a_fall_makes_the_account_liquidatable() -> None:
    """Calm prices visit nobody; after the fall the account is found with its exact health."""
    book = book_with(example_position())

    calm = book.assess(parameters=PARAMETERS, prices=CALM)
    fallen = book.assess(parameters=PARAMETERS, prices=FALLEN)

    assert calm.visited_count == 0
    (health,) = fallen.liquidatable
    assert health.account == ACCOUNT
    assert health.factor_wad == 986_304_923_076_923_076


def test_an_account_whose_debt_has_no_price_waits_with_its_reason() -> None:
    """It is named, never silently healthy."""
    unpriced = book_of(eth_cents=300_000, sol_cents=15_000, usdc_cents=None)

    found = book_with(example_position()).assess(parameters=PARAMETERS, prices=unpriced)

    (waiting,) = found.waiting
    assert (waiting.account, waiting.reason) == (ACCOUNT, "price_refused")
    assert waiting.detail.startswith("USDC")


def test_a_changed_position_replaces_the_one_before() -> None:
    """After a repayment the account is healthy; the book holds one row of it."""
    book = book_with(example_position(), example_position(owed_units=1))

    assert len(book) == 1
    assert book.position(ACCOUNT) == example_position(owed_units=1)
    assert not book.near_accounts(parameters=PARAMETERS, prices=FALLEN)


def test_a_removed_account_is_gone_and_its_row_used_again() -> None:
    """Removing twice does no harm."""
    book = book_with(example_position())
    other = replace(example_position(), account=b"\x02" * 32)

    book.remove(ACCOUNT)
    book.remove(ACCOUNT)
    assert book.position(ACCOUNT) is None
    assert not book.near_accounts(parameters=PARAMETERS, prices=FALLEN)
    book.put(other)

    assert book.near_accounts(parameters=PARAMETERS, prices=FALLEN) == (other.account,)
    assert list(book.positions()) == [other]


def test_a_debt_beyond_the_columns_is_always_visited() -> None:
    """256-bit amounts are decided exactly; once repaid, the account is no longer near."""
    book = book_with(example_position(owed_units=UNITS_MAX))

    (health,) = book.assess(parameters=PARAMETERS, prices=CALM).liquidatable
    assert health.account == ACCOUNT
    book.put(example_position())

    assert not book.near_accounts(parameters=PARAMETERS, prices=CALM)


def test_more_paths_than_columns_widen_the_book() -> None:
    """Rows written before keep their amounts."""
    names = [AssetId(f"T{index}") for index in range(2 * WIDTH_MIN + 1)]
    paths = [Path(name, ETHEREUM, "guardian") for name in names]
    parameters = replace(
        PARAMETERS,
        scales={**PARAMETERS.scales, **dict.fromkeys(names, 6)},
        paths={**PARAMETERS.paths, **dict.fromkeys(paths, PathParameters(0, BPS))},
    )
    book = book_with(example_position())
    for index, path in enumerate(paths):
        account = bytes([2, index]) + bytes(30)
        book.put(Position(account, (CollateralLine(path, final_units=1),), ()))

    assert book.near_accounts(parameters=parameters, prices=FALLEN) == (ACCOUNT,)
    assert len(book) == len(paths) + 1

"""The book and the reach index skip nobody."""

from dataclasses import replace

from hypothesis import assume, given
from hypothesis import strategies as st

from relayer.errors import NotYetError
from relayer.money import BPS, AssetId
from relayer.oracle.price import Price, PriceBook, PriceRefusal
from relayer.risk.book import RiskBook, assess_accounts
from relayer.risk.margin import Position, assess_health
from relayer.risk.parameters import Level
from relayer.risk.reach import ReachIndex
from tests.properties.risk_worlds import World, debt_at_weight, positions, price_books, worlds


@st.composite
def populations(draw: st.DrawFn, world: World) -> tuple[Position, ...]:
    """Return accounts, most of them with a factor within a hair of one."""
    found = []
    for index in range(draw(st.integers(1, 5))):
        position = draw(positions(account=bytes([index]) * 32))
        share_bps = draw(st.sampled_from([0, BPS - 1, BPS, BPS + 1, 2 * BPS]))
        near = debt_at_weight(world, position, share_bps=share_bps)
        if near is not None and near.debts[0].owed_units and draw(st.booleans()):
            debt = near.debts[0]
            step = draw(st.sampled_from([-1, 0, 1]))
            near = near.with_debt(replace(debt, owed_units=debt.owed_units + step))
        found.append(near if near is not None and draw(st.integers(0, 3)) else position)
    return tuple(found)


def must_be_visited(world: World, position: Position) -> bool:
    """Return whether the exact decision is anything but healthy."""
    try:
        health = assess_health(
            position, parameters=world.parameters, prices=world.prices, level=Level.MAINTENANCE
        )
    except NotYetError:
        return True
    return health.is_liquidatable


@given(world=worlds(), data=st.data())
def test_the_book_decides_like_the_reference_for_every_account(
    world: World, data: st.DataObject
) -> None:
    """R-1: to the ends of the ranges, the screened book equals visiting everybody."""
    accounts = data.draw(populations(world))
    book = RiskBook(world.parameters.scales)
    for position in accounts:
        book.put(position)
    if data.draw(st.booleans()):
        book.remove(accounts[0].account)
        accounts = accounts[1:]
    is_changed = data.draw(st.booleans())
    if accounts and is_changed:
        changed = replace(data.draw(positions()), account=accounts[0].account)
        book.put(changed)
        accounts = (changed, *accounts[1:])

    found = book.assess(parameters=world.parameters, prices=world.prices)
    everybody = assess_accounts(accounts, parameters=world.parameters, prices=world.prices)

    assert found.liquidatable == everybody.liquidatable
    assert found.waiting == everybody.waiting
    assert len(book) == len(accounts)


@given(world=worlds(), later=price_books(), data=st.data())
def test_a_tick_reaches_everybody_whose_state_it_changes(
    world: World, later: PriceBook, data: st.DataObject
) -> None:
    """Whatever prices become, whoever is below one or cannot be assessed is reached."""
    moves = st.integers(1, 20_000) | st.sampled_from([BPS - 1, BPS, BPS + 1])
    entries: dict[AssetId, Price | PriceRefusal] = {}
    for asset_id, entry in world.prices.entries.items():
        if data.draw(st.integers(0, 9)) == 0:
            entries[asset_id] = later.entries[asset_id]
        elif isinstance(entry, PriceRefusal):
            entries[asset_id] = entry
        else:
            moved_wad = max(1, entry.price_wad * data.draw(moves) // BPS)
            entries[asset_id] = Price(asset_id, moved_wad, moved_wad, moved_wad, age_seconds=0)
    after = World(world.parameters, PriceBook(entries))
    is_late = data.draw(st.booleans())
    accounts = data.draw(populations(after if is_late else world))
    index = ReachIndex(accounts[1:], parameters=world.parameters, anchor=world.prices)
    index.put(accounts[0])

    reached = set(index.reached(after.prices))

    for position in accounts:
        if must_be_visited(after, position):
            assert position.account in reached


@given(world=worlds(is_complete=True), data=st.data())
def test_an_account_that_was_removed_is_not_reached(world: World, data: st.DataObject) -> None:
    """Removing, also twice, leaves no trace of it."""
    accounts = data.draw(populations(world))
    index = ReachIndex(accounts, parameters=world.parameters, anchor=world.prices)
    assume(accounts)

    index.remove(accounts[0].account)
    index.remove(accounts[0].account)

    assert accounts[0].account not in index.reached(PriceBook({}))
    assert len(index) == sum(position.has_debt(Level.MAINTENANCE) for position in accounts[1:])

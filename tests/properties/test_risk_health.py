"""Invariants of health and of what it allows: I-9 to I-12, I-14 to I-18, I-34."""

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from relayer.errors import NotYetError, RefusedError
from relayer.money import BPS, AssetId
from relayer.oracle.price import Price, PriceBook, PriceRefusal
from relayer.risk.limits import credit_check, max_credit_units, max_unlock_units, unlock_check
from relayer.risk.margin import CollateralLine, DebtKey, DebtLine, Health, Position, assess_health
from relayer.risk.parameters import Level
from tests.properties.risk_worlds import (
    CHAINS,
    PATHS,
    World,
    debt_at_weight,
    positions,
    units,
    worlds,
)

LEVELS = st.sampled_from(list(Level))


def health_in(world: World, position: Position, level: Level) -> Health:
    """Return the health in a world."""
    return assess_health(position, parameters=world.parameters, prices=world.prices, level=level)


def is_not_healthier(health: Health, other: Health) -> bool:
    """Return whether health is at most other, compared as exact ratios."""
    left = health.weighted_collateral_wad * other.weighted_debt_wad
    return left <= other.weighted_collateral_wad * health.weighted_debt_wad


@given(world=worlds(is_complete=True), position=positions())
def test_the_levels_are_ordered(world: World, position: Position) -> None:
    """I-9: initial <= liquidation-end <= maintenance."""
    initial, end, maintenance = (health_in(world, position, level) for level in Level)

    assert initial.weighted_collateral_wad <= end.weighted_collateral_wad
    assert end.weighted_collateral_wad <= maintenance.weighted_collateral_wad
    assert initial.weighted_debt_wad >= end.weighted_debt_wad == maintenance.weighted_debt_wad
    assert is_not_healthier(initial, end)
    assert is_not_healthier(end, maintenance)


@given(world=worlds(is_complete=True), position=positions(), more=units(), level=LEVELS)
def test_a_deposit_never_lowers_and_a_debt_never_raises_health(
    world: World, position: Position, more: int, level: Level
) -> None:
    """I-10 for amounts: deposit and repay up, withdraw, borrow and interest down."""
    health = health_in(world, position, level)
    line = position.line_of(PATHS[0])
    debt = position.debt_of(DebtKey(PATHS[0].asset_id, CHAINS[0], "one"))

    richer = position.with_line(replace(line, final_units=line.final_units + more))
    poorer = position.with_debt(replace(debt, owed_units=debt.owed_units + more))

    assert is_not_healthier(health, health_in(world, richer, level))
    assert is_not_healthier(health_in(world, poorer, level), health)


@given(world=worlds(is_complete=True), position=positions(), rise_bps=st.integers(0, 50_000))
def test_health_follows_prices(world: World, position: Position, rise_bps: int) -> None:
    """I-10 for prices: a higher price helps who holds the asset and hurts who owes it."""
    asset_id = PATHS[0].asset_id
    old = world.prices.price(asset_id)

    def scaled(value_wad: int) -> int:
        return value_wad * (BPS + rise_bps) // BPS

    raised = Price(
        asset_id, scaled(old.price_wad), scaled(old.low_wad), scaled(old.high_wad), age_seconds=0
    )
    after = World(world.parameters, PriceBook({**world.prices.entries, asset_id: raised}))
    holds = replace(position, debts=tuple(d for d in position.debts if d.asset_id != asset_id))
    owes = replace(
        position,
        collateral=tuple(c for c in position.collateral if c.path.asset_id != asset_id),
    )
    for level in Level:
        assert is_not_healthier(health_in(world, holds, level), health_in(after, holds, level))
        assert is_not_healthier(health_in(after, owes, level), health_in(world, owes, level))


@given(world=worlds(is_complete=True), position=positions(), factor=st.integers(1, 10**9))
def test_health_does_not_depend_on_size(world: World, position: Position, factor: int) -> None:
    """I-11: all balances times m leave the factor unchanged, up to the rounding of each line."""
    scaled = Position(
        position.account,
        tuple(
            replace(c, final_units=c.final_units * factor, soft_units=c.soft_units * factor)
            for c in position.collateral
        ),
        tuple(
            replace(
                d,
                owed_units=d.owed_units * factor,
                committed_units=d.committed_units * factor,
            )
            for d in position.debts
        ),
    )
    for level in Level:
        one, many = health_in(world, position, level), health_in(world, scaled, level)
        lines = factor * (len(position.collateral) + len(position.debts))
        assert 0 <= many.weighted_collateral_wad - factor * one.weighted_collateral_wad <= lines
        assert 0 <= factor * one.weighted_debt_wad - many.weighted_debt_wad <= lines


@given(world=worlds(is_complete=True), position=positions(), data=st.data(), level=LEVELS)
def test_splitting_and_ordering_change_nothing(
    world: World, position: Position, data: st.DataObject, level: Level
) -> None:
    """I-12 and I-34: the same balances in any order and cut give the same health, bit for bit."""
    pieces: list[CollateralLine] = []
    for line in position.collateral:
        cut = data.draw(st.integers(0, line.final_units))
        pieces.append(replace(line, final_units=cut, soft_units=0))
        pieces.append(replace(line, final_units=line.final_units - cut))
    shuffled = Position(
        position.account,
        tuple(data.draw(st.permutations(pieces))),
        tuple(data.draw(st.permutations(position.debts))),
    )

    assert shuffled == position
    assert health_in(world, shuffled, level) == health_in(world, position, level)


@given(world=worlds(), position=positions(), level=LEVELS)
def test_a_refused_price_never_makes_an_account_healthier(
    world: World, position: Position, level: Level
) -> None:
    """I-15: an error or a lower health than with any price; never liquidatable because of it."""
    priced = {
        asset_id: entry if isinstance(entry, Price) else Price(asset_id, 1, 1, 1, age_seconds=0)
        for asset_id, entry in world.prices.entries.items()
    }
    full = health_in(World(world.parameters, PriceBook(priced)), position, level)
    try:
        health = health_in(world, position, level)
    except NotYetError:
        refused = {e.asset_id for e in world.prices.entries.values() if isinstance(e, PriceRefusal)}
        named = {line.path.asset_id for line in position.collateral}
        assert refused & (named | {line.asset_id for line in position.debts})
        return

    assert is_not_healthier(health, full)
    assert not (health.is_liquidatable and not full.is_liquidatable)


@given(world=worlds(is_complete=True), position=positions(), wider_bps=st.integers(0, 5_000))
def test_less_confidence_never_raises_the_initial_health(
    world: World, position: Position, wider_bps: int
) -> None:
    """I-16: wider bounds only take away."""
    wider: dict[AssetId, Price | PriceRefusal] = {}
    for asset_id in world.prices.entries:
        old = world.prices.price(asset_id)
        wider[asset_id] = replace(
            old,
            low_wad=old.low_wad * (BPS - wider_bps) // BPS,
            high_wad=old.high_wad * (BPS + wider_bps) // BPS,
        )
    after = World(world.parameters, PriceBook({**world.prices.entries, **wider}))

    assert is_not_healthier(
        health_in(after, position, Level.INITIAL), health_in(world, position, Level.INITIAL)
    )


@given(world=worlds(), position=positions(), share_bps=st.integers(0, 11_000))
def test_an_accepted_unlock_is_the_largest_and_leaves_a_healthy_account(
    world: World, position: Position, share_bps: int
) -> None:
    """I-18, and one unit more than the most is refused."""
    near = debt_at_weight(world, position, share_bps=share_bps)
    assume(near is not None)
    assert near is not None
    line = near.collateral[0] if near.collateral else CollateralLine(PATHS[0], 0)
    numbers = world.parameters, world.prices
    try:
        most = max_unlock_units(near, line.path, parameters=numbers[0], prices=numbers[1])
    except NotYetError:
        return

    assert 0 <= most <= line.final_units
    if most:
        unlock_check(near, line.path, most, parameters=numbers[0], prices=numbers[1])
        after = near.with_line(replace(line, final_units=line.final_units - most))
        assert not health_in(world, after, Level.INITIAL).is_below_one
        assert not health_in(world, after, Level.MAINTENANCE).is_liquidatable
    if most < line.final_units:
        with pytest.raises(RefusedError, match="insufficient_margin"):
            unlock_check(near, line.path, most + 1, parameters=numbers[0], prices=numbers[1])


@given(world=worlds(), position=positions())
def test_an_accepted_credit_is_the_largest_and_leaves_a_healthy_account(
    world: World, position: Position
) -> None:
    """I-18 for grants: at the limit both levels hold, one unit more is refused."""
    key = DebtKey(PATHS[0].asset_id, CHAINS[0], "new")
    try:
        most = max_credit_units(position, key, parameters=world.parameters, prices=world.prices)
    except NotYetError:
        return
    assume(most > 0)

    credit_check(position, key, most, parameters=world.parameters, prices=world.prices)
    drawn = position.with_debt(DebtLine(key.asset_id, key.chain_id, key.protocol, most))
    assert not health_in(world, drawn, Level.INITIAL).is_below_one
    assert not health_in(world, drawn, Level.MAINTENANCE).is_liquidatable
    over = position.with_debt(DebtLine(key.asset_id, key.chain_id, key.protocol, most + 1))
    assert health_in(world, over, Level.INITIAL).is_below_one


@given(world=worlds(is_complete=True), position=positions(), level=LEVELS)
def test_sides_are_never_negative(world: World, position: Position, level: Level) -> None:
    """I-14: neither a requirement nor a weighted value is below zero."""
    health = health_in(world, position, level)

    assert health.weighted_collateral_wad >= 0
    assert health.weighted_debt_wad >= 0

"""Random parameters, prices and positions for the risk properties, to the ends of ranges."""

from dataclasses import dataclass
from typing import Final

from hypothesis import strategies as st

from chains.types import ChainId
from relayer.assets import Path
from relayer.money import BPS, UNITS_MAX, WAD, AssetId
from relayer.oracle.price import Price, PriceBook, PriceRefusal
from relayer.risk.margin import CollateralLine, DebtLine, Position, collateral_contributions
from relayer.risk.parameters import Level, PathParameters, RiskParameters

ASSETS: Final = tuple(AssetId(name) for name in ("AAA", "BBB", "CCC", "DDD"))
CHAINS: Final = (ChainId("eip155:1"), ChainId("eip155:10"))
PATHS: Final = tuple(Path(asset, chain, "guardian") for asset in ASSETS for chain in CHAINS)
PROTOCOLS: Final = ("one", "two")
EDGE_UNITS: Final = (0, 1, 2**63 - 1, 2**63, 2**64, 2**128, UNITS_MAX)


@dataclass(frozen=True, slots=True)
class World:
    """Parameters and prices together."""

    parameters: RiskParameters
    prices: PriceBook


@st.composite
def parameter_sets(draw: st.DrawFn) -> RiskParameters:
    """Return parameters of any allowed weights, haircuts and scales; some paths unlisted."""
    paths = {}
    for path in PATHS:
        if draw(st.integers(0, 9)) == 0:
            continue
        maintenance_bps = draw(st.integers(0, BPS))
        paths[path] = PathParameters(
            initial_weight_bps=draw(st.integers(0, maintenance_bps)),
            maintenance_weight_bps=maintenance_bps,
            haircut_bps={"latency": draw(st.integers(0, 500))},
        )
    return RiskParameters(
        epoch=1,
        scales={asset: draw(st.sampled_from([0, 6, 8, 9, 18, 36])) for asset in ASSETS},
        paths=paths,
        debt_weights_bps={asset: draw(st.integers(BPS, 2 * BPS)) for asset in ASSETS},
        soft_credit_bps=draw(st.integers(0, 5_000)),
    )


@st.composite
def price_books(draw: st.DrawFn, *, is_complete: bool = False) -> PriceBook:
    """Return prices between 1e-18 USD and 1e12 USD, now and then a refusal."""
    entries: dict[AssetId, Price | PriceRefusal] = {}
    for asset in ASSETS:
        if not is_complete and draw(st.integers(0, 9)) == 0:
            entries[asset] = PriceRefusal(asset, "stale")
            continue
        price_wad = draw(st.integers(1, 10**30) | st.integers(WAD // 100, 100_000 * WAD))
        width_bps = draw(st.integers(0, 500))
        low_wad = price_wad * (BPS - width_bps) // BPS
        high_wad = -(-price_wad * (BPS + width_bps) // BPS)
        entries[asset] = Price(asset, price_wad, low_wad, high_wad, age_seconds=0)
    return PriceBook(entries)


@st.composite
def worlds(draw: st.DrawFn, *, is_complete: bool = False) -> World:
    """Return parameters with prices."""
    return World(draw(parameter_sets()), draw(price_books(is_complete=is_complete)))


def units() -> st.SearchStrategy[int]:
    """Return base units: ordinary, at the edges, or anything up to 2^256 - 1."""
    return (
        st.integers(0, 10**12)
        | st.integers(0, 10**24)
        | st.sampled_from(EDGE_UNITS)
        | st.integers(0, UNITS_MAX)
    )


@st.composite
def positions(draw: st.DrawFn, *, account: bytes = b"\x01" * 32, lines_min: int = 0) -> Position:
    """Return up to four collateral lines and three debts, each side with a minimum count."""
    collateral = [
        CollateralLine(path, final_units=draw(units()), soft_units=draw(st.just(0) | units()))
        for path in draw(
            st.lists(st.sampled_from(PATHS), min_size=lines_min, max_size=4, unique=True)
        )
    ]
    debts = [
        DebtLine(asset, CHAINS[0], draw(st.sampled_from(PROTOCOLS)), draw(units()), draw(units()))
        for asset in draw(
            st.lists(st.sampled_from(ASSETS), min_size=lines_min, max_size=3, unique=True)
        )
    ]
    return Position(account, tuple(collateral), tuple(debts))


def debt_at_weight(world: World, position: Position, *, share_bps: int) -> Position | None:
    """
    Return the position with its first debt set to a share of what its collateral carries.

    So that the factor lies where decisions change; None where there is no debt to set.
    """
    if not position.debts:
        return None
    debt = position.debts[0]
    carried_wad = sum(
        line.weighted_value_wad
        for line in collateral_contributions(
            position, parameters=world.parameters, prices=world.prices, level=Level.MAINTENANCE
        )
    )
    price = world.prices.find(debt.asset_id)
    if price is None:
        return None
    unit_value = price.price_wad * world.parameters.debt_weight_bps(debt.asset_id) * BPS
    whole = 10 ** world.parameters.scales[debt.asset_id]
    owed_units = carried_wad * share_bps * BPS * whole // unit_value
    lines = (DebtLine(debt.asset_id, debt.chain_id, debt.protocol, owed_units),)
    return Position(position.account, position.collateral, lines)

"""R19: what is not final never carries debt or lets collateral go."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from chains.types import ChainId
from relayer.assets import Path
from relayer.money import WAD, AssetId
from relayer.oracle.price import Price, PriceBook
from relayer.risk.limits import max_credit_units, max_unlock_units
from relayer.risk.margin import (
    CollateralLine,
    DebtKey,
    DebtLine,
    Position,
    assess_health,
)
from relayer.risk.parameters import Level, PathParameters, RiskParameters

WETH, USDC = AssetId("WETH"), AssetId("USDC")
CHAIN = ChainId("eip155:1")
PATHS = (Path(WETH, CHAIN, "guardian"), Path(USDC, CHAIN, "guardian"))
KEY = DebtKey(USDC, CHAIN, "lender")
PARAMETERS = RiskParameters(
    epoch=1,
    scales={WETH: 18, USDC: 6},
    paths={PATHS[0]: PathParameters(7_500, 8_000), PATHS[1]: PathParameters(9_000, 9_300)},
    debt_weights_bps={USDC: 10_000},
)
UNITS = st.integers(0, 10**24)


@settings(max_examples=150)
@given(
    final=st.tuples(UNITS, UNITS),
    soft=st.tuples(UNITS, UNITS),
    dollars=st.integers(1, 10**6),
    owed=st.integers(0, 10**15),
    place=st.integers(0, 1),
)
def test_r19_a_dropped_provisional_credit_never_leaves_free_collateral_negative(
    final: tuple[int, int], soft: tuple[int, int], dollars: int, owed: int, place: int
) -> None:
    """The most is unlocked, or drawn, while locks are provisional; then they all vanish."""
    prices = PriceBook(
        {
            asset: Price(asset, value * WAD, value * WAD, value * WAD, 0)
            for asset, value in ((WETH, dollars), (USDC, 1))
        }
    )
    values: dict[str, Any] = {"parameters": PARAMETERS, "prices": prices}
    lines = tuple(
        CollateralLine(path, units, provisional)
        for path, units, provisional in zip(PATHS, final, soft, strict=True)
    )
    position = Position(b"a" * 32, lines, ())
    limit = min(owed, max_credit_units(position, KEY, **values))
    indebted = position.with_debt(DebtLine(USDC, CHAIN, "lender", limit))
    unlocked = max_unlock_units(indebted, PATHS[place], **values)

    left = final[place] - unlocked
    dropped = tuple(
        CollateralLine(path, left if path == PATHS[place] else units)
        for path, units in zip(PATHS, final, strict=True)
    )
    after = Position(b"a" * 32, dropped, indebted.debts)

    assert left >= 0
    assert not assess_health(after, **values, level=Level.INITIAL).is_below_one
    assert max_credit_units(after, KEY, **values) >= limit

"""The numbers of the story lead where the story says, by the same rules that decide in it."""

from dataclasses import replace
from typing import Final

from chains.devnet.kit import FEED_SCALE, SOL_ANSWER, USDC_ANSWER, WETH_ANSWER
from chains.types import ChainId
from relayer.assets import Path
from relayer.cli.demo import plot
from relayer.liquidation.sizing import LiquidationPlan, SizedBy, size_liquidation
from relayer.money import BPS, WAD, AssetId
from relayer.oracle.price import Price, PriceBook
from relayer.risk.margin import CollateralLine, DebtLine, Health, Position, assess_health
from relayer.risk.parameters import Level, PathParameters, RiskParameters

A, B, C = (ChainId(f"eip155:{number}") for number in (31337, 31338, 31339))
S = ChainId("solana:devnet")
WETH, USDC, SOL = (AssetId(name) for name in ("WETH", "USDC", "SOL"))
WETH_ON_A, USDC_ON_B, USDC_ON_S, SOL_ON_S = (
    Path(asset_id, chain_id, "guardian")
    for asset_id, chain_id in ((WETH, A), (USDC, B), (USDC, S), (SOL, S))
)
WEIGHTS: Final = {
    WETH_ON_A: plot.WETH_ON_A,
    USDC_ON_B: plot.USDC_ON_B,
    USDC_ON_S: plot.USDC_ON_S,
    SOL_ON_S: plot.SOL_ON_S,
}
PARAMETERS: Final = RiskParameters(
    epoch=1,
    scales={WETH: 18, USDC: 6, SOL: 9},
    paths={
        path: PathParameters(initial, maintenance, {"latency": haircut})
        for path, (initial, maintenance, haircut) in WEIGHTS.items()
    },
    debt_weights_bps={WETH: BPS, USDC: BPS, SOL: BPS},
)


def prices(weth_answer: int, sol_answer: int) -> PriceBook:
    """Return prices without bounds, from answers of feeds."""
    answers = {WETH: weth_answer, SOL: sol_answer, USDC: USDC_ANSWER}
    wads = {asset_id: answer * WAD // 10**FEED_SCALE for asset_id, answer in answers.items()}
    return PriceBook(
        {
            asset_id: Price(asset_id, wad, low_wad=wad, high_wad=wad, age_seconds=0)
            for asset_id, wad in wads.items()
        }
    )


def position(*, weth: int, sol: int) -> Position:
    """Return the owner's account with what is left of two collaterals, at the limit of its debt."""
    lines = {
        WETH_ON_A: weth,
        USDC_ON_B: plot.LOCKED_USDC,
        USDC_ON_S: plot.LOCKED_SOLANA_USDC,
        SOL_ON_S: sol,
    }
    return Position(
        bytes(32),
        tuple(CollateralLine(path, units) for path, units in lines.items()),
        (DebtLine(USDC, C, "lendco", plot.BORROWED_USDC, committed_units=plot.LIMIT_USDC),),
    )


LOCKED: Final = position(weth=plot.LOCKED_WETH, sol=plot.LOCKED_SOL)
LEFT: Final = position(
    weth=plot.LOCKED_WETH - plot.UNLOCKED_WETH, sol=plot.LOCKED_SOL - plot.UNLOCKED_SOL
)
BEFORE: Final = prices(WETH_ANSWER, SOL_ANSWER)
FALLEN: Final = prices(plot.FALLEN_WETH_ANSWER, plot.FALLEN_SOL_ANSWER)


def health(of: Position, at: PriceBook, level: Level) -> Health:
    """Return the health of an account."""
    return assess_health(of, parameters=PARAMETERS, prices=at, level=level)


def after(of: Position, plan: LiquidationPlan) -> Position:
    """Return an account once a plan is booked."""
    line, debt = of.line_of(plan.path), of.debt_of(plan.debt)
    return of.with_line(replace(line, final_units=line.final_units - plan.taken_units)).with_debt(
        replace(debt, owed_units=debt.owed_units - plan.repaid_units)
    )


def test_no_single_chain_would_support_the_debt() -> None:
    """Both EVM chains and Solana are needed: without any one of them the grant is refused."""
    assert not health(LOCKED, BEFORE, Level.INITIAL).is_below_one
    for chain_id in (A, B, S):
        without = LOCKED
        for line in LOCKED.collateral:
            if line.path.chain_id == chain_id:
                without = without.with_line(replace(line, final_units=0))
        assert health(without, BEFORE, Level.INITIAL).is_below_one


def test_what_is_unlocked_may_leave_and_more_may_not() -> None:
    """1 WETH and 5 SOL pass the initial gate; 5 WETH more do not."""
    too_much = position(
        weth=plot.LOCKED_WETH - plot.UNLOCKED_WETH - plot.TOO_MUCH_WETH,
        sol=plot.LOCKED_SOL - plot.UNLOCKED_SOL,
    )

    assert not health(LEFT, BEFORE, Level.INITIAL).is_below_one
    assert health(too_much, BEFORE, Level.INITIAL).is_below_one


def test_the_fall_of_sol_alone_liquidates_nobody() -> None:
    """So it does not matter which of the four feeds a chain shows first."""
    sol_alone = prices(WETH_ANSWER, plot.FALLEN_SOL_ANSWER)

    assert not health(LEFT, sol_alone, Level.MAINTENANCE).is_liquidatable


def test_all_sol_on_solana_is_taken_first_then_weth_on_a_up_to_the_target() -> None:
    """SOL heals most per USD, as its weight is the smallest, but does not suffice."""
    first = size_liquidation(LEFT, parameters=PARAMETERS, prices=FALLEN)
    assert isinstance(first, LiquidationPlan)
    second = size_liquidation(after(LEFT, first), parameters=PARAMETERS, prices=FALLEN)
    assert isinstance(second, LiquidationPlan)

    assert (first.path, first.sized_by) == (SOL_ON_S, SizedBy.COLLATERAL)
    assert first.taken_units == LEFT.line_of(SOL_ON_S).final_units
    assert (second.path, second.sized_by) == (WETH_ON_A, SizedBy.TARGET)
    assert second.taken_units < LEFT.line_of(WETH_ON_A).final_units
    healed = health(after(after(LEFT, first), second), FALLEN, Level.MAINTENANCE)
    assert not healed.is_liquidatable
    assert len((first, second)) == plot.SEIZURES

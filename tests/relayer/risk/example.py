"""The worked example of the rules: one account on three chains, its parameters and prices."""

from typing import Final

from chains.types import ChainId
from relayer.assets import Path
from relayer.clock import UnixSeconds
from relayer.money import BPS, AssetId
from relayer.oracle.price import FeedRule, PriceBook, Quote, price_book
from relayer.risk.margin import CollateralLine, DebtKey, DebtLine, Position
from relayer.risk.parameters import PathParameters, RiskParameters

ETH: Final = AssetId("ETH")
SOL: Final = AssetId("SOL")
USDC: Final = AssetId("USDC")
ETHEREUM: Final = ChainId("eip155:1")
SOLANA: Final = ChainId("solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp")
ROLLUP: Final = ChainId("eip155:10")
ETH_PATH: Final = Path(ETH, ETHEREUM, "guardian")
SOL_PATH: Final = Path(SOL, SOLANA, "guardian")
USDC_PATH: Final = Path(USDC, ROLLUP, "guardian")
DEBT: Final = DebtKey(USDC, ROLLUP, "credit")
ACCOUNT: Final = b"\x01" * 32
NOW: Final = UnixSeconds(1_000)
WHOLE_ETH: Final = 10**18
WHOLE_SOL: Final = 10**9
WHOLE_USDC: Final = 10**6

PARAMETERS: Final = RiskParameters(
    epoch=1,
    scales={ETH: 18, SOL: 9, USDC: 6},
    paths={
        ETH_PATH: PathParameters(7_800, 8_300, {"latency": 118}),
        SOL_PATH: PathParameters(6_800, 7_500, {"latency": 55}),
        USDC_PATH: PathParameters(8_800, 9_000, {"bridge": 40, "latency": 20}),
    },
    debt_weights_bps={USDC: BPS},
)


def example_position(
    *, owed_units: int = 32_500 * WHOLE_USDC, committed_units: int = 0
) -> Position:
    """Return 10 ETH and 100 SOL final, 4,000 USDC soft, against a USDC debt."""
    return Position(
        ACCOUNT,
        (
            CollateralLine(ETH_PATH, final_units=10 * WHOLE_ETH),
            CollateralLine(SOL_PATH, final_units=100 * WHOLE_SOL),
            CollateralLine(USDC_PATH, final_units=0, soft_units=4_000 * WHOLE_USDC),
        ),
        (DebtLine(USDC, ROLLUP, "credit", owed_units, committed_units),),
    )


def book_of(
    *, eth_cents: int | None, sol_cents: int | None, usdc_cents: int | None = 100
) -> PriceBook:
    """Return a price book of three feeds; None leaves a feed without an answer."""
    answers = ((ETH, eth_cents, 15), (SOL, sol_cents, 30), (USDC, usdc_cents, 0))
    rules = [
        FeedRule(asset_id, 60, sources_min=1, deviation_bps_max=100, confidence_bps=confidence_bps)
        for asset_id, _, confidence_bps in answers
    ]
    quotes = {
        asset_id: (Quote("feed", cents, 2, NOW),)
        for asset_id, cents, _ in answers
        if cents is not None
    }
    return price_book(rules, quotes, NOW)


CALM: Final = book_of(eth_cents=300_000, sol_cents=15_000)
FALLEN: Final = book_of(eth_cents=258_000, sol_cents=12_300)

"""Why a liquidation took what it took."""

from chains.types import ChainId
from relayer.assets import Path
from relayer.cli.demo.reasons import liquidations_of, weights_of
from relayer.money import BPS, AssetId
from relayer.risk.parameters import PathParameters, RiskParameters

WETH_ON_A = Path(AssetId("WETH"), ChainId("eip155:31337"), "guardian")
SOL_ON_S = Path(AssetId("SOL"), ChainId("solana:devnet"), "guardian")
PARAMETERS = RiskParameters(
    epoch=1,
    scales={AssetId("WETH"): 18, AssetId("SOL"): 9},
    paths={
        WETH_ON_A: PathParameters(7_600, 8_100, {"latency": 100}),
        SOL_ON_S: PathParameters(6_800, 7_300, {"latency": 150}),
    },
    debt_weights_bps={AssetId("WETH"): BPS, AssetId("SOL"): BPS},
)
DECIDED = {
    "debt": "USDC owed to lendco on eip155:31339",
    "collateral": str(SOL_ON_S),
    "repaid": "4090909091",
    "seized": "44590909091",
    "factor_before_wad": "944661016949152542",
    "factor_after_wad": "1050000000000000001",
    "bonus_bps": "1000",
    "sized_by": "collateral",
}


def test_paths_come_in_the_order_in_which_they_are_taken() -> None:
    """The smallest weight after all haircuts first."""
    assert weights_of(PARAMETERS) == [
        {"asset_id": "SOL", "chain_id": "solana:devnet", "weight_bps": 7_150},
        {"asset_id": "WETH", "chain_id": "eip155:31337", "weight_bps": 8_000},
    ]


def test_a_decision_keeps_its_numbers_and_gets_its_weight() -> None:
    """Its path is taken apart; factors are short and rounded down."""
    found = liquidations_of([DECIDED], PARAMETERS)[0]

    assert found["seized"] == "44590909091"
    assert (found["asset_id"], found["chain_id"]) == ("SOL", "solana:devnet")
    assert found["weight_bps"] == 7_150
    assert (found["factor_before"], found["factor_after"]) == ("0.944", "1.050")


def test_an_account_closed_as_insolvent_has_no_factor_after() -> None:
    """Nothing is left to be healthy."""
    without = {
        name: text
        for name, text in DECIDED.items()
        if name not in ("factor_after_wad", "bonus_bps")
    }

    found = liquidations_of([without | {"sized_by": "insolvency"}], PARAMETERS)[0]

    assert found["factor_after"] == "-"
    assert found["bonus_bps"] == "0"

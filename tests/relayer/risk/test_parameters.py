"""Parameter epochs are checked as a whole."""

from dataclasses import replace

import pytest

from relayer.errors import NotYetError, SettingsError
from relayer.money import AssetId
from relayer.risk.parameters import Level, LiquidationParameters, PathParameters, RiskParameters
from tests.relayer.risk.example import ETH, ETH_PATH, PARAMETERS, SOL, USDC_PATH


def test_the_effective_weight_is_the_weight_less_all_parts_of_the_haircut() -> None:
    """Both levels lose the same parts: 60 bps here."""
    numbers = PARAMETERS.paths[USDC_PATH]

    assert numbers.effective_weight_bps(Level.MAINTENANCE) == 8_940
    assert numbers.effective_weight_bps(Level.INITIAL) == 8_740
    assert numbers.effective_weight_bps(Level.LIQUIDATION_END) == 8_740


def test_a_haircut_beyond_the_weight_leaves_zero() -> None:
    """An effective weight is never negative."""
    assert PathParameters(100, 200, {"halt": 300}).effective_weight_bps(Level.MAINTENANCE) == 0


def test_a_path_that_is_not_listed_counts_nothing() -> None:
    """Its weight is zero at every level."""
    unlisted = replace(ETH_PATH, bridge="other")

    assert PARAMETERS.weight_bps(unlisted, Level.MAINTENANCE) == 0


def test_a_debt_that_is_not_listed_cannot_be_assessed() -> None:
    """The asset is named together with the epoch."""
    with pytest.raises(NotYetError, match="SOL has no debt weight in epoch 1"):
        PARAMETERS.debt_weight_bps(SOL)


def test_every_mistake_is_listed_at_once() -> None:
    """One look at the error is enough to mend the file."""
    with pytest.raises(SettingsError) as caught:
        RiskParameters(
            epoch=-1,
            scales={ETH: 99},
            paths={
                ETH_PATH: PathParameters(9_000, 8_000, {"latency": -1}),
                USDC_PATH: PathParameters(1, 2),
            },
            debt_weights_bps={ETH: 9_999},
            soft_credit_bps=5_001,
            liquidation=LiquidationParameters(
                target_factor_wad=10**18,
                bonus_base_bps=2_000,
                bonus_slope_bps=-1,
                insurance_share_bps=10_001,
                leftover_value_wad_min=-1,
                close_factor_bps=0,
            ),
        )

    text = "\n".join(caught.value.mistakes)
    for part in (
        "epoch -1",
        "scale 99",
        "initial_weight_bps 9000",
        "haircut latency",
        "USDC: scales has no entry",
        "debt weight 9999",
        "soft_credit_bps 5001",
        "target_factor_wad",
        "bonus_base_bps",
        "bonus_slope_bps",
        "insurance_share_bps",
        "leftover_value_wad_min",
        "close_factor_bps",
    ):
        assert part in text
    assert len(caught.value.mistakes) == 13


def test_a_debt_without_a_scale_is_a_mistake() -> None:
    """Every asset named anywhere needs its scale."""
    with pytest.raises(SettingsError, match="DAI: scales has no entry"):
        replace(PARAMETERS, debt_weights_bps={AssetId("DAI"): 10_000})

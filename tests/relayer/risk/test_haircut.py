"""The haircut for time under way."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayer.risk.haircut import latency_haircut_bps

SMALL = st.integers(0, 20_000)


@pytest.mark.parametrize(
    ("volatility_daily_bps", "path_seconds", "haircut_bps"),
    [
        (400, 23 * 60, 118),  # ETH on a finalised Ethereum path: 1.18 points
        (500, 195, 56),  # SOL on Solana: .5525 points, rounded up
        (1_200, 4 * 3_600, 1_140),  # a chain halted for four hours at stressed volatility
        (2_500, 23 * 60, 735),
        (0, 3_600, 0),
        (400, 0, 0),
        (10_000, 10**9, 10_000),
    ],
)
def test_the_haircut_equals_the_published_values(
    volatility_daily_bps: int, path_seconds: int, haircut_bps: int
) -> None:
    """Z * sigma * sqrt(time in days) at 99 %, rounded up to a basis point, at most all."""
    assert (
        latency_haircut_bps(volatility_daily_bps=volatility_daily_bps, path_seconds=path_seconds)
        == haircut_bps
    )


@given(volatility=SMALL, seconds=SMALL, quantile=SMALL, more=st.integers(0, 1_000))
def test_the_haircut_never_falls_with_time_volatility_or_quantile(
    volatility: int, seconds: int, quantile: int, more: int
) -> None:
    """I-17: nondecreasing in each argument."""

    def haircut(volatility_daily_bps: int, path_seconds: int, quantile_milli: int) -> int:
        return latency_haircut_bps(
            volatility_daily_bps=volatility_daily_bps,
            path_seconds=path_seconds,
            quantile_milli=quantile_milli,
        )

    base = haircut(volatility, seconds, quantile)
    assert base <= haircut(volatility + more, seconds, quantile)
    assert base <= haircut(volatility, seconds + more, quantile)
    assert base <= haircut(volatility, seconds, quantile + more)


def test_a_negative_argument_is_refused() -> None:
    """Time, volatility and quantile cannot be negative."""
    with pytest.raises(ValueError, match="path_seconds"):
        latency_haircut_bps(volatility_daily_bps=1, path_seconds=-1)

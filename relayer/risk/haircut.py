"""The part of a haircut that pays for the time until collateral can be sold; exact."""

from math import isqrt
from typing import Final

from relayer.money import BPS, Rounding, mul_div

SECONDS_PER_DAY: Final = 86_400
Z_SCALE: Final = 1_000  # normal quantiles are given in thousandths: 2326 is 99 %


def latency_haircut_bps(
    *, volatility_daily_bps: int, path_seconds: int, quantile_milli: int = 2_326
) -> int:
    """
    Return the haircut for price moves while a path is travelled.

    haircut = z * sigma_daily * sqrt(path_seconds / 86400)

    Args:
        volatility_daily_bps: standard deviation of one day's return, >= 0.
        path_seconds: finality, relaying, message and sale together, >= 0.
        quantile_milli: z in thousandths, >= 0; 2326 covers 99 of 100 cases.

    Returns:
        Basis points, rounded up, at most 10000.

    Raises:
        ValueError: a negative argument.

    Source: RISK.md 2.19
    """
    if min(volatility_daily_bps, path_seconds, quantile_milli) < 0:
        raise ValueError("volatility_daily_bps, path_seconds and quantile_milli must be >= 0")
    numerator = quantile_milli**2 * volatility_daily_bps**2 * path_seconds
    square = mul_div(numerator, 1, Z_SCALE**2 * SECONDS_PER_DAY, Rounding.UP)
    root = isqrt(square)
    return min(BPS, root if root * root == square else root + 1)

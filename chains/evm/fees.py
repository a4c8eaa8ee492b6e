"""EIP-1559 fees: a first suggestion, a replacement, and the limits of both. [wei per gas]"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from chains.port import Fees

GWEI: Final = 10**9
BUMP_NUMERATOR: Final = 9  # x 1.125: above the tenth that nodes ask for a replacement
BUMP_DENOMINATOR: Final = 8
REPLACEMENT_PERCENT_MIN: Final = 110  # what nodes ask for, on both fees
BASE_FEE_FACTOR: Final = 2  # survives five full blocks in a row
ESTIMATE_FACTOR_MAX: Final = 3  # dearer than this, the price is not what keeps it out of blocks


@dataclass(frozen=True, slots=True)
class FeeLimits:
    """What a key may pay at most, and offer at least; a replacement is old * denominator."""

    max_fee_wei_max: int = 500 * GWEI
    priority_fee_wei_max: int = 50 * GWEI
    priority_fee_wei_min: int = GWEI // 10
    bump_numerator: int = BUMP_NUMERATOR
    bump_denominator: int = BUMP_DENOMINATOR

    def __post_init__(self) -> None:
        if self.bump_numerator * 100 < self.bump_denominator * REPLACEMENT_PERCENT_MIN:
            raise ValueError("bump_numerator / bump_denominator must be 1.1 or more")
        if not 0 < self.priority_fee_wei_min <= self.priority_fee_wei_max <= self.max_fee_wei_max:
            raise ValueError("0 < priority_fee_wei_min <= priority_fee_wei_max <= max_fee_wei_max")


def suggested_fees(base_fee_wei: int, rewards_wei: Sequence[int], limits: FeeLimits) -> Fees:
    """
    Return fees for one of the next blocks.

    priority = median of recent rewards, within the limits; max = 2 * base + priority, capped.
    """
    ordered = sorted(rewards_wei)
    median = ordered[len(ordered) // 2] if ordered else 0
    priority = min(max(median, limits.priority_fee_wei_min), limits.priority_fee_wei_max)
    max_fee = min(BASE_FEE_FACTOR * base_fee_wei + priority, limits.max_fee_wei_max)
    return Fees(max_fee_wei=max_fee, priority_fee_wei=min(priority, max_fee))


def bumped_fees(old: Fees, suggested: Fees, limits: FeeLimits) -> Fees:
    """
    Return fees that replace an attempt.

    new = max(old * 1.125 rounded up, min(suggested, cap)), both fees;
    cap of the max fee = min(3 * suggested, limit), of the priority fee = its limit. Where a cap
    leaves no room for the eighth, the old fees come back and there is nothing to resubmit.
    """
    least = _least(old, limits)
    cap_wei = min(ESTIMATE_FACTOR_MAX * suggested.max_fee_wei, limits.max_fee_wei_max)
    if least.max_fee_wei > cap_wei or least.priority_fee_wei > limits.priority_fee_wei_max:
        return old
    max_fee = max(least.max_fee_wei, min(suggested.max_fee_wei, cap_wei))
    priority = min(suggested.priority_fee_wei, limits.priority_fee_wei_max, max_fee)
    return Fees(max_fee_wei=max_fee, priority_fee_wei=max(least.priority_fee_wei, priority))


def is_at_cap(old: Fees, suggested: Fees, limits: FeeLimits) -> bool:
    """Return whether only our own limits forbid to replace an attempt, not its good price."""
    least = _least(old, limits)
    if least.max_fee_wei > ESTIMATE_FACTOR_MAX * suggested.max_fee_wei:
        return False
    return (
        least.max_fee_wei > limits.max_fee_wei_max
        or least.priority_fee_wei > limits.priority_fee_wei_max
    )


def _least(old: Fees, limits: FeeLimits) -> Fees:
    return Fees(_more(old.max_fee_wei, limits), _more(old.priority_fee_wei, limits))


def _more(fee_wei: int, limits: FeeLimits) -> int:
    return max(-(-fee_wei * limits.bump_numerator // limits.bump_denominator), fee_wei + 1)

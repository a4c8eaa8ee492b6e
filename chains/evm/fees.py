"""EIP-1559 fees: a first suggestion, a replacement, and the limits of both. [wei per gas]"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from chains.port import Fees

GWEI: Final = 10**9
BUMP_NUMERATOR: Final = 9  # x 1.125: above the tenth that nodes ask for a replacement
BUMP_DENOMINATOR: Final = 8
BASE_FEE_FACTOR: Final = 2  # survives five full blocks in a row


@dataclass(frozen=True, slots=True)
class FeeLimits:
    """What a key may pay at most, and offer at least."""

    max_fee_wei_max: int = 500 * GWEI
    priority_fee_wei_max: int = 50 * GWEI
    priority_fee_wei_min: int = GWEI // 10

    def __post_init__(self) -> None:
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

    new = max(old * 1.125 rounded up, suggested), both fees; where a limit leaves no room for the
    eighth, the old fees come back and there is nothing to resubmit.
    """
    max_fee = max(_eighth_more(old.max_fee_wei), suggested.max_fee_wei)
    priority = max(_eighth_more(old.priority_fee_wei), suggested.priority_fee_wei)
    max_fee = min(max_fee, limits.max_fee_wei_max)
    priority = min(priority, limits.priority_fee_wei_max, max_fee)
    if max_fee < _eighth_more(old.max_fee_wei) or priority < _eighth_more(old.priority_fee_wei):
        return old
    return Fees(max_fee_wei=max_fee, priority_fee_wei=priority)


def _eighth_more(fee_wei: int) -> int:
    return max(-(-fee_wei * BUMP_NUMERATOR // BUMP_DENOMINATOR), fee_wei + 1)

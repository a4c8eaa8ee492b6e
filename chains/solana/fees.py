"""Priority fees: what a call should offer, and what the attempt after an expired one does."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from chains.sending import PriorityFee

PRICE_MIN: Final = 1_000
PRICE_MAX: Final = 1_000_000
BUMP_NUMERATOR: Final = 3
BUMP_DENOMINATOR: Final = 2
QUARTERS: Final = 3  # of the recent prices: three of four were lower
SIGNATURE_LAMPORTS: Final = 5_000
MICRO: Final = 10**6


@dataclass(frozen=True, slots=True)
class PriorityLimits:
    """What a key may offer at most, and offers at least. [micro-lamports per compute unit]"""

    price_max: int = PRICE_MAX
    price_min: int = PRICE_MIN

    def __post_init__(self) -> None:
        if not 0 <= self.price_min <= self.price_max:
            raise ValueError("0 <= price_min <= price_max is needed")


def suggested_fee(prices: Sequence[int], limits: PriorityLimits) -> PriorityFee:
    """
    Return what is offered for one of the next blocks.

    fee = the third quartile of the recent prices of the same accounts, within the limits.
    """
    ordered = sorted(prices)
    price = ordered[(len(ordered) - 1) * QUARTERS // 4] if ordered else 0
    return PriorityFee(min(max(price, limits.price_min), limits.price_max))


def bumped_fee(old: PriorityFee, suggested: PriorityFee, limits: PriorityLimits) -> PriorityFee:
    """
    Return what is offered after an attempt expired: max(old * 1.5 rounded up, suggested), capped.

    An attempt at the cap is followed by another at the cap: it needs a fresh blockhash anyway.
    """
    more = -(-old.micro_lamports * BUMP_NUMERATOR // BUMP_DENOMINATOR)
    price = max(more, old.micro_lamports + 1, suggested.micro_lamports)
    return PriorityFee(min(price, limits.price_max))


def fee_lamports(fee: PriorityFee, compute_units: int) -> int:
    """Return what a transaction with one signature costs, rounded up. [lamports]"""
    return SIGNATURE_LAMPORTS - (-fee.micro_lamports * compute_units // MICRO)

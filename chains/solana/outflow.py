"""What may still leave for a token: the vault's ring of buckets, read as of an earlier block."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from chains.solana.vault_layout import AssetState

RING_SIZE: Final = 25
BUCKETS_PER_WINDOW: Final = RING_SIZE - 1


@dataclass(frozen=True, slots=True)
class OutflowRing:
    """The ring of one token. [base units, seconds]"""

    capacity_units: int
    window_seconds: int
    newest_bucket: int
    bucket_units: tuple[int, ...]

    @classmethod
    def of(cls, asset: AssetState) -> "OutflowRing":
        """
        Return the ring of a token's account.

        Raises:
            ValueError: no window, which the program never has.
        """
        if asset.window_seconds < 1:
            raise ValueError("a listed token without an outflow window")
        return cls(
            asset.capacity_units, asset.window_seconds, asset.newest_bucket, asset.bucket_units
        )

    @property
    def bucket_seconds(self) -> int:
        """The width of a bucket, rounded up so that 25 always cover the window."""
        return -(-self.window_seconds // BUCKETS_PER_WINDOW)

    def available_at(self, seconds: int, outflows_since: Iterable[tuple[int, int]]) -> int | None:
        """
        Return what might still leave at a second, with what left since taken back.

        Args:
            outflows_since: when and how much, for each outflow after that second's block.

        Returns:
            None where the ring has lost what counted then.
        """
        width, units = self.bucket_seconds, list(self.bucket_units)
        for left_at, amount in outflows_since:
            units[left_at // width % RING_SIZE] -= amount
        if any(amount < 0 for amount in units):
            return None
        oldest = max(0, seconds - self.window_seconds) // width
        kept = max(0, self.newest_bucket - BUCKETS_PER_WINDOW)
        if oldest < kept and seconds // width < self.newest_bucket:
            return None
        newest = min(self.newest_bucket, seconds // width)
        used = sum(units[bucket % RING_SIZE] for bucket in range(max(oldest, kept), newest + 1))
        return max(0, self.capacity_units - used)

"""What the configuration says about brakes, as one frozen value."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from chains.types import ChainId
from relayer.assets import Path
from relayer.governor.buckets import BucketLimit, Lane
from relayer.governor.confirmations import AT_ONCE, ConfirmationTiers
from relayer.governor.windows import OutflowLimit, Transfer


class Mode(Enum):
    """LOG: limits are evaluated, logged and counted, and stop nothing. ENFORCE: they stop."""

    LOG = "log"
    ENFORCE = "enforce"


@dataclass(frozen=True, slots=True)
class GovernorRules:
    """
    Limits of one process; without any it stops nothing by value.

    Args:
        buckets: one for each lane that has one.
        floors_wad: the least price at which outflow on a path is counted. [USD x 1e18]
        exposures_wad: how much collateral of a path may carry new credit. [USD x 1e18]
        tiers: how deep locks must lie to count before they are final; other chains count at once.
        operator: the address word whose switch orders are obeyed; None obeys nobody's.
    """

    mode: Mode = Mode.ENFORCE
    limits: tuple[OutflowLimit, ...] = ()
    buckets: tuple[BucketLimit, ...] = ()
    floors_wad: Mapping[Path, int] = field(default_factory=dict)
    exposures_wad: Mapping[Path, int] = field(default_factory=dict)
    tiers: Mapping[ChainId, ConfirmationTiers] = field(default_factory=dict)
    operator: bytes | None = None

    def limits_of(self, transfer: Transfer) -> tuple[OutflowLimit, ...]:
        """Return the limits that govern a transfer."""
        return tuple(limit for limit in self.limits if limit.governs(transfer))

    def bucket_of(self, lane: Lane) -> BucketLimit | None:
        """Return the bucket of a lane, None where it has none."""
        return next((bucket for bucket in self.buckets if bucket.lane == lane), None)

    def tiers_of(self, chain_id: ChainId) -> ConfirmationTiers:
        """Return how deep locks on a chain must lie."""
        return self.tiers.get(chain_id, AT_ONCE)

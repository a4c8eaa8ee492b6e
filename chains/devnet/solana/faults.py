"""What the cluster does wrong on command; what is random depends on the seed alone."""

import threading
from typing import Final

from chains.devnet.proxy import ErrorObject, HttpStatus, Rule
from chains.devnet.schedule import draw
from chains.devnet.solana.options import BPS

SKIPS_KNOWN_SLOTS: Final = 200_000
RATE_LIMITED: Final = HttpStatus(429, retry_after_seconds=1)


class Faults:
    """
    Faults of the node; each may be changed at any time. Faults of the line: chains.devnet.proxy.

    Attributes:
        rules: asked for each request; an ErrorObject or a HttpStatus takes the answer's place.
        drop_next: how many of the next transactions are taken and never land.
        drop_bps: how many of 10,000 transactions are; which, the seed and the signature say.
        inclusion_delay_slots: how many slots a transaction waits before it lands.
        behind_slots: the node says that it is unhealthy, this far behind, and takes no preflight.
        history_lag_slots: how far the written history is behind the newest slot.
        skips_known_slots: skipped slots older than this are the archive's to tell, code -32009.
        requests_per_slot_max: more requests in one slot are answered with 429; None for any.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.rules: list[Rule] = []
        self.drop_next = 0
        self.drop_bps = 0
        self.inclusion_delay_slots = 0
        self.behind_slots = 0
        self.history_lag_slots = 0
        self.skips_known_slots = SKIPS_KNOWN_SLOTS
        self.requests_per_slot_max: int | None = None
        self.dropped: list[str] = []
        self._lock = threading.Lock()
        self._slot = 0
        self._requests = 0

    def drops(self, signature: str) -> bool:
        """Return whether a transaction is lost on its way to the leader, and remember it."""
        with self._lock:
            is_dropped = self.drop_next > 0
            self.drop_next -= is_dropped
            if not is_dropped:
                is_dropped = draw(self.seed, "drop", signature) % BPS < self.drop_bps
            if is_dropped:
                self.dropped.append(signature)
            return is_dropped

    def fault_of(
        self, method: str, params: list[object], slot: int
    ) -> ErrorObject | HttpStatus | None:
        """
        Return what comes instead of an answer.

        Raises:
            TypeError: a rule gives a fault of the line, which needs a proxy.
        """
        if self._is_limited(slot):
            return RATE_LIMITED
        for rule in tuple(self.rules):
            fault = rule(method, params)
            if isinstance(fault, ErrorObject | HttpStatus):
                return fault
            if fault is not None:
                raise TypeError(f"{fault}: put a FaultProxy in front for faults of the line")
        return None

    def _is_limited(self, slot: int) -> bool:
        with self._lock:
            if slot != self._slot:
                self._slot, self._requests = slot, 0
            self._requests += 1
            limit = self.requests_per_slot_max
            return limit is not None and self._requests > limit

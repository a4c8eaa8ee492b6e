"""Passes of the backup over a bench: second readings, then recounts, until nothing is due."""

import asyncio
from dataclasses import dataclass, field
from typing import Final

from chains.port import ChainReader
from chains.types import ChainId
from relayer.steps.observe import ObserveLimits
from relayer.steps.recount import Recount, ScanMemory, recount, store_recount
from relayer.steps.reread import (
    RereadLimits,
    SecondReading,
    second_reading,
    store_second_reading,
)
from relayer.store.holes import HoleKind
from relayer.store.observed_rows import EventFilter
from tests.relayer.steps.bookings import LIMITS, Bench

AT_ONCE: Final = RereadLimits(observe=LIMITS, depth_blocks=1_000_000, age_seconds=0)
TURNS_MAX: Final = 500


@dataclass(slots=True)
class Backups:
    """Does what a watcher's backup does, one thing after the other."""

    bench: Bench
    first: ChainReader
    seconds: tuple[ChainReader, ...]
    limits: RereadLimits = AT_ONCE
    memory: ScanMemory = field(default_factory=ScanMemory)
    turns: int = 0

    def read(self) -> SecondReading | None:
        """Read one range a second time and store what came of it."""
        second = self.seconds[self.turns % len(self.seconds)]
        self.turns += 1
        store = self.bench.store
        found = asyncio.run(second_reading(store, self.first, second, self.limits))
        if found is not None:
            store_second_reading(store, found, self.limits, self.bench.lease())
        return found

    def count(self) -> Recount:
        """Count the locks once and store what was found."""
        limits: ObserveLimits = self.limits.observe
        found = asyncio.run(
            recount(
                self.bench.store,
                self.bench.catalog,
                self.first,
                limits=limits,
                memory=self.memory,
            )
        )
        assert found is not None
        store_recount(self.bench.store, found, limits, self.bench.lease())
        return found

    def whole_pass(self) -> None:
        """Read everything that is due a second time, then count until nothing new is found."""
        for _ in range(TURNS_MAX):
            if self.read() is None:
                break
        else:
            raise AssertionError(f"still due after {TURNS_MAX} readings")
        for _ in range(TURNS_MAX):
            found = self.count()
            if found.is_equal or not found.found.events:
                return
        raise AssertionError(f"not level after {TURNS_MAX} counts")


def stored_ids(bench: Bench) -> set[bytes]:
    """Return the ids of all stored events."""
    with bench.store.read() as uow:
        found = uow.chains.events(EventFilter(chain_id=bench.chain_id))
    return {stored.event_id for stored in found}


def chain_ids(bench: Bench) -> set[bytes]:
    """Return the ids of all events of the chain."""
    return {event.position.event_id for event in bench.chain.events}


def holes(bench: Bench, kind: HoleKind) -> int:
    """Return how many differences of a kind were counted."""
    with bench.store.read() as uow:
        return uow.holes.counts(bench.chain_id)[kind]


def reread_height(bench: Bench) -> int | None:
    """Return up to where final blocks were read twice."""
    with bench.store.read() as uow:
        return uow.chains.cursor(bench.chain_id).reread_height


def halt_reason(bench: Bench, chain_id: ChainId | None = None) -> str | None:
    """Return why the bench's chain is halted, None while it is not."""
    wanted = bench.chain_id if chain_id is None else chain_id
    with bench.store.read() as uow:
        reasons = [halt.reason for halt in uow.chains.halts() if halt.chain_id == wanted]
    return reasons[0] if reasons else None

"""A watcher and a reconciler of one real chain, round by round; what they hold at the end."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from chains.port import ChainReader
from chains.types import BlockRef, ChainId
from relayer.ledger.chart import Side, margin_code
from relayer.money import AssetId
from relayer.steps.catalog import Catalog
from relayer.steps.fence import open_fence
from relayer.steps.observe import ObserveLimits, observe
from relayer.steps.reconcile import reconcile
from relayer.steps.rewind import rewind
from relayer.store.chains import BranchError
from relayer.store.holes import HoleKind
from relayer.store.leases import Lease, watch_lease_name
from relayer.store.observed_rows import EventFilter, EventState
from relayer.store.unit_of_work import Store

LIMITS: Final = ObserveLimits(start_height=0, blocks_per_run_max=200, finalized_span_max=500)
ROUNDS_MAX: Final = 20
EVENTS_MAX: Final = 100_000
WETH_ID: Final = AssetId("WETH")


@dataclass(frozen=True, slots=True)
class Place:
    """
    A chain that is followed.

    Args:
        reader: gives the reader of the next poll; it is closed after it.
        head: the newest block that a reader can know.
    """

    chain_id: ChainId
    reader: Callable[[], ChainReader]
    head: Callable[[], BlockRef]


@dataclass(frozen=True, slots=True)
class Follower:
    """A watcher and a reconciler of one real chain, round by round."""

    store: Store
    place: Place
    lease: Lease
    catalog: Catalog

    @property
    def chain_id(self) -> ChainId:
        """The chain that is followed."""
        return self.place.chain_id

    async def poll(self) -> bool:
        """Poll once, and rewind if that poll noticed a reorg; return whether it did."""
        reader = self.place.reader()
        try:
            await observe(self.store, reader, limits=LIMITS, lease=self.lease)
        except BranchError:
            await rewind(self.store, reader, lease=self.lease)
            return True
        finally:
            await reader.close()
        return False

    def head(self) -> BlockRef | None:
        """Return the stored head."""
        with self.store.read() as uow:
            return uow.chains.cursor(self.chain_id).head

    def book(self) -> None:
        """Book what is stored."""
        while reconcile(self.store, self.catalog, self.chain_id, fence=open_fence).has_more:
            pass

    def catch_up(self) -> list[bool]:
        """Poll until the newest block is stored, then book; return what each poll noticed."""
        noticed = []
        for _ in range(ROUNDS_MAX):
            noticed.append(asyncio.run(self.poll()))
            if self.head() == self.place.head():
                break
        self.book()
        return noticed

    def image(self) -> dict[str, Any]:
        """Return all that must not depend on the way."""
        states = (EventState.SEEN, EventState.FINAL)
        filtered = EventFilter(chain_id=self.chain_id, states=states, limit=EVENTS_MAX)
        with self.store.read() as uow:
            living = uow.chains.events(filtered)
            lines = {
                found.line: (
                    found.counters.posted(Side.DEBIT),
                    found.counters.debits_pending,
                    found.counters.credits_pending,
                )
                for found in uow.ledger.trial_balance()
            }
            assert uow.ledger.verify().is_sound
        return {
            "events": [(found.event, found.state, found.booked) for found in living],
            "lines": {line: sums for line, sums in lines.items() if any(sums)},
        }

    def soft(self, account: bytes, asset_id: AssetId = WETH_ID) -> int:
        """Return what an account has in blocks that are not final."""
        with self.store.read() as uow:
            counters = uow.ledger.counters(margin_code(account), asset_id, self.chain_id)
        return counters.soft(Side.CREDIT)

    def available(self, account: bytes, asset_id: AssetId = WETH_ID) -> int:
        """Return what an account has in final blocks."""
        with self.store.read() as uow:
            counters = uow.ledger.counters(margin_code(account), asset_id, self.chain_id)
        return counters.available(Side.CREDIT)


def follower_of(store: Store, place: Place, catalog: Catalog) -> Follower:
    """Return a follower that holds the chain's lease."""
    return Follower(store, place, lease_of(store, place.chain_id), catalog)


def lease_of(store: Store, chain_id: ChainId) -> Lease:
    """Take the lease of a chain's watcher."""
    with store.unit_of_work() as uow:
        lease = uow.leases.acquire(watch_lease_name(chain_id), "watcher", 86_400)
    assert lease is not None
    return lease


async def read_all(store: Store, reader: ChainReader, lease: Lease) -> None:
    """Observe until level."""
    while not (await observe(store, reader, limits=LIMITS, lease=lease)).is_level:
        pass


def lock_counts(store: Store, chain_id: ChainId, vault: bytes) -> tuple[int, int]:
    """Return how many locks are stored, and how many were missed at first."""
    with store.read() as uow:
        stored = uow.holes.count_lock_ids(chain_id, vault, height=10**9)
        return stored.count, uow.holes.counts(chain_id)[HoleKind.MISSED]

"""Reorgs of a real node: what the ledger holds is what a fresh index of the node finds."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from chains.devnet.actors import ALICE
from chains.devnet.kit import WETH, DeployedChain, Devnet, DevnetOptions
from chains.devnet.reorg import reorg
from chains.types import TokenRef
from relayer.assets import Asset, AssetRegistry
from relayer.clock import FixedClock
from relayer.ledger.chart import Side, margin_code
from relayer.money import AssetId
from relayer.steps.catalog import Catalog
from relayer.steps.fence import open_fence
from relayer.steps.observe import ObserveLimits, observe
from relayer.steps.reconcile import reconcile
from relayer.steps.rewind import rewind
from relayer.store.chains import BranchError
from relayer.store.leases import Lease, watch_lease_name
from relayer.store.observed_rows import EventFilter, EventState
from relayer.store.unit_of_work import Store
from tests.databases import NOW, TestDatabases
from tests.devnet.letters import account_named
from tests.relayer.steps.bookings import CATALOG

SLOTS_IN_EPOCH = 20  # final blocks are 40 behind
LIMITS = ObserveLimits(start_height=0, blocks_per_run_max=200, finalized_span_max=500)
ROUNDS_MAX = 20
WETH_ID = AssetId("WETH")
Poll = Callable[[], object]


@pytest.fixture
def chain(anvil_binary: str) -> Iterator[DeployedChain]:
    """Chain A of a layout whose final blocks are far behind."""
    del anvil_binary
    with Devnet(DevnetOptions(slots_in_epoch=SLOTS_IN_EPOCH)) as running:
        yield running.chain_a


@dataclass(frozen=True, slots=True)
class Follower:
    """A watcher and a reconciler of one real chain, round by round."""

    store: Store
    chain: DeployedChain
    lease: Lease
    catalog: Catalog

    async def poll(self) -> bool:
        """Poll once, and rewind if that poll noticed a reorg; return whether it did."""
        reader = self.chain.reader()
        try:
            await observe(self.store, reader, limits=LIMITS, lease=self.lease)
        except BranchError:
            await rewind(self.store, reader, lease=self.lease)
            return True
        finally:
            await reader.close()
        return False

    def catch_up(self) -> list[bool]:
        """Poll until the newest block is stored, then book; return what each poll noticed."""
        noticed = []
        for _ in range(ROUNDS_MAX):
            noticed.append(asyncio.run(self.poll()))
            with self.store.read() as uow:
                head = uow.chains.cursor(self.chain.chain_id).head
            if head == self.chain.chain.head():
                break
        reconcile(self.store, self.catalog, self.chain.chain_id, fence=open_fence)
        return noticed

    def image(self) -> dict[str, Any]:
        """Return all that must not depend on the way."""
        states = (EventState.SEEN, EventState.FINAL)
        with self.store.read() as uow:
            living = uow.chains.events(EventFilter(chain_id=self.chain.chain_id, states=states))
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

    def soft(self, label: str) -> int:
        """Return what an account has in blocks that are not final."""
        with self.store.read() as uow:
            code = margin_code(account_named(label))
            counters = uow.ledger.counters(code, WETH_ID, self.chain.chain_id)
        return counters.soft(Side.CREDIT)


def followed(store: Store, chain: DeployedChain) -> Follower:
    """Return a follower that knows the chain's token."""
    with store.unit_of_work() as uow:
        lease = uow.leases.acquire(watch_lease_name(chain.chain_id), "watcher", 600)
    assert lease is not None
    token = TokenRef(chain.chain_id, chain.tokens["WETH"])
    assets = AssetRegistry({token: Asset(WETH_ID, 18)})
    return Follower(store, chain, lease, replace(CATALOG, assets=assets))


def lock(chain: DeployedChain, label: str, units: int) -> bytes:
    """Lock and return the raw transaction, so that it can be put into another block."""
    assert chain.vault is not None
    receipt = chain.chain.lock(
        ALICE, chain.vault, account_named(label), chain.tokens["WETH"], units
    )
    call = chain.chain.anvil.rpc.call
    return bytes.fromhex(str(call("debug_getRawTransaction", "0x" + receipt.tx_hash.hex()))[2:])


def dropped(chain: DeployedChain, poll: Poll) -> None:
    """Drop a lock: its block is replaced by an empty one."""
    lock(chain, "dropped", WETH)
    poll()
    reorg(chain.chain, 1)


def moved(chain: DeployedChain, poll: Poll) -> None:
    """Put a lock into a block that was empty, two lower than where it stood."""
    chain.chain.mine(3)
    raw = lock(chain, "moved", 2 * WETH)
    poll()
    reorg(chain.chain, 4, [(raw, 1)])


def nested(chain: DeployedChain, poll: Poll) -> None:
    """Reorganise a reorg that was seen, and one that was not."""
    lock(chain, "nested", WETH)
    lock(chain, "nested again", 3 * WETH)
    poll()
    reorg(chain.chain, 2)
    poll()
    reorg(chain.chain, 3)
    reorg(chain.chain, 2)


def deep(chain: DeployedChain, poll: Poll) -> None:
    """Replace almost everything that is not final."""
    lock(chain, "deep", WETH)
    chain.chain.mine(2 * SLOTS_IN_EPOCH - 4)
    poll()
    reorg(chain.chain, 2 * SLOTS_IN_EPOCH - 2)


@pytest.mark.parametrize("change", [dropped, moved, nested, deep])
def test_r1_reorgs_of_a_real_node_leave_what_a_fresh_index_finds(
    change: Callable[[DeployedChain, Poll], None],
    chain: DeployedChain,
    databases: TestDatabases,
) -> None:
    """Balances and living events: 0 differences; the first poll notices."""
    clock = FixedClock(NOW)
    lock(chain, "before", 5 * WETH)
    chain.chain.finalize()
    with databases.store("sqlite", clock) as store, databases.store("sqlite", clock) as fresh:
        follower = followed(store, chain)
        follower.catch_up()

        change(chain, follower.catch_up)
        noticed = follower.catch_up()
        found = follower.image()
        other = followed(fresh, chain)
        other.catch_up()

        assert noticed[0]
        assert found == other.image()
        assert follower.soft("moved") == (2 * WETH if change is moved else 0)

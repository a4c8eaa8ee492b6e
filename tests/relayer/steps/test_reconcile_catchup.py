"""R8: catching up works in bulk, and what it books is what one event at a time would book."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import pytest
from sqlalchemy import event

from chains.devnet.memory_node.chain import ChainOptions
from chains.devnet.memory_node.load import Load, loaded_chain
from chains.devnet.memory_node.node import MemoryNode
from chains.evm.reader import EvmReader, Watched
from relayer import wiring
from relayer.clock import FixedClock
from relayer.steps.fence import open_fence
from relayer.steps.observe import ObserveLimits, observe
from relayer.steps.reconcile import EVENTS_PER_BATCH, reconcile
from relayer.store.leases import watch_lease_name
from relayer.store.ledger import JournalHead
from relayer.store.unit_of_work import Store
from tests.databases import NOW, TestDatabases
from tests.relayer.api.kit import CHAIN_A, VAULT_A, WETH_A, deployment_settings

BLOCKS: Final = 400
EVENTS: Final = 2_000
SPAN: Final = 200
# However many events a transaction holds; one by one it takes a dozen for each of them.
STATEMENTS_PER_TRANSACTION_MAX: Final = 40
TRANSACTIONS_MAX: Final = 30


@dataclass(slots=True)
class Counts:
    """What a database was asked for; rows sent together are one statement."""

    statements: int = 0
    transactions: int = 0


@contextmanager
def counted(store: Store) -> Iterator[Counts]:
    """Yield what is counted of a store meanwhile."""
    counts = Counts()

    def _on_statement(*_: Any) -> None:
        counts.statements += 1

    def _on_commit(*_: Any) -> None:
        counts.transactions += 1

    event.listen(store.engine, "before_cursor_execute", _on_statement)
    event.listen(store.engine, "commit", _on_commit)
    yield counts
    event.remove(store.engine, "before_cursor_execute", _on_statement)
    event.remove(store.engine, "commit", _on_commit)


@pytest.fixture(scope="module")
def node_url() -> Iterator[str]:
    """A node whose chain is final up to its last block."""
    load = Load(blocks=BLOCKS, events=EVENTS, seed=8, vault=VAULT_A, token=WETH_A)
    with MemoryNode(loaded_chain(load, ChainOptions(finalized_lag=0))) as node:
        yield node.rpc_url


async def observed_all(store: Store, url: str) -> None:
    """Bring the chain into the store, as the watcher does."""
    with store.unit_of_work() as uow:
        lease = uow.leases.acquire(watch_lease_name(CHAIN_A), "watcher", 600)
    assert lease is not None
    limits = ObserveLimits(start_height=0, blocks_per_run_max=SPAN, finalized_span_max=SPAN)
    reader = EvmReader(CHAIN_A, url, watched=Watched(vaults=(VAULT_A,)), span_max=SPAN)
    try:
        while not (await observe(store, reader, limits=limits, lease=lease)).is_level:
            pass
    finally:
        await reader.close()


def booked_all(store: Store, events_max: int) -> JournalHead:
    """Book until nothing waits, so many at a time; return the head of a sound journal."""
    catalog = wiring.catalog_of(deployment_settings())
    while reconcile(store, catalog, CHAIN_A, fence=open_fence, events_max=events_max).booked:
        pass
    with store.read() as uow:
        assert uow.ledger.verify().is_sound
        return uow.ledger.head()


@pytest.fixture(scope="module")
def head_one_by_one(databases: TestDatabases, node_url: str) -> JournalHead:
    """The head of the journal that books each event in a transaction of its own."""
    with databases.store("sqlite", FixedClock(NOW)) as store:

        @event.listens_for(store.engine, "connect")
        def _connected(dbapi_connection: Any, _record: object) -> None:
            dbapi_connection.execute("PRAGMA synchronous = OFF")  # 2,000 commits

        asyncio.run(observed_all(store, node_url))
        return booked_all(store, 1)


@pytest.mark.slow
def test_r8_catching_up_books_in_bulk_what_one_by_one_books(
    store: Store, node_url: str, head_one_by_one: JournalHead
) -> None:
    """Few statements whatever the number of events, and the same journal to the last byte."""
    with counted(store) as counts:
        asyncio.run(observed_all(store, node_url))
        head = booked_all(store, EVENTS_PER_BATCH)

    assert head.seq == EVENTS
    assert head == head_one_by_one  # its hash covers every entry
    assert counts.transactions <= TRANSACTIONS_MAX
    assert counts.statements <= STATEMENTS_PER_TRANSACTION_MAX * counts.transactions


def test_r8_a_batch_costs_as_many_statements_as_one_event(
    quick_store: Store, node_url: str
) -> None:
    """What a reconciling run asks of the database does not grow with what it books."""
    catalog = wiring.catalog_of(deployment_settings())
    asyncio.run(observed_all(quick_store, node_url))
    asked = []
    for events_max in (1, 10, 1_000):
        with counted(quick_store) as counts:
            done = reconcile(quick_store, catalog, CHAIN_A, fence=open_fence, events_max=events_max)
        assert done.booked == events_max
        asked.append(counts)

    assert [counts.transactions for counts in asked] == [1, 1, 1]
    # New lines, and lines that reach their next checkpoint, cost a statement each time.
    assert max(counts.statements for counts in asked) <= asked[0].statements + 4

"""Random histories of one chain: blocks, reorgs of reorgs, finality; and what must come of them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any, Final

from sqlalchemy import func, select

from chains.events import Borrowed, EventPosition, ObservedEvent, Repaid
from chains.message import Message
from relayer.clock import FixedClock
from relayer.reconcile.debt import owed_units
from relayer.steps.ending import settle_hold
from relayer.steps.observe import ObserveLimits
from relayer.store.chain_tables import CHECKPOINT, MALFORMED_LOG, OBSERVED_EVENT
from relayer.store.chains import BranchError
from relayer.store.debts import DebtView
from relayer.store.ledger_tables import ENTRY, POSTING
from relayer.store.observed_rows import EventFilter, EventState
from tests.chain_families import Family
from tests.databases import NOW, TestDatabases
from tests.relayer.api.kit import ACCOUNT, CHAIN_A, CHAIN_C, LINE_C
from tests.relayer.steps.bookings import (
    BORROWER,
    LIQUIDATOR,
    Bench,
    grant_message,
    granted,
    leave,
    lock,
    malformed,
    release,
    unlock_message,
)
from tests.simulated_chain import RAY, Block, SimulatedChain, Tx, chain_of

DEPTH_MAX: Final = 64
BASE_UNITS: Final = 10**9
MESSAGES: Final = 5
EVENTS_MAX: Final = 100_000
LIMITS: Final = ObserveLimits(start_height=0, blocks_per_run_max=100, finalized_span_max=500)
TABLES: Final = (OBSERVED_EVENT, CHECKPOINT, MALFORMED_LOG, ENTRY, POSTING)
LIVING: Final = (EventState.SEEN, EventState.FINAL)


@dataclass(slots=True)
class ReorgWorld:
    """
    A chain that changes its mind, and the transactions that may stand in its blocks.

    Args:
        is_credit: a credit line's chain (grants, debts), not a vault's (locks, releases, exits).
        family: whether every height has a block, or heights are slots.
    """

    random: Random
    is_credit: bool
    family: Family = Family.EVM
    chain: SimulatedChain = field(init=False)
    begun_height: int = field(init=False)
    transactions: dict[bytes, Tx] = field(default_factory=dict)
    dropped: list[Tx] = field(default_factory=list)
    messages: dict[str, Message] = field(default_factory=dict)
    names: Iterator[int] = field(default_factory=count)

    def __post_init__(self) -> None:
        chain_id = CHAIN_C if self.is_credit else CHAIN_A
        self.chain = chain_of(self.family, chain_id, self.random)
        if not self.is_credit:
            base = [lock(f"base {n}", BASE_UNITS, account=a) for n, a in enumerate(ACCOUNTS)]
            self.chain.mine(*base)
        self.chain.mine()
        self.chain.finalize()
        self.begun_height = self.chain.height

    @property
    def unfinal(self) -> int:
        """How many blocks may still go."""
        return self.chain.unfinal

    def prepare(self, bench: Bench) -> None:
        """Book the first final blocks, and the messages whose effects may come later."""
        bench.limits = LIMITS
        self.chain.seen_height = self.begun_height
        bench.catch_up()
        self.chain.seen_height = None
        for nonce in range(1, MESSAGES + 1):
            make = grant_message if self.is_credit else unlock_message
            message = make(1_000 + nonce, nonce)
            self.messages[f"message {nonce}"] = message
            composed = bench.compose(message)
            with bench.store.unit_of_work() as uow:
                settle_hold(uow, composed)

    def grow(self, blocks: int) -> None:
        """Append blocks; about every fifth has transactions, new ones or some that were dropped."""
        for _ in range(blocks):
            chosen: list[Tx] = []
            while self.random.random() < 0.2 and len(chosen) < 4:
                chosen += self._next(chosen)
            for transaction in chosen:
                self.transactions[self.chain.tx_hash(transaction)] = transaction
            self.chain.mine(*chosen)

    def reorg(self, depth: int, blocks: int) -> None:
        """Replace the newest blocks; what stood in them may come back elsewhere."""
        for block in self.chain.drop(depth):
            for event in block.events:
                self.dropped.append(self.transactions[event.position.tx_hash])
        self.grow(blocks)

    def return_to(self, blocks: list[Block]) -> None:
        """Let a branch that was left come back, longer than the one in between."""
        lead = len(self.chain.blocks) - len(blocks)
        self.chain.blocks = list(blocks)
        self.grow(max(0, lead) + 1)

    def _next(self, chosen: list[Tx]) -> list[Tx]:
        """Return one transaction that may follow those chosen for the block, or none."""
        taken = {transaction.name for transaction in chosen}
        if self.dropped and self.random.random() < 0.6:
            found = self.dropped.pop(self.random.randrange(len(self.dropped)))
            return [found] if found.name not in taken and self._may_stand(found, taken) else []
        number = next(self.names)
        kinds = self._credit_kinds() if self.is_credit else self._vault_kinds()
        made = self.random.choice(kinds)(number)
        return [made] if made.name not in taken and self._may_stand(made, taken) else []

    def _may_stand(self, transaction: Tx, taken: set[str]) -> bool:
        """Return whether a real contract would let a transaction through, now and once."""
        message = self.messages.get(transaction.name)
        if message is not None:
            executed = {getattr(event, "message_id", None) for event in self.chain.events}
            return message.message_id not in executed
        if transaction.name.startswith(("borrow", "repay")):
            if any(name.startswith(("borrow", "repay")) for name in taken):
                return False
            if transaction.name.startswith("repay") and self._scaled() == 0:
                return False
        return self.chain.tx_hash(transaction) not in {
            e.position.tx_hash for e in self.chain.events
        }

    def _vault_kinds(self) -> list[Callable[[int], Tx]]:
        account = self.random.choice(ACCOUNTS)
        units = self.random.choice((1, 7, 10**6, 2**60))
        name = self.random.choice(list(self.messages))
        return [
            lambda number: lock(f"lock {number}", units, account=account),
            lambda number: lock(f"lock {number}", 1 + number, account=account),
            lambda number: leave(f"exit {number}", 1 + number, account=account),
            lambda _: release(name, self.messages[name]),
            lambda number: malformed(f"malformed {number}"),
        ]

    def _credit_kinds(self) -> list[Callable[[int], Tx]]:
        name = self.random.choice(list(self.messages))
        units = self.random.choice((1, 999, 10**9))
        return [
            lambda number: self._borrow(f"borrow {number}", units),
            lambda number: self._repay(f"repay {number}", units),
            lambda _: granted(name, self.messages[name]),
        ]

    def _scaled(self) -> int:
        debts = [e for e in self.chain.events if isinstance(e, Borrowed | Repaid)]
        return debts[-1].scaled_after if debts else 0

    def _borrow(self, name: str, units: int) -> Tx:
        def _build(position: EventPosition, lock_id: int) -> ObservedEvent:
            del lock_id
            index = _index_at(position)
            scaled = self._scaled() - (-units * RAY // index)
            return Borrowed(position, ACCOUNT, BORROWER, BORROWER, units, scaled, index)

        return Tx(name, LINE_C, _build)

    def _repay(self, name: str, units: int) -> Tx:
        def _build(position: EventPosition, lock_id: int) -> ObservedEvent:
            del lock_id
            index = _index_at(position)
            paid = min(units, owed_units(self._scaled(), index))
            scaled = max(0, self._scaled() - paid * RAY // index)
            return Repaid(position, ACCOUNT, BORROWER, paid, scaled, index)

        return Tx(name, LINE_C, _build)


ACCOUNTS: Final = (ACCOUNT, LIQUIDATOR)


def _index_at(position: EventPosition) -> int:
    """Return an index that grows with the height: interest comes to light at each event."""
    return RAY + position.block.height * 10**20


@contextmanager
def started(world: ReorgWorld, databases: TestDatabases) -> Iterator[Bench]:
    """Yield a bench on an empty store that has booked the world's beginning."""
    with databases.store("sqlite", FixedClock(NOW)) as store:
        bench = Bench(store, world.chain)
        world.prepare(bench)
        yield bench


def detected(bench: Bench) -> bool:
    """Poll once; return whether that poll noticed a replaced block."""
    try:
        bench.look()
    except BranchError:
        return True
    return False


def is_replaced(bench: Bench) -> bool:
    """Return whether the chain no longer has the stored head."""
    with bench.store.read() as uow:
        head = uow.chains.cursor(bench.chain_id).head
    assert head is not None
    block = bench.chain.block_at(head.height)
    return block is None or block.header.block != head


def counts(bench: Bench) -> tuple[int, ...]:
    """Return how many rows stand in each table from which nothing may go."""
    with bench.store.read() as uow:
        return tuple(
            uow.connection.scalar(select(func.count()).select_from(table)) or 0 for table in TABLES
        )


def image(bench: Bench) -> dict[str, Any]:
    """Return all that must not depend on the way: balances, living events, debts, what waits."""
    with bench.store.read() as uow:
        events = uow.chains.events(
            EventFilter(chain_id=bench.chain_id, states=LIVING, limit=EVENTS_MAX)
        )
        debts = uow.debts.all(DebtView.SOFT)
        grants = uow.grants.active(ACCOUNT)
        cursor = uow.chains.cursor(bench.chain_id)
    return {
        "balances": bench.balances(),
        "events": [(found.event, found.state, found.booked) for found in events],
        "debts": debts,
        "grants": grants,
        "blocks": (cursor.head, cursor.finalized),
        "parked": bench.parked(),
    }

"""Faults put into the code on purpose, one function each: the simulation must notice every one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

from eth_hash.auto import keccak

from relayer.steps import attest, compose, confirm, countersign, observe, reconcile
from relayer.store.chains import ChainTable
from relayer.store.jobs import JobTable
from relayer.store.nonces import NonceTable
from relayer.store.observed_rows import Booked, EventState
from relayer.store.outbox import OutboxTable


@dataclass(frozen=True, slots=True)
class Mutant:
    """
    One fault: what it replaces, and a seed that was seen to find it.

    Args:
        make: takes the function that is replaced and returns the faulty one.
    """

    name: str
    place: Any
    attribute: str
    make: Callable[[Any], Any]
    seed: int = 0

    @contextmanager
    def living(self) -> Iterator[None]:
        """Let the fault be in the code inside the block."""
        right = getattr(self.place, self.attribute)
        setattr(self.place, self.attribute, self.make(right))
        try:
            yield
        finally:
            setattr(self.place, self.attribute, right)


def _no_fence(_right: Any) -> Any:
    """Let a worker commit whose lease ran out."""

    def _extend(table: JobTable, job: Any, lease_seconds: int, *, is_effect: bool = False) -> None:
        del table, job, lease_seconds, is_effect

    return _extend


def _cursor_first(_right: Any) -> Any:
    """Move the cursor in one transaction and store the events in another."""

    def _store_block(run: Any, cursor: Any, header: Any, read: Any) -> Any:
        with run.store.unit_of_work() as uow:
            moved = uow.chains.store_block(cursor, header, (), run.lease)
        with run.store.unit_of_work() as uow:
            observe.keep(uow, cursor.chain_id, read)
            uow.chains._store_events(cursor.chain_id, read.events, EventState.SEEN)
        return moved

    return _store_block


def _no_hold(_right: Any) -> Any:
    """Store a message and hold nothing for it."""

    def _hold(uow: Any, catalog: Any, message: Any, signed: Any, correlation_id: bytes) -> None:
        del catalog
        compose.store_message(uow, message, signed, correlation_id, hold_entry_id=None)

    return _hold


def _other_ids(right: Any) -> Any:
    """Give entries an id that no second posting would have."""
    count = [0]

    def _announce(*arguments: Any, **options: Any) -> Any:
        count[0] += 1
        return replace(right(*arguments, **options), entry_id=keccak(count[0].to_bytes(8, "big")))

    return _announce


def _no_reversal(_right: Any) -> Any:
    """Move the cursor back and leave the events of the dead branch alone."""

    def _rewind(table: ChainTable, cursor: Any, target: Any, lease: Any) -> Any:
        table._guard(cursor, lease)
        return table._move(cursor, head=target), 0

    return _rewind


def _return_on_time(right: Any) -> Any:
    """Give back what expired by the clock, without a block as proof."""

    async def _follow(store: Any, follower: Any, stored: Any, fence: Any) -> None:
        if store.clock.now() > stored.message.message.expiry_seconds:
            confirm._dispute(store, stored, fence)
            block = (await follower.reader.heads()).finalized.block
            confirm._prove_unexecuted((store, follower.catalog), stored, block, fence)

    del right
    return _follow


def _believe_signatures(_right: Any) -> Any:
    """Store a signature without a look at who made it."""
    return lambda stored, catalog, asked: True


def _same_nonce(right: Any) -> Any:
    """Give two messages of a lane one nonce now and then."""

    def _next(table: OutboxTable, target_chain: Any, contract: bytes) -> int:
        nonce: int = right(table, target_chain, contract)
        return max(1, nonce // 2)

    return _next


def _send_unstored(_right: Any) -> Any:
    """Broadcast a transaction that nobody stored."""

    def _record(table: NonceTable, *arguments: Any) -> bool:
        del table, arguments
        return True

    return _record


def _no_ring(_right: Any) -> Any:
    """Tell nobody that there are events to book."""
    return lambda uow, chain_id: None


def _ignore_booked(_right: Any) -> Any:
    """Call an event booked without posting its entry."""

    def _book(uow: Any, catalog: Any, stored: Any) -> None:
        del catalog
        state = {
            EventState.SEEN: Booked.SOFT,
            EventState.FINAL: Booked.FINAL,
            EventState.ORPHANED: Booked.VOID,
        }
        uow.chains.mark_booked([stored.event_id], state[stored.state])

    return _book


MUTANTS: Final = (
    Mutant("no_fence", JobTable, "extend", _no_fence, seed=2),
    Mutant("cursor_before_events", observe, "_store_block", _cursor_first, seed=10),
    Mutant("sign_without_hold", countersign, "hold", _no_hold, seed=29),
    Mutant("send_without_hold", compose, "hold", _no_hold, seed=1),
    Mutant("post_without_id", reconcile, "announce", _other_ids),
    Mutant("rewind_without_reversal", ChainTable, "rewind", _no_reversal, seed=1),
    Mutant("return_on_time", confirm, "_follow_expiry", _return_on_time, seed=11),
    Mutant("believe_signatures", attest, "_is_by", _believe_signatures),
    Mutant("same_nonce_twice", OutboxTable, "next_nonce", _same_nonce),
    Mutant("send_unstored", NonceTable, "record_attempt", _send_unstored),
    Mutant("nobody_rings", observe, "ring_reconcile", _no_ring),
    Mutant("mark_without_booking", reconcile, "book_event", _ignore_booked),
)
SEEDS_MAX: Final = 300


def mutant_named(name: str) -> Mutant:
    """Return a mutant by its name."""
    return next(mutant for mutant in MUTANTS if mutant.name == name)

"""Tests of locks booked in bulk: the same as one by one."""

import random
from collections.abc import Sequence
from functools import partial

import pytest

from relayer.clock import FixedClock
from relayer.ledger.chart import Side, margin_code
from relayer.ledger.journal import JournalEntry
from relayer.steps import reconcile as reconcile_step
from relayer.steps.fence import open_fence
from relayer.store.unit_of_work import Store
from tests.databases import NOW, TestDatabases
from tests.relayer.api.kit import CHAIN_A, contract
from tests.relayer.steps import bookings
from tests.relayer.steps.bookings import WETH, Bench, leave, lock
from tests.simulated_chain import SimulatedChain

ACCOUNTS = tuple(contract(f"account {number}") for number in range(4))
STRANGER = contract("a token that nobody registered")
SEEDS = range(6)


OF_DEBTS = ("deficit.booked", "deficit.cured")  # paid once a transaction, whatever is in it
Owned = dict[bytes, int]
Played = tuple[list[JournalEntry], Sequence[tuple[object, ...]], list[bytes], Owned]


def play(store: Store, seed: int) -> Played:
    """
    Book random locks and exits, seen, final and gone.

    Returns:
        Journal, feed and parked events, and what each account has less what it owes.
    """
    chance = random.Random(seed)
    bench = Bench(store, SimulatedChain(CHAIN_A))
    for number in range(12):
        transactions = []
        for place in range(chance.randrange(5)):
            name = f"{number}/{place}"
            account = chance.choice(ACCOUNTS)
            sort = chance.random()
            if sort < 0.1:
                transactions.append(lock(name, 5, token=STRANGER))
            elif sort < 0.2:
                transactions.append(leave(name, 3, account=account))
            else:
                transactions.append(lock(name, chance.randrange(1, 10**20), account=account))
        if chance.random() < 0.2 and bench.chain.height - 2 > bench.chain.final_height:
            bench.chain.reorg(2, transactions)
        else:
            bench.chain.mine(*transactions)
        if chance.random() < 0.3:
            bench.chain.finalize(max(bench.chain.final_height, bench.chain.height - 3))
        if chance.random() < 0.7:
            bench.catch_up()
    bench.chain.finalize()
    bench.catch_up()
    assert bench.is_sound()
    with store.read() as uow:
        booked = [booked.entry for booked in uow.ledger.entries(after_seq=0, limit=1_000)]
        entries = [entry for entry in booked if entry.kind not in OF_DEBTS]
        told = [
            (event.event_type, event.content, event.account)
            for event in uow.feed.after(None, 0)
            if event.event_type not in (*OF_DEBTS, "break.found")  # a batch tells of these first
        ]
        owned = {
            account: uow.ledger.counters(margin_code(account), WETH, CHAIN_A).available(Side.CREDIT)
            - sum(owed.units for owed in uow.deficits.open(CHAIN_A, account))
            for account in ACCOUNTS
        }
        return entries, told, [one.event_id for one in bench.parked()], owned


@pytest.mark.parametrize("seed", SEEDS)
def test_a_batch_books_what_one_by_one_books(
    databases: TestDatabases, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """
    Journal, outgoing events and parked events are equal, in the same order.

    What accounts owe is paid at the end of each transaction, so only the sum is the same.
    """
    with databases.store("sqlite", FixedClock(NOW)) as store:
        together = play(store, seed)
    one_by_one = partial(reconcile_step.reconcile, events_max=1)
    monkeypatch.setattr(bookings, "reconcile", one_by_one)

    with databases.store("sqlite", FixedClock(NOW)) as store:
        alone = play(store, seed)

    assert together == alone
    assert together[0]


def test_a_batch_takes_few_events_that_are_booked_one_after_the_other(
    quick_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others go on in the next transaction, in their order; none is passed over."""
    monkeypatch.setattr(reconcile_step, "SINGLES_PER_BATCH", 2)
    bench = Bench(quick_store, SimulatedChain(CHAIN_A))
    account = ACCOUNTS[0]
    exits = [leave(f"exit {number}", 1, account=account) for number in range(4)]
    bench.chain.mine(lock("first", 9, account=account), *exits, lock("last", 5, account=account))
    bench.chain.finalize()
    bench.follow()

    booked = []
    while True:
        done = reconcile_step.reconcile(quick_store, bench.catalog, CHAIN_A, fence=open_fence)
        booked.append((done.booked, done.has_more))
        if not done.has_more:
            break

    assert booked == [(3, True), (3, False)]
    with quick_store.read() as uow:
        kinds = [found.entry.kind for found in uow.ledger.entries(after_seq=0, limit=9)]
    assert kinds == ["lock.final", *["exit.final"] * 4, "lock.final"]

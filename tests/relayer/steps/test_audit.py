"""The ledger derived again: equal after an honest life, and each kind of tampering located."""

from random import Random

import pytest
from sqlalchemy import text

from chains.errors import FinalityViolationError
from relayer.errors import NotYetError
from relayer.ledger.chart import INSURANCE, margin_code
from relayer.ledger.journal import chain_hash, record_of
from relayer.steps.audit_report import Source, Verdict
from relayer.store.unit_of_work import Store
from tests.chain_families import Family
from tests.databases import TestDatabases
from tests.relayer.api.kit import ACCOUNT, CHAIN_A, UNLOCK
from tests.relayer.steps.audits import LOCKED, AuditBench
from tests.relayer.steps.bookings import lock
from tests.relayer.steps.world import LIQ_ACCOUNT, open_account, post
from tests.simulated_chain import chain_of


@pytest.fixture
def bench(quick_store: Store, databases: TestDatabases) -> AuditBench:
    """A deployment that has lived."""
    made = AuditBench(quick_store, databases)
    made.live_through()
    return made


def rehash(store: Store) -> None:
    """Make the hash chain fit again, as a careful forger would."""
    with store.read() as uow:
        entries = uow.ledger.entries(after_seq=0, limit=1_000)
    previous = bytes(32)
    with store.engine.connect() as connection, connection.begin():
        for booked in entries:
            previous = chain_hash(previous, record_of(booked.entry))
            connection.execute(
                text("UPDATE journal_entry SET entry_hash = :hash WHERE seq = :seq"),
                {"hash": previous, "seq": booked.seq},
            )
        connection.execute(text("UPDATE ledger_head SET last_hash = :hash"), {"hash": previous})


@pytest.mark.parametrize("family", Family)
def test_r20_an_honest_ledger_equals_what_chain_and_signatures_prove(
    quick_store: Store, databases: TestDatabases, family: Family
) -> None:
    """Lock, dead branch, unlock, release: every entry and every balance."""
    bench = AuditBench(quick_store, databases, chain_of(family, CHAIN_A, Random(5)))
    bench.live_through()

    report = bench.audit()

    assert report.is_equal, (report.entries, report.events, report.balances, report.commands)
    with bench.store.read() as uow:
        assert report.entries_compared == report.last_seq == uow.ledger.head().seq
    assert report.sources[Source.DEAD_BRANCH] == 2
    assert report.sources[Source.SIGNED] == 2
    assert report.sources[Source.CHAIN] == report.last_seq - 4
    assert report.lines_compared > 0
    assert report.parked == 0
    assert bench.shown[-1] == ("deriving entries", report.last_seq, report.last_seq)


def test_pages_of_one_entry_change_nothing(
    bench: AuditBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is kept in memory is a page, whatever the length of the journal."""
    for name in ("ENTRIES_PER_PAGE", "EVENTS_PER_PAGE", "LINES_PER_PAGE", "COMMANDS_PER_PAGE"):
        monkeypatch.setattr(f"relayer.steps.audit.{name}", 1)

    assert bench.audit().is_equal


def test_a_live_journal_that_goes_on_is_compared_up_to_the_pin(bench: AuditBench) -> None:
    """Entries booked while the audit runs are none of its business."""
    original = bench.chain.fault

    def book_more(method: str, height: int) -> None:
        bench.chain.fault = original
        post(bench.store, "later", {margin_code(ACCOUNT): 1, INSURANCE: -1}, ("WETH", CHAIN_A))

    bench.chain.fault = book_more

    assert bench.audit().is_equal


def test_changed_units_that_fit_every_hash_are_found(bench: AuditBench) -> None:
    """Balanced, rehashed, sound by itself: only the chain tells."""
    five = "(SELECT units FROM posting WHERE seq = 2 LIMIT 1)"
    bench.tamper(f"UPDATE posting SET units = {five} WHERE seq = 1")
    rehash(bench.store)

    report = bench.audit()

    (found, *_) = report.entries
    assert (found.verdict, found.seq, found.kind) == (Verdict.DIFFERENT, 1, "lock.seen")
    assert found.field == "postings"
    assert str(LOCKED) in found.detail


def test_one_changed_posting_is_found(bench: AuditBench) -> None:
    """An entry that is none any more is named by its seq, and derived all the same."""
    bench.tamper(
        "UPDATE posting SET side = 2 WHERE seq = 1 AND position = 0",
    )

    report = bench.audit()

    (found,) = report.entries
    assert (found.verdict, found.seq, found.field) == (Verdict.DIFFERENT, 1, "rows")
    assert report.counts["balances"] == 0


def test_an_entry_of_no_evidence_is_extra(bench: AuditBench) -> None:
    """Balanced and posted through the store itself: no chain or signature makes it."""
    moves = {margin_code(ACCOUNT): 5, margin_code(LIQ_ACCOUNT): -5}
    post(bench.store, "gift", moves, ("WETH", CHAIN_A))

    report = bench.audit()

    (found,) = report.entries
    assert (found.verdict, found.kind) == (Verdict.EXTRA, "test.move")
    assert found.seq == report.last_seq
    assert {finding.line.code for finding in report.balances} == set(moves)


def test_a_forged_event_and_its_entries_are_extra(bench: AuditBench) -> None:
    """An event in the database that no block has."""
    bench.tamper(
        "UPDATE observed_event SET event_id = zeroblob(32) WHERE kind = 'CollateralReleased'",
        "UPDATE observed_event SET tx_hash = zeroblob(32) WHERE kind = 'CollateralReleased'",
    )

    report = bench.audit()

    verdicts = {(found.verdict, found.kind) for found in report.events}
    assert (Verdict.EXTRA, "CollateralReleased") in verdicts
    assert (Verdict.MISSING, "CollateralReleased") in verdicts


def test_a_deleted_entry_is_missing(bench: AuditBench) -> None:
    """Removed with its postings: named by the gap and by the event of the chain."""
    with bench.store.read() as uow:
        last = uow.ledger.entries(after_seq=0, limit=1_000)[1]
    bench.tamper(
        f"DELETE FROM posting WHERE seq = {last.seq}",
        f"DELETE FROM journal_entry WHERE seq = {last.seq}",
    )

    report = bench.audit()

    assert (report.entries[0].verdict, report.entries[0].seq) == (Verdict.MISSING, last.seq)


def test_an_event_that_was_never_stored_is_missing(bench: AuditBench) -> None:
    """The watcher missed a log: the event and its entry are both named."""
    block = bench.chain.mine(lock("missed", 9))
    bench.chain.fault = None
    hidden, bench.chain.blocks[-1] = block, type(block)(block.header, (), ())
    bench.bench.catch_up()
    bench.chain.finalize()
    bench.bench.catch_up()
    bench.chain.blocks[-1] = hidden

    report = bench.audit()

    (found,) = report.events
    assert (found.verdict, found.height) == (Verdict.MISSING, block.header.block.height)
    (entry,) = report.entries
    assert (entry.verdict, entry.kind, entry.seq) == (Verdict.MISSING, "lock.final", None)
    assert report.counts["balances"] == 2


def test_a_changed_event_is_found(bench: AuditBench) -> None:
    """Its stored contents are not those of the chain."""
    bench.tamper(
        """UPDATE observed_event SET payload = replace(payload, 'units":"7"', 'units":"8"')
        WHERE payload LIKE '%units":"7"%'"""
    )

    (found,) = bench.audit().events

    assert (found.verdict, found.kind) == (Verdict.DIFFERENT, "CollateralLocked")


def test_a_hold_without_an_owners_signature_is_extra(bench: AuditBench) -> None:
    """The hub cannot hold collateral on its own word."""
    bench.tamper(
        "UPDATE outbox_message SET command_signatures = "
        "'[\"' || substr(command_signatures, 3, 40) || '00' || substr(command_signatures, 45)"
    )

    report = bench.audit()

    kinds = [(found.verdict, found.kind) for found in report.entries]
    assert kinds[0] == (Verdict.EXTRA, "unlock.held")


def test_a_hold_of_another_amount_is_extra(bench: AuditBench) -> None:
    """The message must be the one that the command asks for."""
    bench.tamper(
        "UPDATE outbox_message SET command_fields = "
        f"replace(command_fields, '\"{UNLOCK.amount}\"', '\"{UNLOCK.amount - 1}\"')"
    )

    found = bench.audit().entries[0]

    assert (found.verdict, found.kind) == (Verdict.EXTRA, "unlock.held")
    assert "digest" in found.detail


def test_changed_counters_are_found(bench: AuditBench) -> None:
    """The journal is right, the balance shown to people is not."""
    bench.tamper(
        "UPDATE ledger_line SET debits_posted = credits_posted, credits_posted = debits_posted "
        "WHERE code LIKE 'margin:%'"
    )

    report = bench.audit()

    assert report.counts == {"entries": 0, "events": 0, "balances": 1, "commands": 0}
    assert report.balances[0].line.code == margin_code(ACCOUNT)


def test_an_opening_that_nobody_signed_is_named(bench: AuditBench) -> None:
    """Then no request of the account holds either."""
    bench.tamper("UPDATE signed_command SET signatures = '[]' WHERE kind = 'OpenAccount'")

    report = bench.audit()

    assert report.counts["commands"] == 1
    assert "the opener did not sign" in report.commands[0]
    assert report.entries[0].kind == "unlock.held"


def test_a_dead_event_never_taken_back_is_found(bench: AuditBench) -> None:
    """A soft entry of a block that the chain does not have must have its void partner."""
    bench.tamper(
        "DELETE FROM posting WHERE seq = "
        "(SELECT seq FROM journal_entry WHERE kind = 'lock.reverted')",
        "DELETE FROM journal_entry WHERE kind = 'lock.reverted'",
    )

    report = bench.audit()

    assert [(found.verdict, found.kind) for found in report.events] == [
        (Verdict.EXTRA, "CollateralLocked")
    ]
    assert report.entries[0].verdict is Verdict.MISSING


def test_a_message_without_a_quorum_is_the_hubs_word(
    quick_store: Store, databases: TestDatabases
) -> None:
    """Equal, but said to be unproven."""
    bench = AuditBench(quick_store, databases)
    bench.chain.mine(lock("first", LOCKED))
    bench.chain.finalize()
    bench.bench.catch_up()
    open_account(quick_store)
    bench.unlock(signatures=1)

    report = bench.audit()

    assert report.is_equal
    assert report.sources[Source.UNPROVEN] == 1


def test_a_chain_that_is_not_read_is_taken_as_stored(bench: AuditBench) -> None:
    """And its entries are counted as such."""
    report = bench.audit(chain_ids=())

    assert report.is_equal
    assert report.events_read == 0
    assert report.sources[Source.DATABASE] > 0
    assert report.sources[Source.CHAIN] == 0


def test_events_that_wait_are_waited_for(bench: AuditBench) -> None:
    """An audit in the middle of a booking would find differences that are none."""
    bench.chain.mine(lock("new", 1))
    bench.bench.follow()

    with pytest.raises(NotYetError, match="wait to be booked"):
        bench.audit()


def test_another_block_at_the_pinned_height_stops_the_audit(bench: AuditBench) -> None:
    """A final block that is gone is no difference in the ledger: it could not be done."""
    bench.chain.reorg(2, [], [], [])

    with pytest.raises(FinalityViolationError):
        bench.audit()


def test_a_chain_without_a_final_block_cannot_be_audited(
    quick_store: Store, databases: TestDatabases
) -> None:
    """Nothing was read yet."""
    with pytest.raises(NotYetError, match="no final block"):
        AuditBench(quick_store, databases).audit()

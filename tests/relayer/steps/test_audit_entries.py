"""Entries of recoveries: derived again where a recovery explains them, named if forged."""

from dataclasses import replace

import pytest

from chains.command import Command, LinkOwner
from chains.errors import FinalityViolationError
from relayer.clock import UnixSeconds
from relayer.ledger.chart import BAD_DEBT, margin_code
from relayer.ledger.journal import JournalEntry, Phase, Posting, entry_id_of
from relayer.steps.audit_entries import learn_account
from relayer.steps.audit_report import Source, Verdict
from relayer.store.commands import StoredCommand
from relayer.store.unit_of_work import Store
from tests.databases import NOW, TestDatabases
from tests.relayer.api.kit import (
    ACCOUNT,
    BOB,
    CHAIN_A,
    CHAIN_B,
    HUB,
    SOL,
    SOL_LINK,
    SOL_OPEN,
    SOL_TWO,
    SOLANA,
    UNLOCK,
    Wallet,
    with_solana,
)
from tests.relayer.steps.audits import LOCKED, AuditBench, extra, findings
from tests.relayer.steps.bookings import WETH, lock
from tests.relayer.steps.world import catalog_of_world, open_account, signed


@pytest.fixture
def bench(quick_store: Store, databases: TestDatabases) -> AuditBench:
    """An account, and a chain whose first block is final."""
    made = AuditBench(quick_store, databases)
    open_account(quick_store)
    made.with_final()
    return made


def recovered(bench: AuditBench) -> AuditBench:
    """Let an owner use a lock whose final block goes: what is used is owed."""
    bench.with_final(lock("gone", LOCKED))
    bench.unlock()
    bench.take_back(1)
    return bench


def booked(bench: AuditBench, kind: str) -> JournalEntry:
    """Return the one entry of a kind."""
    with bench.store.read() as uow:
        found = [one.entry for one in uow.ledger.entries(after_seq=0, limit=1_000)]
    (entry,) = [entry for entry in found if entry.kind == kind]
    return entry


def forge(bench: AuditBench, kind: str, cause: bytes, *, rule: str | None = None) -> None:
    """Post a balanced entry of a kind that nothing asks for: the account's units for a loss."""
    entry = JournalEntry(
        entry_id=entry_id_of(kind if rule is None else rule, cause),
        kind=kind,
        cause=cause,
        phase=Phase.POSTED,
        postings=(
            Posting(BAD_DEBT, WETH, CHAIN_A, 3),
            Posting(margin_code(ACCOUNT), WETH, CHAIN_A, -3),
        ),
        resolves=None,
        reversal_of=None,
        correlation_id=cause,
        booked_at=UnixSeconds(NOW),
    )
    with bench.store.unit_of_work() as uow:
        assert uow.ledger.post(entry).is_booked


def test_a_recovery_is_audited_equal_while_its_chain_is_halted(bench: AuditBench) -> None:
    """The final entries of the gone block, the deficit and the reversal follow from the event."""
    recovered(bench)

    report = bench.audit()

    assert report.is_equal, findings(report)
    assert booked(bench, "deficit.booked").postings[0].units == UNLOCK.amount
    assert bench.bench.kinds()[-2:] == ["deficit.booked", "lock.reversed"]
    assert report.sources[Source.UNFINAL] == 4
    assert report.sources[Source.SIGNED] == 2


def test_a_cured_deficit_is_audited_equal_after_the_recovery(
    bench: AuditBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once the new branch is final, all of the old one counts as of a dead branch; page by page."""
    recovered(bench)
    bench.resume()
    bench.with_final(lock("new", UNLOCK.amount - 1))
    bench.with_final(lock("newer", 9))
    monkeypatch.setattr("relayer.steps.audit.ENTRIES_PER_PAGE", 1)

    report = bench.audit()

    assert report.is_equal, findings(report)
    assert bench.bench.kinds().count("deficit.cured") == 2
    assert report.sources[Source.DEAD_BRANCH] == 6
    assert report.sources[Source.UNFINAL] == report.sources[Source.UNPROVEN] == 0


def test_a_block_that_comes_back_after_a_recovery_is_audited_equal(bench: AuditBench) -> None:
    """Its event is on the chain; that it was reversed in between is told by the recovery."""
    bench.with_final(lock("twice", LOCKED))
    kept = bench.chain.blocks[-1]
    bench.take_back(1)
    bench.chain.drop(1)
    bench.chain.blocks.append(kept)
    bench.chain.finalize()
    bench.resume()
    bench.bench.catch_up()

    report = bench.audit()

    assert report.is_equal, findings(report)
    assert bench.bench.kinds().count("lock.reversed") == 1
    assert bench.bench.available() == LOCKED


def test_a_halt_before_the_recovery_is_no_difference(bench: AuditBench) -> None:
    """The pinned block is gone: the audit cannot be done; a chain halted otherwise is audited."""
    bench.with_final(lock("one", LOCKED))
    with bench.store.unit_of_work() as uow:
        uow.chains.halt(CHAIN_A, "an operator's word")
    is_equal = bench.audit().is_equal
    bench.violate(1)

    assert is_equal
    with pytest.raises(FinalityViolationError):
        bench.audit()


@pytest.mark.parametrize(
    "kind",
    [
        *("deficit.booked", "deficit.cured", "liquidation.dropped"),
        *("lock.reversed", "correction"),
    ],
)
@pytest.mark.parametrize("cause", ["nothing", "message", "event"])
def test_a_forged_entry_of_a_known_kind_is_extra(bench: AuditBench, kind: str, cause: str) -> None:
    """Balanced, posted through the store, with a cause that exists or not: nothing asks for it."""
    bench.with_final(lock("one", LOCKED))
    message = bench.unlock()
    causes = {
        "nothing": b"\x07" * 32,
        "message": message.message_id,
        "event": bench.chain.events[0].position.event_id,
    }
    forge(bench, kind, causes[cause])

    report = bench.audit()

    assert extra(report) == [kind]
    assert {found.line.code for found in report.balances} == {BAD_DEBT, margin_code(ACCOUNT)}


def test_a_forged_cure_of_a_real_deficit_is_extra(bench: AuditBench) -> None:
    """The account owes, but has nothing that could be taken: the name alone makes no cure."""
    recovered(bench)
    cause = ACCOUNT + f":WETH:{CHAIN_A}:1".encode()
    forge(bench, "deficit.cured", cause)

    assert extra(bench.audit()) == ["deficit.cured"]


def test_a_cure_of_other_units_is_different(bench: AuditBench) -> None:
    """Right cause, right time, twice as much taken."""
    recovered(bench)
    bench.resume()
    bench.with_final(lock("new", 8))
    seq = "(SELECT seq FROM journal_entry WHERE kind = 'deficit.cured')"
    units = "(SELECT units FROM posting WHERE seq = 1 LIMIT 1)"
    bench.tamper(f"UPDATE posting SET units = {units} WHERE seq = {seq}")

    report = bench.audit()

    assert [(found.verdict, found.kind, found.field) for found in report.entries] == [
        (Verdict.DIFFERENT, "deficit.cured", "postings")
    ]


def test_a_deficit_for_a_forged_reversal_is_extra_with_it(bench: AuditBench) -> None:
    """Two forged entries do not vouch for each other: no recovery took the event back."""
    bench.with_final(lock("one", LOCKED))
    event_id = bench.chain.events[0].position.event_id
    reversal_id = entry_id_of("final.reversed", booked(bench, "lock.final").entry_id)
    forge(bench, "deficit.booked", reversal_id)
    forge(bench, "lock.reversed", event_id, rule="final.reversed")

    assert extra(bench.audit()) == ["deficit.booked", "lock.reversed"]


def test_a_final_entry_of_a_gone_block_without_a_reversal_is_found(bench: AuditBench) -> None:
    """Somebody deleted the reversal and its deficit: the event still stands."""
    recovered(bench)
    kinds = "kind IN ('lock.reversed', 'deficit.booked')"
    bench.tamper(
        f"DELETE FROM posting WHERE seq IN (SELECT seq FROM journal_entry WHERE {kinds})",
        f"DELETE FROM journal_entry WHERE {kinds}",
    )

    report = bench.audit()

    assert [(found.verdict, found.kind) for found in report.events] == [
        (Verdict.EXTRA, "CollateralLocked")
    ]
    assert not report.is_equal


def test_an_event_taken_back_that_the_chain_has_is_missing(bench: AuditBench) -> None:
    """Its pending entry was voided by nobody's order; its block is on the chain and final."""
    bench.chain.mine(lock("one", 5))
    bench.bench.catch_up()
    kept = bench.chain.blocks[-1]
    bench.chain.reorg(1, [])
    bench.bench.look_back()
    bench.bench.catch_up()
    bench.chain.drop(1)
    bench.chain.blocks.append(kept)
    bench.chain.finalize()
    number, word = kept.header.block.height, kept.header.block.block_hash.hex()
    bench.tamper(
        "UPDATE observed_event SET state = 'FINAL'",
        f"UPDATE chain SET finalized_height = {number}, finalized_hash = x'{word}', "
        f"head_height = {number}, head_hash = x'{word}'",
    )

    report = bench.audit()

    assert [(found.verdict, found.kind) for found in report.entries] == [
        (Verdict.MISSING, "lock.final")
    ]


@pytest.mark.parametrize(
    ("command", "wallets", "why"),
    [
        (SOL_OPEN, (SOL,), None),
        (SOL_OPEN, (SOL_TWO,), "the opener did not sign"),
        (replace(SOL_LINK, account=SOL_OPEN.account, owner=SOL_TWO.address), (SOL, SOL_TWO), None),
        (LinkOwner(SOL_OPEN.account, CHAIN_B, BOB.address), (SOL, BOB), None),
        (LinkOwner(SOL_OPEN.account, CHAIN_B, SOL_TWO.address), (SOL, SOL_TWO), "left-padded EVM"),
        (LinkOwner(SOL_OPEN.account, SOLANA, BOB.address), (SOL, BOB), "is an EVM address"),
        (LinkOwner(SOL_OPEN.account, SOLANA, SOL_TWO.address), (BOB, SOL_TWO), "no owner signed"),
        (LinkOwner(SOL_OPEN.account, SOLANA, SOL_TWO.address), (SOL, BOB), "did not sign"),
    ],
)
def test_an_audit_takes_owners_by_the_signatures_of_their_wallets(
    quick_store: Store, command: Command, wallets: tuple[Wallet, ...], why: str | None
) -> None:
    """Of either family, each on its own chains."""
    catalog = with_solana(catalog_of_world())
    known = StoredCommand(SOL_OPEN.digest(HUB), signed(SOL_OPEN, SOL), UnixSeconds(NOW))
    asked = StoredCommand(command.digest(HUB), signed(command, *wallets), UnixSeconds(NOW))

    with quick_store.unit_of_work() as uow:
        if command is not SOL_OPEN:
            assert learn_account(uow, catalog, known) is None
        answer = learn_account(uow, catalog, asked)

    assert answer is None if why is None else why in str(answer)

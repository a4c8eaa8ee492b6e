"""Entries of recoveries, exits, undone liquidations and corrections, derived again or named."""

from dataclasses import replace

import pytest

from chains.correction import Correction, CorrectionPosting, SignedCorrection
from chains.errors import FinalityViolationError
from relayer.clock import UnixSeconds
from relayer.ledger.chart import BAD_DEBT, margin_code, vault_code
from relayer.ledger.correction import correction_entry
from relayer.ledger.journal import JournalEntry, Phase, Posting, entry_id_of
from relayer.outbox.life import MessageEvent, WaitReason
from relayer.steps.audit_report import AuditReport, Source, UnprovenSum, Verdict
from relayer.steps.ending import drop_hold
from relayer.store.unit_of_work import Store
from tests.databases import NOW, TestDatabases
from tests.flaky_nodes import accusing
from tests.relayer.api.kit import (
    ACCOUNT,
    CHAIN_A,
    HUB,
    UNLOCK,
    VAULT_A,
    Signer,
    signer,
)
from tests.relayer.steps.audits import LOCKED, SIGNERS, AuditBench
from tests.relayer.steps.bookings import WETH, leave, lock
from tests.relayer.steps.world import (
    open_account,
    stored_message,
)

KEYS = tuple(sorted(SIGNERS, key=lambda key: key.address))


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


def findings(report: AuditReport) -> tuple[object, ...]:
    """Return all that differs, for a failed test to show."""
    return (report.entries, report.events, report.balances, report.commands)


def extra(report: AuditReport) -> list[str]:
    """Return the kinds of the extra entries; every other one must be equal."""
    assert report.counts["entries"] == len(report.entries)
    assert {found.verdict for found in report.entries} <= {Verdict.EXTRA}, findings(report)
    return [found.kind for found in report.entries]


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
        *("deficit.booked", "deficit.cured", "exit.covered", "liquidation.overpaid"),
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
    bench.tamper("UPDATE checkpoint SET state = state", "UPDATE observed_event SET state = 'FINAL'")
    with bench.store.read() as uow:
        stored = uow.chains.cursor(CHAIN_A).finalized
    assert stored is not None
    bench.tamper(
        f"UPDATE chain SET finalized_height = {kept.header.block.height}, "
        f"finalized_hash = x'{kept.header.block.block_hash.hex()}', "
        f"head_height = {kept.header.block.height}, "
        f"head_hash = x'{kept.header.block.block_hash.hex()}'",
    )

    report = bench.audit()

    assert [(found.verdict, found.kind) for found in report.entries] == [
        (Verdict.MISSING, "lock.final")
    ]


def test_what_covers_an_exit_is_derived_and_counted_as_unproven(bench: AuditBench) -> None:
    """The hub alone says that the message was dropped; kind and sum of that are shown."""
    covered(bench)

    report = bench.audit()

    assert report.is_equal, findings(report)
    assert bench.bench.kinds()[-2:] == ["unlock.dropped", "exit.covered"]
    sums = {kind: found for (kind, _, _), found in report.unproven.items()}
    moved = UnprovenSum(1, UNLOCK.amount)
    assert sums == {"unlock.dropped": moved, "exit.covered": moved}
    assert {key[1:] for key in report.unproven} == {(WETH, CHAIN_A)}


def test_a_missing_cover_of_an_exit_is_found(bench: AuditBench) -> None:
    """The account would own units that no vault holds."""
    covered(bench)
    bench.tamper(
        "DELETE FROM posting WHERE seq IN "
        "(SELECT seq FROM journal_entry WHERE kind = 'exit.covered')",
        "DELETE FROM journal_entry WHERE kind = 'exit.covered'",
        "UPDATE ledger_head SET last_seq = last_seq - 1",
    )

    report = bench.audit()

    assert [(found.verdict, found.kind, found.seq) for found in report.entries] == [
        (Verdict.MISSING, "exit.covered", None)
    ]


def covered(bench: AuditBench) -> None:
    """Let an owner leave with everything while a message holds a part, and drop the message."""
    bench.with_final(lock("one", LOCKED))
    message = bench.unlock(signatures=1, is_sent=False)
    bench.with_final(leave("exit", LOCKED))
    stored = stored_message(bench.store, message.message_id)
    with bench.store.unit_of_work() as uow:
        reason = WaitReason.GUARDIANS_REFUSED
        uow.outbox.move(message.message_id, MessageEvent.REJECT, reason, "test", uow.clock.now())
        drop_hold(uow, stored.message)


def signed_by(made: Correction, *keys: Signer) -> SignedCorrection:
    """Return a correction with signatures."""
    digest = made.digest(HUB)
    return SignedCorrection(made, tuple(bytes.fromhex(key.sign(digest)[2:]) for key in keys))


CORRECTION = Correction(
    chain_id=CHAIN_A,
    asset_id=WETH,
    break_id=1,
    postings=(
        CorrectionPosting(vault_code(VAULT_A), 5),
        CorrectionPosting(margin_code(ACCOUNT), -5),
    ),
    reason="looked at",
)


def post_correction(bench: AuditBench, signed: SignedCorrection) -> None:
    """Store a correction and its entry without asking who signed."""
    correction_id = signed.correction.digest(HUB)
    moves = {vault_code(VAULT_A): 5, margin_code(ACCOUNT): -5}
    entry = correction_entry(
        correction_id,
        tuple(moves.items()),
        asset_id=WETH,
        chain_id=CHAIN_A,
        booked_at=UnixSeconds(NOW),
    )
    with bench.store.unit_of_work() as uow:
        assert uow.ledger.post(entry).is_booked
        uow.corrections.record(correction_id, entry.entry_id, signed)


def test_a_signed_correction_is_derived_from_its_document(bench: AuditBench) -> None:
    """Its signatures are verified against those who may sign now."""
    bench.with_final(lock("one", LOCKED))
    post_correction(bench, signed_by(CORRECTION, *KEYS))

    report = bench.audit()

    assert report.is_equal, findings(report)
    assert report.sources[Source.SIGNED] == 1


@pytest.mark.parametrize(
    ("signed", "why"),
    [
        (signed_by(CORRECTION, KEYS[0]), "signatures_missing"),
        (signed_by(CORRECTION, *(signer("a"), signer("b"))), "unknown_signer"),
        (replace(signed_by(CORRECTION, *KEYS), correction=replace(CORRECTION, break_id=2)), "unkn"),
    ],
)
def test_a_correction_that_too_few_signed_is_extra(
    bench: AuditBench, signed: SignedCorrection, why: str
) -> None:
    """One signature, two strangers', another document's: the entry stands for nobody's word."""
    bench.with_final(lock("one", LOCKED))
    post_correction(bench, signed)

    report = bench.audit()

    assert extra(report) == ["correction"]
    assert why in report.entries[0].detail


def test_a_changed_document_of_a_correction_is_found(bench: AuditBench) -> None:
    """Its digest is its id; one that cannot be read proves nothing either."""
    bench.with_final(lock("one", LOCKED))
    post_correction(bench, signed_by(CORRECTION, *KEYS))
    bench.tamper("UPDATE correction SET document = replace(document, '5', '6')")
    changed = bench.audit()
    bench.tamper("UPDATE correction SET document = '{}'")

    assert extra(changed) == extra(bench.audit()) == ["correction"]


@pytest.mark.parametrize("is_final_first", [True, False])
def test_a_lock_parked_for_missing_tokens_makes_no_difference(
    bench: AuditBench, is_final_first: bool
) -> None:
    """It is not booked, its chain is halted, and the audit counts it as parked."""
    bench.chain.change = accusing(666)
    bench.chain.mine(lock("real", 10), lock("forged", 666))
    if is_final_first:
        bench.chain.finalize()
    bench.bench.catch_up()
    bench.resume()
    bench.chain.finalize()
    bench.bench.catch_up()
    with bench.store.unit_of_work() as uow:
        uow.chains.halt(CHAIN_A, "movement_missing")

    report = bench.audit()

    assert report.is_equal, findings(report)
    assert (report.parked, len(bench.bench.parked()), bench.bench.available()) == (1, 1, 10)


def test_a_lock_without_tokens_that_is_booked_is_found(bench: AuditBench) -> None:
    """The node told the watcher nothing of it; where the rule is off it is equal."""
    bench.with_final(lock("forged", 666))
    bench.chain.change = accusing(666)

    strict = bench.audit()
    bench.bench.limits = replace(bench.bench.limits, is_movement_enforced=False)
    lenient = bench.audit()

    assert "movement_missing" in strict.events[0].detail
    assert lenient.is_equal, findings(lenient)


def test_a_block_that_becomes_final_during_the_audit_is_above_the_pin(bench: AuditBench) -> None:
    """Its seen entry was compared; that it is stored as final by now is no contradiction."""
    bench.with_final(lock("one", LOCKED))
    bench.chain.mine(lock("two", 3))
    bench.bench.catch_up()
    original = bench.chain.fault

    def become_final(method: str, height: int) -> None:
        if method == "events_in_range":
            bench.chain.fault = original
            bench.tamper("UPDATE observed_event SET state = 'FINAL'")

    bench.chain.fault = become_final

    report = bench.audit()

    assert report.is_equal, findings(report)
    assert report.sources[Source.UNFINAL] == 1

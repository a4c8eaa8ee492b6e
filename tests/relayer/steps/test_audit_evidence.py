"""Evidence beyond events: documents of corrections, ended messages, readings with flaws."""

from dataclasses import replace

import pytest

from chains.correction import Correction, CorrectionPosting, SignedCorrection
from chains.types import ChainId
from relayer.clock import UnixSeconds
from relayer.ledger.chart import margin_code, vault_code
from relayer.ledger.correction import correction_entry
from relayer.outbox.life import MessageEvent, WaitReason
from relayer.steps.audit_report import Source, UnprovenSum, Verdict
from relayer.steps.correct import correct
from relayer.steps.give_back import drop_hold
from relayer.steps.liquidate import liquidate_account
from relayer.store.breaks import CustodyDifference
from relayer.store.unit_of_work import Store
from tests.databases import NOW, TestDatabases
from tests.flaky_nodes import accusing
from tests.relayer.api.kit import (
    ACCOUNT,
    CHAIN_A,
    CHAIN_B,
    CHAIN_C,
    HUB,
    UNLOCK,
    USDC_B,
    VAULT_A,
    VAULT_B,
    Signer,
    signer,
)
from tests.relayer.steps.audits import LOCKED, RULE, SIGNERS, AuditBench, extra, findings
from tests.relayer.steps.bookings import WETH, Bench, borrow, leave, lock, repay
from tests.relayer.steps.world import (
    DOLLAR,
    ETHER,
    FENCE,
    LIQ,
    LIQ_ACCOUNT,
    LIQ_OPEN,
    catalog_of_world,
    open_account,
    set_prices,
    stored_message,
)
from tests.simulated_chain import SimulatedChain, Tx

KEYS = tuple(sorted(SIGNERS, key=lambda key: key.address))


@pytest.fixture
def bench(quick_store: Store, databases: TestDatabases) -> AuditBench:
    """An account, and a chain whose first block is final."""
    made = AuditBench(quick_store, databases)
    open_account(quick_store)
    made.with_final()
    return made


def test_what_pays_for_an_exit_is_derived_from_the_exit(bench: AuditBench) -> None:
    """That the message was dropped the hub alone says; that the account owed the chain says."""
    covered(bench)

    report = bench.audit()

    assert report.is_equal, findings(report)
    assert bench.bench.kinds()[-5:] == [
        *("exit.final", "deficit.booked", "exit.rest"),
        *("unlock.dropped", "deficit.cured"),
    ]
    sums = {kind: found for (kind, _, _), found in report.unproven.items()}
    assert sums == {"unlock.dropped": UnprovenSum(1, UNLOCK.amount)}
    assert {key[1:] for key in report.unproven} == {(WETH, CHAIN_A)}
    assert report.sources[Source.CHAIN] == 7


def test_a_missing_payment_for_an_exit_is_found(bench: AuditBench) -> None:
    """The account would own units that no vault holds."""
    covered(bench)
    bench.tamper(
        "DELETE FROM posting WHERE seq IN "
        "(SELECT seq FROM journal_entry WHERE kind = 'deficit.cured')",
        "DELETE FROM journal_entry WHERE kind = 'deficit.cured'",
        "UPDATE ledger_head SET last_seq = last_seq - 1",
    )

    report = bench.audit()

    assert [(found.verdict, found.kind, found.seq) for found in report.entries] == [
        (Verdict.MISSING, "deficit.cured", None)
    ]


def test_an_exit_of_which_nothing_was_reserved_is_derived(bench: AuditBench) -> None:
    """Its lock was not final when it was seen, so there is only the rest of it."""
    bench.chain.mine(lock("one", LOCKED), leave("exit", LOCKED))
    bench.bench.catch_up()
    bench.chain.finalize()
    bench.bench.catch_up()

    report = bench.audit()

    assert report.is_equal, findings(report)
    assert bench.bench.kinds() == ["lock.seen", "lock.final", "exit.rest"]


def covered(bench: AuditBench) -> None:
    """Let an owner leave with everything while a message holds a part, and drop the message."""
    bench.with_final(lock("one", LOCKED))
    message = bench.unlock(signatures=1, is_sent=False)
    bench.with_final(leave("exit", LOCKED))
    stored = stored_message(bench.store, message.message_id)
    with bench.store.unit_of_work() as uow:
        reason = WaitReason.GUARDIANS_REFUSED
        uow.outbox.move(message.message_id, MessageEvent.REJECT, reason, "test", uow.clock.now())
        drop_hold(uow, bench.bench.catalog, stored.message)


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

ANSWERS_ANOTHER = replace(CORRECTION, break_id=2)


def find_breaks(bench: AuditBench) -> None:
    """Store the breaks that the corrections answer."""
    block = bench.chain.blocks[-1].header.block
    with bench.store.unit_of_work() as uow:
        for chain_units in (1, 2):
            place = CustodyDifference(CHAIN_A, WETH, VAULT_A, LOCKED, chain_units, block)
            uow.breaks.record(place)


def post_correction(bench: AuditBench, signed: SignedCorrection) -> None:
    """Store a correction and its entry without asking who signed."""
    find_breaks(bench)
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
    find_breaks(bench)
    correct(bench.store, bench.bench.catalog, RULE, signed_by(CORRECTION, *KEYS))

    report = bench.audit()

    assert report.is_equal, findings(report)
    assert report.sources[Source.SIGNED] == 1


@pytest.mark.parametrize(
    ("signed", "why"),
    [
        (signed_by(CORRECTION, KEYS[0]), "signatures_missing"),
        (signed_by(CORRECTION, *(signer("a"), signer("b"))), "unknown_signer"),
        (replace(signed_by(CORRECTION, *KEYS), correction=ANSWERS_ANOTHER), "unknown_signer"),
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


def test_an_undone_liquidation_with_a_repayment_is_derived(
    quick_store: Store, databases: TestDatabases
) -> None:
    """What was repaid on the part taken over is booked again, as the end of the seizure says."""
    bench = AuditBench(quick_store, databases)
    bench.bench.catalog = catalog_of_world()
    bench.others = {chain_id: SimulatedChain(chain_id) for chain_id in (CHAIN_B, CHAIN_C)}
    open_account(quick_store)
    open_account(quick_store, LIQ_OPEN, LIQ)
    debt = 24_000 * DOLLAR
    bench.with_final(lock("ether", 10 * ETHER))
    with_final(bench, CHAIN_B, dollars("usd", 1_000_000 * DOLLAR))
    with_final(bench, CHAIN_C, borrow("loan", debt, debt))
    set_prices(quick_store)
    liquidate_account(quick_store, bench.bench.catalog, ACCOUNT, fence=FENCE)
    with_final(bench, CHAIN_C, repay("back", debt, 0, payer=LIQ.address))
    with quick_store.unit_of_work() as uow:
        (stored,) = uow.outbox.of_account(ACCOUNT)
        reason = WaitReason.GUARDIANS_REFUSED
        uow.outbox.move(stored.message_id, MessageEvent.REJECT, reason, "test", uow.clock.now())
        drop_hold(uow, bench.bench.catalog, stored.message)

    report = bench.audit(chain_ids=(CHAIN_A, CHAIN_B, CHAIN_C))

    assert bench.bench.kinds()[-4:] == [
        *("seize.dropped", "repay.reversed", "liquidation.dropped", "repay.final")
    ]
    assert report.is_equal, findings(report)
    kinds = {kind for kind, _, _ in report.unproven}
    assert {"liquidation.moved", "liquidation.dropped", "seize.dropped"} <= kinds


def with_final(bench: AuditBench, chain_id: ChainId, transaction: Tx) -> None:
    """Mine one block on another chain, final and booked."""
    chain = bench.others[chain_id]
    chain.mine(transaction)
    chain.finalize()
    watched = Bench(bench.store, chain, bench.bench.catalog)
    watched.catch_up()
    with bench.store.unit_of_work() as uow:
        uow.leases.release(watched.lease())


def dollars(name: str, units: int) -> Tx:
    """Return a lock of the liquidator's dollars on chain B."""
    return replace(lock(name, units, account=LIQ_ACCOUNT, token=USDC_B), contract=VAULT_B)

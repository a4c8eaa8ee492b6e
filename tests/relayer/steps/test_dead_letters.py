"""Dead letters: all that waits for a person, put back with a reason or closed, never lost."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from relayer.clock import FixedClock
from relayer.errors import RefusedError
from relayer.outbox.life import MessageEvent, WaitReason
from relayer.steps.dead_letters import LetterKind, close, dead_letter, dead_letters, put_back
from relayer.store.job_records import JobState
from relayer.store.jobs import ATTEMPTS_MAX
from relayer.store.unit_of_work import Store
from tests.flaky_nodes import accusing, node_of
from tests.relayer.api.kit import CHAIN_A, contract
from tests.relayer.steps.bookings import Bench, lock, unlock_message
from tests.relayer.steps.world import lock_ether
from tests.simulated_chain import SimulatedChain

WHO = "ops@desk"


def quarantine(store: Store, clock: FixedClock, key: str = "ab:12") -> str:
    """Let a job fail until it waits for a person; return its letter's id."""
    with store.unit_of_work() as uow:
        uow.jobs.ring("relay", key, "relay.a", clock.now(), bytes(32))
    for _ in range(ATTEMPTS_MAX):
        with store.unit_of_work() as uow:
            (job,) = uow.jobs.claim("relay.a", 1, lease_seconds=10, holder="w1")
            uow.jobs.fail(job, "target_reverts")
        clock.move(86_400)
    return f"job:relay:{key}"


def parked(store: Store) -> tuple[Bench, str]:
    """See a lock of an unknown token; return the bench and the letter's id."""
    chain = SimulatedChain(CHAIN_A)
    bench = Bench(store, chain)
    chain.mine(lock("strange", 5, token=contract("strange token")))
    chain.finalize()
    assert bench.catch_up().parked == 1
    return bench, "event:0x" + bench.parked()[0].event_id.hex()


def failed(store: Store) -> str:
    """Let the guardians refuse a message; return the letter's id."""
    lock_ether(store, 10)
    message = Bench(store, SimulatedChain(CHAIN_A)).compose(unlock_message(3))
    with store.unit_of_work() as uow:
        reason = WaitReason.GUARDIANS_REFUSED
        uow.outbox.move(message.message_id, MessageEvent.REJECT, reason, "no", uow.clock.now())
    return "message:0x" + message.message_id.hex()


def test_r12_all_that_waits_for_a_person_is_in_one_list(store: Store, clock: FixedClock) -> None:
    """Jobs, events and messages, each with its reason and what to do."""
    ids = [quarantine(store, clock), parked(store)[1], failed(store)]

    with store.read() as uow:
        found = dead_letters(uow, 10)
        assert [letter.letter_id for letter in found] == ids
        assert [dead_letter(uow, letter_id) for letter_id in ids] == list(found)

    assert [letter.kind for letter in found] == list(LetterKind)
    assert [letter.can_replay for letter in found] == [True, True, False]
    assert (found[0].reason, found[0].attempts) == ("target_reverts", ATTEMPTS_MAX)
    assert "stands for no asset" in found[1].reason
    assert found[2].reason == "guardians_refused: no"
    assert all(letter.remedy and letter.since is not None for letter in found)


def test_r12_a_job_put_back_is_due_with_its_attempts_reset(store: Store, clock: FixedClock) -> None:
    """And who did it, why, and what had stopped it stays."""
    letter_id = quarantine(store, clock)
    with store.unit_of_work() as uow:
        put_back(uow, dead_letter(uow, letter_id), reason=" gas refilled ", taken_by=WHO)

    with store.read() as uow:
        job = uow.jobs.job("relay", "ab:12")
        assert (job.state, job.attempts, job.ready_at) == (JobState.DUE, 0, clock.now())
        assert dead_letters(uow, 10) == ()
        (handling,) = uow.dead_letters.history(letter_id)
    assert (handling.action, handling.before) == ("replay", "target_reverts")
    assert (handling.reason, handling.taken_by) == ("gas refilled", WHO)


def test_r12_an_event_put_back_is_booked_once_its_cause_is_healed(store: Store) -> None:
    """Unparked and booked; unhealed it is parked again, and never lost."""
    bench, letter_id = parked(store)
    with store.unit_of_work() as uow:
        put_back(uow, dead_letter(uow, letter_id), reason="try", taken_by=WHO)
        assert uow.jobs.due_doorbells(uow.clock.now())
    assert bench.book().parked == 1

    with store.unit_of_work() as uow:
        letter = dead_letter(uow, letter_id)
        put_back(uow, letter, reason="again", taken_by=WHO)
    with store.read() as uow:
        assert [one.reason for one in uow.dead_letters.history(letter_id)] == ["try", "again"]
        assert dead_letters(uow, 10) == ()


def test_a_failed_message_is_closed_and_not_put_back(store: Store) -> None:
    """It has ended; closing takes it off the list and deletes nothing."""
    letter_id = failed(store)
    with store.unit_of_work() as uow:
        letter = dead_letter(uow, letter_id)
        with pytest.raises(RefusedError, match="has ended"):
            put_back(uow, letter, reason="please", taken_by=WHO)
        assert uow.dead_letters.history(letter_id) == ()
        close(uow, letter, reason="owner asked anew", taken_by=WHO)

    with store.read() as uow:
        assert dead_letters(uow, 10) == ()
        assert dead_letter(uow, letter_id) == letter
        assert [one.action for one in uow.dead_letters.history(letter_id)] == ["close"]


def test_what_can_be_healed_is_not_closed(store: Store, clock: FixedClock) -> None:
    """No silent drop: a job or an event stays on the list until it is done."""
    for letter_id in (quarantine(store, clock), parked(store)[1]):
        with store.unit_of_work() as uow, pytest.raises(RefusedError, match="can be put back"):
            close(uow, dead_letter(uow, letter_id), reason="away with it", taken_by=WHO)


@pytest.mark.parametrize("reason", ["", "  ", "x" * 501])
def test_a_reason_is_needed(quick_store: Store, clock: FixedClock, reason: str) -> None:
    """Nothing is put back without one."""
    letter_id = quarantine(quick_store, clock)

    with pytest.raises(RefusedError, match="--reason"), quick_store.unit_of_work() as uow:
        put_back(uow, dead_letter(uow, letter_id), reason=reason, taken_by=WHO)

    with quick_store.read() as uow:
        assert uow.jobs.job("relay", "ab:12").state is JobState.QUARANTINED


@pytest.mark.parametrize(
    "letter_id", ["", "job:relay:x", "event:0x00", "event:" + "0x" + "00" * 32, "message:zz", "x:y"]
)
def test_what_is_no_dead_letter_is_refused(quick_store: Store, letter_id: str) -> None:
    """With the way to those there are, or the form of an id."""
    with quick_store.read() as uow, pytest.raises(RefusedError, match="unknown_letter"):
        dead_letter(uow, letter_id)


def test_whoever_comes_second_is_told(quick_store: Store, clock: FixedClock) -> None:
    """Two people put the same job back: one row, one refusal."""
    letter_id = quarantine(quick_store, clock)
    with quick_store.read() as uow:
        letter = dead_letter(uow, letter_id)
    with quick_store.unit_of_work() as uow:
        put_back(uow, letter, reason="mine", taken_by=WHO)

    with pytest.raises(RefusedError), quick_store.unit_of_work() as uow:
        put_back(uow, letter, reason="mine too", taken_by=WHO)

    with quick_store.read() as uow:
        assert len(uow.dead_letters.history(letter_id)) == 1


def test_what_people_did_cannot_be_changed(store: Store, clock: FixedClock) -> None:
    """UPDATE and DELETE fail in the database."""
    letter_id = quarantine(store, clock)
    with store.unit_of_work() as uow:
        put_back(uow, dead_letter(uow, letter_id), reason="mine", taken_by=WHO)

    for statement in ("DELETE FROM dead_letter_log", "UPDATE dead_letter_log SET reason = 'x'"):
        with pytest.raises(DBAPIError, match="append-only"), store.unit_of_work() as uow:
            uow.connection.execute(text(statement))


def test_r14_a_lock_without_movement_is_not_put_back_by_a_word(store: Store) -> None:
    """Only a reading that finds the movement lets it be booked."""
    chain = SimulatedChain(CHAIN_A)
    chain.mine(lock("forged", 666))
    chain.finalize()
    bench = Bench(store, node_of(chain, accusing(666)))
    bench.catch_up()
    (found,) = bench.parked()
    letter_id = "event:0x" + found.event_id.hex()

    with store.unit_of_work() as uow, pytest.raises(RefusedError, match="relayer replay"):
        put_back(uow, dead_letter(uow, letter_id), reason="my word", taken_by=WHO)

    assert bench.book().booked == 0
    assert bench.custody() == 0

"""Attest: a quorum moves on, refusals end it, silence waits; and every guardian gets to know."""

import asyncio
from typing import Any

import pytest

from relayer.clock import FixedClock
from relayer.errors import StateMovedError
from relayer.guardian.request import request_of_fields
from relayer.outbox.life import MessageState, WaitReason
from relayer.steps.attest import AttestOutcome, attest
from relayer.steps.catalog import Catalog
from relayer.steps.countersign import countersign
from relayer.steps.decide import decide
from relayer.steps.fence import Fence
from relayer.steps.liquidate import liquidate_account
from relayer.steps.queues import CONFIRM, RELAY
from relayer.store.grants import GrantState
from relayer.store.job_records import JobState
from relayer.store.unit_of_work import Store, UnitOfWork
from tests.databases import TestDatabases
from tests.relayer.api.kit import (
    ACCOUNT,
    CHAIN_A,
    CHAIN_B,
    GUARDIANS,
    VAULT_B,
    Signer,
    signer,
)
from tests.relayer.steps.fakes import AWAY, BEHIND, REFUSED, Answer, FakeDoor, signature_of
from tests.relayer.steps.world import (
    ETHER,
    FENCE,
    LIQ_ACCOUNT,
    SIGNATORY,
    SIGNED_CREDIT,
    SIGNED_UNLOCK,
    ask,
    kinds_booked,
    margin,
    owed,
    settled_world,
    stored_message,
)


class DroppedError(Exception):
    """The process ended here."""


def dropped(uow: UnitOfWork) -> None:
    """End the process before anything of the transaction is committed."""
    raise DroppedError


def doors(*answers: Answer | None) -> list[FakeDoor]:
    """Return the guardians with what they answer; None signs."""
    return [FakeDoor(key, answer) for key, answer in zip(GUARDIANS, answers, strict=True)]


def run(
    store: Store,
    catalog: Catalog,
    asked: list[FakeDoor],
    message_id: bytes,
    fence: Fence = FENCE,
) -> AttestOutcome:
    """Attest once."""
    return asyncio.run(attest(store, catalog, asked, message_id, fence=fence))


def granted(store: Store, catalog: Catalog, command: Any = SIGNED_UNLOCK) -> bytes:
    """Return the message of a granted request in a new world."""
    settled_world(store)
    command_id = ask(store, command)
    decide(store, catalog, command_id, fence=FENCE)
    with store.read() as uow:
        request = uow.requests.get(command_id)
    assert request is not None
    assert request.message_id is not None
    return request.message_id


def signatures(store: Store, message_id: bytes) -> set[bytes]:
    """Return who signed."""
    with store.read() as uow:
        return set(uow.outbox.signatures(message_id, 0))


def test_a_quorum_moves_the_hold_in_flight_and_rings(store: Store, catalog: Catalog) -> None:
    """Two of three, one away."""
    message_id = granted(store, catalog)

    outcome = run(store, catalog, doors(None, None, AWAY), message_id)

    assert outcome == AttestOutcome(MessageState.ATTESTED, 2, True, WaitReason.QUORUM_REACHED)
    assert kinds_booked(store) == ["unlock.held", "unlock.sent"]
    assert margin(store) == (9 * ETHER, 0)
    with store.read() as uow:
        assert uow.jobs.job(RELAY, message_id.hex()).state is JobState.DUE


def test_the_third_guardian_is_informed_afterwards(quick_store: Store, catalog: Catalog) -> None:
    """Only it is asked, and then nobody any more."""
    message_id = granted(quick_store, catalog)
    run(quick_store, catalog, doors(None, None, AWAY), message_id)
    asked = doors(None, None, None)

    outcome = run(quick_store, catalog, asked, message_id)

    assert [len(door.asked) for door in asked] == [0, 0, 1]
    assert (outcome.state, outcome.signatures, outcome.is_open) == (
        MessageState.ATTESTED,
        3,
        False,
    )
    assert kinds_booked(quick_store) == ["unlock.held", "unlock.sent"]


def strangers_answer(raw: bytes, key: Signer, **changes: Any) -> Answer:
    """Return a signature by another key or over something else."""
    request = {"message": "0x" + raw.hex(), "target_chain": CHAIN_A}
    return Answer(signature_of(key, request, **changes))


@pytest.mark.parametrize(
    ("key", "changes"),
    [
        (signer("stranger"), {}),
        (GUARDIANS[1], {}),
        (GUARDIANS[2], {"message_id": bytes(32)}),
        (GUARDIANS[2], {"contract": VAULT_B}),
        (GUARDIANS[2], {"chain_id": CHAIN_B}),
        (GUARDIANS[2], {"guardian_set_index": 1}),
    ],
)
def test_a_signature_by_another_or_over_something_else_is_not_counted(
    quick_store: Store, catalog: Catalog, key: Signer, changes: dict[str, Any]
) -> None:
    """Here the third guardian answers with it, where it would make the quorum."""
    message_id = granted(quick_store, catalog)
    raw = stored_message(quick_store, message_id).message.message.encode()
    wrong = strangers_answer(raw, key, **changes)

    outcome = run(quick_store, catalog, doors(None, AWAY, wrong), message_id)

    assert (outcome.state, outcome.signatures) == (MessageState.DISPATCHED, 1)
    assert signatures(quick_store, message_id) == {GUARDIANS[0].address}


@pytest.mark.parametrize("raw", [b"", bytes(65), b"x" * 65, b"x" * 64, b"\xff" * 65])
def test_a_signature_that_is_none_is_not_counted(
    quick_store: Store, catalog: Catalog, raw: bytes
) -> None:
    """Whatever bytes they are."""
    message_id = granted(quick_store, catalog)

    assert run(quick_store, catalog, doors(None, AWAY, Answer(raw)), message_id).signatures == 1


def test_refusals_of_all_give_the_hold_back(quick_store: Store, catalog: Catalog) -> None:
    """Then no quorum can form, even if one of them lies; the reasons are in the message's life."""
    message_id = granted(quick_store, catalog)

    outcome = run(quick_store, catalog, doors(REFUSED, REFUSED, REFUSED), message_id)

    assert (outcome.state, outcome.is_open) == (MessageState.FAILED, False)
    assert kinds_booked(quick_store) == ["unlock.held", "unlock.dropped"]
    assert margin(quick_store) == (10 * ETHER, 0)
    with quick_store.read() as uow:
        assert "insufficient_margin 1 of 2 units" in uow.outbox.life(message_id)[-1].detail


@pytest.mark.parametrize("third", [AWAY, BEHIND])
def test_a_guardian_that_has_not_refused_keeps_the_hold(
    quick_store: Store, catalog: Catalog, third: Answer
) -> None:
    """One of the two that said no may lie and sign later, with the third."""
    message_id = granted(quick_store, catalog)

    outcome = run(quick_store, catalog, doors(REFUSED, REFUSED, third), message_id)

    assert (outcome.state, outcome.is_open) == (MessageState.DISPATCHED, True)
    assert margin(quick_store) == (9 * ETHER, ETHER)


def test_a_signature_that_is_out_keeps_the_hold(quick_store: Store, catalog: Catalog) -> None:
    """A guardian that refuses and signs afterwards would make the quorum with it."""
    message_id = granted(quick_store, catalog)

    outcome = run(quick_store, catalog, doors(None, REFUSED, REFUSED), message_id)

    assert (outcome.state, outcome.signatures) == (MessageState.DISPATCHED, 1)
    assert margin(quick_store) == (9 * ETHER, ETHER)


def test_one_refusal_waits(quick_store: Store, catalog: Catalog) -> None:
    """Two others may still sign."""
    message_id = granted(quick_store, catalog)

    outcome = run(quick_store, catalog, doors(REFUSED, None, BEHIND), message_id)

    assert outcome == AttestOutcome(MessageState.DISPATCHED, 1, True, WaitReason.GUARDIANS_REFUSED)
    assert margin(quick_store) == (9 * ETHER, ETHER)


def test_a_refused_grant_counts_no_more(quick_store: Store, catalog: Catalog) -> None:
    """It is over; nothing was held."""
    message_id = granted(quick_store, catalog, SIGNED_CREDIT)

    run(quick_store, catalog, doors(REFUSED, REFUSED, REFUSED), message_id)

    with quick_store.read() as uow:
        grant = uow.grants.get(message_id)
    assert grant is not None
    assert grant.state is GrantState.LAPSED


def test_a_refused_seizure_reverses_the_liquidation(store: Store, catalog: Catalog) -> None:
    """Debt and collateral are the borrower's again."""
    settled_world(store, owed_usd=24_000)
    liquidate_account(store, catalog, ACCOUNT, fence=FENCE)
    with store.read() as uow:
        (stored,) = uow.outbox.of_account(ACCOUNT)
    assert owed(store, ACCOUNT, LIQ_ACCOUNT) > 0

    run(store, catalog, doors(REFUSED, REFUSED, REFUSED), stored.message_id)

    assert kinds_booked(store) == [
        "liquidation.moved",
        "seize.held",
        "seize.dropped",
        "liquidation.dropped",
    ]
    assert (margin(store), margin(store, LIQ_ACCOUNT)) == ((10 * ETHER, 0), (0, 0))
    assert (owed(store), owed(store, ACCOUNT, LIQ_ACCOUNT)) == (24_000 * 10**6, 0)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [(AWAY, WaitReason.GUARDIANS_UNREACHABLE), (BEHIND, WaitReason.GUARDIANS_NOT_YET)],
)
def test_silence_waits_with_its_reason(
    quick_store: Store, catalog: Catalog, answer: Answer, reason: WaitReason
) -> None:
    """Nothing moves, and the message says why and until when."""
    message_id = granted(quick_store, catalog)

    outcome = run(quick_store, catalog, doors(answer, answer, answer), message_id)

    assert (outcome.reason, outcome.is_open) == (reason, True)
    stored = stored_message(quick_store, message_id)
    assert (stored.state, stored.reason) == (MessageState.DISPATCHED, reason)
    assert stored.next_attempt_at == quick_store.clock.now() + 1
    assert margin(quick_store) == (9 * ETHER, ETHER)


def test_no_quorum_in_time_is_disputed_and_followed(
    quick_store: Store, catalog: Catalog, clock: FixedClock
) -> None:
    """Only a final block gives the hold back, so confirm is rung."""
    message_id = granted(quick_store, catalog)
    clock.move(3_601)

    outcome = run(quick_store, catalog, doors(None, AWAY, AWAY), message_id)

    assert outcome.state is MessageState.DISPUTED
    assert margin(quick_store) == (9 * ETHER, ETHER)
    with quick_store.read() as uow:
        assert uow.jobs.job(CONFIRM, message_id.hex()).state is JobState.DUE


def test_a_crash_before_the_write_repeats_harmlessly(store: Store, catalog: Catalog) -> None:
    """The guardians are asked again and answer the same."""
    message_id = granted(store, catalog)
    with pytest.raises(DroppedError):
        run(store, catalog, doors(None, None, None), message_id, dropped)
    assert signatures(store, message_id) == set()
    assert stored_message(store, message_id).state is MessageState.PENDING

    outcomes = [run(store, catalog, doors(None, None, None), message_id) for _ in range(3)]

    outcome = outcomes[-1]
    assert (outcome.state, outcome.signatures, outcome.is_open) == (
        MessageState.ATTESTED,
        3,
        False,
    )
    assert kinds_booked(store) == ["unlock.held", "unlock.sent"]


def test_an_unknown_message_is_named(quick_store: Store, catalog: Catalog) -> None:
    """The job is overtaken."""
    with pytest.raises(StateMovedError, match="0x00"):
        run(quick_store, catalog, doors(None, None, None), bytes(32))


def test_what_a_guardian_is_shown_is_enough_for_it(
    store: Store, catalog: Catalog, databases: TestDatabases, clock: FixedClock
) -> None:
    """A guardian with a database of its own signs what it is asked over the wire."""
    message_id = granted(store, catalog)
    asked = doors(None, None, None)
    run(store, catalog, asked, message_id)
    with databases.store("sqlite", clock) as own:
        settled_world(own)

        signature = countersign(own, catalog, SIGNATORY, request_of_fields(asked[0].asked[0]))

    with store.read() as uow:
        assert uow.outbox.signatures(message_id, 0)[SIGNATORY.address] == signature

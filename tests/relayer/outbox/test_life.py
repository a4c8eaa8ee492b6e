"""Tests of the transition table."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayer.outbox.life import (
    FINAL_STATES,
    HOLDING_STATES,
    TRANSITIONS,
    MessageEvent,
    MessageState,
    TransitionError,
    next_state,
    retry_delay_seconds,
)

S, E = MessageState, MessageEvent


def run(*events: MessageEvent) -> MessageState:
    """Return where a new message ends."""
    state = S.PENDING
    for event in events:
        state = next_state(state, event)
    return state


def test_a_message_that_arrives_is_confirmed() -> None:
    """The straight way."""
    assert run(E.DISPATCH, E.ATTEST, E.SUBMIT, E.DELIVER, E.CONFIRM) is S.CONFIRMED


def test_an_effect_in_a_gone_block_is_waited_for_again() -> None:
    """The message may be executed in another block."""
    assert run(E.DISPATCH, E.ATTEST, E.SUBMIT, E.DELIVER, E.REORG) is S.SUBMITTED


def test_somebody_else_may_deliver() -> None:
    """A quorum of signatures can be carried by anybody."""
    assert run(E.DISPATCH, E.DELIVER) is S.DELIVERED
    assert run(E.DISPATCH, E.ATTEST, E.DELIVER) is S.DELIVERED


def test_time_alone_gives_nothing_back() -> None:
    """After the expiry only a proof, or the effect after all, ends a message."""
    assert run(E.DISPATCH, E.ATTEST, E.EXPIRE) is S.DISPUTED
    assert run(E.DISPATCH, E.ATTEST, E.SUBMIT, E.EXPIRE, E.PROVE_UNEXECUTED) is S.RETURNED
    assert run(E.DISPATCH, E.ATTEST, E.SUBMIT, E.EXPIRE, E.DELIVER, E.CONFIRM) is S.CONFIRMED
    assert all(E.EXPIRE not in TRANSITIONS[state] for state in (S.DISPUTED, S.DELIVERED))


@pytest.mark.parametrize("state", sorted(set(S) - {S.PENDING, S.DISPATCHED}, key=str))
def test_a_message_with_a_quorum_cannot_be_rejected(state: MessageState) -> None:
    """Its signatures exist, so it may execute."""
    with pytest.raises(TransitionError, match="cannot REJECT"):
        next_state(state, E.REJECT)


@given(st.lists(st.sampled_from(E)))
def test_what_is_held_is_freed_by_three_ends_only(events: list[MessageEvent]) -> None:
    """No sequence of events leaves one of the ends, but a person who recovers a chain."""
    state = S.PENDING
    for event in events:
        before = state
        try:
            state = next_state(state, event)
        except TransitionError:
            continue
        assert before in HOLDING_STATES or event is E.RECOVER
    assert {S.CONFIRMED, S.FAILED, S.RETURNED} == FINAL_STATES


def test_a_final_effect_that_a_recovery_takes_back_is_waited_for_again() -> None:
    """Nothing is given back: the effect may come again, or a proof that it cannot."""
    confirmed = (E.DISPATCH, E.ATTEST, E.SUBMIT, E.DELIVER, E.CONFIRM)

    assert run(*confirmed, E.RECOVER) is S.DISPUTED
    assert run(*confirmed, E.RECOVER, E.DELIVER, E.CONFIRM) is S.CONFIRMED
    assert run(*confirmed, E.RECOVER, E.PROVE_UNEXECUTED) is S.RETURNED


def test_every_state_can_be_reached_and_left_unless_it_is_an_end() -> None:
    """No state is a dead end or an island."""
    reached, frontier = {S.PENDING}, [S.PENDING]
    while frontier:
        for target in TRANSITIONS[frontier.pop()].values():
            if target not in reached:
                reached.add(target)
                frontier.append(target)

    assert reached == set(S) == set(TRANSITIONS)
    assert {event for arrows in TRANSITIONS.values() for event in arrows} == set(E)


def test_the_error_names_what_is_possible() -> None:
    """An operator sees the arrows that exist."""
    with pytest.raises(TransitionError, match="DISPATCH, REJECT, EXPIRE") as caught:
        next_state(S.PENDING, E.CONFIRM)
    assert (caught.value.state, caught.value.event) == (S.PENDING, E.CONFIRM)
    with pytest.raises(TransitionError, match="nothing, it has ended"):
        next_state(S.FAILED, E.DISPATCH)


def test_r12_the_ladder_grows_and_each_name_waits_a_little_longer_by_its_own_share() -> None:
    """From 5 s to 25 min, at most a tenth more, and always the same for the same failure."""
    steps = (5, 10, 30, 60, 180, 600, 1_500, 1_500)
    names = [f"relay {number}" for number in range(200)]

    for attempts, step_seconds in enumerate(steps, start=1):
        pauses = [retry_delay_seconds(attempts, name) for name in names]
        assert min(pauses) == step_seconds
        assert max(pauses) <= step_seconds + step_seconds // 10
        assert pauses == [retry_delay_seconds(attempts, name) for name in names]
    assert len({retry_delay_seconds(4, name) for name in names}) > 3
    with pytest.raises(ValueError, match="attempts is 0"):
        retry_delay_seconds(0, "relay")

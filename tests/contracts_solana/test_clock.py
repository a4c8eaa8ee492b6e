"""A clock that goes back lets nothing out twice and nobody out sooner."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chains.message import MessageKind
from chains.solana.vault_errors import VaultProgramError as E
from tests.contracts_solana.runtime import RefusedError
from tests.contracts_solana.test_exits import leave
from tests.contracts_solana.test_guardians import next_set_of
from tests.contracts_solana.world import CAPACITY, LIMITS, World, open_world, refused

BUCKET_SECONDS = 1_000
WINDOW_SECONDS = LIMITS.listing_window_seconds


def pay(world: World, units: int) -> None:
    """Release units of alice's, with an attestation that is good whatever the clock says."""
    world.execute(world.message(MessageKind.RELEASE, amount_units=units, expiry_seconds=2**62))


@pytest.fixture
def world() -> World:
    """A vault with five times of what may leave in a window."""
    found = open_world()
    found.lock(5 * CAPACITY)
    return found


@pytest.mark.parametrize(
    "seconds_back",
    [1, BUCKET_SECONDS, 23 * BUCKET_SECONDS, 25 * BUCKET_SECONDS, 10**6, 1_799_999_999],
)
def test_what_has_left_still_counts_when_the_clock_goes_back(
    world: World, seconds_back: int
) -> None:
    """However far, to the first seconds of 1970."""
    pay(world, CAPACITY)
    world.runtime.set_time(world.runtime.now - seconds_back)

    with refused(E.OUTFLOW_LIMITED):
        pay(world, 1)


@settings(max_examples=25)
@given(
    steps=st.lists(
        st.tuples(st.integers(-60_000, 1_500), st.integers(1, CAPACITY // 2)), max_size=10
    )
)
def test_no_way_of_the_clock_lets_out_more_than_the_capacity(steps: list[tuple[int, int]]) -> None:
    """Whatever is paid while the clock stays within one bucket of its newest second or behind."""
    world = open_world()
    world.lock(5 * CAPACITY)
    newest, paid = world.runtime.now, 0
    refusals = []
    for seconds, units in steps:
        world.runtime.set_time(min(world.runtime.now + seconds, newest + BUCKET_SECONDS - 1))
        try:
            pay(world, units)
        except RefusedError as refusal:
            refusals.append(refusal.code)
        else:
            paid += units

    assert set(refusals) <= {E.OUTFLOW_LIMITED}
    assert paid <= CAPACITY
    assert world.custody_units == 5 * CAPACITY - paid


def test_a_message_stays_executed(world: World) -> None:
    """Its mark is an account, not a time."""
    message = world.message(MessageKind.RELEASE, expiry_seconds=2**62)
    world.execute(message)
    world.runtime.set_time(world.runtime.now - WINDOW_SECONDS)

    with refused(E.ALREADY_EXECUTED):
        world.execute(message)


def test_an_exit_waits_for_the_delay_after_the_second_that_was_written(world: World) -> None:
    """A clock that went back lets nobody out before it."""
    pay(world, 1)
    written = world.vault.last_attested_at
    world.runtime.set_time(written - 10**6)
    with refused(E.EXIT_TOO_EARLY):
        leave(world)

    world.runtime.set_time(written + LIMITS.exit_delay_seconds)
    with refused(E.EXIT_TOO_EARLY):
        leave(world)
    world.runtime.set_time(written + LIMITS.exit_delay_seconds + 1)
    leave(world)


def test_an_exit_delay_at_the_end_of_time_is_refused_and_does_not_run_over(world: World) -> None:
    """A clock near 2^63 leaves the sum of second and delay below 2^64."""
    world.runtime.set_time(2**63 - 1)
    pay_late = world.message(MessageKind.RELEASE, expiry_seconds=2**64 - 1)
    world.execute(pay_late)

    with refused(E.EXIT_TOO_EARLY):
        leave(world)


def test_a_replaced_set_ends_at_a_second_that_was_written(world: World) -> None:
    """While the clock stands behind it the overlap is longer, and rotation stays the current's."""
    old = world.guardian_set
    world.rotate(next_set_of(world))
    world.runtime.set_time(world.runtime.now - 10)
    message = world.message(MessageKind.RELEASE)

    world.execute(message, world.attest(message, old))
    with refused(E.NOT_CURRENT_SET):
        pause = world.message(MessageKind.PAUSE, amount_units=3)
        world.execute(pause, world.attest(pause, old))

"""Tests of what the governor keeps."""

from dataclasses import replace

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from chains.types import ChainId
from relayer.assets import Path
from relayer.clock import UnixSeconds
from relayer.errors import StateMovedError
from relayer.governor.buckets import Lane, Shortage
from relayer.governor.windows import Flow
from relayer.money import AssetId
from relayer.store.governor import GOVERNOR, GovernorRelease, Outflow, ReleaseState
from relayer.store.unit_of_work import Store
from tests.databases import NOW
from tests.flaky_nodes import accusing, node_of
from tests.relayer.api.kit import CHAIN_A, contract
from tests.relayer.steps.bookings import Bench, lock
from tests.simulated_chain import SimulatedChain

CHAIN = ChainId("eip155:1")
PATH = Path(AssetId("WETH"), CHAIN, "guardian")
LANE = Lane(ChainId("hub:test"), CHAIN)
QUEUED = GovernorRelease(
    message_id=b"m" * 32,
    path=PATH,
    units=2**255,
    value_wad=2**200,
    state=ReleaseState.QUEUED,
    is_counted=True,
    queued_at=UnixSeconds(NOW),
    due_at=UnixSeconds(NOW + 86_400),
    expires_at=UnixSeconds(NOW + 90_000),
    decided_at=None,
    reason="full",
    who=GOVERNOR,
)
RELEASED = replace(QUEUED, state=ReleaseState.RELEASED, decided_at=UnixSeconds(NOW + 5))


def actions(store: Store) -> list[str]:
    """Return what the log says, oldest first."""
    with store.read() as uow:
        return [entry.action for entry in uow.governor.entries(QUEUED.message_id)][::-1]


def test_a_message_is_stored_once_and_whole(store: Store) -> None:
    """Judged again it stays as it was queued."""
    with store.unit_of_work() as uow:
        assert uow.governor.add(QUEUED)
        assert not uow.governor.add(replace(QUEUED, reason="other"))

    with store.read() as uow:
        assert uow.governor.get(QUEUED.message_id) == QUEUED
        assert uow.governor.waiting() == (QUEUED,)
        assert uow.governor.get(b"x" * 32) is None
    assert actions(store) == ["queue"]


def test_a_release_counts_from_the_second_it_was_decided(store: Store) -> None:
    """What does not count is not among the outflows, nor what left before."""
    uncounted = replace(RELEASED, message_id=b"u" * 32, is_counted=False)
    with store.unit_of_work() as uow:
        uow.governor.add(QUEUED)
        uow.governor.change(QUEUED, RELEASED, "release")
        uow.governor.add(uncounted)
        uow.governor.add(replace(QUEUED, message_id=b"w" * 32))

        counted = (Outflow(PATH, Flow(UnixSeconds(NOW + 5), 2**200)),)
        assert uow.governor.outflows(CHAIN, NOW + 4) == counted
        assert uow.governor.outflows(CHAIN, NOW + 5) == ()
        assert uow.governor.outflows(ChainId("eip155:2"), 0) == ()
    assert actions(store) == ["queue", "release"]


def test_a_decision_is_taken_once(store: Store) -> None:
    """Whoever comes second, or read an older row, is told."""
    with store.unit_of_work() as uow:
        uow.governor.add(QUEUED)
        uow.governor.change(QUEUED, replace(QUEUED, due_at=UnixSeconds(NOW)), "extend")

    for before in (QUEUED, RELEASED):
        with pytest.raises(StateMovedError), store.unit_of_work() as uow:
            uow.governor.change(before, RELEASED, "release")


def test_a_new_value_alone_is_no_line_of_the_log(store: Store) -> None:
    """It is judged each minute."""
    with store.unit_of_work() as uow:
        uow.governor.add(QUEUED)
        uow.governor.change(QUEUED, replace(QUEUED, value_wad=7), "queue")

        found = uow.governor.get(QUEUED.message_id)
    assert found == replace(QUEUED, value_wad=7)
    assert actions(store) == ["queue"]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE governor_log SET reason = 'other'",
        "DELETE FROM governor_log",
        "DELETE FROM governor_release",
        "UPDATE governor_release SET queued_at = 0",
        "UPDATE governor_release SET asset_id = 'USDC'",
        "UPDATE governor_take SET missing_wad = value_wad",
        "DELETE FROM governor_take",
    ],
)
def test_what_was_judged_cannot_be_changed_or_forgotten(store: Store, statement: str) -> None:
    """The database refuses it."""
    with store.unit_of_work() as uow:
        uow.governor.add(QUEUED)
        uow.governor.take(QUEUED.message_id, LANE, 5, Shortage(7, UnixSeconds(NOW)))

    with pytest.raises(DBAPIError), store.unit_of_work() as uow:
        uow.connection.execute(text(statement))


def test_r15_a_bucket_is_as_its_newest_taking_left_it(store: Store) -> None:
    """Each lane has its own, and each message takes once."""
    other = Lane(LANE.target, LANE.origin)
    with store.unit_of_work() as uow:
        assert uow.governor.shortage(LANE) is None
        uow.governor.take(b"a" * 32, LANE, 5, Shortage(2**255, UnixSeconds(NOW)))
        uow.governor.take(b"b" * 32, other, 1, Shortage(1, UnixSeconds(NOW + 9)))
        uow.governor.take(b"c" * 32, LANE, 5, Shortage(3, UnixSeconds(NOW)))

    with store.read() as uow:
        assert uow.governor.shortage(LANE) == Shortage(3, UnixSeconds(NOW))
        assert uow.governor.shortage(other) == Shortage(1, UnixSeconds(NOW + 9))
    with pytest.raises(DBAPIError), store.unit_of_work() as uow:
        uow.governor.take(b"a" * 32, LANE, 5, Shortage(8, UnixSeconds(NOW)))


def test_what_the_governor_dropped_itself_may_be_judged_again(store: Store) -> None:
    """What a person dropped may not."""
    dropped = replace(QUEUED, state=ReleaseState.DROPPED, decided_at=UnixSeconds(NOW))
    by_person = replace(dropped, message_id=b"p" * 32, who="ann")
    with store.unit_of_work() as uow:
        uow.governor.add(dropped)
        uow.governor.add(by_person)
        uow.governor.change(dropped, QUEUED, "queue")

    with pytest.raises(StateMovedError), store.unit_of_work() as uow:
        uow.governor.change(by_person, replace(QUEUED, message_id=b"p" * 32), "queue")


def test_r15_a_lock_that_is_not_booked_makes_no_room(store: Store) -> None:
    """Parked ones are forged, or of a token that nobody here knows."""
    bench = Bench(store, SimulatedChain(CHAIN_A))
    bench.chain.mine(lock("real", 10), lock("strange", 5, token=contract("strange token")))
    bench.chain.mine(lock("forged", 666))
    bench.chain.finalize()
    bench.chain = node_of(bench.chain, accusing(666))
    bench.catch_up()

    with store.read() as uow:
        inflows = uow.governor.inflows(CHAIN_A, 0)

    assert len(bench.parked()) == 2
    assert [inflow.units for inflow in inflows] == [10]

"""Watch with an own node among the nodes: strangers alone get nothing credited."""

from structlog.testing import capture_logs

from chains.agreement.board import Terms
from chains.agreement.quorum import AGREEMENT_SECONDS_MAX
from chains.agreement.reader import AgreeingReader
from relayer.clock import FixedClock
from relayer.steps.condition import log_node
from relayer.store.conditions import Condition
from relayer.store.observed_rows import EventFilter
from relayer.store.unit_of_work import Store
from tests.databases import NOW
from tests.relayer.steps.bookings import lock
from tests.relayer.steps.node_pools import NodeOfChain, cut_off, nodes_of_chain
from tests.relayer.steps.rounds import POLL_SECONDS, Rounds
from tests.relayer.steps.test_watch_nodes import LOST_SECONDS_MAX, condition_of, told

LABELS = ("own", "rented-1", "rented-2")


def reader_of(nodes: tuple[NodeOfChain, ...]) -> AgreeingReader:
    """Return what two of three nodes agree on, if the first is one of them."""
    return AgreeingReader(nodes, Terms(2, labels=LABELS, own=("own",), report=log_node))


def stored_units(store: Store) -> list[int]:
    """Return the units of all stored locks."""
    with store.read() as uow:
        events = [stored.event for stored in uow.chains.events(EventFilter())]
    return [getattr(event, "units", -1) for event in events]


class Story:
    """Rounds of a watcher, and when its chain was first stored as lost, in seconds."""

    def __init__(self, store: Store, clock: FixedClock, nodes: tuple[NodeOfChain, ...]) -> None:
        self.store, self.clock, self.nodes = store, clock, nodes
        self.lost_seconds: int | None = None
        self.reason = ""

    def run(self, count: int) -> list[str]:
        """Run the rounds; return the names of what was logged about the quorum."""
        reader = reader_of(self.nodes)
        with capture_logs() as logs:
            Rounds(
                self.store, self.nodes[0], count, reader=reader, pool=reader, act=self._act
            ).run()
        return [line["event"] for line in logs if line["event"].startswith("chain.quorum")]

    def act(self, number: int) -> None:
        """Do what the test does after a round."""

    def _act(self, number: int) -> None:
        self.clock.move(int(POLL_SECONDS))
        found = condition_of(self.store)
        is_lost = found is not None and found.condition is Condition.QUORUM_LOST
        if is_lost and self.lost_seconds is None and found is not None:
            self.lost_seconds, self.reason = self.clock.now() - NOW, found.detail
        self.act(number)


def test_r5_own_node_dissents_and_what_all_strangers_forge_is_not_credited(
    quick_store: Store, clock: FixedClock
) -> None:
    """Both rented nodes collude, enough for the quorum; the chain stops and says whose word is."""

    class Forging(Story):
        def act(self, number: int) -> None:
            if number == 2:
                for node in self.nodes[1:]:
                    node.mine(lock("forged", 10**18))
                    node.finalize()
                self.nodes[0].mine(lock("true", 5))
                self.nodes[0].finalize()
            if number == 40:
                for node in self.nodes[1:]:
                    node.blocks[:] = self.nodes[0].blocks

    story = Forging(quick_store, clock, nodes_of_chain(3))
    names = story.run(80)

    assert stored_units(quick_store) == [5]
    assert names == told(quick_store) == ["chain.quorum_lost", "chain.quorum_regained"]
    assert story.lost_seconds is not None
    assert story.lost_seconds - 2 + AGREEMENT_SECONDS_MAX <= LOST_SECONDS_MAX
    assert "own" in story.reason


def test_r5_own_node_away_stops_the_chain_within_30_seconds(
    quick_store: Store, clock: FixedClock
) -> None:
    """The strangers are honest, and yet nothing is read before it is back."""

    class Away(Story):
        def act(self, number: int) -> None:
            if number == 2:
                self.nodes[0].fault = cut_off
            if number in (3, 30):
                for node in self.nodes:
                    node.mine(lock(f"true-{number}", number))
            if number == 29:
                assert stored_units(self.store) == []
                self.nodes[0].fault = None

    story = Away(quick_store, clock, nodes_of_chain(3))
    names = story.run(80)

    assert stored_units(quick_store) == [3, 30]
    assert names == ["chain.quorum_lost", "chain.quorum_regained"]
    assert story.lost_seconds is not None
    assert story.lost_seconds - 2 + AGREEMENT_SECONDS_MAX <= LOST_SECONDS_MAX
    assert "no own node is among those that agree: own (RpcTimeoutError)" in story.reason


def test_r5_own_node_with_one_stranger_goes_on(quick_store: Store, clock: FixedClock) -> None:
    """The other stranger forges, then is silent: two of three agree, one of them is own."""

    class OneLiar(Story):
        def act(self, number: int) -> None:
            for node in self.nodes[:2]:
                node.mine(lock(f"true-{number}", 5))
            self.nodes[2].mine(lock(f"forged-{number}", 10**18))
            if number == 5:
                self.nodes[2].fault = cut_off

    names = OneLiar(quick_store, clock, nodes_of_chain(3)).run(10)

    assert stored_units(quick_store) == [5] * 9
    assert names == []


def test_r5_own_node_behind_the_head_delays_and_loses_nothing(
    quick_store: Store, clock: FixedClock
) -> None:
    """It is three blocks late all the time; everything that it has is stored, and no more."""
    late = 3

    class Late(Story):
        def act(self, number: int) -> None:
            for node in self.nodes[1:]:
                node.mine(lock(f"{number}", number))
            if number > late:
                self.nodes[0].mine(lock(f"{number - late}", number - late))

    story = Late(quick_store, clock, nodes_of_chain(3))
    names = story.run(12)

    assert stored_units(quick_store) == list(range(1, 12 - late))
    assert names == []
    assert story.lost_seconds is None

"""Names of queues: one pair a chain, no character that a broker reads as its own."""

from chains.types import ChainId
from relayer.steps.queues import SHARED_QUEUES, queues_of, reconcile_queue, relay_queue

CHAINS = (ChainId("eip155:1"), ChainId("eip155:10"))


def test_a_chain_has_a_queue_for_booking_and_one_for_sending() -> None:
    """The colon of the chain id is written as a dash."""
    assert reconcile_queue(CHAINS[0]) == "reconcile.eip155-1"
    assert relay_queue(CHAINS[0]) == "relay.eip155-1"


def test_all_queues_of_a_deployment_are_different() -> None:
    """The shared ones and two for each chain."""
    queues = queues_of(CHAINS)

    assert queues[: len(SHARED_QUEUES)] == SHARED_QUEUES
    assert len(set(queues)) == len(queues) == len(SHARED_QUEUES) + 4
    assert not any(":" in queue for queue in queues)

"""How long a watcher waits after a failure: longer and longer, unless it got on."""

import pytest
from structlog.testing import capture_logs

from chains.errors import ChainError, RpcAnswerError, RpcTimeoutError
from relayer.steps.watch import PAUSE_AFTER_ERROR_SECONDS_MAX
from relayer.store.unit_of_work import Store
from tests.relayer.api.kit import CHAIN_A
from tests.relayer.steps.rounds import POLL_SECONDS, Rounds
from tests.simulated_chain import SimulatedChain, fail_once


@pytest.fixture
def chain() -> SimulatedChain:
    """A chain with a final genesis."""
    return SimulatedChain(CHAIN_A)


def timeout() -> RpcTimeoutError:
    """Return what a silent node raises."""
    return RpcTimeoutError(chain_id=CHAIN_A, method="test")


def test_faults_of_a_node_make_longer_and_longer_pauses(
    quick_store: Store, chain: SimulatedChain
) -> None:
    """Doubled up to a limit; a round that succeeds begins anew."""

    def fail(method: str, height: int) -> None:
        raise timeout()

    def act(number: int) -> None:
        chain.fault = fail if 1 <= number <= 6 else None

    rounds = Rounds(quick_store, chain, 8, act=act)
    rounds.run()

    limit = PAUSE_AFTER_ERROR_SECONDS_MAX
    assert rounds.pauses == [1.0, 2.0, 4.0, 8.0, limit, limit, limit, 1.0]


@pytest.mark.parametrize(
    "error", [timeout(), RpcAnswerError(chain_id=CHAIN_A, method="t", reason="")]
)
def test_r22_a_failure_after_blocks_were_stored_is_the_first_of_its_kind(
    error: ChainError, quick_store: Store, chain: SimulatedChain
) -> None:
    """
    A backlog is caught up with although no round ends well; without progress pauses grow again.

    Two blocks of a round are read, the third fails: of ten blocks the last two come in round five.
    """

    def act(number: int) -> None:
        if number == 1:
            chain.mine_empty(10)
        reads = [0]

        def fail(method: str, height: int) -> None:
            reads[0] += method == "events_in_block"
            if reads[0] == 3 or number > 5:
                raise error

        chain.fault = fail

    rounds = Rounds(quick_store, chain, 8, act=act)
    rounds.run()

    longest = PAUSE_AFTER_ERROR_SECONDS_MAX if isinstance(error, RpcAnswerError) else 2.0
    assert rounds.pauses[:6] == [POLL_SECONDS, 2.0, 2.0, 2.0, 2.0, POLL_SECONDS]
    assert rounds.pauses[6:] == [longest, PAUSE_AFTER_ERROR_SECONDS_MAX if longest > 2 else 4.0]


def test_a_node_that_lies_is_asked_after_the_longest_pause(
    quick_store: Store, chain: SimulatedChain
) -> None:
    """It is an error for a person, not a reason to end."""
    error = RpcAnswerError(chain_id=CHAIN_A, method="test", reason="nonsense")
    chain.fault = fail_once("heads", error)

    with capture_logs() as logs:
        rounds = Rounds(quick_store, chain, 2)
        rounds.run()

    assert rounds.pauses == [PAUSE_AFTER_ERROR_SECONDS_MAX, POLL_SECONDS]
    assert [one["event"] for one in logs if one["log_level"] == "error"] == ["chain.unreadable"]

"""What a watcher does on news: once for each place of its chain, and again what failed."""

from collections.abc import Callable

import pytest

from chains.errors import RpcTimeoutError
from relayer.steps.watch import on_new_place
from relayer.store.unit_of_work import Store
from tests.relayer.api.kit import CHAIN_A
from tests.relayer.steps.rounds import Rounds
from tests.simulated_chain import SimulatedChain


@pytest.fixture
def chain() -> SimulatedChain:
    """A chain with a final genesis."""
    return SimulatedChain(CHAIN_A)


def test_what_is_done_on_news_is_done_once_for_each_place(
    quick_store: Store, chain: SimulatedChain
) -> None:
    """A round without a new block does nothing; a new final block is news too."""
    heights: list[tuple[int, int]] = []
    acted = on_new_place(lambda: heights.append((chain.height, chain.final_height)))
    changes: dict[int, Callable[[], object]] = {2: chain.mine, 4: chain.finalize}

    def change(number: int) -> None:
        if number in changes:
            changes[number]()

    rounds = Rounds(quick_store, chain, 6, act=change, on_news=acted)

    rounds.run()

    assert len(rounds.news) == 6
    assert heights == [(0, 0), (1, 0), (1, 1)]


def test_what_failed_on_news_is_done_again(quick_store: Store, chain: SimulatedChain) -> None:
    """A place counts as done only once it is."""
    calls: list[int] = []

    def act() -> None:
        calls.append(chain.height)
        if len(calls) == 1:
            raise RpcTimeoutError(chain_id=CHAIN_A, method="test")

    Rounds(quick_store, chain, 3, on_news=on_new_place(act)).run()

    assert calls == [0, 0]

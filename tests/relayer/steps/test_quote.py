"""Quote: feeds and credit lines at the newest block, each new answer once, nonsense left out."""

import asyncio
from dataclasses import replace

import pytest

from chains.errors import RpcAnswerError, RpcTimeoutError
from chains.port import CreditLineState
from chains.types import BlockRef
from relayer.steps.observe import Observation
from relayer.steps.queues import ASSESS
from relayer.steps.quote import quote
from relayer.store.unit_of_work import Store
from tests.databases import NOW
from tests.relayer.api.kit import CHAIN_A, CHAIN_C, LINE_C, contract
from tests.relayer.steps.bookings import CATALOG, Bench
from tests.simulated_chain import RAY, SimulatedChain, fail_once
from tests.simulated_feeds import SimulatedFeeds

WETH_FEED, USDC_FEED = contract("weth-usd"), contract("usdc-usd")


@pytest.fixture
def feeds() -> SimulatedFeeds:
    """Both feeds of the deployment, with an answer."""
    made = SimulatedFeeds()
    made.set(WETH_FEED, 2_000 * 10**8, updated_at_seconds=NOW)
    made.set(USDC_FEED, 10**8, updated_at_seconds=NOW)
    return made


def ask(store: Store, chain: SimulatedChain, feeds: SimulatedFeeds) -> bool:
    """Quote at the newest block."""
    observation: Observation = Bench(store, chain).follow()
    return asyncio.run(quote(store, CATALOG, chain, feeds, observation))


def answers(store: Store) -> dict[str, int]:
    """Return the newest answer of each feed."""
    with store.read() as uow:
        return {
            point.feed_label: point.answer
            for rule in CATALOG.feed_rules
            for point in uow.prices.latest_of_asset(rule.asset_id)
        }


def is_rung(store: Store) -> bool:
    """Return whether the accounts are to be assessed."""
    with store.read() as uow:
        return any(ASSESS in pair for pair in uow.jobs.due_doorbells(uow.clock.now()))


def bad_answer() -> RpcAnswerError:
    """Return what nonsense raises."""
    return RpcAnswerError(chain_id=CHAIN_A, method="latestRoundData()", reason="3 bytes")


def test_new_prices_are_stored_and_ring_for_assessment(store: Store, feeds: SimulatedFeeds) -> None:
    """Each feed of the chain is asked once."""
    assert ask(store, SimulatedChain(CHAIN_A), feeds)

    assert answers(store) == {"usdc-usd": 10**8, "weth-usd": 2_000 * 10**8}
    assert sorted(feeds.asked) == sorted([WETH_FEED, USDC_FEED])
    assert is_rung(store)


def test_the_same_answer_is_stored_once(store: Store, feeds: SimulatedFeeds) -> None:
    """A poll without news writes nothing; the same price of a newer round is news."""
    bench = Bench(store, SimulatedChain(CHAIN_A))
    observation = bench.follow()
    first, again = (
        asyncio.run(quote(store, CATALOG, bench.chain, feeds, observation)) for _ in range(2)
    )
    feeds.set(WETH_FEED, 2_000 * 10**8, updated_at_seconds=NOW + 1)
    newer = asyncio.run(quote(store, CATALOG, bench.chain, feeds, observation))

    assert (first, again, newer) == (True, False, True)


def test_a_feed_that_answers_nonsense_is_left_out(
    quick_store: Store, feeds: SimulatedFeeds
) -> None:
    """The others are stored."""
    feeds.answers[WETH_FEED] = bad_answer()

    assert ask(quick_store, SimulatedChain(CHAIN_A), feeds)

    assert answers(quick_store) == {"usdc-usd": 10**8}


def test_a_time_beyond_all_time_is_nonsense(store: Store, feeds: SimulatedFeeds) -> None:
    """No column holds it; it must not keep the other feeds from being stored."""
    feeds.set(WETH_FEED, 2_000 * 10**8, updated_at_seconds=2**64 - 1)

    assert ask(store, SimulatedChain(CHAIN_A), feeds)

    assert answers(store) == {"usdc-usd": 10**8}


@pytest.mark.parametrize("answer", [0, -1, -(2**255), 2**255 - 1])
def test_a_strange_price_is_stored_as_it_is(
    quick_store: Store, feeds: SimulatedFeeds, answer: int
) -> None:
    """Judging is the price rule's part, and it needs to see what came."""
    feeds.set(WETH_FEED, answer, updated_at_seconds=0)

    ask(quick_store, SimulatedChain(CHAIN_A), feeds)

    assert answers(quick_store)["weth-usd"] == answer


def test_a_silent_node_stores_nothing(quick_store: Store, feeds: SimulatedFeeds) -> None:
    """The whole round is tried again."""
    feeds.answers[WETH_FEED] = RpcTimeoutError(chain_id=CHAIN_A, method="test")

    with pytest.raises(RpcTimeoutError):
        ask(quick_store, SimulatedChain(CHAIN_A), feeds)

    assert answers(quick_store) == {}


def test_a_credit_line_is_stored_when_it_moved(store: Store, feeds: SimulatedFeeds) -> None:
    """Without an assessment: a price moves accounts at once, interest slowly."""
    chain = SimulatedChain(CHAIN_C, index_ray=RAY + 1)

    assert not ask(store, chain, feeds)

    with store.read() as uow:
        state = uow.credit_lines.get(CHAIN_C, LINE_C)
    assert state is not None
    assert state.index_ray == RAY + 1
    assert not is_rung(store)


def test_a_new_rate_is_stored_though_nothing_accrued(
    quick_store: Store, feeds: SimulatedFeeds
) -> None:
    """The rate may change in the second in which the index was written."""

    class Rated(SimulatedChain):
        rate = 0

        async def credit_line_state(self, credit_line: bytes, block: BlockRef) -> CreditLineState:
            state = await SimulatedChain.credit_line_state(self, credit_line, block)
            return replace(state, rate_per_second_ray=self.rate)

    chain = Rated(CHAIN_C)
    observation = Bench(quick_store, chain).follow()
    asyncio.run(quote(quick_store, CATALOG, chain, feeds, observation))
    Rated.rate = 5
    asyncio.run(quote(quick_store, CATALOG, chain, feeds, observation))

    with quick_store.read() as uow:
        state = uow.credit_lines.get(CHAIN_C, LINE_C)
    assert state is not None
    assert state.rate_per_second_ray == 5


def test_a_broken_credit_line_does_not_keep_prices_back(
    quick_store: Store, feeds: SimulatedFeeds
) -> None:
    """A feed on the same chain is stored."""
    chain = SimulatedChain(CHAIN_C, fault=fail_once("credit_line_state", bad_answer()))
    feed = replace(CATALOG.feeds[0], chain_id=CHAIN_C)
    catalog = replace(CATALOG, feeds=(feed,))
    observation = Bench(quick_store, chain).follow()

    assert asyncio.run(quote(quick_store, catalog, chain, feeds, observation))

    assert list(answers(quick_store)) == [feed.label]

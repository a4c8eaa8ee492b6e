"""Nodes that leave logs out, seen through the real reader."""

import pytest

from chains.agreement.reader import AgreeingReader
from chains.devnet.lies.holes import MILLION, DropLogs, TruncateRanges
from chains.devnet.memory_node.node import MemoryNode
from chains.devnet.proxy import FaultProxy, Layer
from chains.events import CollateralLocked, ObservedEvent
from chains.evm.reader import EvmReader
from tests.chains.devnet.scenes import TOKEN, VAULT, agreeing, chain_with_locks, through

LOCKS = (3, 0, 4, 5, 2, 6)


def ids(events: tuple[ObservedEvent, ...]) -> list[int]:
    """Return the lock ids."""
    return [event.lock_id for event in events if isinstance(event, CollateralLocked)]


def ranges(layer: Layer, times: int = 1) -> tuple[list[list[int]], dict[str, int]]:
    """Return what so many reads of the whole chain bring, and what was injected."""

    async def ask(reader: EvmReader) -> list[list[int]]:
        return [ids((await reader.events_in_range(0, len(LOCKS))).events) for _ in range(times)]

    with (
        MemoryNode(chain_with_locks(*LOCKS)) as node,
        FaultProxy(node.rpc_url, layers=[layer]) as proxy,
    ):
        return through(proxy.rpc_url, ask), dict(proxy.injected)


def test_a_share_of_the_logs_is_missing_for_ever() -> None:
    """Each read misses the same ones; the counter says how many in all."""
    (first, second), injected = ranges(DropLogs(5, share_ppm=MILLION // 4), times=2)

    assert first == second
    assert 0 < len(first) < 20
    assert injected == {"dropped_log": 2 * (20 - len(first))}


def test_a_share_that_changes_is_complete_in_the_end() -> None:
    """Each read misses others, so that reading again finds what was missed."""
    reads, _ = ranges(DropLogs(5, share_ppm=MILLION // 4, is_lasting=False), times=6)

    assert len({tuple(read) for read in reads}) > 1
    assert set().union(*reads) == set(range(1, 21))


def test_chosen_logs_are_missing() -> None:
    """Those that match, and only they."""
    reads, injected = ranges(DropLogs(0, matching=lambda log: int(log["topics"][1], 16) == 7))

    assert reads == [[number for number in range(1, 21) if number != 7]]
    assert injected == {"dropped_log": 1}


def test_a_hole_shows_in_the_counter_of_the_vault() -> None:
    """Only eth_getLogs leaves out; views tell the truth."""
    chain = chain_with_locks(*LOCKS)

    async def ask(reader: EvmReader) -> tuple[int, int]:
        events = (await reader.events_in_range(0, chain.head.block.height)).events
        return len(events), (await reader.vault_state(VAULT, TOKEN, chain.head.block)).lock_count

    with (
        MemoryNode(chain) as node,
        FaultProxy(node.rpc_url, layers=[DropLogs(1, share_ppm=MILLION)]) as proxy,
    ):
        assert through(proxy.rpc_url, ask) == (0, 20)


def test_a_range_ends_early_without_a_word() -> None:
    """By blocks or by logs; reads by hash are complete."""
    by_blocks, _ = ranges(TruncateRanges(blocks_max=4))
    by_logs, injected = ranges(TruncateRanges(logs_max=5))

    assert by_blocks == [list(range(1, 8))]
    assert by_logs == [list(range(1, 6))]
    assert injected == {"truncated_range": 1}

    chain = chain_with_locks(*LOCKS)
    with (
        MemoryNode(chain) as node,
        FaultProxy(node.rpc_url, layers=[TruncateRanges(logs_max=1)]) as proxy,
    ):
        read = through(proxy.rpc_url, lambda reader: reader.events_in_block(chain.head.block))
        assert len(read.events) == 6
        assert proxy.injected["truncated_range"] == 0


def test_a_short_range_is_complete() -> None:
    """Nothing is cut from a range that is within the limit."""
    with (
        MemoryNode(chain_with_locks(*LOCKS)) as node,
        FaultProxy(node.rpc_url, layers=[TruncateRanges(blocks_max=2)]) as proxy,
    ):
        read = through(proxy.rpc_url, lambda reader: reader.events_in_range(3, 4))

    assert ids(read.events) == list(range(4, 13))


def test_two_honest_nodes_fill_the_holes_of_a_third() -> None:
    """The reader of a quorum sees every lock and names the node that left some out."""
    with (
        MemoryNode(chain_with_locks(*LOCKS)) as node,
        FaultProxy(node.rpc_url, layers=[DropLogs(3, share_ppm=MILLION // 2)]) as proxy,
    ):
        urls = (node.rpc_url, proxy.rpc_url, node.rpc_url)

        async def ask(together: AgreeingReader) -> tuple[list[int], tuple[int, ...]]:
            read = await together.events_in_range(0, len(LOCKS))
            return ids(read.events), together.dissents

        found, dissents = agreeing(urls, 2, ask)

    assert found == list(range(1, 21))
    assert dissents == (0, 1, 0)


def test_an_impossible_share_is_refused() -> None:
    """A share is of a million."""
    with pytest.raises(ValueError, match="share_ppm"):
        DropLogs(0, share_ppm=MILLION + 1)

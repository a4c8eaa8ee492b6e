"""Faults by seed: reproducible, in the asked proportions."""

from collections import Counter
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chains.devnet.memory_node.node import MemoryNode
from chains.devnet.proxy import Break, ErrorObject, Fault, FaultProxy, HttpStatus, kind_of
from chains.devnet.schedule import Script, draw
from chains.errors import RpcUnavailableError
from chains.evm.reader import EvmReader
from tests.chains.devnet.scenes import chain_with_locks, through

FAULTS: Final[tuple[tuple[Fault, int], ...]] = (
    (Break.RESET, 1),
    (HttpStatus(429, 1), 2),
    (ErrorObject(-32005, "limit exceeded"), 3),
)
REQUESTS = st.lists(
    st.tuples(
        st.sampled_from(["eth_getLogs", "eth_call", "getSlot"]),
        st.lists(st.integers(0, 3), max_size=2),
    ),
    max_size=30,
)
Asked = list[tuple[str, list[Any]]]


@given(st.integers(), REQUESTS)
@settings(max_examples=50)
def test_the_same_seed_and_requests_meet_the_same_faults(seed: int, requests: Asked) -> None:
    """Request by request."""
    first, second = (Script(seed, FAULTS, clear_weight=4) for _ in range(2))

    assert [first(*one) for one in requests] == [second(*one) for one in requests]


@given(st.integers(), REQUESTS, st.randoms(use_true_random=False))
@settings(max_examples=50)
def test_requests_that_race_each_other_meet_the_same_faults(
    seed: int, requests: Asked, chance: Any
) -> None:
    """The order of different requests changes nothing for each of them."""
    shuffled = sorted(requests, key=lambda _: chance.random())

    def met(order: Asked) -> Counter[str]:
        script = Script(seed, FAULTS, clear_weight=4)
        return Counter(f"{one} {script(*one)}" for one in order)

    assert met(requests) == met(shuffled)


def test_faults_come_by_their_weights() -> None:
    """Of ten parts four are clear, one is a reset, two are 429, three are refusals."""
    script = Script(1, FAULTS, clear_weight=4)

    met = Counter(
        "clear" if fault is None else kind_of(fault)
        for fault in (script("eth_getLogs", [place]) for place in range(2_000))
    )

    expected = {"clear": 800, "reset": 200, "http_429": 400, "error_-32005": 600}
    assert all(abs(met[kind] - count) < 100 for kind, count in expected.items()), met


def test_only_the_named_methods_are_hit() -> None:
    """Others are clear."""
    script = Script(1, FAULTS, clear_weight=0, methods=["eth_getLogs"])

    assert script("eth_call", []) is None
    assert script("eth_getLogs", []) is not None


def test_a_script_without_faults_is_refused() -> None:
    """So is a weight of nothing."""
    with pytest.raises(ValueError, match="weight 1"):
        Script(1, (), clear_weight=1)
    with pytest.raises(ValueError, match="weight 1"):
        Script(1, ((Break.RESET, 0),), clear_weight=1)


def test_a_draw_is_the_same_on_every_machine() -> None:
    """It is a digest, not the interpreter's hash."""
    assert draw(1, "eth_getLogs", [], 0) == 12059777620035793301


def test_a_scripted_line_is_the_same_line_in_every_run() -> None:
    """What the reader meets and what the proxy counts repeat with the seed."""

    async def ask(reader: EvmReader) -> str:
        met = ""
        for height in [1, 2, 3] * 10:
            try:
                await reader.header_at(height)
            except RpcUnavailableError as exc:
                met += f"{height} {exc.reason};"
        return met

    def run(seed: int) -> tuple[str, Counter[str]]:
        script = Script(seed, FAULTS, clear_weight=4)
        with (
            MemoryNode(chain_with_locks(1, 1, 1)) as node,
            FaultProxy(node.rpc_url, script) as proxy,
        ):
            return through(proxy.rpc_url, ask), proxy.injected

    first = run(11)

    assert first == run(11)
    assert first != run(12)
    assert first[1].total() > 0

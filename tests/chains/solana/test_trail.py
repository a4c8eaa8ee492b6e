"""The history of an account by pages."""

from typing import Any

import pytest

from chains.devnet.proxy import FaultProxy
from chains.solana import trail
from chains.solana.reader import SolanaReader
from tests.chains.solana.scenes import Scene


def test_ranges_far_back_begin_at_a_landmark(world: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catching up asks for each page about once, and not from the newest one for every range."""
    monkeypatch.setattr(trail, "SIGNATURES_PER_PAGE", 2)
    first = world.slot_of(world.lock(1))
    for units in range(2, 21):
        world.net.advance()
        world.lock(units)
    last = world.finalize()

    with FaultProxy(world.net.url) as proxy:
        proxy.rules = [pages := _Counting()]

        async def question(reader: SolanaReader) -> int:
            found = 0
            for slot in range(first, last + 1):
                found += len((await reader.events_in_range(slot, slot)).events)
            return found

        assert world.ask(question, proxy.rpc_url) == 20

    assert pages.count <= 2 * (last + 1 - first)


class _Counting:
    """Counts pages and breaks nothing."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, method: str, params: list[Any]) -> None:
        self.count += method == "getSignaturesForAddress"

"""The hint over a websocket: it saves time while it works, and costs nothing else when not."""

import asyncio
import logging

import pytest

from chains.base58 import bytes_of_base58
from chains.line import wakeup as wakeup_module
from chains.solana.reader import SolanaReader
from chains.solana.wakeup import VaultWakeup
from tests.chains.evm.test_wakeup import closed_port
from tests.chains.solana.scenes import Scene, scene

WAIT_SECONDS_MAX = 20.0
LOCKS_MAX = 200
DEAD_SECONDS = 60
NOMINAL_SLOT_MS = 400


async def listens(world: Scene, wakeup: VaultWakeup) -> None:
    """Return once the listener, which needs a moment to connect, tells of a lock."""
    for _ in range(LOCKS_MAX):
        world.lock(1)
        world.net.advance(2)
        if await wakeup.wait(0.1):
            return
    raise AssertionError("it hears nothing")


def test_a_transaction_of_the_vault_wakes_and_others_do_not(world: Scene) -> None:
    """What is only processed does not wake either; also after the line broke."""

    async def woken() -> list[bool]:
        wakeup = VaultWakeup(world.net.ws_url, world.vault)
        listening = asyncio.create_task(wakeup.run())
        found = []
        try:
            for _ in range(2):
                await listens(world, wakeup)
                await wakeup.wait(0.2)
                world.net.airdrop(world.at.vault.default(), 1)
                world.net.advance(2)
                found.append(await wakeup.wait(0.2))
                world.lock(1)
                found.append(await wakeup.wait(0.2))
                world.net.advance(2)
                found.append(await wakeup.wait(WAIT_SECONDS_MAX))
                world.net.cut_websockets()
        finally:
            listening.cancel()
        return found

    assert asyncio.run(woken()) == [False, False, True] * 2


def test_a_node_that_is_away_disturbs_nobody_and_is_not_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """No error leaves the listener, and no log line holds the URL with its key."""

    async def ask() -> bool:
        wakeup = VaultWakeup(f"ws://127.0.0.1:{closed_port()}/secret-key", bytes(32))
        listening = asyncio.create_task(wakeup.run())
        has_news = await wakeup.wait(0.3)
        assert not listening.done()
        listening.cancel()
        return has_news

    with caplog.at_level(logging.DEBUG):
        assert asyncio.run(ask()) is False
    assert "secret-key" not in caplog.text


def test_r11_sixty_seconds_of_a_dead_websocket_miss_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    The 150 slots of 400 ms that make them, by command, while every line is cut at once.

    The poll alone reads each block once, and all locks are there.
    """
    monkeypatch.setattr(wakeup_module, "RECONNECT_SECONDS_FIRST", 0.01)
    slots = DEAD_SECONDS * 1_000 // NOMINAL_SLOT_MS
    with scene() as world:
        first = world.net.slot
        sent: list[str] = []

        async def poll(reader: SolanaReader, after: int) -> tuple[set[bytes], int]:
            """Return what one poll reads, block by block, and where it got to."""
            head = (await reader.heads()).latest.block.height
            found: set[bytes] = set()
            seen = after
            for height in range(after + 1, head + 1):
                header = await reader.header_at(height)
                if header.block.height == height:
                    read = await reader.events_in_block(header.block)
                    found |= {event.position.tx_hash for event in read.events}
                seen = height
            return found, seen

        async def watched(reader: SolanaReader) -> set[bytes]:
            wakeup = VaultWakeup(world.net.ws_url, world.vault)
            listening = asyncio.create_task(wakeup.run())
            found, seen = set[bytes](), first - 1
            try:
                for place in range(slots):
                    world.net.cut_websockets()
                    if place % 3 == 0:
                        sent.append(world.lock(1))
                    world.net.advance()
                    if place % 5 == 4:  # the poll interval is longer than a slot
                        await wakeup.wait(0.001)
                        more, seen = await poll(reader, seen)
                        found |= more
                world.net.advance(3)
                more, _ = await poll(reader, seen)
                return found | more
            finally:
                listening.cancel()

        found = world.ask(watched, wait_seconds=100.0)

        assert found == {bytes(one) for one in _signatures(sent)}
        assert len(found) == slots // 3


def _signatures(texts: list[str]) -> list[bytes]:
    return [bytes_of_base58(text) for text in texts]

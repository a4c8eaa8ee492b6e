"""The hint of new heads; on a real node it is tested in tests/devnet/test_anvil.py."""

import asyncio
import logging
import socket
import time

import pytest

from chains.evm.wakeup import HeadWakeup


def closed_port() -> int:
    """Return a port where nothing listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return int(unused.getsockname()[1])


def test_without_news_the_wait_ends_in_time() -> None:
    """The poll goes on."""
    started = time.monotonic()

    assert asyncio.run(HeadWakeup("ws://127.0.0.1:1").wait(0.05)) is False
    assert time.monotonic() - started < 5


def test_a_node_that_is_away_disturbs_nobody_and_is_not_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """No error leaves the listener, and no log line holds the URL with its key."""

    async def ask() -> bool:
        wakeup = HeadWakeup(f"ws://127.0.0.1:{closed_port()}/secret-key")
        listening = asyncio.create_task(wakeup.run())
        has_news = await wakeup.wait(0.3)
        assert not listening.done()
        listening.cancel()
        return has_news

    with caplog.at_level(logging.DEBUG):
        assert asyncio.run(ask()) is False
    assert "secret-key" not in caplog.text

"""The line of the websocket: what it does with too much."""

import asyncio
import logging

import pytest
from solana.rpc.websocket_api import SolanaWsClient
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError

from chains.devnet.solana import websocket
from chains.devnet.solana.net import SolanaDevnet, solana_devnet
from tests.chains.devnet.solana.scenes import heard, listening


def test_a_message_of_more_than_50_kilobytes_ends_its_connection(net: SolanaDevnet) -> None:
    """With the code for too big; others go on."""

    async def listen(client: SolanaWsClient) -> int:
        await client.slot_subscribe()
        async with connect(net.ws_url) as line:
            await line.send("x" * (50 * 1024 + 1))
            with pytest.raises(ConnectionClosedError) as caught:
                await line.recv()
        net.advance()
        assert (await heard(client)).result.slot == net.slot
        assert caught.value.rcvd is not None
        return int(caught.value.rcvd.code)

    assert listening(net, listen) == 1009


def test_a_line_that_does_not_keep_up_is_cut() -> None:
    """What waits for it is bounded; the end is queued once, behind it."""

    async def fill() -> list[str | None]:
        line = websocket.QueuedLine(asyncio.get_running_loop(), asyncio.Queue())
        for _ in range(websocket.QUEUE_MAX + 5):
            line.put("x")
        done = asyncio.Event()
        asyncio.get_running_loop().call_soon(done.set)
        await done.wait()
        return [line.queue.get_nowait() for _ in range(line.queue.qsize())]

    queued = asyncio.run(fill())

    assert len(queued) == websocket.QUEUE_MAX + 1
    assert queued[-1] is None
    assert None not in queued[:-1]


def test_the_line_writes_nothing_into_the_log_of_its_process(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Neither its beginning and end nor that of a connection: a demo prints only its story."""

    async def listen(client: SolanaWsClient) -> None:
        await client.slot_subscribe()

    with caplog.at_level(logging.DEBUG), solana_devnet() as net:
        listening(net, listen)
    servers = [record for record in caplog.records if "server" in record.name]

    assert servers == []

"""What names the vault, over a websocket, as a hint to poll now."""

import asyncio
from typing import Final

from solana.rpc.commitment import Confirmed
from solana.rpc.jsonrpc import SolanaJsonRpcError
from solana.rpc.websocket_api import OverflowPolicy, SolanaWsClient
from solders.pubkey import Pubkey
from solders.rpc.config import RpcTransactionLogsFilterMentions

from chains.line.http import SILENT_LOGGER
from chains.line.wakeup import SILENCE_SECONDS_MAX, SOCKET_ERRORS, Wakeup

NOTICES_MAX: Final = 16  # one is as good as many
NOTICE_BYTES_MAX: Final = 1024 * 1024


class VaultWakeup(Wakeup):
    """Wakes a poller when the node announces a confirmed transaction that names the vault."""

    errors = (*SOCKET_ERRORS, SolanaJsonRpcError)

    def __init__(self, ws_url: str, vault: bytes) -> None:
        super().__init__(ws_url)
        self._mentions = RpcTransactionLogsFilterMentions(Pubkey(vault))

    async def _listen(self) -> bool:
        has_spoken = False
        client = SolanaWsClient(
            self._ws_url,
            notification_queue_size=NOTICES_MAX,
            overflow=OverflowPolicy.DROP_NEWEST,
            logger=SILENT_LOGGER,
            max_size=NOTICE_BYTES_MAX,
        )
        async with client:
            await client.logs_subscribe(filter_=self._mentions, commitment=Confirmed)
            while True:
                try:
                    async with asyncio.timeout(SILENCE_SECONDS_MAX):
                        await client.recv()
                except TimeoutError:
                    return has_spoken
                has_spoken = True
                self.tell()

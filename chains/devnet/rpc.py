"""A small blocking JSON-RPC client for local nodes, their cheat codes included."""

import http.client
import json
import time
from typing import Any, Final
from urllib.parse import urlsplit

from chains.errors import CallRevertedError, ChainError
from chains.evm.abi import decode_revert
from chains.evm.rpc import revert_bytes
from chains.types import ChainId

TIMEOUT_SECONDS: Final = 30.0
RECEIPT_SECONDS_MAX: Final = 30.0
POLL_SECONDS: Final = 0.01


class DevnetError(ChainError):
    """A local chain cannot do what was asked; the text says what to do."""


class DevnetRpc:
    """One local node. Not for threads."""

    def __init__(self, chain_id: ChainId, rpc_url: str) -> None:
        self.chain_id = chain_id
        parts = urlsplit(rpc_url)
        self._connection = http.client.HTTPConnection(
            parts.hostname or "127.0.0.1", parts.port, timeout=TIMEOUT_SECONDS
        )

    def close(self) -> None:
        """Close the connection; the next call opens a new one."""
        self._connection.close()

    def call(self, method: str, *params: Any) -> Any:
        """
        Return the result of one request.

        Raises:
            CallRevertedError: a contract refused; the reason is decoded.
            DevnetError: the node does not answer, or refuses.
        """
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        try:
            self._connection.request(
                "POST", "/", body=body, headers={"Content-Type": "application/json"}
            )
            answer = json.loads(self._connection.getresponse().read())
        except (OSError, http.client.HTTPException, ValueError) as exc:
            self._connection.close()
            raise DevnetError(f"{self.chain_id}: {method} failed: {type(exc).__name__}") from exc
        if "error" not in answer:
            return answer["result"]
        error = answer["error"]
        data = revert_bytes(error.get("data"))
        if data is not None:
            raise CallRevertedError(chain_id=self.chain_id, reason=decode_revert(data))
        raise DevnetError(f"{self.chain_id}: {method} was refused: {error.get('message')}")

    def receipt(self, tx_hash: str) -> dict[str, Any]:
        """
        Wait for a transaction to be in a block and return its receipt.

        Raises:
            DevnetError: not in time.
        """
        deadline = time.monotonic() + RECEIPT_SECONDS_MAX
        while True:
            found = self.call("eth_getTransactionReceipt", tx_hash)
            if found is not None:
                return dict(found)
            if time.monotonic() > deadline:
                raise DevnetError(f"{self.chain_id}: {tx_hash} is in no block; is mining off?")
            time.sleep(POLL_SECONDS)

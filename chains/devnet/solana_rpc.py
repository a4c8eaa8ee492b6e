"""A blocking client of a local Solana cluster, around the real one."""

import asyncio
import itertools
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from solana.exceptions import SolanaRpcException
from solana.rpc.async_api import AsyncClient
from solana.rpc.commitment import Processed
from solana.rpc.core import RPCException
from solana.rpc.models import TxOpts
from solders.compute_budget import set_compute_unit_limit
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.message import Message
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.transaction import VersionedTransaction

from chains.devnet.rpc import DevnetError
from chains.errors import CallRevertedError
from chains.solana.vault_errors import VaultProgramError
from chains.types import SOLANA_NAMESPACE, ChainId

T = TypeVar("T")

TIMEOUT_SECONDS: Final = 30.0
LANDING_SECONDS_MAX: Final = 30.0
POLL_SECONDS: Final = 0.01
REFERENCE_LETTERS: Final = 32
UNITS_MIN: Final = 400_000
UNITS_SPREAD: Final = 1_000_000

_sent = itertools.count()  # of this process: equal actions are different transactions


@dataclass(frozen=True, slots=True)
class LandedTransaction:
    """A transaction that succeeded, and the slot it is in; that slot may still be dropped."""

    tx_hash: bytes
    height: int


class SolanaDevnetRpc:
    """One local cluster. Everything waits until its effect is in a slot."""

    def __init__(self, rpc_url: str) -> None:
        self.rpc_url = rpc_url
        self._client = AsyncClient(rpc_url, commitment=Processed, timeout=TIMEOUT_SECONDS)
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self.chain_id = ChainId(
            SOLANA_NAMESPACE + str(self.ask(AsyncClient.get_genesis_hash).value)[:REFERENCE_LETTERS]
        )

    def close(self) -> None:
        """Close the connections; nothing can be asked afterwards."""
        asyncio.run_coroutine_threadsafe(self._client.close(), self._loop).result(TIMEOUT_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)

    def ask(self, ask: Callable[[AsyncClient], Awaitable[T]]) -> T:
        """
        Return what a coroutine gets from the cluster.

        Raises:
            CallRevertedError: the vault program refused; the reason is its error's name.
            DevnetError: the cluster does not answer, or refuses.
        """

        async def asked() -> T:
            return await ask(self._client)

        try:
            return asyncio.run_coroutine_threadsafe(asked(), self._loop).result(TIMEOUT_SECONDS)
        except RPCException as exc:
            refused = exc.args[0]
            err = getattr(getattr(refused, "data", None), "err", None)
            raise self._refusal(err, str(getattr(refused, "message", refused))) from exc
        except (SolanaRpcException, TimeoutError) as exc:
            raise DevnetError(f"{self.rpc_url}: {type(exc).__name__}: {exc}") from exc

    def content(self, address: bytes) -> bytes:
        """Return an account's data; empty where there is none."""
        key = Pubkey(address)
        account = self.ask(lambda client: client.get_account_info(key)).value
        return b"" if account is None else bytes(account.data)

    def rent(self, length: int) -> int:
        """Return what an account of a length must hold. [lamports]"""
        return self.ask(lambda client: client.get_minimum_balance_for_rent_exemption(length)).value

    def land(
        self,
        instructions: Sequence[Instruction],
        signers: Sequence[Keypair],
        *,
        is_tried: bool = True,
    ) -> LandedTransaction:
        """
        Send a transaction and wait until it is in a slot; the first signer pays.

        Args:
            is_tried: let the node try it before it takes it.

        Raises:
            CallRevertedError: the vault program refused; the reason is its error's name.
            DevnetError: the cluster refused, or it is in no slot in time.
        """
        limit = set_compute_unit_limit(UNITS_MIN + next(_sent) % UNITS_SPREAD)
        recent = self.ask(AsyncClient.get_latest_blockhash).value.blockhash
        message = Message.new_with_blockhash([limit, *instructions], signers[0].pubkey(), recent)
        transaction = VersionedTransaction(message, list(signers))
        options = TxOpts(skip_preflight=not is_tried, preflight_commitment=Processed)
        signature = self.ask(lambda client: client.send_transaction(transaction, options)).value
        return self.landed(signature)

    def landed(self, signature: Signature) -> LandedTransaction:
        """
        Wait until a transaction is in a slot.

        Raises:
            CallRevertedError: the vault program refused; the reason is its error's name.
            DevnetError: it failed otherwise, or it is in no slot in time.
        """
        deadline = time.monotonic() + LANDING_SECONDS_MAX
        while True:
            found = self.ask(lambda client: client.get_signature_statuses([signature])).value[0]
            if found is not None:
                break
            if time.monotonic() > deadline:
                raise DevnetError(f"{self.chain_id}: {signature} is in no slot; do slots move?")
            time.sleep(POLL_SECONDS)
        if found.err is not None:
            raise self._refusal(found.err, f"{signature} failed: {found.err}")
        return LandedTransaction(bytes(signature), found.slot)

    def _refusal(self, err: Any, text: str) -> CallRevertedError | DevnetError:
        code = getattr(getattr(err, "err", None), "code", None)
        if code is not None and code in VaultProgramError._value2member_map_:
            reason = VaultProgramError(code).name
            return CallRevertedError(chain_id=self.chain_id, reason=reason)
        return DevnetError(f"{self.rpc_url}: {text}")

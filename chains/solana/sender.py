"""Signs and sends transactions that expire, with one key on one Solana cluster."""

import base64
from collections.abc import Mapping
from typing import Any, Final

from solders.hash import Hash
from solders.keypair import Keypair
from solders.transaction import VersionedTransaction

from chains.base58 import base58_of
from chains.errors import BlockGoneError, ChainError
from chains.line.client import RPC_TIMEOUT_SECONDS
from chains.line.shapes import AnswerShapeError, fields_of, items_of, usable
from chains.port import ProgramCall, Receipt
from chains.sending import (
    Expired,
    ExpiringTransaction,
    Landed,
    PriorityFee,
    Sighting,
    Waiting,
)
from chains.solana.answers import context_of, is_failure, number_of, signature_of, word_of
from chains.solana.compiling import compiled, writable_accounts
from chains.solana.fees import PriorityLimits, bumped_fee, suggested_fee
from chains.solana.program_errors import reason_of, refusal_of
from chains.solana.rpc import Level, SolanaRpc
from chains.types import UINT64_MAX, BlockRef, ChainId

BLOCKHASH_BLOCKS: Final = 150  # so many blocks after its own one a blockhash is taken
FEE_FIELD: Final = "prioritizationFee"
PRICED_ACCOUNTS_MAX: Final = 128
SLOTS_PRICED_MAX: Final = 1_000
LEVEL_NAMES: Final = ("processed", "confirmed", "finalized")
CONFIRMED: Final = {"commitment": Level.CONFIRMED.value}
FINALIZED: Final = {"commitment": Level.FINALIZED.value}


class SolanaSender:
    """
    chains.sending.ExpiringSender over JSON-RPC.

    Args:
        rpc_url: may hold a key; it is never logged nor part of an error.
        key: see chains.solana.keys; it is never shown.
    """

    def __init__(
        self,
        chain_id: ChainId,
        rpc_url: str,
        *,
        key: Keypair,
        limits: PriorityLimits | None = None,
        timeout_seconds: float = RPC_TIMEOUT_SECONDS,
    ) -> None:
        self._chain_id = chain_id
        self._rpc = SolanaRpc(chain_id, rpc_url, timeout_seconds=timeout_seconds)
        self._key = key
        self._limits = limits or PriorityLimits()

    @property
    def chain_id(self) -> ChainId:
        """The chain that is written to."""
        return self._chain_id

    @property
    def address(self) -> bytes:
        """The key's address: its public key."""
        return bytes(self._key.pubkey())

    async def close(self) -> None:
        """Give the connections back; the sender may be used again afterwards."""
        await self._rpc.close()

    async def balance_units(self) -> int:
        """Return what the key can pay fees and rent with, as of the newest block. [lamports]"""
        method = "getBalance"
        answer = await self._rpc.call(method, [base58_of(self.address), CONFIRMED])
        with usable(self._chain_id, method):
            return number_of(context_of(answer)[1], "balance")

    async def suggest_fee(self, call: ProgramCall) -> PriorityFee:
        """Return what a call should offer, by what was paid for the same accounts of late."""
        method = "getRecentPrioritizationFees"
        keys = [base58_of(key) for key in writable_accounts(call)[:PRICED_ACCOUNTS_MAX]]
        answer = await self._rpc.call(method, [keys])
        with usable(self._chain_id, method):
            slots = items_of(answer, "fees")[:SLOTS_PRICED_MAX]
            prices = [
                number_of(fields_of(slot, "fee").get(FEE_FIELD), FEE_FIELD, UINT64_MAX)
                for slot in slots
            ]
        return suggested_fee(prices, self._limits)

    def bump_fee(self, old: PriorityFee, suggested: PriorityFee) -> PriorityFee:
        """Return the fee of the attempt after an expired one: dearer, up to the limit."""
        return bumped_fee(old, suggested, self._limits)

    async def simulate(self, call: ProgramCall) -> None:
        """Run a call without sending it; raise CallRevertedError if the program would refuse."""
        await self.prepare(call, PriorityFee(0))

    async def prepare(self, call: ProgramCall, fee: PriorityFee) -> ExpiringTransaction:
        """
        Sign a call with a fresh blockhash; nothing that is signed leaves the process.

        Raises:
            CallRevertedError: the program would refuse; the reason is its numbered error.
            GasFundsError: the key cannot pay the fee or what new accounts must hold.
            CallTooLargeError: it does not fit into a transaction.
            BlockGoneError: the node is behind what the call rests on.
        """
        if call.chain_id != self._chain_id:
            raise ValueError(f"a call for {call.chain_id} was given to the {self._chain_id} sender")
        height, recent, last_block_number = await self._recent(call.context_height)
        unsigned = compiled(call, self._key.pubkey(), fee, recent)
        await self._try(unsigned, height)
        signed = VersionedTransaction(unsigned.message, [self._key])
        return ExpiringTransaction(
            chain_id=self._chain_id,
            tx_hash=bytes(signed.signatures[0]),
            raw=bytes(signed),
            fee=fee,
            last_block_number=last_block_number,
            signed_height=height,
        )

    async def broadcast(self, transaction: ExpiringTransaction) -> None:
        """
        Send a signed transaction; sending it twice is fine.

        It was tried when it was made; a node that tried it again would refuse one that has landed.
        """
        method = "sendTransaction"
        config = {"encoding": "base64", "skipPreflight": True}
        answer = await self._rpc.call(method, [_base64(transaction.raw), config])
        with usable(self._chain_id, method):
            if signature_of(answer, "signature") != transaction.tx_hash:
                raise AnswerShapeError("the node names another signature than ours")

    async def is_taken(self, transaction: ExpiringTransaction) -> bool:
        """Return whether the node knows a transaction's blockhash, and takes it still."""
        method = "isBlockhashValid"
        recent = VersionedTransaction.from_bytes(transaction.raw).message.recent_blockhash
        answer = await self._rpc.call(method, [str(recent), CONFIRMED])
        with usable(self._chain_id, method):
            value = context_of(answer)[1]
            if not isinstance(value, bool):
                raise AnswerShapeError("the validity of a blockhash is yes or no")
            return value

    async def receipt(self, tx_hash: bytes) -> Receipt | None:
        """Return where a transaction stands, None while it is in no confirmed block."""
        _, status = await self._status(tx_hash)
        return None if status is None else await self._receipt(tx_hash, status)

    async def sighting(self, transaction: ExpiringTransaction) -> Sighting:
        """
        Return what became of a transaction.

        Expired is said only where the finalized view is past its last block, and a look at all of
        the node's history after that finds nothing, by a node that has reached that view and keeps
        blocks from before the signing.

        Raises:
            BlockGoneError: the node is behind its own finalized view, or its history is too short.
        """
        _, status = await self._status(transaction.tx_hash)
        if status is None:
            final_slot, final_block_number = await self._final()
            if final_block_number <= transaction.last_block_number:
                return Waiting()
            height, status = await self._status(transaction.tx_hash)
            if status is None:
                await self._check_knows(transaction, final_slot, height)
                return Expired()
        receipt = await self._receipt(transaction.tx_hash, status)
        if receipt is None:
            return Waiting()
        return Landed(receipt, status.get("confirmationStatus") == Level.FINALIZED.value)

    async def _recent(self, context_height: int) -> tuple[int, Hash, int]:
        """Return the newest confirmed slot, its blockhash, and the last block that takes it."""
        method = "getLatestBlockhash"
        config = CONFIRMED | ({"minContextSlot": context_height} if context_height else {})
        answer = await self._rpc.call(method, [config], reference=str(context_height))
        with usable(self._chain_id, method):
            height, value = context_of(answer)
            fields = fields_of(value, "blockhash")
            recent = Hash(word_of(fields.get("blockhash"), "blockhash"))
            last = number_of(fields.get("lastValidBlockHeight"), "lastValidBlockHeight")
            if last > height + BLOCKHASH_BLOCKS:
                raise AnswerShapeError(f"a blockhash of slot {height} that lasts to block {last}")
        return height, recent, last

    async def _try(self, unsigned: VersionedTransaction, height: int) -> None:
        method = "simulateTransaction"
        config = CONFIRMED | {"encoding": "base64", "sigVerify": False, "minContextSlot": height}
        answer = await self._rpc.call(
            method, [_base64(bytes(unsigned)), config], reference=str(height)
        )
        with usable(self._chain_id, method):
            fields = fields_of(context_of(answer)[1], "simulation")
            if not is_failure(fields, "simulation"):
                return
            logs = fields.get("logs")
        raise self._refusal(fields.get("err"), logs if isinstance(logs, list) else [])

    def _refusal(self, err: object, logs: list[Any]) -> ChainError:
        return refusal_of(self._chain_id, base58_of(self.address), err, logs)

    async def _status(self, tx_hash: bytes) -> tuple[int, Mapping[str, object] | None]:
        """Return what a node knows of a signature in all of its history, and as of which slot."""
        method = "getSignatureStatuses"
        config = {"searchTransactionHistory": True}
        answer = await self._rpc.call(method, [[base58_of(tx_hash)], config])
        with usable(self._chain_id, method):
            height, value = context_of(answer)
            statuses = items_of(value, "statuses")
            if len(statuses) != 1:
                raise AnswerShapeError(f"{len(statuses)} statuses, one was asked for")
            if statuses[0] is None:
                return height, None
            status = fields_of(statuses[0], "status")
            if status.get("confirmationStatus") not in LEVEL_NAMES:
                raise AnswerShapeError("a status without confirmationStatus")
            return height, status

    async def _receipt(self, tx_hash: bytes, status: Mapping[str, object]) -> Receipt | None:
        """Return the receipt of a status; None where it is only processed."""
        if status["confirmationStatus"] == LEVEL_NAMES[0]:
            return None
        method = "getBlock"
        with usable(self._chain_id, "getSignatureStatuses"):
            slot = number_of(status.get("slot"), "status.slot")
            is_failed = is_failure(status, "status")
        config = CONFIRMED | {
            "transactionDetails": "none",
            "rewards": False,
            "maxSupportedTransactionVersion": 0,
        }
        answer = await self._rpc.call(method, [slot, config], reference=str(slot))
        with usable(self._chain_id, method):
            block_hash = word_of(fields_of(answer, "block").get("blockhash"), "block.blockhash")
        return Receipt(
            tx_hash=tx_hash,
            block=BlockRef(slot, block_hash),
            is_success=not is_failed,
            gas_used=None,
            reason=reason_of(status["err"]) if is_failed else "",
        )

    async def _final(self) -> tuple[int, int]:
        """Return the newest final slot and the number of its block."""
        method = "getEpochInfo"
        answer = await self._rpc.call(method, [FINALIZED])
        with usable(self._chain_id, method):
            fields = fields_of(answer, "epoch")
            slot = number_of(fields.get("absoluteSlot"), "epoch.absoluteSlot")
            return slot, number_of(fields.get("blockHeight"), "epoch.blockHeight", slot)

    async def _check_knows(
        self, transaction: ExpiringTransaction, final_slot: int, height: int
    ) -> None:
        """Raise where a node that found nothing might not know."""
        if height < final_slot:
            raise BlockGoneError(chain_id=self._chain_id, reference=str(final_slot))
        method = "getFirstAvailableBlock"
        answer = await self._rpc.call(method, [])
        with usable(self._chain_id, method):
            first = number_of(answer, "first block")
        if first > transaction.signed_height:
            raise BlockGoneError(chain_id=self._chain_id, reference=str(transaction.signed_height))


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()

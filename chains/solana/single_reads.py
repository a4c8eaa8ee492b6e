"""A block that is too large for one answer: its order, then the transactions that matter."""

import asyncio
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any, Final, TypeVar

from chains.base58 import base58_of
from chains.errors import RpcContradictionError, RpcUnavailableError
from chains.line.client import RpcFaultError
from chains.line.shapes import fields_of, items_of, usable
from chains.solana.answers import SlotHeader, header_of, number_of, signature_of
from chains.solana.blocks import (
    TRANSACTIONS_MAX,
    BlockContent,
    content_of_placed,
    joined,
)
from chains.solana.headers import VERSION_MAX, Absence, Headers
from chains.solana.rpc import Level, SolanaRpc

T = TypeVar("T")
METHOD: Final = "getTransaction"
ORDER_DETAILS: Final = "signatures"
TRANSACTIONS_AT_ONCE: Final = 8


class SingleReads:
    """Reads transactions of one node by their signatures, each with its place in its block."""

    def __init__(self, rpc: SolanaRpc, headers: Headers, program: bytes) -> None:
        self._rpc = rpc
        self._headers = headers
        self._program = program

    async def read(
        self, slot: int, signatures: Sequence[bytes], level: Level, account: bytes
    ) -> tuple[SlotHeader, BlockContent] | Absence:
        """
        Return the header of a slot and what some of its transactions hold, or why there is none.

        Anybody can make a block as large as he likes: it is asked for its order alone, and a
        transaction is as small as the cluster lets it be.

        Raises:
            AnswerTooLargeError: even one of them is too large.
            RpcContradictionError: a transaction is not in the block, or in another one.
        """
        answer = await self._headers.block_answer(slot, level, ORDER_DETAILS)
        if isinstance(answer, Absence):
            return answer
        with usable(self._rpc.chain_id, METHOD):
            header = header_of(answer, slot)
            listed = items_of(answer.get(ORDER_DETAILS), "block.signatures")[: TRANSACTIONS_MAX + 1]
            places = {signature_of(one, "signature"): place for place, one in enumerate(listed)}
        if len(listed) > TRANSACTIONS_MAX or len(places) != len(listed):
            raise self._contradiction(f"the order of the block of slot {slot} is none")
        if missing := [one for one in signatures if one not in places]:
            raise self._contradiction(f"{len(missing)} listed are not in the block of slot {slot}")
        free = asyncio.Semaphore(TRANSACTIONS_AT_ONCE)

        async def one(signature: bytes) -> BlockContent:
            async with free:
                found = await self._transaction(slot, signature, level)
            with usable(self._rpc.chain_id, METHOD):
                placed = [(places[signature], found)]
                return content_of_placed(placed, program=self._program, account=account)

        ordered = sorted(signatures, key=places.__getitem__)
        return header, joined(await gathered(one(signature) for signature in ordered))

    async def _transaction(self, slot: int, signature: bytes, level: Level) -> object:
        config: dict[str, Any] = {
            "commitment": level.value,
            "encoding": "base64",
            "maxSupportedTransactionVersion": VERSION_MAX,
        }
        try:
            answer = await self._rpc.request(METHOD, [base58_of(signature), config])
        except RpcFaultError as fault:
            raise self._rpc.classified(METHOD, fault, reference=str(slot)) from fault
        if answer is None:
            raise RpcUnavailableError(
                chain_id=self._rpc.chain_id, method=METHOD, reason="a listed one is not there yet"
            )
        with usable(self._rpc.chain_id, METHOD):
            found = number_of(fields_of(answer, "transaction").get("slot"), "transaction.slot")
        if found != slot:
            raise self._contradiction(f"a transaction of slot {slot} is in slot {found}")
        return answer

    def _contradiction(self, reason: str) -> RpcContradictionError:
        return RpcContradictionError(chain_id=self._rpc.chain_id, method=METHOD, reason=reason)


async def gathered(reads: Iterable[Coroutine[Any, Any, T]]) -> tuple[T, ...]:
    """Return what all reads gave; the first that fails ends the others."""
    tasks = [asyncio.create_task(read) for read in reads]
    try:
        return tuple(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

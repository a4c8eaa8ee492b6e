"""Reads one EVM chain through one node and believes nothing that it cannot check."""

import time
from dataclasses import dataclass
from typing import Any, Final

from chains.agreement.faults import FaultClass
from chains.attestation import GuardianSet
from chains.errors import (
    BlockGoneError,
    ChainError,
    MalformedLogError,
    RangeTooLargeError,
    RpcAnswerError,
    RpcTimeoutError,
    RpcUnavailableError,
    WrongChainError,
)
from chains.events import ObservedEvent
from chains.evm import views
from chains.evm.abi import encode_call
from chains.evm.answers import RawLog, bytes_of, header_of, ordered_logs, quantity_of
from chains.evm.bloom import BloomCounts, bloom_of
from chains.evm.decode import CREDIT_LINE_EVENTS, VAULT_EVENTS, WATCHED_TOPICS, decode_log
from chains.evm.evidence import Evidence
from chains.evm.rpc import RpcClient
from chains.finality import ChainIdentity, Heads
from chains.line.client import RPC_TIMEOUT_SECONDS, RpcFaultError
from chains.line.http import AnswerTooLargeError
from chains.line.shapes import usable
from chains.line.span import SPAN_MAX, AdaptiveSpan
from chains.nodes import NodeStatus
from chains.port import ContractCall, CreditLineState, EventRead, Grant, VaultState
from chains.types import (
    BlockHeader,
    BlockRef,
    ChainId,
    evm_address_of_word,
    evm_chain_number,
)

ADDRESSES_PER_FILTER_MAX: Final = 1000
CODE_INVALID_PARAMS: Final = -32602


@dataclass(frozen=True, slots=True)
class Watched:
    """
    The contracts whose events count, as left-padded addresses.

    A lock of one of the tokens counts only with the token's own log of what came in.
    is_bloom_trusted: logs are held against the bloom of their header; some chains have none.
    """

    vaults: tuple[bytes, ...] = ()
    credit_lines: tuple[bytes, ...] = ()
    tokens: tuple[bytes, ...] = ()
    is_bloom_trusted: bool = True

    def __post_init__(self) -> None:
        for contract in (*self.vaults, *self.credit_lines, *self.tokens):
            evm_address_of_word(contract)
        if set(self.vaults) & set(self.credit_lines):
            raise ValueError("a contract is watched as a vault and as a credit line; choose one")

    @property
    def contracts(self) -> tuple[bytes, ...]:
        """All of them."""
        return (*self.vaults, *self.credit_lines)


def hex_address(word: bytes) -> str:
    """Return a left-padded address as a node wants it."""
    return "0x" + evm_address_of_word(word).hex()


class EvmReader:
    """
    chains.port.ChainReader over JSON-RPC.

    Args:
        rpc_url: may hold a key; it is never logged nor part of an error.
        watched: the contracts whose events are read.
    """

    def __init__(
        self,
        chain_id: ChainId,
        rpc_url: str,
        *,
        watched: Watched,
        timeout_seconds: float = RPC_TIMEOUT_SECONDS,
        span_max: int = SPAN_MAX,
    ) -> None:
        self._number = evm_chain_number(chain_id)
        self._chain_id = chain_id
        self._rpc = RpcClient(chain_id, rpc_url, timeout_seconds=timeout_seconds)
        self._watched = watched
        self._shapes = dict.fromkeys(watched.vaults, VAULT_EVENTS) | dict.fromkeys(
            watched.credit_lines, CREDIT_LINE_EVENTS
        )
        self._evidence = Evidence(
            self._rpc,
            shapes=self._shapes,
            tokens=watched.tokens,
            is_bloom_trusted=watched.is_bloom_trusted,
        )
        self._span = AdaptiveSpan(span_max=span_max)
        self._is_pinning_by_hash = True

    @property
    def chain_id(self) -> ChainId:
        """The configured chain."""
        return self._chain_id

    @property
    def suggested_span(self) -> int:
        """How many blocks the next range should hold; events_in_range learns by itself."""
        return self._span.blocks

    @property
    def bloom_counts(self) -> BloomCounts:
        """What holding logs against blooms has come to so far."""
        return self._evidence.counts

    async def close(self) -> None:
        """Give the connections back; the reader may be used again afterwards."""
        await self._rpc.close()

    async def identity(self) -> ChainIdentity:
        """
        Return the chain's number and first block.

        Raises:
            WrongChainError: the node serves another chain than the configured one.
        """
        answer = await self._rpc.call("eth_chainId", [])
        with usable(self._chain_id, "eth_chainId"):
            number = quantity_of(answer, "chain id")
        if number != self._number:
            raise WrongChainError(
                chain_id=self._chain_id,
                field="chain id",
                expected=str(self._number),
                found=str(number),
            )
        genesis = await self.header_at(0)
        return ChainIdentity(chain_reference=str(number), genesis=genesis.block)

    async def heads(self) -> Heads:
        """
        Return the newest and the newest final header.

        The final one is asked first, so that a growing chain cannot put it above the newest.
        """
        finalized = await self._header("eth_getBlockByNumber", "finalized")
        latest = await self._header("eth_getBlockByNumber", "latest")
        if finalized.block.height > latest.block.height:
            raise RpcUnavailableError(
                chain_id=self._chain_id,
                method="eth_getBlockByNumber",
                reason=f"final height {finalized.block.height} above head {latest.block.height}",
            )
        return Heads(latest=latest, finalized=finalized)

    async def newest(self) -> BlockRef:
        """Return the node's newest block: a hint that costs one request."""
        return (await self._header("eth_getBlockByNumber", "latest")).block

    def nodes(self) -> tuple[NodeStatus, ...]:
        """Return nothing: there is only this one, and nobody to compare it with."""
        return ()

    async def header_at(self, height: int) -> BlockHeader:
        """Return the header at a height of the node's chain, or raise BlockGoneError."""
        header = await self._header("eth_getBlockByNumber", hex(height))
        if header.block.height != height:
            raise self._answer_error(
                "eth_getBlockByNumber", f"asked for height {height}, got {header.block.height}"
            )
        return header

    async def header_of(self, block_hash: bytes) -> BlockHeader:
        """Return the header with a hash, or raise BlockGoneError."""
        header = await self._header("eth_getBlockByHash", "0x" + block_hash.hex())
        if header.block.block_hash != block_hash:
            raise self._answer_error(
                "eth_getBlockByHash",
                f"asked for 0x{block_hash.hex()}, got 0x{header.block.block_hash.hex()}",
            )
        return header

    async def events_in_block(self, block: BlockRef) -> EventRead:
        """Return the events of exactly this block, or raise BlockGoneError."""
        if not self._shapes:
            return EventRead((), ())
        reference = "0x" + block.block_hash.hex()
        asked = {"blockHash": reference, **self._filter()}
        answer = await self._rpc.call("eth_getLogs", [asked], reference=reference)
        logs = self._checked_logs(answer)
        for log in logs:
            if log.block != block:
                raise self._answer_error(
                    "eth_getLogs",
                    f"asked for block {reference}, got 0x{log.block.block_hash.hex()}",
                )
        await self._evidence.check_bloom(block, logs)
        read = self._decoded(logs)
        missing = await self._evidence.missing_in_block(block, read.events, logs)
        return EventRead(read.events, (*read.malformed, *missing))

    async def events_in_range(self, first_height: int, last_height: int) -> EventRead:
        """Return the events of a range of final blocks, or raise RangeTooLargeError."""
        if first_height > last_height:
            raise ValueError(f"first height {first_height} is above last height {last_height}")
        if not self._shapes:
            return EventRead((), ())
        asked = {"fromBlock": hex(first_height), "toBlock": hex(last_height), **self._filter()}
        started = time.monotonic()
        try:
            answer = await self._ranged(asked, first_height, last_height)
            logs = self._checked_logs(answer)
            read = self._decoded(logs)
            missing = await self._evidence.missing_in_range(read.events, self._ranged)
        except ChainError:
            self._span.failed()
            raise
        for log in logs:
            if not first_height <= log.block.height <= last_height:
                raise self._answer_error(
                    "eth_getLogs",
                    f"asked for {first_height}..{last_height}, got height {log.block.height}",
                )
        self._span.succeeded(
            blocks=last_height - first_height + 1, elapsed_seconds=time.monotonic() - started
        )
        return EventRead(read.events, (*read.malformed, *missing))

    async def view(self, call: ContractCall, block: BlockRef | None) -> bytes:
        """Return the raw answer of a view at a block, or at the newest block."""
        transaction = {
            "to": hex_address(call.contract),
            "data": "0x" + encode_call(call.function, call.arguments).hex(),
        }
        if block is None:
            answer = await self._rpc.call("eth_call", [transaction, "latest"])
        else:
            answer = await self._call_at(transaction, block)
        with usable(self._chain_id, call.function):
            return bytes_of(answer, "answer")

    async def vault_state(self, vault: bytes, token: bytes, block: BlockRef) -> VaultState:
        """Return what a vault says about a token at a block."""
        return await views.vault_state(self, vault, token, block)

    async def collateral_units(
        self, vault: bytes, account: bytes, token: bytes, block: BlockRef
    ) -> int:
        """Return what a vault holds for one account at a block. [token base units]"""
        question = ("collateralOf(bytes32,address)", (account, token))
        return await views.number_view(self, vault, question, block)

    async def guardian_set(self, contract: bytes, block: BlockRef | None) -> GuardianSet:
        """Return the current guardian set of a vault or a credit line."""
        return await views.current_guardian_set(self, contract, block)

    async def is_executed(self, contract: bytes, message_id: bytes, block: BlockRef | None) -> bool:
        """Return whether a contract has executed a message."""
        return await views.is_executed(self, contract, message_id, block)

    async def credit_line_state(self, credit_line: bytes, block: BlockRef) -> CreditLineState:
        """Return the interest index of a credit line at a block."""
        return await views.credit_line_state(self, credit_line, block)

    async def debt_units(self, credit_line: bytes, account: bytes, block: BlockRef) -> int:
        """Return an account's debt at a block, interest included. [debt token base units]"""
        return await views.number_view(self, credit_line, ("debtOf(bytes32)", (account,)), block)

    async def scaled_debt(self, credit_line: bytes, account: bytes, block: BlockRef) -> int:
        """Return an account's scaled debt: debt = ceil(scaled * index / 1e27)."""
        question = ("scaledDebtOf(bytes32)", (account,))
        return await views.number_view(self, credit_line, question, block)

    async def grant(self, credit_line: bytes, account: bytes, block: BlockRef) -> Grant:
        """Return the grant in force for an account at a block."""
        return await views.grant(self, credit_line, account, block)

    async def _header(self, method: str, reference: str) -> BlockHeader:
        answer = await self._rpc.call(method, [reference, False], reference=reference)
        if answer is None:
            raise BlockGoneError(chain_id=self._chain_id, reference=reference)
        with usable(self._chain_id, method):
            header = header_of(answer)
            self._evidence.blooms.keep(header.block, bloom_of(answer))
            return header

    def _filter(self) -> dict[str, Any]:
        topics = ["0x" + topic.hex() for topic in WATCHED_TOPICS]
        if len(self._shapes) > ADDRESSES_PER_FILTER_MAX:
            return {"topics": [topics]}
        return {"topics": [topics], "address": [hex_address(word) for word in self._shapes]}

    async def _ranged(self, asked: dict[str, Any], first_height: int, last_height: int) -> object:
        reference = f"{first_height}..{last_height}"
        too_large = RangeTooLargeError(
            chain_id=self._chain_id, first_height=first_height, last_height=last_height
        )
        try:
            return await self._rpc.request("eth_getLogs", [asked])
        except AnswerTooLargeError:
            raise too_large from None
        except RpcTimeoutError:
            if first_height == last_height:
                raise
            raise too_large from None
        except RpcFaultError as fault:
            kind = fault.range_fault
            is_slow = kind is FaultClass.TIMEOUT and first_height < last_height
            if kind is FaultClass.RANGE_TOO_BIG or is_slow:
                raise too_large from fault
            raise self._rpc.classified("eth_getLogs", fault, reference=reference) from fault

    def _checked_logs(self, answer: object) -> tuple[RawLog, ...]:
        with usable(self._chain_id, "eth_getLogs"):
            logs = ordered_logs(answer)
        if len(self._shapes) > ADDRESSES_PER_FILTER_MAX:
            logs = tuple(log for log in logs if log.contract in self._shapes)
        for log in logs:
            if log.contract not in self._shapes or not log.topics:
                raise self._answer_error("eth_getLogs", "a log from outside the asked filter")
            if log.topics[0] not in WATCHED_TOPICS:
                raise self._answer_error("eth_getLogs", "a topic from outside the asked filter")
        return logs

    def _decoded(self, logs: tuple[RawLog, ...]) -> EventRead:
        events: list[ObservedEvent] = []
        malformed: list[MalformedLogError] = []
        for log in logs:
            shapes = self._shapes[log.contract]
            try:
                events.append(decode_log(log, chain_id=self._chain_id, shapes=shapes))
            except MalformedLogError as exc:
                malformed.append(exc)
        return EventRead(tuple(events), tuple(malformed))

    async def _call_at(self, transaction: dict[str, str], block: BlockRef) -> object:
        """Run a call at a block by hash; where the node cannot, by number between two checks."""
        reference = "0x" + block.block_hash.hex()
        if self._is_pinning_by_hash:
            pin = {"blockHash": reference, "requireCanonical": True}
            try:
                return await self._rpc.request("eth_call", [transaction, pin])
            except AnswerTooLargeError:
                raise self._answer_error("eth_call", "the answer is too large") from None
            except RpcFaultError as fault:
                is_said = fault.fault in (FaultClass.STALE, FaultClass.REVERT)
                if fault.code != CODE_INVALID_PARAMS or is_said:
                    raise self._rpc.classified("eth_call", fault, reference=reference) from fault
                self._is_pinning_by_hash = False  # the node does not know EIP-1898
        answer = await self._rpc.call(
            "eth_call", [transaction, hex(block.height)], reference=reference
        )
        if (await self.header_at(block.height)).block != block:
            raise BlockGoneError(chain_id=self._chain_id, reference=reference)
        return answer

    def _answer_error(self, method: str, reason: str) -> RpcAnswerError:
        return RpcAnswerError(chain_id=self._chain_id, method=method, reason=reason)

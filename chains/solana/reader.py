"""Reads one Solana chain through one node and believes nothing that it cannot check."""

import time
from typing import Final, NoReturn

from chains.attestation import GuardianSet
from chains.base58 import base58_of
from chains.errors import ChainError, NoSuchReadError, WrongChainError
from chains.finality import ChainIdentity, Heads
from chains.line.client import RPC_TIMEOUT_SECONDS
from chains.line.shapes import fields_of, usable
from chains.line.span import SPAN_MAX, AdaptiveSpan
from chains.nodes import NodeStatus
from chains.port import ContractCall, CreditLineState, EventRead, Grant, VaultState
from chains.solana.answers import context_of, word_of
from chains.solana.headers import Headers
from chains.solana.history import History, SolanaWatched, read_of
from chains.solana.rpc import Level, SolanaRpc
from chains.solana.states import States
from chains.types import BlockHeader, BlockRef, ChainId, solana_reference

NO_VIEWS: Final = "a program has no views; read its accounts"
NO_CREDIT: Final = "there are no credit lines on Solana; configure them on an EVM chain"


class SolanaReader:
    """
    chains.port.ChainReader over the JSON-RPC of a Solana node.

    A height is a slot. A block counts from the level confirmed on, and is final at finalized.

    Args:
        rpc_url: may hold a key; it is never logged nor part of an error.
        watched: the vault whose events are read.
    """

    def __init__(
        self,
        chain_id: ChainId,
        rpc_url: str,
        *,
        watched: SolanaWatched,
        timeout_seconds: float = RPC_TIMEOUT_SECONDS,
        span_max: int = SPAN_MAX,
    ) -> None:
        self._reference = solana_reference(chain_id)
        self._chain_id = chain_id
        self._rpc = SolanaRpc(chain_id, rpc_url, timeout_seconds=timeout_seconds)
        self._headers = Headers(self._rpc)
        self._watched = watched
        self._history = History(self._rpc, self._headers, watched)
        self._states = States(self._rpc, self._headers, self._history)
        self._span = AdaptiveSpan(span_max=span_max)
        self._final_slot = -1

    @property
    def chain_id(self) -> ChainId:
        """The configured chain."""
        return self._chain_id

    @property
    def watched(self) -> SolanaWatched:
        """The vault whose events are read, its program, and the mints that need movements."""
        return self._watched

    @property
    def suggested_span(self) -> int:
        """How many slots the next range should hold; events_in_range learns by itself."""
        return self._span.blocks

    async def close(self) -> None:
        """Give the connections back; the reader may be used again afterwards."""
        await self._rpc.close()

    async def identity(self) -> ChainIdentity:
        """
        Return the chain's reference and its genesis hash, which stands for the first block.

        Raises:
            WrongChainError: the node serves another cluster than the configured one.
        """
        answer = await self._rpc.call("getGenesisHash", [])
        with usable(self._chain_id, "getGenesisHash"):
            genesis = word_of(answer, "genesis hash")
        found = base58_of(genesis)[: len(self._reference)]
        if found != self._reference:
            raise WrongChainError(
                chain_id=self._chain_id,
                field="genesis hash",
                expected=self._reference,
                found=found,
            )
        return ChainIdentity(chain_reference=found, genesis=BlockRef(0, genesis))

    async def heads(self) -> Heads:
        """Return the newest confirmed and the newest final header."""
        heads = await self._headers.heads()
        self._final_slot = max(self._final_slot, heads.finalized.block.height)
        return heads

    async def newest(self) -> BlockRef:
        """Return the node's newest confirmed block: a hint that costs one request."""
        answer = await self._rpc.call("getLatestBlockhash", [{"commitment": Level.CONFIRMED.value}])
        with usable(self._chain_id, "getLatestBlockhash"):
            slot, value = context_of(answer)
            block_hash = fields_of(value, "value").get("blockhash")
            return BlockRef(slot, word_of(block_hash, "blockhash"))

    def nodes(self) -> tuple[NodeStatus, ...]:
        """Return nothing: there is only this one, and nobody to compare it with."""
        return ()

    async def header_at(self, height: int) -> BlockHeader:
        """Return the header of the newest block at or below a slot, or raise BlockGoneError."""
        return await self._headers.newest_until(height)

    async def header_of(self, block_hash: bytes) -> BlockHeader:
        """Return the header with a hash, or raise BlockGoneError."""
        return await self._headers.of_hash(block_hash)

    async def events_in_block(self, block: BlockRef) -> EventRead:
        """Return the events of exactly this block, or raise BlockGoneError."""
        header = await self._headers.check(block)
        is_final = block.height <= self._final_slot
        level = Level.FINALIZED if is_final else Level.CONFIRMED
        return read_of((await self._history.of_block(header, level),))

    async def events_in_range(self, first_height: int, last_height: int) -> EventRead:
        """Return the events of a range of final slots, or raise RangeTooLargeError."""
        if first_height > last_height:
            raise ValueError(f"first height {first_height} is above last height {last_height}")
        started = time.monotonic()
        try:
            blocks = await self._history.of_range(first_height, last_height, Level.FINALIZED)
        except ChainError:
            self._span.failed()
            raise
        self._span.succeeded(
            blocks=last_height - first_height + 1, elapsed_seconds=time.monotonic() - started
        )
        return read_of(blocks)

    async def vault_state(self, vault: bytes, token: bytes, block: BlockRef) -> VaultState:
        """Return what the vault said about a token at a block."""
        self._check_vault(vault, "vault_state")
        return await self._states.vault_state(token, block)

    async def collateral_units(
        self, vault: bytes, account: bytes, token: bytes, block: BlockRef
    ) -> int:
        """Return what the vault held for one account at a block. [token base units]"""
        self._check_vault(vault, "collateral_units")
        return await self._states.collateral_units(account, token, block)

    async def guardian_set(self, contract: bytes, block: BlockRef | None) -> GuardianSet:
        """Return the guardian set that is current at a block, or now."""
        self._check_vault(contract, "guardian_set")
        return await self._states.guardian_set(block)

    async def is_executed(self, contract: bytes, message_id: bytes, block: BlockRef | None) -> bool:
        """Return whether the vault has executed a message."""
        self._check_vault(contract, "is_executed")
        return await self._states.is_executed(message_id, block)

    async def view(self, call: ContractCall, block: BlockRef | None) -> bytes:
        """Refuse: there are no views."""
        del block
        raise NoSuchReadError(chain_id=self._chain_id, method=call.function, reason=NO_VIEWS)

    async def credit_line_state(self, credit_line: bytes, block: BlockRef) -> CreditLineState:
        """Refuse: there are no credit lines."""
        self._refuse("credit_line_state", credit_line, block)

    async def debt_units(self, credit_line: bytes, account: bytes, block: BlockRef) -> int:
        """Refuse: there are no credit lines."""
        self._refuse("debt_units", credit_line, account, block)

    async def scaled_debt(self, credit_line: bytes, account: bytes, block: BlockRef) -> int:
        """Refuse: there are no credit lines."""
        self._refuse("scaled_debt", credit_line, account, block)

    async def grant(self, credit_line: bytes, account: bytes, block: BlockRef) -> Grant:
        """Refuse: there are no credit lines."""
        self._refuse("grant", credit_line, account, block)

    def _refuse(self, method: str, *asked: object) -> NoReturn:
        del asked
        raise NoSuchReadError(chain_id=self._chain_id, method=method, reason=NO_CREDIT)

    def _check_vault(self, vault: bytes, method: str) -> None:
        if vault != self._watched.vault:
            raise NoSuchReadError(
                chain_id=self._chain_id,
                method=method,
                reason=f"{base58_of(vault)} is not the watched vault "
                f"{base58_of(self._watched.vault)}",
            )

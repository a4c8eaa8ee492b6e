"""What a delivery must know of accounts before it is made: whose they are, and lookup tables."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from chains.agreement.board import Terms
from chains.agreement.quorum import Quorum
from chains.base58 import base58_of
from chains.errors import RpcDisagreementError
from chains.line.client import RPC_TIMEOUT_SECONDS
from chains.line.shapes import fields_of, usable
from chains.port import LookupTable
from chains.solana.answers import accounts_of, context_of, word_of
from chains.solana.lookup_tables import LOOKUP_PROGRAM, decode_entries
from chains.solana.rpc import Level, SolanaRpc
from chains.types import ChainId

ACCOUNT_METHOD: Final = "getAccountInfo"


@dataclass(frozen=True, slots=True)
class OwnerRead:
    """The program that an account belongs to, None where there is none, and when that was so."""

    owner: bytes | None
    height: int = field(compare=False)


class AccountSource(Protocol):
    """Reads accounts as of the newest confirmed slot."""

    async def owner_of(self, account: bytes) -> OwnerRead:
        """Return which program an account belongs to."""
        ...

    async def lookup_table(self, table: bytes) -> LookupTable:
        """
        Return what stands in a lookup table; nothing where there is no such table.

        What was added in the newest slot counts from the next one on, and is left out.
        """
        ...

    async def close(self) -> None:
        """Give the connections back."""
        ...


class NodeAccounts:
    """AccountSource over one node."""

    def __init__(
        self, chain_id: ChainId, rpc_url: str, *, timeout_seconds: float = RPC_TIMEOUT_SECONDS
    ) -> None:
        self.chain_id = chain_id
        self._rpc = SolanaRpc(chain_id, rpc_url, timeout_seconds=timeout_seconds)

    async def owner_of(self, account: bytes) -> OwnerRead:
        """Return which program an account belongs to."""
        config = {"dataSlice": {"offset": 0, "length": 0}}
        height, found = await self._read(account, config)
        with usable(self.chain_id, ACCOUNT_METHOD):
            if found is None:
                return OwnerRead(None, height)
            return OwnerRead(word_of(fields_of(found, "account").get("owner"), "owner"), height)

    async def lookup_table(self, table: bytes) -> LookupTable:
        """Return what stands in a lookup table."""
        height, found = await self._read(table, {})
        with usable(self.chain_id, ACCOUNT_METHOD):
            (account,) = accounts_of([found], 1)
            if account is None or account.owner != bytes(LOOKUP_PROGRAM):
                return LookupTable(table, ())
            return LookupTable(table, decode_entries(account.content, height))

    async def close(self) -> None:
        """Give the connections back."""
        await self._rpc.close()

    async def _read(self, account: bytes, config: Mapping[str, object]) -> tuple[int, object]:
        level = {"encoding": "base64", "commitment": Level.CONFIRMED.value}
        answer = await self._rpc.call(ACCOUNT_METHOD, [base58_of(account), {**level, **config}])
        with usable(self.chain_id, ACCOUNT_METHOD):
            return context_of(answer)


class AgreeingAccounts:
    """AccountSource over several nodes: what a quorum says."""

    def __init__(self, sources: Sequence[NodeAccounts], terms: Terms) -> None:
        self._sources = tuple(sources)
        self._quorum: Quorum[NodeAccounts] = Quorum(sources[0].chain_id, sources, terms)

    async def owner_of(self, account: bytes) -> OwnerRead:
        """Return which program a quorum says an account belongs to, and since when."""
        found = await self._quorum.reached(ACCOUNT_METHOD, lambda node: node.owner_of(account))
        for candidate in {read.owner for _, read in found}:
            same = [(node, read.height) for node, read in found if read.owner == candidate]
            is_own = self._quorum.board.has_own(node for node, _ in same)
            if len(same) >= self._quorum.size and is_own:
                return OwnerRead(candidate, self._quorum.reached_value(same))
        raise RpcDisagreementError(
            chain_id=self._quorum.chain_id, method=ACCOUNT_METHOD, detail="an account's owner"
        )

    async def lookup_table(self, table: bytes) -> LookupTable:
        """Return what a quorum says stands in a lookup table."""
        return await self._quorum.agreed(
            ACCOUNT_METHOD, lambda node: node.lookup_table(table), is_settled=False
        )

    async def close(self) -> None:
        """Give the connections back."""
        await asyncio.gather(*(source.close() for source in self._sources))

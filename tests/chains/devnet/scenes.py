"""A vault on a chain in memory, and readers that look at it."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from chains.agreement.board import Terms
from chains.agreement.reader import AgreeingReader
from chains.devnet.memory_node.chain import ChainOptions, MemoryChain
from chains.devnet.memory_node.load import account_of_label, address_of_label
from chains.devnet.memory_node.moves import Holding, Tx, lock
from chains.events import ObservedEvent
from chains.evm.reader import EvmReader, Watched
from chains.types import ChainId

T = TypeVar("T")
VAULT: Final = address_of_label("a vault")
TOKEN: Final = address_of_label("a token")
OWNER: Final = address_of_label("an owner")
ACCOUNT: Final = account_of_label("an account")
HOLDING: Final = Holding(VAULT, TOKEN, ACCOUNT)
WATCHED: Final = Watched(vaults=(VAULT,))
CHAIN: Final = ChainId("eip155:31337")


def lock_tx(name: str, units: int = 5, *, has_transfer: bool = True) -> Tx:
    """Return a lock by the owner."""
    return Tx(name, (lock(HOLDING, OWNER, units, has_transfer=has_transfer),), sender=OWNER)


def vault_chain(options: ChainOptions | None = None) -> MemoryChain:
    """Return a chain with an empty vault and its token."""
    chain = MemoryChain(options)
    chain.views.contracts |= {VAULT, TOKEN}
    return chain


def chain_with_locks(*counts: int) -> MemoryChain:
    """Return a chain whose blocks above the genesis hold so many locks each; all are final."""
    chain = vault_chain()
    for height, count in enumerate(counts, start=1):
        chain.mine(*(lock_tx(f"{height}.{place}", 10 + place) for place in range(count)))
    chain.finalize_to()
    return chain


def reader_of(url: str, *, timeout_seconds: float = 10) -> EvmReader:
    """Return a reader of the vault."""
    return EvmReader(CHAIN, url, watched=WATCHED, timeout_seconds=timeout_seconds)


def through(
    url: str,
    ask: Callable[[EvmReader], Coroutine[Any, Any, T]],
    *,
    timeout_seconds: float = 10,
) -> T:
    """Return what a fresh reader of a node comes to."""

    async def asked() -> T:
        reader = reader_of(url, timeout_seconds=timeout_seconds)
        try:
            return await ask(reader)
        finally:
            await reader.close()

    return asyncio.run(asked())


def agreeing(
    urls: Sequence[str], quorum: int, ask: Callable[[AgreeingReader], Coroutine[Any, Any, T]]
) -> T:
    """Return what a quorum of fresh readers comes to."""

    async def asked() -> T:
        together = AgreeingReader([reader_of(url) for url in urls], Terms(quorum))
        try:
            return await ask(together)
        finally:
            await together.close()

    return asyncio.run(asked())


@dataclass(frozen=True, slots=True)
class Seen:
    """The events of a chain, by range and block by block."""

    by_range: tuple[ObservedEvent, ...]
    by_block: tuple[ObservedEvent, ...]


async def see(reader: EvmReader) -> Seen:
    """Read a chain up to its newest block, both ways."""
    head = (await reader.heads()).latest.block.height
    ranged = await reader.events_in_range(0, head)
    single: list[ObservedEvent] = []
    for height in range(head + 1):
        block = (await reader.header_at(height)).block
        single += (await reader.events_in_block(block)).events
    return Seen(ranged.events, tuple(single))

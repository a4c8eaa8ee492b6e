"""What is asked while a pack is recorded, and asked again when it is replayed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from chains.agreement.board import Terms
from chains.agreement.reader import AgreeingReader
from chains.devnet.packs import Pack
from chains.errors import RpcContradictionError, RpcDisagreementError
from chains.events import ObservedEvent
from chains.evm.reader import EvmReader, Watched
from chains.port import EventRead, VaultState
from chains.types import BlockRef, ChainId, word_of_text
from tests.packs.following import Follower

FOLDER: Final = Path(__file__).parent
REORG: Final = FOLDER / "reorg.pack"
DISAGREEMENT: Final = FOLDER / "disagreement.pack"
HOLES: Final = FOLDER / "holes.pack"
PACKS: Final = (REORG, DISAGREEMENT, HOLES)
TURNS: Final = 6  # of the story with the reorg
HOLES_HEIGHT: Final = 40
QUORUM: Final = 2


@dataclass(frozen=True, slots=True)
class Sight:
    """
    What one provider says of a chain: by range, by block, and the vault's state at the end.

    A block whose logs contradict its header is None.
    """

    ranged: EventRead
    single: tuple[EventRead | None, ...]
    state: VaultState


def contracts_of(pack: Pack) -> tuple[bytes, bytes]:
    """Return the vault that was watched and the token that was asked about, out of a pack."""
    for exchange in pack.exchanges:
        if exchange.method == "eth_getLogs":
            vault = word_of_text(exchange.params[0]["address"][0])
            break
    else:
        raise AssertionError("nobody asked for logs")
    for exchange in pack.exchanges:
        if exchange.method == "eth_call" and len(exchange.params[0]["data"]) > len("0x") + 8:
            word = exchange.params[0]["data"][-64:]
            return vault, bytes.fromhex(word)
    return vault, bytes(32)


def reader_of(chain_id: ChainId, url: str, vault: bytes) -> EvmReader:
    """Return a reader of a vault; a slow machine must not change what it asks."""
    return EvmReader(chain_id, url, watched=Watched(vaults=(vault,)), timeout_seconds=60)


def agreeing_reader(
    chain_id: ChainId, urls: Sequence[str], vault: bytes, *, quorum: int
) -> AgreeingReader:
    """Return a reader over several nodes."""
    readers = [reader_of(chain_id, url, vault) for url in urls]
    return AgreeingReader(readers, Terms(quorum))


async def follow_turns(follower: Follower, act: Callable[[int], None]) -> list[ObservedEvent]:
    """
    Follow a chain turn by turn, then read what it says in the end.

    Args:
        act: lets the chain go on before each turn; when a pack is replayed, nothing is left to do.
    """
    for turn in range(TURNS):
        act(turn)
        await follower.follow()
    head = (await follower.reader.heads()).latest.block.height
    return list((await follower.reader.events_in_range(0, head)).events)


async def is_refused(together: AgreeingReader, last_height: int) -> bool:
    """Return whether nodes that must all agree give no events of a range."""
    try:
        await together.events_in_range(0, last_height)
    except RpcDisagreementError:
        return True
    return False


async def look(reader: EvmReader, token: bytes, vault: bytes) -> Sight:
    """Read a chain in every way that the reader has."""
    head = (await reader.heads()).latest.block
    ranged = await reader.events_in_range(0, head.height)
    single: list[EventRead | None] = []
    for height in range(head.height + 1):
        block: BlockRef = (await reader.header_at(height)).block
        try:
            single.append(await reader.events_in_block(block))
        except RpcContradictionError:
            single.append(None)
    return Sight(ranged, tuple(single), await reader.vault_state(vault, token, head))

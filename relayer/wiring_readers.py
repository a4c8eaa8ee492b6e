"""The readers and the wake-up of a chain, by its family."""

from collections.abc import Callable
from functools import partial

from chains.agreement.reader import NodeReader
from chains.evm.reader import EvmReader, Watched
from chains.evm.wakeup import HeadWakeup
from chains.line.wakeup import Wakeup
from chains.solana.history import SolanaWatched
from chains.solana.reader import SolanaReader
from chains.solana.wakeup import VaultWakeup
from chains.types import word_of_text
from relayer.sections import ChainSettings


def readers_of(chain: ChainSettings, tokens: tuple[bytes, ...]) -> tuple[NodeReader, ...]:
    """Return a reader for each node of a chain; a lock of these tokens needs its movement."""
    reader: Callable[..., NodeReader]
    if chain.is_solana:
        reader = partial(SolanaReader, chain.id, watched=solana_watched(chain, tokens))
    else:
        watched = Watched(
            vaults=tuple(word_of_text(vault.address) for vault in chain.vaults),
            credit_lines=tuple(word_of_text(line.address) for line in chain.credit_lines),
            tokens=tokens,
            is_bloom_trusted=chain.is_bloom_trusted,
        )
        reader = partial(EvmReader, chain.id, watched=watched)
    return tuple(
        reader(
            rpc_url=rpc_url,
            timeout_seconds=float(chain.rpc_timeout_seconds),
            span_max=chain.finalized_span_max,
        )
        for rpc_url in chain.rpc_urls
    )


def solana_watched(chain: ChainSettings, mints: tuple[bytes, ...]) -> SolanaWatched:
    """Return what is watched on a Solana chain; the settings have seen to its vault."""
    (vault,) = chain.vaults
    return SolanaWatched(word_of_text(vault.program or ""), word_of_text(vault.address), mints)


def wakeup_of(chain: ChainSettings) -> Wakeup | None:
    """Return the subscription that hints at news, None where none is configured."""
    if chain.websocket_url is None:
        return None
    if chain.is_solana:
        return VaultWakeup(chain.websocket_url, solana_watched(chain, ()).vault)
    return HeadWakeup(chain.websocket_url)

"""The readers and the wake-up of a chain, by its family."""

from collections.abc import Callable
from functools import partial

from chains.agreement.reader import NodeReader
from chains.evm.reader import EvmReader, Watched
from chains.evm.wakeup import HeadWakeup
from chains.inspection import ProgramInspector
from chains.line.wakeup import Wakeup
from chains.solana.history import SolanaWatched
from chains.solana.inspector import SolanaInspector
from chains.solana.reader import SolanaReader
from chains.solana.vault_addresses import unsigned_words
from chains.solana.wakeup import VaultWakeup
from chains.types import ChainId, word_of_text
from relayer.sections import ChainSettings
from relayer.settings import Settings


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


def inspectors_of(chain: ChainSettings, tokens: tuple[bytes, ...]) -> tuple[ProgramInspector, ...]:
    """Return an inspector for each node of a Solana chain."""
    return tuple(
        SolanaInspector(
            chain.id,
            rpc_url,
            watched=solana_watched(chain, tokens),
            timeout_seconds=float(chain.rpc_timeout_seconds),
        )
        for rpc_url in chain.rpc_urls
    )


def barred_of(settings: Settings) -> dict[ChainId, frozenset[bytes]]:
    """
    Return the addresses of each Solana chain's program that no key signs for.

    Other addresses without a key may be recipients: they belong to programs that can pay on, as
    those of a multisig do, and the vault pays to them.
    """
    return {
        chain.id: unsigned_words(
            program_id=word_of_text(vault.program or ""),
            vault=word_of_text(vault.address),
            mints=tuple(
                word_of_text(token.address)
                for asset in settings.assets
                for token in asset.tokens
                if token.chain_id == chain.chain_id
            ),
        )
        for chain in settings.chains
        for vault in chain.vaults
        if chain.is_solana
    }


def wakeup_of(chain: ChainSettings) -> Wakeup | None:
    """Return the subscription that hints at news, None where none is configured."""
    if chain.websocket_url is None:
        return None
    if chain.is_solana:
        return VaultWakeup(chain.websocket_url, solana_watched(chain, ()).vault)
    return HeadWakeup(chain.websocket_url)

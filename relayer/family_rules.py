"""What a configuration may say of a chain depends on the chain's family."""

from collections.abc import Iterable, Iterator
from typing import Final

from chains.types import (
    EVM_ADDRESS_PAD,
    EVM_NAMESPACE,
    SOLANA_NAMESPACE,
    ChainId,
    solana_reference,
    word_of_text,
)
from relayer.sections import AssetSettings, ChainSettings, LiquidatorSettings, SenderSettings

SOLANA_SPELLING: Final = "write an account of Solana in base58, or its 32 bytes as 0x-hex"
EVM_SPELLING: Final = "write 20 bytes as 0x-hex"


def family_mistakes(
    chains: Iterable[ChainSettings],
    assets: Iterable[AssetSettings],
    liquidators: Iterable[LiquidatorSettings],
) -> list[str]:
    """Return what does not fit the family of its chain, each with its field and its remedy."""
    mistakes: list[str] = []
    for chain in chains:
        mistakes += _of_solana(chain) if chain.is_solana else _of_others(chain)
    for field, chain_id, address in _addresses(chains, assets, liquidators):
        mistakes += _spelling(field, chain_id, address)
    mistakes += [
        f"assets.{asset.asset_id}.feeds.{feed.label}: {feed.chain_id} has no price feeds that are "
        "read; take a feed on an EVM chain"
        for asset in assets
        for feed in asset.feeds
        if feed.chain_id.startswith(SOLANA_NAMESPACE)
    ]
    return mistakes


def sending_mistakes(chains: Iterable[ChainSettings], sender: SenderSettings | None) -> list[str]:
    """Return what a process that sends lacks for a chain's family."""
    if sender is None or sender.solana_key_file is not None:
        return []
    return [
        f"sender.solana_key_file: missing; {chain.chain_id} takes no EVM key, so name the "
        "file of a Solana key"
        for chain in chains
        if chain.is_solana
    ]


def _of_solana(chain: ChainSettings) -> list[str]:
    name = f"chains.{chain.chain_id}"
    mistakes = []
    try:
        solana_reference(chain.id)
    except ValueError as exc:
        mistakes.append(f"{name}.chain_id: {exc}")
    if chain.credit_lines:
        mistakes.append(f"{name}.credit_lines: there are none on Solana; put them on an EVM chain")
    if not chain.vaults:
        mistakes.append(f"{name}.vaults: a Solana chain is read by its vault; add one")
    mistakes += [
        f"{name}.vaults.program: missing; name the program that the vault belongs to"
        for vault in chain.vaults
        if vault.program is None
    ]
    return mistakes


def _of_others(chain: ChainSettings) -> list[str]:
    mistakes = [
        f"chains.{chain.chain_id}.vaults.program: only a vault on Solana has one; leave it out"
        for vault in chain.vaults
        if vault.program is not None
    ]
    if chain.lookup_tables:
        mistakes.append(
            f"chains.{chain.chain_id}.lookup_tables: there are none beside Solana; leave them out"
        )
    return mistakes


def _addresses(
    chains: Iterable[ChainSettings],
    assets: Iterable[AssetSettings],
    liquidators: Iterable[LiquidatorSettings],
) -> Iterator[tuple[str, str, str]]:
    """Yield field, chain and address of all that must be spelled as its chain does."""
    for chain in chains:
        for vault in chain.vaults:
            yield f"chains.{chain.chain_id}.vaults.address", chain.chain_id, vault.address
            if vault.program is not None and chain.is_solana:
                yield f"chains.{chain.chain_id}.vaults.program", chain.chain_id, vault.program
        for table in chain.lookup_tables:
            yield f"chains.{chain.chain_id}.lookup_tables", chain.chain_id, table
    for asset in assets:
        for token in asset.tokens:
            yield f"assets.{asset.asset_id}.tokens.address", token.chain_id, token.address
    for liquidator in liquidators:
        for place in liquidator.recipients:
            yield "liquidators.recipients.address", place.chain_id, place.address


def _spelling(field: str, chain_id: str, address: str) -> list[str]:
    is_evm_address = word_of_text(address).startswith(EVM_ADDRESS_PAD)
    if ChainId(chain_id).startswith(SOLANA_NAMESPACE) and is_evm_address:
        return [f"{field}: {address} on {chain_id} is an EVM address; {SOLANA_SPELLING}"]
    if chain_id.startswith(EVM_NAMESPACE) and not is_evm_address:
        return [f"{field}: {address} on {chain_id} is no EVM address; {EVM_SPELLING}"]
    return []

"""A follower of the vault on the local Solana cluster."""

from dataclasses import replace

from chains.solana.reader import SolanaReader
from chains.types import BlockRef, TokenRef
from relayer.assets import Asset, AssetRegistry
from relayer.money import AssetId
from relayer.steps.catalog import Catalog
from relayer.store.unit_of_work import Store
from tests.chains.solana.scenes import Scene
from tests.devnet.following import WETH_ID, Follower, Place, follower_of
from tests.relayer.steps.bookings import CATALOG

USDC_ID = AssetId("USDC")


def catalog_of(world: Scene) -> Catalog:
    """Return a catalog with the cluster's vault and its two tokens."""
    chain_id = world.net.chain_id
    tokens = {
        TokenRef(chain_id, bytes(mint)): Asset(asset_id, 6)
        for mint, asset_id in zip(world.mints, (WETH_ID, USDC_ID), strict=True)
    }
    assets = AssetRegistry(tokens)
    return replace(CATALOG, assets=assets, vaults={chain_id: world.vault})


def head_of(world: Scene) -> BlockRef:
    """Return the newest confirmed block."""
    with world.net.ledger.lock:
        slot = int(world.net.ask("getSlot", {"commitment": "confirmed"}))
        block = world.net.ledger.newest_until(slot)
        assert block is not None
        return BlockRef(block.slot, block.block_hash)


def followed(store: Store, world: Scene, reader: SolanaReader | None = None) -> Follower:
    """Return a follower with one reader, which keeps what it has learned from poll to poll."""
    kept = world.reader() if reader is None else reader
    place = Place(world.net.chain_id, lambda: kept, lambda: head_of(world))
    return follower_of(store, place, catalog_of(world))

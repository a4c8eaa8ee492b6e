"""A cluster whose slots move by command, with money in it."""

from collections.abc import Iterator

import pytest

from chains.devnet.solana.net import SolanaDevnet, solana_devnet
from tests.chains.devnet.solana.scenes import ANN, BEN, SHOP, SHOP_RENT, SOL


@pytest.fixture
def net() -> Iterator[SolanaDevnet]:
    """A cluster in which Ann, Ben and the shop have had lamports for 40 slots."""
    with solana_devnet() as running:
        running.airdrop(ANN.pubkey(), 100 * SOL)
        running.airdrop(BEN.pubkey(), 100 * SOL)
        running.airdrop(SHOP, SHOP_RENT)
        running.advance(40)
        yield running

"""Assets, tokens and paths."""

import pytest

from chains.types import ChainId, TokenRef
from relayer.assets import Asset, AssetRegistry, Path, UnknownAssetError, UnknownTokenError
from relayer.money import AssetId

HOME = ChainId("eip155:31337")
AWAY = ChainId("eip155:31338")
USDC = Asset(AssetId("USDC"), 6)
HOME_TOKEN = TokenRef(HOME, b"\x01" * 32)
AWAY_TOKEN = TokenRef(AWAY, b"\x01" * 32)


def test_a_token_stands_for_its_asset_on_its_own_chain_only() -> None:
    """The same address on another chain is another token."""
    registry = AssetRegistry({HOME_TOKEN: USDC})

    assert registry.asset_of(HOME_TOKEN) == USDC
    with pytest.raises(UnknownTokenError, match="eip155:31338"):
        registry.asset_of(AWAY_TOKEN)


def test_an_asset_is_found_by_name_with_its_tokens_and_scale() -> None:
    """Name, tokens per chain and scales answer from the same registration."""
    registry = AssetRegistry({HOME_TOKEN: USDC, AWAY_TOKEN: USDC})

    assert registry.asset(AssetId("USDC")).whole_units == 10**6
    assert registry.tokens_of(AssetId("USDC"), AWAY) == (AWAY_TOKEN,)
    assert registry.scales() == {"USDC": 6}


def test_an_unknown_asset_is_named() -> None:
    """Asking for an asset that nobody registered raises with its name."""
    with pytest.raises(UnknownAssetError, match="'DOGE'"):
        AssetRegistry({}).asset(AssetId("DOGE"))


def test_one_asset_with_two_scales_is_refused() -> None:
    """Units of different scales may not be mixed under one name."""
    with pytest.raises(ValueError, match="two asset ids"):
        AssetRegistry({HOME_TOKEN: USDC, AWAY_TOKEN: Asset(AssetId("USDC"), 18)})


@pytest.mark.parametrize(("name", "scale"), [("", 6), ("USDC", -1), ("USDC", 37)])
def test_an_asset_without_name_or_with_an_odd_scale_is_refused(name: str, scale: int) -> None:
    """Name and scale are checked when the asset is made."""
    with pytest.raises(ValueError, match=r"scale|empty"):
        Asset(AssetId(name), scale)


def test_a_path_reads_as_words() -> None:
    """A path names asset, chain and bridge in a message."""
    assert str(Path(AssetId("ETH"), HOME, "guardian")) == "ETH on eip155:31337 by guardian"

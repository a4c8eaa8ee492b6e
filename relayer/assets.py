"""Assets, the tokens that stand for them, and the paths along which collateral counts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from chains.types import ChainId, TokenRef, raw_text
from relayer.errors import RelayerError
from relayer.money import AssetId

SCALE_MAX: Final = 36


class UnknownTokenError(RelayerError):
    """A token that no asset is registered for."""

    def __init__(self, *, token: TokenRef) -> None:
        super().__init__(
            f"token {raw_text(token.chain_id, token.address)} on {token.chain_id} stands for no "
            "asset; register it before it is watched"
        )
        self.token = token


class UnknownAssetError(RelayerError):
    """An asset name that is not registered."""

    def __init__(self, *, asset_id: str) -> None:
        super().__init__(f"asset {asset_id!r} is not registered; add it with its scale")
        self.asset_id = asset_id


@dataclass(frozen=True, slots=True, order=True)
class Asset:
    """The ledger's name of an asset and the digits behind its point, 0 to 36."""

    asset_id: AssetId
    scale: int

    def __post_init__(self) -> None:
        if not self.asset_id:
            raise ValueError("asset_id is empty; give the asset a name")
        if not 0 <= self.scale <= SCALE_MAX:
            raise ValueError(f"{self.asset_id}: scale {self.scale} is outside 0..{SCALE_MAX}")

    @property
    def whole_units(self) -> int:
        """Return the base units of one whole token."""
        return whole_units(self.scale)


def whole_units(scale: int) -> int:
    """Return the base units of one whole token of that scale."""
    return int(10**scale)


@dataclass(frozen=True, slots=True, order=True)
class Path:
    """The way along which collateral counts and leaves."""

    asset_id: AssetId
    chain_id: ChainId
    bridge: str

    def __str__(self) -> str:
        return f"{self.asset_id} on {self.chain_id} by {self.bridge}"


@dataclass(frozen=True, slots=True)
class AssetRegistry:
    """
    Which asset each token stands for.

    Several tokens may stand for one asset only where they have its scale: a token of another
    scale is registered as an asset of its own, so that units are never mixed.
    """

    tokens: Mapping[TokenRef, Asset]
    _assets: Mapping[AssetId, Asset] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        assets: dict[AssetId, Asset] = {}
        for token, asset in self.tokens.items():
            known = assets.setdefault(asset.asset_id, asset)
            if known != asset:
                raise ValueError(
                    f"{asset.asset_id}: token 0x{token.address.hex()} on {token.chain_id} has "
                    f"scale {asset.scale}, another has {known.scale}; use two asset ids"
                )
        object.__setattr__(self, "_assets", assets)

    def asset_of(self, token: TokenRef) -> Asset:
        """
        Return the asset that a token stands for.

        Raises:
            UnknownTokenError: nobody registered the token.
        """
        asset = self.tokens.get(token)
        if asset is None:
            raise UnknownTokenError(token=token)
        return asset

    def asset(self, asset_id: AssetId) -> Asset:
        """
        Return the asset of that name.

        Raises:
            UnknownAssetError: nobody registered it.
        """
        asset = self._assets.get(asset_id)
        if asset is None:
            raise UnknownAssetError(asset_id=asset_id)
        return asset

    def tokens_of(self, asset_id: AssetId, chain_id: ChainId) -> tuple[TokenRef, ...]:
        """Return the tokens that stand for an asset on a chain, ordered by address."""
        found = [
            token
            for token, asset in self.tokens.items()
            if asset.asset_id == asset_id and token.chain_id == chain_id
        ]
        return tuple(sorted(found, key=lambda token: token.address))

    def scales(self) -> Mapping[AssetId, int]:
        """Return the scale of each asset, as the risk parameters need it."""
        return {asset_id: asset.scale for asset_id, asset in self._assets.items()}

"""The settings of assets, credit lines and risk as values of the core."""

from chains.types import ChainId, TokenRef, chain_id_of, word_of_text
from relayer.assets import Asset, AssetRegistry, Path
from relayer.money import BPS, WAD, AssetId
from relayer.oracle.price import FeedRule
from relayer.risk.parameters import LiquidationParameters, PathParameters, RiskParameters
from relayer.sections import AssetSettings, PathSettings
from relayer.settings import Settings
from relayer.steps.catalog import CreditLine, Feed


def tokens_of(settings: Settings) -> dict[TokenRef, Asset]:
    """Return which asset each token of each chain stands for."""
    return {
        TokenRef(chain_id_of(token.chain_id), word_of_text(token.address)): Asset(
            AssetId(asset.asset_id), asset.scale
        )
        for asset in settings.assets
        for token in asset.tokens
    }


def token_words(settings: Settings, chain_id: ChainId) -> tuple[bytes, ...]:
    """Return the tokens of a chain that stand for assets."""
    return tuple(
        word_of_text(token.address)
        for asset in settings.assets
        for token in asset.tokens
        if token.chain_id == chain_id
    )


def feeds_of(settings: Settings) -> tuple[Feed, ...]:
    """Return the price feeds."""
    return tuple(
        Feed(feed.label, AssetId(asset.asset_id), chain_id_of(feed.chain_id), word)
        for asset in settings.assets
        for feed in asset.feeds
        if (word := word_of_text(feed.address))
    )


def feed_rule_of(asset: AssetSettings) -> FeedRule:
    """Return how the prices of an asset are judged."""
    return FeedRule(
        asset_id=AssetId(asset.asset_id),
        heartbeat_seconds=asset.heartbeat_seconds,
        sources_min=asset.sources_min,
        deviation_bps_max=asset.deviation_bps_max,
        confidence_bps=asset.confidence_bps,
    )


def credit_lines_of(settings: Settings, registry: AssetRegistry) -> tuple[CreditLine, ...]:
    """Return the credit lines of all chains."""
    return tuple(
        CreditLine(
            protocol=line.protocol,
            chain_id=chain.id,
            contract=word_of_text(line.address),
            token=word_of_text(line.token),
            asset_id=registry.asset_of(TokenRef(chain.id, word_of_text(line.token))).asset_id,
            operator=word_of_text(line.operator),
        )
        for chain in settings.chains
        for line in chain.credit_lines
    )


def parameters_of(settings: Settings) -> RiskParameters:
    """Return the risk parameters of the epoch."""
    risk = settings.risk
    return RiskParameters(
        epoch=risk.epoch,
        scales={AssetId(asset.asset_id): asset.scale for asset in settings.assets},
        paths=dict(_path_parameters(path) for path in risk.paths),
        debt_weights_bps={
            AssetId(asset.asset_id): asset.debt_weight_bps for asset in settings.assets
        },
        soft_credit_bps=risk.soft_credit_bps,
        liquidation=LiquidationParameters(
            target_factor_wad=risk.target_factor_bps * WAD // BPS,
            bonus_base_bps=risk.bonus_base_bps,
            bonus_slope_bps=risk.bonus_slope_bps,
            bonus_bps_max=risk.bonus_max_bps,
            insurance_share_bps=risk.insurance_share_bps,
            leftover_value_wad_min=risk.leftover_min_usd * WAD,
        ),
    )


def _path_parameters(path: PathSettings) -> tuple[Path, PathParameters]:
    return Path(AssetId(path.asset_id), chain_id_of(path.chain_id), path.bridge), PathParameters(
        initial_weight_bps=path.initial_weight_bps,
        maintenance_weight_bps=path.maintenance_weight_bps,
        haircut_bps={"latency": path.latency_haircut_bps, "bridge": path.bridge_haircut_bps},
    )

"""Turns the settings about brakes into values of the core."""

from typing import Final

from chains.types import ChainId, chain_id_of, word_of_text
from relayer.assets import Path
from relayer.governor.buckets import BucketLimit, Lane
from relayer.governor.confirmations import (
    AT_ONCE,
    DEFAULT_TIERS,
    FINAL_ONLY,
    ConfirmationTier,
    ConfirmationTiers,
)
from relayer.governor.rules import GovernorRules, Mode
from relayer.governor.windows import OutflowLimit
from relayer.money import WAD, AssetId
from relayer.sections import ChainSettings, OutflowLimitSettings
from relayer.settings import Settings

WAD_DIGITS: Final = 18


def governor_rules(settings: Settings) -> GovernorRules:
    """Return the limits, switches and confirmation tiers of a process."""
    governor = settings.governor
    operator = settings.switches.operator
    return GovernorRules(
        mode=Mode(governor.mode),
        limits=tuple(_limit(limit) for limit in governor.limits),
        buckets=tuple(
            BucketLimit(
                Lane(chain_id_of(bucket.origin or settings.hub), chain_id_of(bucket.target)),
                bucket.capacity_usd * WAD,
                usd_wad(bucket.refill_usd_per_second),
            )
            for bucket in governor.buckets
        ),
        floors_wad={
            Path(AssetId(limit.asset_id), chain_id_of(limit.chain_id), limit.bridge): usd_wad(
                limit.floor_price_usd
            )
            for limit in governor.limits
            if limit.asset_id is not None and limit.floor_price_usd is not None
        },
        exposures_wad={
            Path(AssetId(each.asset_id), chain_id_of(each.chain_id), each.bridge): (
                each.collateral_usd * WAD
            )
            for each in governor.exposures
        },
        tiers={chain.id: _tiers(settings, chain) for chain in settings.chains},
        operator=None if operator is None else word_of_text(operator),
    )


def usd_wad(text: str) -> int:
    """Return a decimal number of dollars, scaled by 1e18; digits beyond 18 cannot be written."""
    whole, _, digits = text.partition(".")
    return int(whole) * WAD + int(digits.ljust(WAD_DIGITS, "0") or "0")


def _limit(limit: OutflowLimitSettings) -> OutflowLimit:
    return OutflowLimit(
        chain_id=ChainId(limit.chain_id),
        bridge=None if limit.asset_id is None else limit.bridge,
        asset_id=None if limit.asset_id is None else AssetId(limit.asset_id),
        window_value_wad=None if limit.window_usd is None else limit.window_usd * WAD,
        big_value_wad=None if limit.big_transfer_usd is None else limit.big_transfer_usd * WAD,
        delay_seconds=limit.big_transfer_delay_seconds,
        is_flow_cancelled=limit.flow_cancel,
    )


def _tiers(settings: Settings, chain: ChainSettings) -> ConfirmationTiers:
    """Return the tiers as set, or a default: known chains', else only what is final counts."""
    if chain.confirmations is not None:
        return tuple(
            ConfirmationTier(tier.value_usd_min * WAD, tier.blocks) for tier in chain.confirmations
        )
    if settings.profile == "development":
        return AT_ONCE
    return DEFAULT_TIERS.get(chain.id, FINAL_ONLY)

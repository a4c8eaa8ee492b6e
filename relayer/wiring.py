"""Puts settings, adapters and stores together: the only module that names an adapter."""

import os
import socket
import uuid
from collections.abc import Callable
from typing import Final

from coincurve import PrivateKey

from chains.attestation import GuardianSet, sign_digest, signer_address
from chains.bridges.guardian import GuardianBridge
from chains.bridges.guardian_door import GuardianHttpDoor
from chains.bridges.switch_door import SwitchHttpDoor
from chains.evm.agreement import AgreeingReader
from chains.evm.fees import FeeLimits
from chains.evm.keys import read_key_file, read_private_text
from chains.evm.reader import EvmReader, Watched
from chains.evm.sender import EvmSender
from chains.evm.wakeup import HeadWakeup
from chains.oracles.chainlink import ChainlinkSource
from chains.port import Bridge, ChainReader, PriceSource, TransactionSender
from chains.types import ChainId, TokenRef, chain_id_of, word_of_text
from relayer.assets import Asset, AssetRegistry, Path
from relayer.clock import SystemClock
from relayer.errors import SettingsError
from relayer.money import BPS, WAD, AssetId
from relayer.oracle.price import FeedRule
from relayer.risk.parameters import LiquidationParameters, PathParameters, RiskParameters
from relayer.sections import AssetSettings, PathSettings
from relayer.settings import Settings
from relayer.steps.catalog import (
    Catalog,
    CreditLine,
    Feed,
    GuardianMember,
    Liquidator,
    MessageTimes,
)
from relayer.steps.observe import ObserveLimits
from relayer.store.engine import engine_of
from relayer.store.unit_of_work import Store
from relayer.wiring_governor import governor_rules

GWEI: Final = 10**9
LOOPBACK_HOSTS: Final = ("127.0.0.1", "::1", "localhost")


def process_name() -> str:
    """Return a name that no other process has, nor this one after a restart."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


def open_store(settings: Settings) -> Store:
    """
    Return the store of a process.

    Raises:
        SchemaVersionError: the database is not at the version of the code.
    """
    store = unchecked_store(settings)
    store.check_schema()
    return store


def unchecked_store(settings: Settings) -> Store:
    """Return the store without looking at its version; for migrations and the doctor."""
    return Store(engine_of(settings.database_url), SystemClock())


def catalog_of(settings: Settings) -> Catalog:
    """
    Return the settings as values of the core.

    Raises:
        SettingsError: values that contradict each other, all listed.
    """
    try:
        registry = AssetRegistry(_tokens(settings))
    except ValueError as exc:
        raise SettingsError((f"assets: {exc}",)) from exc
    members = sorted(settings.guardians.members, key=lambda member: member.address)
    return Catalog(
        hub=chain_id_of(settings.hub),
        chain_ids=tuple(chain.id for chain in settings.chains),
        assets=registry,
        parameters=_parameters(settings),
        feed_rules=tuple(_feed_rule(asset) for asset in settings.assets),
        feeds=_feeds(settings),
        vaults={
            chain.id: word_of_text(vault.address)
            for chain in settings.chains
            for vault in chain.vaults
        },
        credit_lines=_credit_lines(settings, registry),
        liquidators=tuple(
            Liquidator(
                account=word_of_text(liquidator.account),
                recipients={
                    chain_id_of(place.chain_id): word_of_text(place.address)
                    for place in liquidator.recipients
                },
            )
            for liquidator in settings.liquidators
        ),
        guardian_set=GuardianSet(
            index=settings.guardians.index,
            threshold=settings.guardians.threshold,
            members=tuple(word_of_text(member.address) for member in members),
        ),
        guardians=tuple(
            GuardianMember(member.label, word_of_text(member.address), member.url)
            for member in members
        ),
        times=MessageTimes(
            expiry_seconds=settings.messages.expiry_seconds,
            attest_retry_seconds=settings.messages.attest_retry_seconds,
            relay_retry_seconds=settings.messages.relay_retry_seconds,
        ),
        is_replica=settings.guardian is not None,
        governor=governor_rules(settings),
    )


def chain_reader(settings: Settings, chain_id: ChainId) -> ChainReader:
    """Return the reader of a chain: its one node, or what a quorum of several agrees on."""
    nodes = node_readers(settings, chain_id)
    if len(nodes) == 1:
        return nodes[0]
    return AgreeingReader(nodes, quorum=settings.chain(chain_id).quorum)


def node_readers(settings: Settings, chain_id: ChainId) -> tuple[ChainReader, ...]:
    """Return a reader for each node of a chain, in the order of the settings."""
    chain = settings.chain(chain_id)
    watched = Watched(
        vaults=tuple(word_of_text(vault.address) for vault in chain.vaults),
        credit_lines=tuple(word_of_text(line.address) for line in chain.credit_lines),
    )
    return tuple(
        EvmReader(
            chain.id,
            rpc_url,
            watched=watched,
            timeout_seconds=float(chain.rpc_timeout_seconds),
            span_max=chain.finalized_span_max,
        )
        for rpc_url in chain.rpc_urls
    )


def price_source(reader: ChainReader) -> PriceSource:
    """Return what reads the price feeds of a reader's chain."""
    return ChainlinkSource(reader)


def bridge(reader: ChainReader) -> Bridge:
    """Return the bridge to the contracts of a reader's chain."""
    return GuardianBridge(reader)


def transaction_sender(settings: Settings, chain_id: ChainId) -> TransactionSender:
    """
    Return what sends to a chain, through the first of its nodes.

    Raises:
        SettingsError: no sender is configured.
        KeyFileError: its key file is unusable.
    """
    if settings.sender is None:
        raise SettingsError(("sender: not configured; add [sender] with key_file",))
    chain = settings.chain(chain_id)
    return EvmSender(
        chain.id,
        chain.rpc_urls[0],
        key=read_key_file(settings.sender.key_file),
        limits=FeeLimits(max_fee_wei_max=settings.sender.fee_cap_gwei * GWEI),
        timeout_seconds=float(chain.rpc_timeout_seconds),
    )


def check_sender_key(settings: Settings) -> None:
    """
    Read the sender's key, if one is configured, so that a process stops at its start.

    Raises:
        KeyFileError: the key file is unusable.
    """
    if settings.sender is not None:
        read_key_file(settings.sender.key_file)


def head_wakeup(settings: Settings, chain_id: ChainId) -> HeadWakeup | None:
    """Return the subscription that hints at new blocks, None where none is configured."""
    url = settings.chain(chain_id).websocket_url
    return None if url is None else HeadWakeup(url)


def observe_limits(settings: Settings, chain_id: ChainId) -> ObserveLimits:
    """Return how much one run of a chain's watcher takes."""
    chain = settings.chain(chain_id)
    return ObserveLimits(
        start_height=chain.start_height,
        blocks_per_run_max=chain.blocks_per_run_max,
        finalized_span_max=chain.finalized_span_max,
    )


def guardian_doors(settings: Settings) -> tuple[GuardianHttpDoor, ...]:
    """Return where each guardian is asked, in order of their addresses."""
    members = sorted(settings.guardians.members, key=lambda member: member.address)
    return tuple(
        GuardianHttpDoor(
            label=member.label,
            address=word_of_text(member.address),
            url=member.url,
            token=None if member.token_file is None else read_private_text(member.token_file),
        )
        for member in members
    )


def switch_doors(settings: Settings) -> tuple[SwitchHttpDoor, ...]:
    """Return where each guardian takes orders about switches, in order of their addresses."""
    members = sorted(settings.guardians.members, key=lambda member: member.address)
    return tuple(
        SwitchHttpDoor(
            label=member.label,
            address=word_of_text(member.address),
            url=member.url,
            token=None if member.token_file is None else read_private_text(member.token_file),
        )
        for member in members
    )


def switch_signer(settings: Settings) -> Callable[[bytes], bytes] | None:
    """
    Return what signs orders about switches with the operator's key, None where none is set.

    Raises:
        SettingsError: the key is not the configured operator's.
        KeyFileError: its key file is unusable.
    """
    switches = settings.switches
    if switches.key_file is None:
        return None
    key = PrivateKey(read_key_file(switches.key_file))
    if switches.operator is not None and word_of_text(switches.operator) != signer_address(key):
        raise SettingsError(
            ("switches.key_file: the key is not that of switches.operator; guardians refuse it",)
        )
    return lambda digest: sign_digest(key, digest)


def guardian_token(settings: Settings) -> str | None:
    """
    Return what a guardian's askers must show, None where anybody on its own machine may ask.

    Raises:
        SettingsError: it listens beyond its own machine and has no token.
        KeyFileError: its token file is unusable.
    """
    own = settings.guardian
    if own is None or own.token_file is None:
        if own is not None and own.listen_host not in LOOPBACK_HOSTS:
            raise SettingsError(
                ("guardian.token_file: needed, because listen_host is not this machine alone",)
            )
        return None
    return read_private_text(own.token_file)


def guardian_key(settings: Settings) -> tuple[bytes, Callable[[bytes], bytes]]:
    """
    Return a guardian's address and what signs digests with its key.

    Raises:
        SettingsError: this is no guardian's configuration.
        KeyFileError: its key file is unusable.
    """
    if settings.guardian is None:
        raise SettingsError(("guardian: not configured; add [guardian] with label and key_file",))
    key = PrivateKey(read_key_file(settings.guardian.key_file))
    return signer_address(key), lambda digest: sign_digest(key, digest)


def _tokens(settings: Settings) -> dict[TokenRef, Asset]:
    return {
        TokenRef(chain_id_of(token.chain_id), word_of_text(token.address)): Asset(
            AssetId(asset.asset_id), asset.scale
        )
        for asset in settings.assets
        for token in asset.tokens
    }


def _feeds(settings: Settings) -> tuple[Feed, ...]:
    return tuple(
        Feed(feed.label, AssetId(asset.asset_id), chain_id_of(feed.chain_id), word)
        for asset in settings.assets
        for feed in asset.feeds
        if (word := word_of_text(feed.address))
    )


def _feed_rule(asset: AssetSettings) -> FeedRule:
    return FeedRule(
        asset_id=AssetId(asset.asset_id),
        heartbeat_seconds=asset.heartbeat_seconds,
        sources_min=asset.sources_min,
        deviation_bps_max=asset.deviation_bps_max,
        confidence_bps=asset.confidence_bps,
    )


def _credit_lines(settings: Settings, registry: AssetRegistry) -> tuple[CreditLine, ...]:
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


def _parameters(settings: Settings) -> RiskParameters:
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

"""Puts settings, adapters and stores together: the only module that names an adapter."""

import os
import socket
import uuid
from collections.abc import Callable
from typing import Final, TypeVar

from coincurve import PrivateKey

from chains.agreement.reader import AgreeingReader, NodeReader
from chains.attestation import GuardianSet, sign_digest, signer_address
from chains.bridges.door import HttpDoor
from chains.bridges.guardian_door import GuardianHttpDoor
from chains.bridges.status_door import StatusHttpDoor
from chains.bridges.switch_door import SwitchHttpDoor
from chains.evm import views
from chains.evm.keys import read_key_file
from chains.evm.reader import EvmReader
from chains.inspection import ExitTerms, ProgramInspector
from chains.key_files import read_private_text
from chains.line.wakeup import Wakeup
from chains.nodes import NodePool
from chains.oracles.chainlink import ChainlinkSource
from chains.port import ChainReader, PriceSource
from chains.solana.reader import SolanaReader
from chains.types import BlockHeader, ChainId, chain_id_of, word_of_text
from relayer.assets import AssetRegistry
from relayer.clock import SystemClock
from relayer.errors import SettingsError
from relayer.sections import GuardianMemberSettings
from relayer.settings import Settings
from relayer.steps.backup import Backup
from relayer.steps.catalog import (
    Catalog,
    GuardianMember,
    Liquidator,
    MessageTimes,
)
from relayer.steps.correct import CorrectionRule
from relayer.steps.observe import ObserveLimits
from relayer.steps.reread import RereadLimits
from relayer.steps.watch import News, Wait, Watch
from relayer.store.engine import engine_of
from relayer.store.unit_of_work import Store
from relayer.wiring_catalog import (
    credit_lines_of,
    feed_rule_of,
    feeds_of,
    parameters_of,
    token_words,
    tokens_of,
)
from relayer.wiring_governor import governor_rules
from relayer.wiring_readers import barred_of, inspectors_of, readers_of, wakeup_of
from relayer.wiring_senders import node_terms

MILLISECONDS: Final = 1_000
_Door = TypeVar("_Door", bound=HttpDoor)
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


def correction_rule(settings: Settings) -> CorrectionRule:
    """Return who may sign corrections."""
    section = settings.corrections
    return CorrectionRule(
        frozenset(word_of_text(signer) for signer in section.signers), section.threshold
    )


def catalog_of(settings: Settings) -> Catalog:
    """
    Return the settings as values of the core.

    Raises:
        SettingsError: values that contradict each other, all listed.
    """
    try:
        registry = AssetRegistry(tokens_of(settings))
    except ValueError as exc:
        raise SettingsError((f"assets: {exc}",)) from exc
    members = sorted(settings.guardians.members, key=lambda member: member.address)
    return Catalog(
        hub=chain_id_of(settings.hub),
        chain_ids=tuple(chain.id for chain in settings.chains),
        assets=registry,
        parameters=parameters_of(settings),
        feed_rules=tuple(feed_rule_of(asset) for asset in settings.assets),
        feeds=feeds_of(settings),
        vaults={
            chain.id: word_of_text(vault.address)
            for chain in settings.chains
            for vault in chain.vaults
        },
        barred=barred_of(settings),
        credit_lines=credit_lines_of(settings, registry),
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
    return AgreeingReader(nodes, node_terms(settings, chain_id))


def node_pool(reader: ChainReader) -> NodePool | None:
    """Return the nodes behind a reader, None of a reader that is not ours."""
    return reader if isinstance(reader, AgreeingReader | EvmReader | SolanaReader) else None


def node_readers(settings: Settings, chain_id: ChainId) -> tuple[NodeReader, ...]:
    """Return a reader for each node of a chain, in the order of the settings."""
    return readers_of(settings.chain(chain_id), token_words(settings, chain_id))


def program_inspectors(settings: Settings, chain_id: ChainId) -> tuple[ProgramInspector, ...]:
    """Return what the doctor asks of each node of a Solana chain."""
    return inspectors_of(settings.chain(chain_id), token_words(settings, chain_id))


def backup_of(settings: Settings, store: Store, catalog: Catalog, reader: ChainReader) -> Backup:
    """Return what reads a chain's final blocks again, from each of its nodes in turn."""
    nodes = node_readers(settings, reader.chain_id)
    chain = settings.chain(reader.chain_id)
    return Backup(
        store=store,
        catalog=catalog,
        reader=reader,
        seconds=(*nodes[1:], *nodes[:1]),
        limits=RereadLimits(
            observe=observe_limits(settings, reader.chain_id),
            depth_blocks=chain.reread_depth_blocks,
            age_seconds=chain.reread_age_seconds,
        ),
    )


def watch_of(
    settings: Settings,
    parts: tuple[Store, Catalog],
    chain_id: ChainId,
    *,
    wait: Wait,
    on_news: News,
) -> Watch:
    """Return what a process needs to watch a chain; its reader and backup are to be closed."""
    store, catalog = parts
    chain = settings.chain(chain_id)
    reader = chain_reader(settings, chain_id)
    return Watch(
        store=store,
        catalog=catalog,
        reader=reader,
        prices=price_source(reader),
        limits=observe_limits(settings, chain_id),
        poll_seconds=chain.poll_milliseconds / MILLISECONDS,
        holder=process_name(),
        wait=wait,
        on_news=on_news,
        backup=backup_of(settings, store, catalog, reader),
        lease_seconds=chain.watch_lease_seconds,
    )


def price_source(reader: ChainReader) -> PriceSource:
    """Return what reads the price feeds of a reader's chain."""
    return ChainlinkSource(reader)


async def exit_terms(reader: ChainReader, vault: bytes, header: BlockHeader) -> ExitTerms:
    """Return when owners may leave a vault that is a contract, as of a block."""
    return await views.exit_terms(reader, vault, header)


def head_wakeup(settings: Settings, chain_id: ChainId) -> Wakeup | None:
    """Return the subscription that hints at news, None where none is configured."""
    return wakeup_of(settings.chain(chain_id))


def observe_limits(settings: Settings, chain_id: ChainId) -> ObserveLimits:
    """Return how much one run of a chain's watcher takes."""
    chain = settings.chain(chain_id)
    return ObserveLimits(
        start_height=chain.start_height,
        blocks_per_run_max=chain.blocks_per_run_max,
        finalized_span_max=chain.finalized_span_max,
        is_movement_enforced=settings.accountant.is_enforced,
    )


def guardian_doors(settings: Settings) -> tuple[GuardianHttpDoor, ...]:
    """Return where each guardian is asked, in order of their addresses."""
    return _doors(settings, GuardianHttpDoor)


def switch_doors(settings: Settings) -> tuple[SwitchHttpDoor, ...]:
    """Return where each guardian takes orders about switches, in order of their addresses."""
    return _doors(settings, SwitchHttpDoor)


def status_door(member: GuardianMemberSettings) -> StatusHttpDoor:
    """Return where a guardian is asked who it is; it is told nothing, not even its token."""
    address = word_of_text(member.address)
    return StatusHttpDoor(label=member.label, address=address, url=member.url)


def _doors(settings: Settings, kind: type[_Door]) -> tuple[_Door, ...]:
    members = sorted(settings.guardians.members, key=lambda member: member.address)
    return tuple(
        kind(
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

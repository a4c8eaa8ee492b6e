"""Makes what sends to a chain from the settings; the family of the chain says what."""

from dataclasses import replace
from typing import Final

from chains.agreement.board import Terms
from chains.agreement.health import BLOCKS_BEHIND_MAX
from chains.bridges.guardian import GuardianBridge
from chains.bridges.solana_guardian import SolanaGuardianBridge
from chains.evm.agreeing_sender import AgreeingSender
from chains.evm.fees import FeeLimits
from chains.evm.keys import read_key_file
from chains.evm.sender import EvmSender
from chains.port import Bridge, ChainReader, ProgramCall
from chains.sending import ExpiringSender, NonceSender
from chains.solana.accounts import AccountSource, AgreeingAccounts, NodeAccounts
from chains.solana.agreeing_sender import AgreeingExpiringSender
from chains.solana.fees import PriorityLimits
from chains.solana.keys import SolanaKey, read_solana_key_file
from chains.solana.lookup_tables import table_call
from chains.solana.sender import SolanaSender
from chains.types import SOLANA_NAMESPACE, ChainId, word_of_text
from relayer.errors import SettingsError
from relayer.sections import SenderSettings
from relayer.settings import Settings
from relayer.steps.carrier import AnyCarrier, Carrier, ExpiringCarrier, SendLimits
from relayer.steps.condition import log_node

GWEI: Final = 10**9
SLOTS_BEHIND_MAX: Final = 50  # of 0.4 s each


def node_terms(settings: Settings, chain_id: ChainId) -> Terms:
    """Return how many of a chain's nodes must agree, and how they are called."""
    chain = settings.chain(chain_id)
    return Terms(
        quorum=chain.quorum,
        labels=chain.labels,
        own=chain.rpc_own,
        report=log_node,
        behind_max=SLOTS_BEHIND_MAX if chain.is_solana else BLOCKS_BEHIND_MAX,
    )


def is_expiring(chain_id: ChainId) -> bool:
    """Return whether transactions of a chain expire instead of having account nonces."""
    return chain_id.startswith(SOLANA_NAMESPACE)


def bridge(settings: Settings, reader: ChainReader) -> Bridge:
    """Return the bridge to the contracts of a reader's chain."""
    if not is_expiring(reader.chain_id):
        return GuardianBridge(reader)
    chain = settings.chain(reader.chain_id)
    program = next((vault.program for vault in chain.vaults if vault.program), None)
    if program is None:
        raise SettingsError((f"chains.{chain.chain_id}: no vault with a program is configured",))
    return SolanaGuardianBridge(
        reader,
        _accounts(settings, reader.chain_id),
        program=word_of_text(program),
        lookup_tables=[word_of_text(table) for table in chain.lookup_tables],
    )


def carrier_of(settings: Settings, to: Bridge, chain_id: ChainId, holder: str) -> AnyCarrier:
    """
    Return what carries messages to a chain.

    Raises:
        SettingsError: no sender is configured.
        KeyFileError: its key file is unusable.
    """
    limits = send_limits(settings, chain_id)
    if is_expiring(chain_id):
        return ExpiringCarrier(
            sender=expiring_sender(settings, chain_id),
            bridge=to,
            holder=holder,
            urgent=expiring_sender(settings, chain_id, is_urgent=True),
            limits=limits,
        )
    return Carrier(
        sender=nonce_sender(settings, chain_id),
        bridge=to,
        holder=holder,
        urgent=nonce_sender(settings, chain_id, is_urgent=True),
        limits=limits,
    )


def transaction_sender(settings: Settings, chain_id: ChainId) -> NonceSender | ExpiringSender:
    """
    Return what sends to a chain, whatever its family, through all of its nodes.

    Raises:
        SettingsError: no sender is configured.
        KeyFileError: its key file is unusable.
    """
    if is_expiring(chain_id):
        return expiring_sender(settings, chain_id)
    return nonce_sender(settings, chain_id)


def nonce_sender(settings: Settings, chain_id: ChainId, *, is_urgent: bool = False) -> NonceSender:
    """
    Return what sends to an EVM chain, through all of its nodes.

    Args:
        is_urgent: with the fee cap of seizures.

    Raises:
        SettingsError: no sender is configured.
        KeyFileError: its key file is unusable.
    """
    sender = _section(settings)
    chain = settings.chain(chain_id)
    cap_gwei = sender.urgent_cap_gwei if is_urgent else sender.fee_cap_gwei
    key = read_key_file(sender.key_file)
    senders = tuple(
        EvmSender(
            chain.id,
            rpc_url,
            key=key,
            limits=fee_limits(cap_gwei),
            timeout_seconds=float(chain.rpc_timeout_seconds),
        )
        for rpc_url in chain.rpc_urls
    )
    if len(senders) == 1:
        return senders[0]
    return AgreeingSender(senders, node_terms(settings, chain_id))


def expiring_sender(
    settings: Settings, chain_id: ChainId, *, is_urgent: bool = False
) -> ExpiringSender:
    """
    Return what sends to a Solana cluster, through all of its nodes.

    Args:
        is_urgent: with the fee cap of seizures.

    Raises:
        SettingsError: no sender is configured.
        KeyFileError: its key file is unusable.
    """
    sender = _section(settings)
    chain = settings.chain(chain_id)
    price_max = (
        sender.solana_urgent_cap_micro_lamports
        if is_urgent
        else sender.solana_fee_cap_micro_lamports
    )
    limits = PriorityLimits(
        price_max=price_max, price_min=min(PriorityLimits().price_min, price_max)
    )
    key = _solana_key(sender)
    senders = tuple(
        SolanaSender(
            chain.id,
            rpc_url,
            key=key,
            limits=limits,
            timeout_seconds=float(chain.rpc_timeout_seconds),
        )
        for rpc_url in chain.rpc_urls
    )
    if len(senders) == 1:
        return senders[0]
    return AgreeingExpiringSender(senders, node_terms(settings, chain_id))


def lookup_table_call(sender: ExpiringSender, height: int) -> tuple[bytes, ProgramCall]:
    """Return where a lookup table of a sender's will be, and the call that makes it."""
    return table_call(sender.chain_id, sender.address, height)


def fee_limits(cap_gwei: int) -> FeeLimits:
    """Return the limits of a key; where the cap is low, tips stay below it too."""
    cap_wei = cap_gwei * GWEI
    tip_wei = FeeLimits().priority_fee_wei_max
    return FeeLimits(max_fee_wei_max=cap_wei, priority_fee_wei_max=min(tip_wei, cap_wei))


def send_limits(settings: Settings, chain_id: ChainId) -> SendLimits:
    """Return how much of a key's queue is sent at once on a chain, and how patiently."""
    limits = SendLimits(fee_bump_seconds=settings.chain(chain_id).fee_bump_seconds)
    if settings.sender is None:
        return limits
    return replace(
        limits,
        lease_seconds=settings.sender.lease_seconds,
        in_flight_max=settings.sender.in_flight_max,
        queued_max=settings.sender.queued_max,
    )


def check_sender_key(settings: Settings) -> None:
    """
    Read the sender's keys, if there are any, so that a process stops at its start.

    Raises:
        KeyFileError: a key file is unusable.
    """
    if settings.sender is None:
        return
    read_key_file(settings.sender.key_file)
    if settings.sender.solana_key_file is not None:
        read_solana_key_file(settings.sender.solana_key_file)


def _section(settings: Settings) -> SenderSettings:
    if settings.sender is None:
        raise SettingsError(("sender: not configured; add [sender] with key_file",))
    return settings.sender


def _solana_key(sender: SenderSettings) -> SolanaKey:
    if sender.solana_key_file is None:
        raise SettingsError(
            ("sender.solana_key_file: needed to send to a Solana cluster; name a key file",)
        )
    return read_solana_key_file(sender.solana_key_file)


def _accounts(settings: Settings, chain_id: ChainId) -> AccountSource:
    chain = settings.chain(chain_id)
    sources = [
        NodeAccounts(chain_id, url, timeout_seconds=float(chain.rpc_timeout_seconds))
        for url in chain.rpc_urls
    ]
    if len(sources) == 1:
        return sources[0]
    return AgreeingAccounts(sources, node_terms(settings, chain_id))

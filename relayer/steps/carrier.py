"""Who carries messages to a chain: the sending key, its lease, and how patiently it sends."""

import asyncio
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from chains.message import MessageKind
from chains.port import Bridge, Fees, SignedTransaction
from chains.sending import ExpiringSender, NonceSender, TransactionSender
from relayer.store.leases import Lease, sender_lease_name
from relayer.store.send_rows import SendAttempt, SenderKey, SendRow
from relayer.store.unit_of_work import Store

S = TypeVar("S", bound=TransactionSender)
SENDER_LEASE_SECONDS: Final = 10
RENEW_SECONDS: Final = 1  # a lease that was renewed so recently is not written again
FEE_BUMP_SECONDS: Final = 30
IN_FLIGHT_MAX: Final = 16
QUEUED_MAX: Final = 250
URGENT_KIND: Final = MessageKind.SEIZE
URGENT_FACTOR: Final = 2  # seizures may be in flight when ordinary messages must wait


@dataclass(frozen=True, slots=True)
class SendLimits:
    """
    How a key sends.

    lease_seconds: silence after which another process takes the key over, and time that a nonce
    may be reserved without a signed transaction. fee_bump_seconds: two to three blocks of the
    chain. in_flight_max: nonces in no block yet. queued_max: messages looked at each second.
    """

    lease_seconds: int = SENDER_LEASE_SECONDS
    fee_bump_seconds: int = FEE_BUMP_SECONDS
    in_flight_max: int = IN_FLIGHT_MAX
    queued_max: int = QUEUED_MAX


@dataclass(frozen=True, slots=True)
class _Carrier(Generic[S]):
    """
    Who carries to a chain: the sending key, its bridge, and the process's unique name.

    urgent: the same key with the higher fee cap of seizures; None prices them as all others.
    gate: lets one transaction of the process be signed at a time.
    """

    sender: S
    bridge: Bridge
    holder: str
    urgent: S | None = None
    limits: SendLimits = SendLimits()
    gate: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def key(self) -> SenderKey:
        """The sending key on its chain."""
        return SenderKey(self.sender.chain_id, self.sender.address)

    def pricer(self, *, is_urgent: bool) -> S:
        """Return whose fee limits hold."""
        return self.urgent if is_urgent and self.urgent is not None else self.sender


class Carrier(_Carrier[NonceSender]):
    """Who carries to a chain with account nonces."""

    __slots__ = ()


class ExpiringCarrier(_Carrier[ExpiringSender]):
    """
    Who carries to a chain whose transactions expire.

    Nothing is ordered there, so limits.fee_bump_seconds says nothing: expiry does.
    """

    __slots__ = ()


AnyCarrier = Carrier | ExpiringCarrier


def take_lease(store: Store, carrier: AnyCarrier) -> Lease | None:
    """Return the lease of the key, taken or renewed; None while another process has it."""
    name = sender_lease_name(carrier.sender.chain_id, carrier.sender.address)
    seconds = carrier.limits.lease_seconds
    with store.unit_of_work() as uow:
        held = uow.leases.lease(name)
        is_ours = held is not None and held.holder == carrier.holder
        if held is not None and is_ours and held.expires_at > uow.clock.now():
            is_fresh = held.expires_at - uow.clock.now() >= seconds - RENEW_SECONDS
            return held if is_fresh else uow.leases.renew(held, seconds)
        return uow.leases.acquire(name, carrier.holder, seconds)


def stored_transaction(row: SendRow, attempt: SendAttempt) -> SignedTransaction:
    """Return a stored attempt as it was signed, to be broadcast again."""
    return SignedTransaction(
        chain_id=row.sender.chain_id,
        tx_hash=attempt.tx_hash,
        raw=attempt.raw,
        account_nonce=row.account_nonce,
        fees=fees_of(attempt),
    )


def attempt_of(transaction: SignedTransaction, *, is_filler: bool = False) -> SendAttempt:
    """Return a signed transaction as it is stored."""
    return SendAttempt(
        tx_hash=transaction.tx_hash,
        raw=transaction.raw,
        fee_max_wei=transaction.fees.max_fee_wei,
        fee_priority_wei=transaction.fees.priority_fee_wei,
        is_filler=is_filler,
    )


def fees_of(attempt: SendAttempt) -> Fees:
    """Return the fees of an attempt."""
    return Fees(attempt.fee_max_wei, attempt.fee_priority_wei)

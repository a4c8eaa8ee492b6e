"""What the contracts do: a vault and a credit line, as their Solidity says, on plain values."""

from dataclasses import dataclass, field, replace
from typing import Final, assert_never

from chains.attestation import Attestation, GuardianSet, verify_attestation
from chains.errors import AttestationError
from chains.events import (
    Borrowed,
    CollateralExited,
    CollateralLocked,
    CollateralReleased,
    CollateralSeized,
    CreditGranted,
    EventPosition,
    ObservedEvent,
    Repaid,
)
from chains.message import Message, MessageKind, decode_message
from chains.port import Grant
from chains.types import ChainId, chain_key

RAY: Final = 10**27


class RevertError(Exception):
    """The contract refuses."""


@dataclass(frozen=True, slots=True)
class Lock:
    """A depositor locks collateral for an account."""

    account: bytes
    token: bytes
    depositor: bytes
    units: int


@dataclass(frozen=True, slots=True)
class Exit:
    """An owner leaves after a silence of the guardians."""

    account: bytes
    token: bytes
    owner: bytes


@dataclass(frozen=True, slots=True)
class Borrow:
    """A borrower draws on the grant of an account."""

    account: bytes
    borrower: bytes
    units: int


@dataclass(frozen=True, slots=True)
class Repay:
    """Anybody repays a part of an account's debt."""

    account: bytes
    payer: bytes
    units: int


@dataclass(frozen=True, slots=True)
class Deliver:
    """Anybody hands over an attested message."""

    raw: bytes
    guardian_set_index: int
    signatures: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Nothing:
    """A key sends nothing to itself, to use up a nonce."""


Call = Lock | Exit | Borrow | Repay | Deliver


@dataclass(frozen=True, slots=True)
class Site:
    """What does not change on a chain: its contract, the guardians, the rate of interest."""

    chain_id: ChainId
    hub: ChainId
    contract: bytes
    tokens: tuple[bytes, ...]
    guardian_set: GuardianSet
    is_vault: bool
    rate_per_second_ray: int = 0
    exit_delay_seconds: int = 0


@dataclass(slots=True)
class State:
    """The storage of a chain's contract after a block, and the nonces of its keys."""

    index_ray: int = RAY
    accrued_at: int = 0
    attested_at: int = 0
    lock_count: int = 0
    held: dict[bytes, int] = field(default_factory=dict)
    collateral: dict[tuple[bytes, bytes], int] = field(default_factory=dict)
    executed: dict[bytes, Message] = field(default_factory=dict)
    grants: dict[bytes, Grant] = field(default_factory=dict)
    scaled: dict[bytes, int] = field(default_factory=dict)
    account_nonces: dict[bytes, int] = field(default_factory=dict)

    def copy(self) -> "State":
        """Return the storage for the next block to write to."""
        return replace(
            self,
            held=dict(self.held),
            collateral=dict(self.collateral),
            executed=dict(self.executed),
            grants=dict(self.grants),
            scaled=dict(self.scaled),
            account_nonces=dict(self.account_nonces),
        )


def index_at(state: State, site: Site, at: int) -> int:
    """Return the interest index at a second, rounded up."""
    grown = state.index_ray * site.rate_per_second_ray * (at - state.accrued_at)
    return state.index_ray + -(-grown // RAY)


def debt_units(state: State, site: Site, account: bytes, at: int) -> int:
    """Return what an account owes at a second, rounded up."""
    return -(-state.scaled.get(account, 0) * index_at(state, site, at) // RAY)


def apply(call: Call, state: State, site: Site, at: int, position: EventPosition) -> ObservedEvent:
    """
    Run a call and return what it emits; the storage is changed only if it succeeds.

    Raises:
        RevertError: the contract refuses.
    """
    match call:
        case Lock():
            return _lock(call, state, site, position)
        case Exit():
            return _exit(call, state, site, at, position)
        case Borrow():
            return _borrow(call, state, site, at, position)
        case Repay():
            return _repay(call, state, site, at, position)
        case Deliver():
            return _deliver(call, state, site, at, position)
        case _:
            assert_never(call)


def _lock(call: Lock, state: State, site: Site, position: EventPosition) -> ObservedEvent:
    if not site.is_vault or call.token not in site.tokens or call.units <= 0:
        raise RevertError("nothing to lock here")
    state.lock_count += 1
    held = state.held.get(call.token, 0) + call.units
    state.held[call.token] = held
    place = (call.account, call.token)
    state.collateral[place] = state.collateral.get(place, 0) + call.units
    return CollateralLocked(
        position, state.lock_count, call.account, call.token, call.depositor, call.units, held
    )


def _exit(call: Exit, state: State, site: Site, at: int, position: EventPosition) -> ObservedEvent:
    units = state.collateral.get((call.account, call.token), 0)
    if units == 0 or at <= state.attested_at + site.exit_delay_seconds:
        raise RevertError("no exit now")
    state.collateral[call.account, call.token] = 0
    state.held[call.token] -= units
    held = state.held[call.token]
    return CollateralExited(position, call.account, call.token, call.owner, call.owner, units, held)


def _borrow(
    call: Borrow, state: State, site: Site, at: int, position: EventPosition
) -> ObservedEvent:
    grant = state.grants.get(call.account)
    if grant is None or grant.borrower != call.borrower or at > grant.expiry_seconds:
        raise RevertError("no grant")
    index_ray = index_at(state, site, at)
    scaled_after = state.scaled.get(call.account, 0) + -(-call.units * RAY // index_ray)
    if call.units <= 0 or -(-scaled_after * index_ray // RAY) > grant.limit_units:
        raise RevertError("above the limit")
    state.index_ray, state.accrued_at = index_ray, at
    state.scaled[call.account] = scaled_after
    return Borrowed(
        position, call.account, call.borrower, call.borrower, call.units, scaled_after, index_ray
    )


def _repay(
    call: Repay, state: State, site: Site, at: int, position: EventPosition
) -> ObservedEvent:
    scaled_before = state.scaled.get(call.account, 0)
    index_ray = index_at(state, site, at)
    debt = -(-scaled_before * index_ray // RAY)
    paid = min(call.units, debt)
    burned = call.units * RAY // index_ray if call.units < debt else scaled_before
    if scaled_before == 0 or call.units <= 0 or burned == 0:
        raise RevertError("nothing to repay")
    state.index_ray, state.accrued_at = index_ray, at
    state.scaled[call.account] = scaled_before - burned
    return Repaid(position, call.account, call.payer, paid, scaled_before - burned, index_ray)


def _deliver(
    call: Deliver, state: State, site: Site, at: int, position: EventPosition
) -> ObservedEvent:
    message = decode_message(call.raw)
    message_id = message.message_id
    expected = (chain_key(site.hub), chain_key(site.chain_id), site.contract)
    if (message.origin, message.target, message.vault) != expected:
        raise RevertError("another contract's message")
    if at > message.expiry_seconds:
        raise RevertError("MessageReceiverExpired")
    if message_id in state.executed:
        raise RevertError("MessageReceiverAlreadyExecuted")
    attestation = Attestation(message_id, call.guardian_set_index, call.signatures)
    try:
        verify_attestation(
            attestation,
            guardian_set=site.guardian_set,
            chain_id=site.chain_id,
            contract=site.contract,
        )
    except AttestationError as exc:
        raise RevertError(exc.reason) from exc
    event = _granted(message, state, site, position)
    if event is None:
        event = _paid(message, state, site, position)
    state.executed[message_id] = message
    state.attested_at = at
    return event


def _granted(
    message: Message, state: State, site: Site, position: EventPosition
) -> ObservedEvent | None:
    if message.kind is not MessageKind.CREDIT_GRANT:
        return None
    known = state.grants.get(message.account)
    if site.is_vault or message.token not in site.tokens:
        raise RevertError("wrong kind")
    if known is not None and message.nonce <= known.nonce:
        raise RevertError("CreditLineNonceOutdated")
    terms = (message.recipient, message.amount_units, message.expiry_seconds, message.nonce)
    state.grants[message.account] = Grant(*terms)
    return CreditGranted(position, message.message_id, message.account, *terms)


def _paid(message: Message, state: State, site: Site, position: EventPosition) -> ObservedEvent:
    kinds: dict[MessageKind, type[CollateralReleased | CollateralSeized]] = {
        MessageKind.RELEASE: CollateralReleased,
        MessageKind.SEIZE: CollateralSeized,
    }
    kind = kinds.get(message.kind)
    if not site.is_vault or kind is None or message.amount_units == 0:
        raise RevertError("wrong kind")
    place = (message.account, message.token)
    owned = state.collateral.get(place, 0)
    if message.amount_units > owned:
        raise RevertError(f"CollateralVaultInsufficient: {message.amount_units} of {owned}")
    state.collateral[place] = owned - message.amount_units
    state.held[message.token] -= message.amount_units
    held = state.held[message.token]
    units, token = message.amount_units, message.token
    return kind(
        position, message.message_id, message.account, token, message.recipient, units, held
    )

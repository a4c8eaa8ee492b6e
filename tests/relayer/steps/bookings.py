"""A deployment with one simulated chain: transactions by name, rounds, and what was booked."""

import asyncio
from dataclasses import dataclass, field, replace
from typing import Final

from chains.events import (
    Borrowed,
    CollateralExited,
    CollateralLocked,
    CollateralReleased,
    CreditGranted,
    EventPosition,
    ObservedEvent,
    Repaid,
)
from chains.message import Message, MessageKind
from chains.types import ChainId, chain_key
from relayer import wiring
from relayer.clock import UnixSeconds
from relayer.ledger.balances import Counters
from relayer.ledger.chart import Side, margin_code, vault_code
from relayer.money import AssetId
from relayer.outbox.holds import Booking, hold_entry
from relayer.outbox.life import MessageEvent, WaitReason
from relayer.outbox.message import OutboxMessage
from relayer.steps.catalog import Catalog, Liquidator
from relayer.steps.ending import must_post
from relayer.steps.fence import open_fence
from relayer.steps.observe import Observation, ObserveLimits, observe
from relayer.steps.reconcile import Reconciled, reconcile
from relayer.steps.rewind import rewind
from relayer.store.chains import BranchError
from relayer.store.grants import CreditGrant, GrantState
from relayer.store.leases import Lease, watch_lease_name
from relayer.store.observed_rows import StoredEvent
from relayer.store.unit_of_work import Store, UnitOfWork
from tests.databases import NOW
from tests.relayer.api.kit import (
    ACCOUNT,
    CHAIN_A,
    CHAIN_C,
    HUB,
    LINE_C,
    USDC_C,
    VAULT_A,
    WETH_A,
    contract,
    deployment_settings,
)
from tests.simulated_chain import RAY, SimulatedChain, Tx

WETH: Final = AssetId("WETH")
USDC: Final = AssetId("USDC")
LIQUIDATOR: Final = contract("liquidator's account")
PAYER: Final = contract("liquidator's wallet")
BORROWER: Final = contract("borrower")
RECIPIENT: Final = contract("recipient")
ROUNDS_MAX: Final = 1_000
LIMITS: Final = ObserveLimits(start_height=0, blocks_per_run_max=50, finalized_span_max=50)
CATALOG: Final = replace(
    wiring.catalog_of(deployment_settings()),
    liquidators=(Liquidator(LIQUIDATOR, {CHAIN_A: RECIPIENT}),),
)


def lock(name: str, units: int, *, account: bytes = ACCOUNT, token: bytes = WETH_A) -> Tx:
    """Return a lock."""

    def _build(position: EventPosition, lock_id: int) -> ObservedEvent:
        return CollateralLocked(position, lock_id, account, token, account, units, units)

    return Tx(name, VAULT_A, _build)


def leave(name: str, units: int, *, account: bytes = ACCOUNT) -> Tx:
    """Return an exit."""

    def _build(position: EventPosition, lock_id: int) -> ObservedEvent:
        del lock_id
        return CollateralExited(position, account, WETH_A, account, RECIPIENT, units, 0)

    return Tx(name, VAULT_A, _build)


def release(name: str, message: Message, *, units: int | None = None) -> Tx:
    """Return the effect of a release message, or one with another amount."""
    moved_units = message.amount_units if units is None else units

    def _build(position: EventPosition, lock_id: int) -> ObservedEvent:
        del lock_id
        return CollateralReleased(
            position,
            message.message_id,
            message.account,
            message.token,
            message.recipient,
            moved_units,
            0,
        )

    return Tx(name, VAULT_A, _build)


def granted(name: str, message: Message, *, limit_units: int | None = None) -> Tx:
    """Return the effect of a credit_grant message, or one with another limit."""
    limit = message.amount_units if limit_units is None else limit_units

    def _build(position: EventPosition, lock_id: int) -> ObservedEvent:
        del lock_id
        return CreditGranted(
            position,
            message.message_id,
            message.account,
            message.recipient,
            limit,
            message.expiry_seconds,
            message.nonce,
        )

    return Tx(name, LINE_C, _build)


def borrow(
    name: str, units: int, scaled_after: int, index_ray: int = RAY, *, line: bytes = LINE_C
) -> Tx:
    """Return a borrowing of the account."""

    def _build(position: EventPosition, lock_id: int) -> ObservedEvent:
        del lock_id
        return Borrowed(position, ACCOUNT, BORROWER, BORROWER, units, scaled_after, index_ray)

    return Tx(name, line, _build)


def repay(
    name: str, units: int, scaled_after: int, index_ray: int = RAY, *, payer: bytes = BORROWER
) -> Tx:
    """Return a repayment of the account's debt."""

    def _build(position: EventPosition, lock_id: int) -> ObservedEvent:
        del lock_id
        return Repaid(position, ACCOUNT, payer, units, scaled_after, index_ray)

    return Tx(name, LINE_C, _build)


def malformed(name: str, *, contract_word: bytes = VAULT_A) -> Tx:
    """Return a log that cannot be read."""
    return Tx(name, contract_word, None)


def unlock_message(units: int, nonce: int = 1) -> Message:
    """Return a release of the account's collateral."""
    return Message(
        kind=MessageKind.RELEASE,
        origin=chain_key(HUB),
        target=chain_key(CHAIN_A),
        vault=VAULT_A,
        nonce=nonce,
        account=ACCOUNT,
        token=WETH_A,
        amount_units=units,
        recipient=RECIPIENT,
        expiry_seconds=NOW + 3_600,
        epoch=1,
        evidence=bytes(32),
    )


def grant_message(limit_units: int, nonce: int = 1, *, expiry_seconds: int = NOW + 600) -> Message:
    """Return a credit grant for the account."""
    return replace(
        unlock_message(limit_units, nonce),
        kind=MessageKind.CREDIT_GRANT,
        target=chain_key(CHAIN_C),
        vault=LINE_C,
        token=USDC_C,
        recipient=BORROWER,
        expiry_seconds=expiry_seconds,
    )


@dataclass(slots=True)
class Bench:
    """A store and one simulated chain; every call does what one process would do."""

    store: Store
    chain: SimulatedChain
    catalog: Catalog = CATALOG
    limits: ObserveLimits = LIMITS
    holder: str = "watcher-1"
    _lease: Lease | None = field(default=None)
    _entries: list[bytes] = field(default_factory=list)

    @property
    def chain_id(self) -> ChainId:
        """The chain of the bench."""
        return self.chain.chain_id

    def lease(self) -> Lease:
        """Return the watcher's lease, taken at the first call."""
        if self._lease is None:
            with self.store.unit_of_work() as uow:
                name = watch_lease_name(self.chain_id)
                self._lease = uow.leases.acquire(name, self.holder, 60)
        assert self._lease is not None
        return self._lease

    def forget_lease(self) -> None:
        """Take the lease again at the next call: time went by, and it ran out."""
        self._lease = None

    def look(self) -> Observation:
        """Observe once."""
        return asyncio.run(observe(self.store, self.chain, limits=self.limits, lease=self.lease()))

    def go_back(self) -> int:
        """Rewind once; return how many blocks went."""
        return asyncio.run(rewind(self.store, self.chain, lease=self.lease()))

    def follow(self) -> Observation:
        """Observe and rewind until level with the chain's heads."""
        for _ in range(ROUNDS_MAX):
            try:
                observation = self.look()
            except BranchError:
                self.go_back()
                continue
            if observation.is_level:
                return observation
        raise AssertionError(f"not level after {ROUNDS_MAX} rounds")

    def look_back(self) -> None:
        """Notice a dead branch, leave it, and book."""
        try:
            self.look()
        except BranchError:
            self.go_back()
        self.book()

    def check_entries(self) -> None:
        """Fail if an entry that was in the journal before is there no more, or is another one."""
        with self.store.read() as uow:
            found = [one.entry.entry_id for one in uow.ledger.entries(after_seq=0, limit=10_000)]
        assert found[: len(self._entries)] == self._entries
        self._entries = found

    def book(self) -> Reconciled:
        """Reconcile until nothing is left; return the sums."""
        booked = parked = 0
        for _ in range(ROUNDS_MAX):
            found = reconcile(self.store, self.catalog, self.chain_id, fence=open_fence)
            booked, parked = booked + found.booked, parked + found.parked
            if not found.has_more:
                return Reconciled(booked, parked, has_more=False)
        raise AssertionError(f"still more after {ROUNDS_MAX} batches")

    def catch_up(self) -> Reconciled:
        """Follow the chain, then book."""
        self.follow()
        return self.book()

    def margin(self, account: bytes = ACCOUNT) -> Counters:
        """Return the counters of an account's ether."""
        with self.store.read() as uow:
            return uow.ledger.counters(margin_code(account), WETH, self.chain_id)

    def available(self, account: bytes = ACCOUNT) -> int:
        """Return what an account can use."""
        return self.margin(account).available(Side.CREDIT)

    def soft(self, account: bytes = ACCOUNT) -> int:
        """Return what an account has in blocks that are not final."""
        return self.margin(account).soft(Side.CREDIT)

    def custody(self) -> int:
        """Return what the ledger says the vault holds for sure."""
        with self.store.read() as uow:
            counters = uow.ledger.counters(vault_code(VAULT_A), WETH, self.chain_id)
        return counters.posted(Side.DEBIT)

    def units(self, code: str, asset_id: AssetId = WETH) -> int:
        """Return debits minus credits of a line, all phases counted."""
        for line, counters in self.lines().items():
            if line[:2] == (code, asset_id):
                return (
                    counters.debits_posted
                    + counters.debits_pending
                    - counters.credits_posted
                    - counters.credits_pending
                )
        return 0

    def lines(self) -> dict[tuple[str, str, str], Counters]:
        """Return every line of the ledger that is not zero."""
        with self.store.read() as uow:
            return {
                (found.line.code, found.line.asset_id, found.line.chain_id): found.counters
                for found in uow.ledger.trial_balance()
            }

    def balances(self) -> dict[tuple[str, str, str], tuple[int, int, int]]:
        """Return posted net, pending debits and pending credits of each line that is not zero."""
        found = {
            line: (
                counters.debits_posted - counters.credits_posted,
                counters.debits_pending,
                counters.credits_pending,
            )
            for line, counters in self.lines().items()
        }
        return {line: sums for line, sums in found.items() if any(sums)}

    def parked(self) -> tuple[StoredEvent, ...]:
        """Return the events that wait for a person."""
        with self.store.read() as uow:
            return uow.chains.parked_events()

    def kinds(self) -> list[str]:
        """Return the kinds of all journal entries, in order."""
        with self.store.read() as uow:
            return [booked.entry.kind for booked in uow.ledger.entries(after_seq=0, limit=1_000)]

    def told(self) -> list[str]:
        """Return the types of all feed events, in order."""
        with self.store.read() as uow:
            return [event.event_type for event in uow.feed.after(None, 0)]

    def is_sound(self) -> bool:
        """Return whether the journal, re-derived, is what the counters say."""
        with self.store.read() as uow:
            return uow.ledger.verify().is_sound

    def compose(self, message: Message) -> OutboxMessage:
        """Put a message into the outbox, with its hold or its grant."""
        is_grant = message.kind is MessageKind.CREDIT_GRANT
        booking = Booking(WETH, CHAIN_A, message.message_id, UnixSeconds(NOW))
        hold = None if is_grant else hold_entry(message, owner=message.account, booking=booking)
        composed = OutboxMessage(
            message=message,
            target_chain=CHAIN_C if is_grant else CHAIN_A,
            correlation_id=message.message_id,
            hold_entry_id=None if hold is None else hold.entry_id,
            command=None,
            created_at=UnixSeconds(NOW),
            deadline_at=UnixSeconds(message.expiry_seconds),
        )
        with self.store.unit_of_work() as uow:
            if hold is not None:
                must_post(uow, hold)
            uow.outbox.enqueue(composed)
            if is_grant:
                uow.grants.upsert(_grant_of(message))
        return composed

    def grant_state(self, message: Message) -> GrantState:
        """Return the state of a grant."""
        with self.store.read() as uow:
            grant = uow.grants.get(message.message_id)
        assert grant is not None
        return grant.state

    def fail(self, uow: UnitOfWork, message_id: bytes) -> None:
        """Let the guardians refuse a message for good."""
        reason = WaitReason.GUARDIANS_REFUSED
        uow.outbox.move(message_id, MessageEvent.REJECT, reason, "test", uow.clock.now())


def _grant_of(message: Message) -> CreditGrant:
    return CreditGrant(
        message_id=message.message_id,
        chain_id=CHAIN_C,
        credit_line=LINE_C,
        account=message.account,
        borrower=message.recipient,
        limit_units=message.amount_units,
        expiry_seconds=UnixSeconds(message.expiry_seconds),
        nonce=message.nonce,
        state=GrantState.SIGNED,
    )

"""One account's vault, told to a hub and to guardians in different orders; what it must come to."""

from contextlib import suppress
from dataclasses import dataclass, field, replace
from random import Random
from typing import Final

from chains.command import SignedCommand
from chains.events import CollateralExited, CollateralLocked, CollateralReleased
from chains.message import Message
from chains.types import ChainId
from relayer.clock import FixedClock
from relayer.errors import NotYetError, RefusedError
from relayer.guardian.request import AttestationRequest
from relayer.ledger.chart import BAD_DEBT, in_flight_code, margin_code
from relayer.outbox.life import FINAL_STATES, MessageEvent, MessageState, WaitReason
from relayer.steps.compose import compose_release
from relayer.steps.countersign import countersign
from relayer.steps.ending import settle_hold
from relayer.steps.expire import return_expired
from relayer.steps.heights import final_heights
from relayer.store.unit_of_work import Store
from tests.databases import NOW
from tests.relayer.api.kit import ACCOUNT, ANN, CHAIN_A, CHAIN_B, CHAIN_C, HUB, UNLOCK, VAULT_A
from tests.relayer.steps.bookings import Bench, leave, lock, release
from tests.relayer.steps.world import (
    SIGNATORY,
    SIGNED_OPEN,
    catalog_of_world,
    open_account,
    see_final,
    set_prices,
    signed,
)
from tests.simulated_chain import SimulatedChain, Tx

OTHER_ACCOUNT: Final = b"\x0f" * 32
OTHERS_UNITS: Final = (1, 10_000)
UNITS_MAX: Final = 100
LEAP_SECONDS: Final = 1_500
ACTIONS: Final = (
    *("lock",) * 3,
    *("exit",) * 2,
    *("unlock",) * 4,
    *("run",) * 3,
    *("final",) * 3,
    "reorg",
    "leap",
)


@dataclass(slots=True)
class Ledger:
    """The hub's or a guardian's ledger, and which messages it was not shown yet."""

    bench: Bench
    others_units: int
    unshown: list[AttestationRequest] = field(default_factory=list)

    def learn(self) -> None:
        """Follow the chain, book, and give back what can never be executed any more."""
        self.bench.catch_up()
        with self.bench.store.unit_of_work() as uow:
            return_expired(uow, self.bench.catalog)

    def show(self, request: AttestationRequest) -> bool:
        """Show it a message, as the hub does; return whether it holds it now."""
        with suppress(NotYetError, RefusedError):
            countersign(self.bench.store, self.bench.catalog, SIGNATORY, request)
            self.unshown.remove(request)
            self.bench.book()
            return True
        return False

    def held(self) -> int:
        """Return what messages hold here that may still be executed, or are not booked yet."""
        with self.bench.store.read() as uow:
            waiting = uow.outbox.in_state(*(set(MessageState) - FINAL_STATES))
        return sum(stored.message.message.amount_units for stored in waiting)

    def balances(self) -> tuple[int, int, int, int]:
        """Return vault, margin, units in flight or held, and bad debt, in the account's favour."""
        codes = (margin_code(ACCOUNT), in_flight_code(VAULT_A), BAD_DEBT)
        margin, held, owed = (self.bench.units(code) for code in codes)
        return self.bench.custody() - self.others_units, -margin, -held, owed


@dataclass(slots=True)
class ExitWorld:
    """A vault whose owner locks, asks for collateral back, and leaves; a hub and its guardians."""

    random: Random
    clock: FixedClock
    hub: Ledger
    guardians: tuple[Ledger, ...]
    chain: SimulatedChain
    requests: list[AttestationRequest] = field(default_factory=list)
    made: int = 0

    @property
    def ledgers(self) -> tuple[Ledger, ...]:
        """All of them, the hub's first."""
        return (self.hub, *self.guardians)

    def begin(self) -> None:
        """Let others lock, and the owner too."""
        self.chain.mine(lock("others", self.hub.others_units, account=OTHER_ACCOUNT))
        self.chain.mine(lock("first", UNITS_MAX))
        self.chain.finalize()
        self.hub.learn()

    def step(self) -> None:
        """Let one thing happen, and each ledger learn something or nothing."""
        match self.random.choice(ACTIONS):
            case "lock":
                self.chain.mine(lock(self._name(), self.random.randint(1, UNITS_MAX)))
            case "exit":
                self._mine(self._exit())
            case "unlock":
                self._unlock()
            case "run":
                self._mine(self._effect())
            case "final":
                self.chain.finalize(self.random.randint(self.chain.final_height, self.chain.height))
            case "reorg":
                self._reorg()
            case _:
                self._leap(LEAP_SECONDS)
        for ledger in self.ledgers:
            if self.random.random() < 0.5:
                ledger.learn()
            for request in list(ledger.unshown):
                if self.random.random() < 0.3:
                    ledger.show(request)

    def settle(self) -> None:
        """Let every ledger see the whole chain, and what is executed on it."""
        self.chain.mine()
        self.chain.finalize()
        for ledger in self.ledgers:
            ledger.learn()
            waiting = list(ledger.unshown)
            self.random.shuffle(waiting)
            for request in waiting:
                ledger.show(request)
            ledger.bench.book()

    def end(self) -> None:
        """Let everything under way expire, and every ledger find the proof of it."""
        self._leap(10 * LEAP_SECONDS)
        self.settle()

    def collateral(self) -> int:
        """Return what the vault itself has for the account at the head of the chain."""
        return sum(
            event.units if isinstance(event, CollateralLocked) else -event.units
            for event in self.chain.events
            if isinstance(event, CollateralLocked | CollateralExited | CollateralReleased)
            and event.account == ACCOUNT
        )

    def executed(self) -> set[bytes]:
        """Return the messages that the chain has executed."""
        return {getattr(event, "message_id", b"") for event in self.chain.events}

    def _mine(self, transaction: Tx | None) -> None:
        if transaction is not None:
            self.chain.mine(transaction)

    def _exit(self) -> Tx | None:
        """Return an exit with all that the vault has for the account, as the contract makes it."""
        units = self.collateral()
        return leave(self._name(), units) if units else None

    def _effect(self) -> Tx | None:
        """Return the effect of a message that the vault would execute now."""
        seconds = self.chain.blocks[-1].header.timestamp_seconds
        executed, units = self.executed(), self.collateral()
        ready = [
            request.message
            for request in self.requests
            if request.message.message_id not in executed
            and request.message.amount_units <= units
            and request.message.expiry_seconds > seconds + 60
        ]
        return release(self._name(), self.random.choice(ready)) if ready else None

    def _reorg(self) -> None:
        depth = self.random.randint(0, self.chain.height - self.chain.final_height)
        for _ in self.chain.drop(depth):
            build = self.random.choice((self._exit, self._effect, lambda: None))
            transaction = build()
            self.chain.mine(*([] if transaction is None else [transaction]))
        self.chain.mine()

    def _leap(self, seconds: int) -> None:
        """Let time go by, on the chain too."""
        self.clock.move(seconds)
        self.chain.start_seconds += seconds
        for ledger in self.ledgers:
            set_prices(ledger.bench.store)
            ledger.bench.forget_lease()
        self.chain.mine()

    def _unlock(self) -> None:
        """Let the hub hold what its own ledger has, and say that a quorum signed it."""
        self.hub.learn()
        available = self.hub.bench.available()
        if available <= 0:
            return
        self.made += 1
        command = signed(
            replace(
                UNLOCK,
                amount=self.random.randint(1, available),
                deadline=self.clock.now() + 600,
                nonce=self.made.to_bytes(32, "big"),
            ),
            ANN,
        )
        message, heights = self._composed(command)
        request = AttestationRequest(
            message=message,
            target_chain=CHAIN_A,
            command=command,
            context=(SIGNED_OPEN,),
            heights=heights,
        )
        self.requests.append(request)
        for guardian in self.guardians:
            guardian.unshown.append(request)

    def _composed(self, command: SignedCommand) -> tuple[Message, dict[ChainId, int]]:
        catalog = self.hub.bench.catalog
        with self.hub.bench.store.unit_of_work() as uow:
            uow.ledger.lock()
            command_id = command.command.digest(HUB)
            uow.commands.store(command_id, command)
            message = compose_release(uow, catalog, command, command_id)
            for step, reason in (
                (MessageEvent.DISPATCH, WaitReason.SIGNATURES_MISSING),
                (MessageEvent.ATTEST, WaitReason.QUORUM_REACHED),
                (MessageEvent.SUBMIT, WaitReason.FINALITY_AWAITED),
            ):
                uow.outbox.move(message.message_id, step, reason, "", uow.clock.now())
            stored = uow.outbox.get(message.message_id)
            assert stored is not None
            settle_hold(uow, stored.message)
            return message, dict(final_heights(uow, catalog))

    def _name(self) -> str:
        self.made += 1
        return f"transaction {self.made}"


def exit_world(
    random: Random, clock: FixedClock, stores: tuple[Store, ...], *, others_units: int
) -> ExitWorld:
    """
    Return a world: the first store is the hub's, the others those of guardians.

    Args:
        others_units: what the vault has for others. [base units]
    """
    chain = SimulatedChain(CHAIN_A, start_seconds=NOW - 600)
    ledgers = []
    for number, store in enumerate(stores):
        open_account(store)
        set_prices(store)
        for chain_id in (CHAIN_B, CHAIN_C):
            see_final(store, chain_id, 1)
        catalog = catalog_of_world(is_replica=bool(number))
        ledgers.append(Ledger(Bench(store, chain, catalog), others_units))
    return ExitWorld(random, clock, ledgers[0], tuple(ledgers[1:]), chain)

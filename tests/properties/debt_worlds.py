"""One debt, told to a hub and to guardians in different orders; and what it must come to."""

from dataclasses import dataclass, field, replace
from random import Random
from typing import Final

from chains.command import Liquidation, SignedCommand
from chains.events import (
    Borrowed,
    CollateralLocked,
    EventPosition,
    ObservedEvent,
    Repaid,
)
from chains.message import Message
from relayer import wiring
from relayer.clock import FixedClock
from relayer.guardian.request import AttestationRequest
from relayer.money import RAY
from relayer.reconcile.debt import DebtState, after_borrowing, after_repayment
from relayer.steps.catalog import Catalog
from relayer.steps.compose import compose_seize
from relayer.steps.countersign import countersign
from relayer.steps.give_back import drop_hold
from relayer.steps.heights import numbers_of_heights
from relayer.steps.rebook import book_overdue
from relayer.steps.reconcile import LIQUIDATION_WAIT_SECONDS, reconcile
from relayer.store.unit_of_work import Store
from tests.properties.debt_facts import LIQUIDATORS, liquidation, opening_of, seized, taken_over
from tests.relayer.api.kit import (
    ACCOUNT,
    BOB,
    CHAIN_A,
    CHAIN_B,
    CHAIN_C,
    HUB,
    LINE_C,
    VAULT_A,
    WETH_A,
    deployment_settings,
)
from tests.relayer.steps.bookings import BORROWER, USDC, Bench
from tests.relayer.steps.world import (
    ETHER,
    FENCE,
    LIQ_RECIPIENT,
    PROTOCOL,
    SIGNATORY,
    SIGNED_OPEN,
    open_account,
    position_at,
    see_final,
    signed,
)
from tests.simulated_chain import SimulatedChain, Tx

UNITS_MAX: Final = 100
ACTIONS: Final = (
    "borrow",
    *("repay",) * 3,
    *("final",) * 2,
    "reorg",
    *("seize",) * 3,
    "refuse",
)
DEBT_KINDS: Final = ("debt:", "assumed:", "lent:", "interest:")


def catalog_of_debts(*, is_replica: bool) -> Catalog:
    """Return the deployment with two liquidators, as the hub or a guardian has it."""
    recipients = [{"chain_id": CHAIN_A, "address": "0x" + LIQ_RECIPIENT.hex()}]
    liquidators = [
        {"account": "0x" + opening_of(key).account.hex(), "recipients": recipients}
        for key in LIQUIDATORS
    ]
    settings = deployment_settings(liquidators=liquidators)
    return replace(wiring.catalog_of(settings), is_replica=is_replica)


@dataclass(slots=True)
class Ledger:
    """The hub's or a guardian's ledger, and which liquidations it was not shown yet."""

    bench: Bench
    unshown: list[AttestationRequest] = field(default_factory=list)
    effects: int = 1

    def final_height(self) -> int:
        """Return how far the debt's chain is final here."""
        with self.bench.store.read() as uow:
            finalized = uow.chains.cursor(CHAIN_C).finalized
        return -1 if finalized is None else finalized.height

    def show(self, random: Random) -> None:
        """Show it one of the liquidations that it is ready for; the vault has executed each."""
        ready = [r for r in self.unshown if r.heights[CHAIN_C] <= self.final_height()]
        if not ready:
            return
        request = random.choice(ready)
        self.unshown.remove(request)
        self.effects += 1
        store, catalog = self.bench.store, self.bench.catalog
        effect = seized(request.message, self.effects)
        see_final(store, CHAIN_A, self.effects, [effect])
        reconcile(store, catalog, CHAIN_A, fence=FENCE)
        assert countersign(store, catalog, SIGNATORY, request)
        reconcile(store, catalog, CHAIN_A, fence=FENCE)

    def book_overdue(self) -> None:
        """Let it wait for a liquidation that comes no more, as long as it does."""
        clock, catalog = self.bench.store.clock, self.bench.catalog
        assert isinstance(clock, FixedClock)
        clock.move(LIQUIDATION_WAIT_SECONDS + 1)
        with self.bench.store.unit_of_work() as uow:
            book_overdue(uow, catalog)

    def debts(self) -> dict[str, int]:
        """Return debits less credits of every line of a debt that is not zero."""
        codes = {code for code, _, _ in self.bench.lines() if code.startswith(DEBT_KINDS)}
        units = {code: self.bench.units(code, USDC) for code in codes}
        return {code: owed for code, owed in units.items() if owed}


@dataclass(slots=True)
class DebtWorld:
    """A chain with one debt, the hub, guardians, and the liquidations with their places."""

    random: Random
    hub: Ledger
    guardians: tuple[Ledger, ...]
    chain: SimulatedChain
    liquidations: list[tuple[int, Liquidation]] = field(default_factory=list)
    made: int = 0

    def step(self) -> None:
        """Let one thing happen, and each ledger learn something or nothing."""
        action = self.random.choice(ACTIONS)
        match action:
            case "borrow":
                self._mine(self._borrowed())
            case "repay":
                self._mine(self._repaid())
            case "final":
                self.chain.finalize(self.random.randint(self.chain.final_height, self.chain.height))
            case "reorg":
                self._reorg()
            case "refuse":
                self._refuse()
            case _:
                self._liquidate()
        for ledger in (self.hub, *self.guardians):
            self._learn(ledger)

    def begin(self) -> None:
        """Let the account borrow, finally."""
        self._mine(self._borrowed())
        self._mine(self._borrowed())
        self.chain.finalize()

    def end(self) -> None:
        """Let every ledger learn all of it."""
        self.chain.mine()
        self.chain.finalize()
        for ledger in (self.hub, *self.guardians):
            follow(ledger)
            while ledger.unshown:
                ledger.show(self.random)
            ledger.bench.book()
            ledger.book_overdue()

    def expected(self) -> dict[str, int]:
        """Return what the debt comes to by the facts alone, each in its place."""
        state, lent, interest = self._state(self.chain.height)
        found = {
            f"debt:{PROTOCOL}:0x{ACCOUNT.hex()}": state.own_units,
            f"lent:{PROTOCOL}": lent,
            f"interest:{PROTOCOL}": interest,
        }
        for part in state.assumed:
            code = f"assumed:{PROTOCOL}:0x{ACCOUNT.hex()}:0x{part.assumer.hex()}"
            found[code] = part.units
        return {code: units for code, units in found.items() if units}

    def _learn(self, ledger: Ledger) -> None:
        if self.random.random() < 0.5:
            follow(ledger)
        if self.random.random() < 0.4:
            ledger.show(self.random)

    def _mine(self, transaction: Tx | None) -> None:
        if transaction is not None:
            self.chain.mine(transaction)

    def _reorg(self) -> None:
        depth = self.random.randint(0, self.chain.height - self.chain.final_height)
        for _ in self.chain.drop(depth):
            transaction = self.random.choice((None, self._borrowed(), self._repaid()))
            self.chain.mine(*([] if transaction is None else [transaction]))
        self.chain.mine()

    def _liquidate(self) -> None:
        follow(self.hub)
        height = self.hub.final_height()
        state, _, _ = self._state(height)
        if state.own_units <= 0:
            return
        key = self.random.choice(LIQUIDATORS)
        self.made += 1
        command = liquidation(key, self.random.randint(1, state.own_units), self.made)
        self.liquidations.append((height, command))
        signed_command = SignedCommand(command, ())
        message = decided(self.hub, signed_command, height)
        request = AttestationRequest(
            message=message,
            target_chain=CHAIN_A,
            command=signed_command,
            context=(SIGNED_OPEN, signed(opening_of(key), key)),
            heights={CHAIN_C: height},
        )
        for guardian in self.guardians:
            guardian.unshown.append(request)

    def _refuse(self) -> None:
        """Let the hub give up a liquidation that no guardian was shown yet."""
        unshown = [ledger.unshown for ledger in self.guardians]
        waiting = [request for request in unshown[0] if all(request in each for each in unshown)]
        if not waiting:
            return
        request = self.random.choice(waiting)
        for each in unshown:
            each.remove(request)
        refused = request.command.command
        self.liquidations = [placed for placed in self.liquidations if placed[1] != refused]
        with self.hub.bench.store.unit_of_work() as uow:
            uow.ledger.lock()
            stored = uow.outbox.get(request.message.message_id)
            assert stored is not None
            drop_hold(uow, self.hub.bench.catalog, stored.message)

    def _borrowed(self) -> Tx:
        units = self.random.randint(1, UNITS_MAX)

        def _build(position: EventPosition, lock_id: int) -> ObservedEvent:
            del lock_id
            after = self._total() + units
            return Borrowed(position, ACCOUNT, BORROWER, BORROWER, units, after, RAY)

        return Tx(self._name(), LINE_C, _build)

    def _repaid(self) -> Tx | None:
        """Return a repayment by anybody; a liquidator repays what it took over and not before."""
        total = self._total()
        state, _, _ = self._state(self.chain.height)
        parts = {part.assumer for part in state.assumed if part.units}
        payers = [key.address for key in LIQUIDATORS if opening_of(key).account in parts]
        payer = self.random.choice((*payers, *payers, BORROWER, BOB.address))
        if not total:
            return None
        interest = self.random.choice((0, 0, self.random.randint(1, 5)))
        most = total + interest if self.random.random() < 0.2 else (total + interest + 2) // 3
        units = self.random.randint(1, most)

        def _build(position: EventPosition, lock_id: int) -> ObservedEvent:
            del lock_id
            return Repaid(position, ACCOUNT, payer, units, total + interest - units, RAY)

        return Tx(self._name(), LINE_C, _build)

    def _name(self) -> str:
        self.made += 1
        return f"transaction {self.made}"

    def _total(self) -> int:
        newest = self.chain.events[-1:]
        return sum(getattr(event, "scaled_after", 0) for event in newest)

    def _state(self, height: int) -> tuple[DebtState, int, int]:
        """Return the debt up to a height, and what lent and interest come to."""
        state, lent, interest = DebtState(0), 0, 0
        waiting = list(self.liquidations)
        for event in self.chain.events:
            place = event.position.block.height
            if place > height:
                break
            while waiting and waiting[0][0] < place:
                state = taken_over(state, waiting.pop(0)[1])
            if isinstance(event, Borrowed):
                lent -= event.units
                state, revealed = after_borrowing(
                    state,
                    account=ACCOUNT,
                    units=event.units,
                    total_after_units=event.scaled_after,
                )
            else:
                assert isinstance(event, Repaid)
                lent += event.units
                state, revealed = after_repayment(
                    state,
                    account=ACCOUNT,
                    payer_account=_ACCOUNTS.get(event.payer),
                    units=event.units,
                    total_after_units=event.scaled_after,
                )
            interest -= revealed
        for _, command in waiting:
            state = taken_over(state, command)
        return state, lent, interest


def follow(ledger: Ledger) -> None:
    """Let a ledger follow the chain, and leave a dead branch."""
    ledger.bench.catch_up()


def decided(hub: Ledger, command: SignedCommand, height: int) -> Message:
    """Let the hub book a liquidation as it does once it has decided it."""
    liquidation = command.command
    assert isinstance(liquidation, Liquidation)
    command_id = liquidation.digest(HUB)
    with hub.bench.store.unit_of_work() as uow:
        uow.ledger.lock()
        uow.commands.store(command_id, command)
        uow.requests.open(
            command_id=command_id,
            kind="Liquidation",
            account=ACCOUNT,
            correlation_id=command_id,
        )
        message = compose_seize(uow, hub.bench.catalog, command, command_id)
        numbers = numbers_of_heights({CHAIN_C: height})
        uow.requests.grant(command_id, message_id=message.message_id, numbers=numbers)
    return message


def debt_world(
    random: Random,
    chain: SimulatedChain,
    stores: tuple[Store, ...],
    *,
    are_payers_known: bool = False,
) -> DebtWorld:
    """Return a world: the first store is the hub's, the others those of guardians."""
    ledgers = []
    for number, store in enumerate(stores):
        open_account(store)
        if not number or are_payers_known:
            for key in LIQUIDATORS:
                open_account(store, opening_of(key), key)
        catalog = catalog_of_debts(is_replica=bool(number))
        place = position_at(1, CHAIN_A, VAULT_A, 0)
        locked = CollateralLocked(place, 1, ACCOUNT, WETH_A, ACCOUNT, ETHER, ETHER)
        see_final(store, CHAIN_A, 1, [locked])
        see_final(store, CHAIN_B, 1)
        reconcile(store, catalog, CHAIN_A, fence=FENCE)
        ledgers.append(Ledger(Bench(store, chain, catalog)))
    return DebtWorld(random, ledgers[0], tuple(ledgers[1:]), chain)


_ACCOUNTS: Final = {key.address: opening_of(key).account for key in LIQUIDATORS}

"""People: owners who lock, borrow, repay and ask; a liquidator; a stranger who carries."""

from dataclasses import dataclass, field
from typing import Final

from eth_hash.auto import keccak

from chains.command import OpenAccount, RequestCredit, RequestUnlock, SignedCommand
from chains.errors import AttestationError
from chains.types import ChainId
from relayer.errors import RefusedError
from relayer.steps.accept import IdempotencyKey, accept, fingerprint_of
from relayer.store.engine import DATABASE_ERRORS
from tests.relayer.api.kit import (
    ANN,
    BOB,
    CHAIN_A,
    CHAIN_B,
    CHAIN_C,
    LINE_C,
    OPERATOR,
    SALT,
    USDC_B,
    USDC_C,
    VAULT_A,
    VAULT_B,
    WETH_A,
    Signer,
    contract,
)
from tests.relayer.steps.world import DOLLAR, ETHER, LIQ, LIQ_ACCOUNT, signed
from tests.simulation.chain import SimulatedChain, Transaction
from tests.simulation.contracts import Borrow, Call, Deliver, Exit, Lock, Repay
from tests.simulation.fleet import Fleet
from tests.simulation.process import CrashError, Surroundings

PERCENT: Final = 100
WETH_FEED: Final = contract("weth-usd")
USDC_FEED: Final = contract("usdc-usd")
PRICE_USD: Final = 3_000
PRICE_USD_MIN: Final = 900
PRICE_USD_MAX: Final = 6_000
PLACES: Final = ((CHAIN_A, VAULT_A, WETH_A, ETHER), (CHAIN_B, VAULT_B, USDC_B, 1_000 * DOLLAR))
SEIZED: Final = (
    "SELECT 1 FROM outbox_message WHERE kind = 'SEIZE' AND state = 'CONFIRMED' AND account = ?"
)
SIGNATURES: Final = (
    "SELECT m.payload, m.target_chain, s.signer, s.signature FROM outbox_message m "
    "JOIN message_signature s ON s.message_id = m.message_id"
)


@dataclass(frozen=True, slots=True)
class Person:
    """An owner with one margin account."""

    name: str
    key: Signer

    @property
    def opening(self) -> OpenAccount:
        """What opens the account."""
        return OpenAccount(opener=self.key.address, salt=SALT)

    @property
    def account(self) -> bytes:
        """The account."""
        return self.opening.account


PEOPLE: Final = (Person("ann", ANN), Person("bob", BOB))


@dataclass(slots=True)
class Society:
    """Everybody outside the fleet, and the requests that nobody answered yet."""

    fleet: Fleet
    around: Surroundings
    waiting: list[SignedCommand] = field(default_factory=list)
    exited: set[tuple[ChainId, bytes]] = field(default_factory=set)
    _count: int = 0

    def chain(self, chain_id: ChainId) -> SimulatedChain:
        """Return a chain."""
        return self.fleet.setup.chains[chain_id]

    def act(self) -> None:
        """Let somebody do something."""
        chance = self.around.chance
        if self.waiting and chance.hits(500):
            self.send_waiting()
            return
        doing = chance.weighted(
            (
                (10, self._lock),
                (24, self._ask_unlock),
                (14, self._ask_credit),
                (12, self._borrow),
                (10, self._repay),
                (18, self._move_price),
                (10, self._carry),
                (2, self._exit),
            )
        )
        doing()

    def send_waiting(self) -> None:
        """Send every request that was not answered yet, under the key it had."""
        for command in list(self.waiting):
            self._send(command)

    def submit(self, chain_id: ChainId, call: Call) -> None:
        """Put a call of somebody into the pool of a chain."""
        self._count += 1
        name = f"{type(call).__name__.lower()}.{self._count}"
        self.around.note(f"  {name} on {chain_id}")
        self.chain(chain_id).submit(Transaction(keccak(name.encode()), name, call))

    def set_price(self, usd: int) -> None:
        """Set the price of ether, and a dollar for a dollar."""
        self.fleet.market.set(WETH_FEED, usd * 10**8)
        self.fleet.market.set(USDC_FEED, 10**8)

    def _person(self) -> Person:
        return self.around.chance.pick(PEOPLE)

    def _nonce(self) -> bytes:
        self._count += 1
        return self._count.to_bytes(32, "big")

    def _lock(self) -> None:
        chain_id, _, token, unit = self.around.chance.pick(PLACES)
        person = self._person()
        units = self.around.chance.number(1, 4 * unit)
        self.submit(chain_id, Lock(person.account, token, person.key.address, units))

    def _exit(self) -> None:
        chain_id, _, token, _ = self.around.chance.pick(PLACES)
        person = self._person()
        self.submit(chain_id, Exit(person.account, token, person.key.address))

    def _ask_unlock(self) -> None:
        chance = self.around.chance
        chain_id, vault, token, _ = chance.pick(PLACES)
        person = self._person()
        owned = self.chain(chain_id).newest.state.collateral.get((person.account, token), 0)
        command = RequestUnlock(
            account=person.account,
            chain_id=chain_id,
            vault=vault,
            token=token,
            amount=max(1, owned * chance.number(1, 110) // PERCENT),
            recipient=person.key.address,
            deadline=self.around.clock.now() + chance.number(5, 300),
            nonce=self._nonce(),
        )
        self._ask(signed(command, person.key))

    def _ask_credit(self) -> None:
        self.ask_credit(self._person(), self.around.chance.number(0, 15_000) * DOLLAR)

    def ask_credit(self, person: Person, limit: int) -> None:
        """Let a person and the protocol ask for a grant. [debt token base units]"""
        chance = self.around.chance
        now = self.around.clock.now()
        command = RequestCredit(
            account=person.account,
            chain_id=CHAIN_C,
            credit_line=LINE_C,
            token=USDC_C,
            limit=limit,
            borrower=person.key.address,
            expiry=now + chance.number(60, self.fleet.setup.catalog.times.expiry_seconds),
            deadline=now + chance.number(5, 300),
            nonce=self._nonce(),
        )
        self._ask(signed(command, person.key, OPERATOR))

    def _ask(self, command: SignedCommand) -> None:
        self.around.note(f"  asks {command.command}"[:150])
        self.waiting.append(command)
        self._send(command)

    def _send(self, command: SignedCommand) -> None:
        process = self.fleet.api.process
        name = command.command.digest(self.fleet.setup.catalog.hub)
        key = IdempotencyKey(name.hex(), fingerprint_of(name.hex()))
        try:
            accept(process.store, self.fleet.setup.catalog, command, idempotency=key)
        except (CrashError, *DATABASE_ERRORS):
            return  # asked again later
        except (RefusedError, AttestationError) as exc:
            self.around.note(f"  refused: {exc}")
        if command in self.waiting:
            self.waiting.remove(command)

    def _borrow(self) -> None:
        block = self.chain(CHAIN_C).newest
        people = [
            person
            for person in PEOPLE
            if (known := block.state.grants.get(person.account)) is not None
            and known.expiry_seconds > block.header.timestamp_seconds
        ]
        if not people:
            self._ask_credit()
            return
        person = self.around.chance.pick(people)
        units = self.around.chance.number(1, block.state.grants[person.account].limit_units + 1)
        self.submit(CHAIN_C, Borrow(person.account, person.key.address, units))

    def _repay(self) -> None:
        chance = self.around.chance
        person = self._person()
        if not self.chain(CHAIN_C).newest.state.scaled.get(person.account):
            return
        # A liquidator repays what it took over; before that, there is nothing for it to repay.
        raw = self.fleet.api.database.raw
        has_taken_over = raw.execute(SEIZED, (person.account,)).fetchone() is not None
        payer = (LIQ if has_taken_over and chance.hits(700) else person.key).address
        self.submit(CHAIN_C, Repay(person.account, payer, chance.number(1, 20_000) * DOLLAR))

    def _move_price(self) -> None:
        answer, _ = self.fleet.market.answers[WETH_FEED]
        usd = answer // 10**8 * self.around.chance.number(70, 130) // PERCENT
        usd = min(PRICE_USD_MAX, max(PRICE_USD_MIN, usd))
        self.around.note(f"  ether at {usd}")
        self.set_price(usd)

    def _carry(self) -> None:
        """Carry an attested message to its target: anybody may."""
        threshold = self.fleet.setup.catalog.guardian_set.threshold
        given: dict[tuple[bytes, str], dict[bytes, bytes]] = {}
        for guardian in self.fleet.guardians:
            for row in guardian.slot.database.raw.execute(SIGNATURES).fetchall():
                payload, chain_id, signer, signature = row
                given.setdefault((payload, chain_id), {})[signer] = signature
        attested = sorted(place for place, found in given.items() if len(found) >= threshold)
        if attested:
            payload, chain_id = self.around.chance.pick(attested)
            found = given[payload, chain_id]
            signatures = tuple(found[signer] for signer in sorted(found))[:threshold]
            index = self.fleet.setup.catalog.guardian_set.index
            self.submit(ChainId(chain_id), Deliver(payload, index, signatures))


def liquidator_lock() -> Lock:
    """Return the lock that lets the liquidator take debts over."""
    return Lock(LIQ_ACCOUNT, USDC_B, LIQ.address, 1_000_000 * DOLLAR)

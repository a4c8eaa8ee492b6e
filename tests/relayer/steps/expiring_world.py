"""Messages that real steps send to a real vault program on the local cluster, slot by slot."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from eth_hash.auto import keccak
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from sqlalchemy import update

from chains.attestation import attestation_digest
from chains.bridges.solana_guardian import SolanaGuardianBridge
from chains.command import account_id
from chains.devnet.actors import guardian_keys
from chains.devnet.solana.options import SolanaOptions
from chains.devnet.solana_actors import SOLANA_ALICE, SOLANA_BOB, SOLANA_RELAYER
from chains.devnet.solana_kit import USDC, DeployedSolana, SolanaKit, SolanaVaultOptions
from chains.finality import Finality
from chains.message import Message, MessageKind
from chains.solana.accounts import NodeAccounts
from chains.solana.fees import PriorityLimits
from chains.solana.history import SolanaWatched
from chains.solana.reader import SolanaReader
from chains.solana.sender import SolanaSender
from chains.types import chain_key
from relayer.clock import FixedClock, UnixSeconds
from relayer.outbox.life import MessageState
from relayer.outbox.message import OutboxMessage
from relayer.steps.carrier import ExpiringCarrier, SendLimits
from relayer.steps.confirm import confirm, follower_of
from relayer.steps.queues import CONFIRM, MEND, RELAY
from relayer.steps.relay import RelayOutcome, relay
from relayer.store.attempt_rows import Attempt
from relayer.store.fleet_tables import OUTBOX_MESSAGE
from relayer.store.unit_of_work import Store
from tests.databases import NOW
from tests.relayer.steps.sending_world import (
    EXPIRY,
    IN_FLIGHT_MAX,
    JOBS_PER_TICK_MAX,
    LEASE_SECONDS,
    Fleet,
    store_attested,
)
from tests.relayer.steps.world import FENCE, catalog_of_world

SLOTS_PER_TICK: Final = 40
ACCOUNT: Final = account_id(opener=SOLANA_ALICE.address, salt=bytes(32))
URGENT_PRICE: Final = 10_000_000
ORDINARY_PRICE: Final = 1_000_000


@dataclass
class Hooks:
    """What a test does before and after a sender's calls; it may raise what fails there."""

    before: Callable[[str], None] = lambda call: None
    after: Callable[[str], None] = lambda call: None
    look: Callable[[], None] = lambda: None


class HookedSender(SolanaSender):
    """A sender that a test looks over the shoulder of."""

    hooks: Hooks

    async def prepare(self, *args: Any) -> Any:
        """Sign."""
        self.hooks.before("prepare")
        signed = await super().prepare(*args)
        self.hooks.after("prepare")
        return signed

    async def broadcast(self, *args: Any) -> None:
        """Send."""
        self.hooks.before("broadcast")
        await super().broadcast(*args)
        self.hooks.after("broadcast")

    async def sighting(self, *args: Any) -> Any:
        """Look."""
        self.hooks.look()
        return await super().sighting(*args)


class ExpiringWorld(Fleet):
    """One cluster with a vault, one database, and processes that carry messages to it."""

    def __init__(self, store: Store, clock: FixedClock, kit: SolanaKit) -> None:
        deployed = kit.chain_s
        catalog = catalog_of_world(
            guardian_set=kit.options.guardian_set, chain_ids=(deployed.chain_id,)
        )
        super().__init__(store, catalog, clock, deployed.chain_id)
        self.kit, self.ticks, self.processes, self.number = kit, 0, 0, 0
        self.reader = reader_of(deployed)
        self.hooks = Hooks()
        self.start_process()

    @property
    def carrier(self) -> ExpiringCarrier:
        """What the process carries with."""
        return self._carrier

    def start_process(self) -> None:
        """Let another process take the place of one that died."""
        self.processes += 1
        self._carrier = self.new_carrier(f"process {self.processes}")

    def new_carrier(self, name: str) -> ExpiringCarrier:
        """Return what a process carries with."""
        return ExpiringCarrier(
            sender=self._sender(ORDINARY_PRICE),
            bridge=bridge_of(self.kit.chain_s),
            holder=name,
            urgent=self._sender(URGENT_PRICE),
            limits=SendLimits(LEASE_SECONDS, in_flight_max=IN_FLIGHT_MAX),
        )

    def _sender(self, price_max: int) -> HookedSender:
        deployed = self.kit.chain_s
        sender = HookedSender(
            deployed.chain_id,
            deployed.rpc_url,
            key=SOLANA_RELAYER.keypair,
            limits=PriorityLimits(price_max=price_max),
        )
        sender.hooks = self.hooks
        return sender

    def tick(self, slots: int = SLOTS_PER_TICK) -> None:
        """Let the process do what is due, then let slots and their time pass."""
        self.ticks += 1
        self.run(MEND, 1)
        self.run(CONFIRM, 2 * JOBS_PER_TICK_MAX)
        self.run(RELAY, JOBS_PER_TICK_MAX)
        self.pass_slots(slots)

    def pass_slots(self, slots: int) -> None:
        """Let slots and their time pass."""
        self.kit.net.advance(slots)
        self.clock.move(max(1, slots * 2 // 5))

    def store_messages(self, count: int, **changes: Any) -> list[bytes]:
        """Lock collateral, and store releases of it that a quorum of guardians has signed."""
        deployed = self.kit.chain_s
        deployed.lock(SOLANA_ALICE, ACCOUNT, deployed.tokens["USDC"], count * USDC)
        self.kit.net.advance(2)  # what is locked is confirmed
        made = [self._message(**changes) for _ in range(count)]
        store_attested(self.store, self.catalog, made, self._signatures)
        return [message.message_id for message in made]

    def message(self, **changes: Any) -> Message:
        """Return a message of its own number."""
        self.number += 1
        return message_to(self.kit.chain_s, nonce=self.number, **changes)

    def _message(self, **changes: Any) -> OutboxMessage:
        return OutboxMessage(
            message=self.message(**changes),
            target_chain=self.chain_id,
            correlation_id=bytes(32),
            hold_entry_id=bytes(31) + b"\x01",
            command=None,
            created_at=UnixSeconds(NOW),
            deadline_at=UnixSeconds(EXPIRY),
        )

    def _signatures(self, message: OutboxMessage) -> dict[bytes, bytes]:
        digest = attestation_digest(
            chain_id=message.target_chain,
            contract=message.message.vault,
            message_id=message.message_id,
            guardian_set_index=0,
        )
        return {key.address: key.sign(digest) for key in self.kit.options.guardians}

    def attempts(self, message_id: bytes) -> tuple[Attempt, ...]:
        """Return what was signed for a message."""
        with self.store.read() as uow:
            return uow.attempts.of_message(message_id)

    def is_executed(self, message_id: bytes, finality: Finality = Finality.FINALIZED) -> bool:
        """Return whether the vault has the mark of a message."""
        ledger = self.kit.net.ledger
        key = self.kit.chain_s.at.executed(message_id)
        return ledger.bank.account(key, ledger.block_at(finality).slot) is not None

    def settle(self, message_ids: list[bytes]) -> int:
        """Book what is final, as the watcher and reconcile do; return how many are settled."""
        done = [word for word in message_ids if self.is_executed(word)]
        if done:
            with self.store.unit_of_work() as uow:
                uow.connection.execute(
                    update(OUTBOX_MESSAGE)
                    .where(OUTBOX_MESSAGE.c.message_id.in_(done))
                    .values(state=MessageState.CONFIRMED.value)
                )
        return len(done)

    def landed(self, message_ids: list[bytes]) -> dict[bytes, int]:
        """Return how many transactions of each message are in the chain with their effect."""
        places = {
            one.transaction.tx_hash: word for word in message_ids for one in self.attempts(word)
        }
        counts = dict.fromkeys(message_ids, 0)
        for landed in self.kit.net.ledger.landed.values():
            word = places.get(bytes(landed.tx.signatures[0]))
            if word is not None and landed.err is None:
                counts[word] += 1
        return counts

    def close(self) -> None:
        """Close the connections, then the loop."""
        senders = (self._carrier.sender, self._carrier.urgent)
        for one in (self.reader, *senders):
            if one is not None:
                self.loop.run_until_complete(one.close())
        super().close()


def reader_of(deployed: DeployedSolana) -> SolanaReader:
    """Return a reader of the vault."""
    watched = SolanaWatched(deployed.program, deployed.vault, tuple(deployed.tokens.values()))
    return SolanaReader(deployed.chain_id, deployed.rpc_url, watched=watched)


def bridge_of(deployed: DeployedSolana, **options: Any) -> SolanaGuardianBridge:
    """Return the bridge to the vault."""
    accounts = NodeAccounts(deployed.chain_id, deployed.rpc_url)
    return SolanaGuardianBridge(reader_of(deployed), accounts, program=deployed.program, **options)


def message_to(deployed: DeployedSolana, **changes: Any) -> Message:
    """Return a message that pays one USDC of the account to bob."""
    fields: dict[str, Any] = {
        "kind": MessageKind.RELEASE,
        "origin": chain_key(deployed.options.hub),
        "target": chain_key(deployed.chain_id),
        "vault": deployed.vault,
        "nonce": 1,
        "account": ACCOUNT,
        "token": deployed.tokens["USDC"],
        "amount_units": USDC,
        "recipient": SOLANA_BOB.address,
        "expiry_seconds": EXPIRY,
        "epoch": 1,
        "evidence": keccak(b"evidence"),
    }
    return Message(**(fields | changes))


def stranger(label: str) -> Pubkey:
    """Return a wallet that nothing was ever sent to."""
    return Keypair.from_seed(keccak(label.encode())).pubkey()


@contextmanager
def running_kit(
    *, guardians: int = 3, threshold: int = 2, cluster: SolanaOptions | None = None
) -> Iterator[SolanaKit]:
    """Run a cluster with a vault that some guardians guard; its deployment is confirmed."""
    options = SolanaVaultOptions(guardians=guardian_keys(guardians), threshold=threshold)
    with SolanaKit(options, cluster=cluster) as kit:
        kit.net.advance(2)
        yield kit


def relayed(
    world: ExpiringWorld, message_id: bytes, carrier: ExpiringCarrier | None = None
) -> RelayOutcome:
    """Run the relay step once."""
    by = carrier or world.carrier
    return world.loop.run_until_complete(
        relay(world.store, world.catalog, by, message_id, fence=FENCE)
    )


def looked_at(world: ExpiringWorld, message_id: bytes) -> tuple[Attempt, ...]:
    """Run the confirm step once and return the attempts afterwards."""
    follower = follower_of(world.reader, world.carrier, world.catalog)
    world.loop.run_until_complete(confirm(world.store, follower, message_id, fence=FENCE))
    return world.attempts(message_id)


def states(attempts: tuple[Attempt, ...]) -> list[str]:
    """Return where attempts are."""
    return [attempt.state.value for attempt in attempts]

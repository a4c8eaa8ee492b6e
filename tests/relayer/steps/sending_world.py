"""Messages that are sent by real steps through a pool node, with faults, on a virtual clock."""

import asyncio
import concurrent.futures
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final, TypeVar

from sqlalchemy import update

from chains.errors import AccountNonceUsedError, RpcTimeoutError, TransientChainError
from chains.message import Message, MessageKind
from chains.types import WORD_BYTES, ChainId, chain_key
from relayer.clock import FixedClock, UnixSeconds
from relayer.errors import LeaseLostError, StateMovedError
from relayer.outbox.life import MessageState, WaitReason
from relayer.outbox.message import OutboxMessage
from relayer.steps.carrier import AnyCarrier, Carrier, SendLimits
from relayer.steps.catalog import Catalog
from relayer.steps.confirm import confirm, follower_of
from relayer.steps.fence import Fence, job_fence
from relayer.steps.mend import MEND_SECONDS, mend
from relayer.steps.queues import CONFIRM, MEND, RELAY, relay_queue
from relayer.steps.relay import relay
from relayer.store.fleet_tables import MESSAGE_SIGNATURE, OUTBOX_MESSAGE
from relayer.store.jobs import Job, Ring
from relayer.store.unit_of_work import Store
from tests.databases import NOW
from tests.relayer.api.kit import ACCOUNT, CHAIN_A, VAULT_A, WETH_A
from tests.relayer.steps.pool_node import FINAL_DEPTH, PoolBridge, PoolNode, PoolReader, PoolSender

T = TypeVar("T")
BLOCK_SECONDS: Final = 4
LEASE_SECONDS: Final = 10
JOB_LEASE_SECONDS: Final = 15
JOBS_PER_TICK_MAX: Final = 60
CONFIRM_TICKS: Final = 4
IN_FLIGHT_MAX: Final = 64
QUEUE_REASONS: Final = (
    WaitReason.SENDS_IN_FLIGHT,
    WaitReason.SENDER_QUEUE_FULL,
    WaitReason.SENDER_BUSY,
)
EXPIRY: Final = NOW + 10 * 365 * 86_400
SEIZURE_EVERY: Final = 50


class ProcessDied(BaseException):
    """The process ends here; nothing after it is run."""


class InlineExecutor(concurrent.futures.ThreadPoolExecutor):
    """Runs what is handed to threads at once: each step of a coroutine is one turn of its loop."""

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Any:
        """Run and return the finished future."""
        future: concurrent.futures.Future[T] = concurrent.futures.Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as exc:  # noqa: BLE001
            future.set_exception(exc)
        return future


def inline_loop() -> asyncio.AbstractEventLoop:
    """Return a loop without threads."""
    loop = asyncio.new_event_loop()
    loop.set_default_executor(InlineExecutor())
    return loop


def store_messages(
    store: Store, catalog: Catalog, count: int, *, seizure_every: int = SEIZURE_EVERY
) -> list[bytes]:
    """Store attested messages and ring for them, as the steps before the relay do."""
    made = [_message(number, seizure_every) for number in range(1, count + 1)]
    members = catalog.guardian_set.members
    store_attested(store, catalog, made, lambda _: dict.fromkeys(members, bytes(65)))
    return [message.message_id for message in made]


def store_attested(
    store: Store,
    catalog: Catalog,
    made: Sequence[OutboxMessage],
    signatures_of: Callable[[OutboxMessage], Mapping[bytes, bytes]],
) -> None:
    """
    Store messages that guardians have signed, and ring for their relay.

    Args:
        signatures_of: the signatures under a message, by their signers.
    """
    with store.unit_of_work() as uow:
        for message in made:
            uow.outbox.enqueue(message)
        uow.connection.execute(update(OUTBOX_MESSAGE).values(state=MessageState.ATTESTED.value))
        uow.connection.execute(
            MESSAGE_SIGNATURE.insert(),
            [
                {
                    "message_id": message.message_id,
                    "guardian_set_index": catalog.guardian_set.index,
                    "signer": signer,
                    "signature": signature,
                    "at": NOW,
                }
                for message in made
                for signer, signature in signatures_of(message).items()
            ],
        )
        uow.jobs.ring_all(
            Ring(
                RELAY,
                message.message_id.hex(),
                relay_queue(message.target_chain),
                UnixSeconds(NOW),
                bytes(32),
            )
            for message in made
        )


def _message(number: int, seizure_every: int) -> OutboxMessage:
    is_seizure = number % seizure_every == 0
    message = Message(
        kind=MessageKind.SEIZE if is_seizure else MessageKind.RELEASE,
        origin=bytes(32),
        target=chain_key(CHAIN_A),
        vault=VAULT_A,
        nonce=number,
        account=ACCOUNT,
        token=WETH_A,
        amount_units=1,
        recipient=ACCOUNT,
        expiry_seconds=EXPIRY,
        epoch=1,
        evidence=bytes(32),
    )
    return OutboxMessage(
        message=message,
        target_chain=CHAIN_A,
        correlation_id=bytes(32),
        hold_entry_id=bytes(31) + b"\x01",
        command=None,
        created_at=UnixSeconds(NOW),
        deadline_at=UnixSeconds(EXPIRY),
    )


@dataclass
class Faults:
    """Which share of calls fails; each fault is counted. Shares are of the broadcasts."""

    random: Random
    share: float = 0.10
    counts: dict[str, int] = field(default_factory=dict)

    def strikes(self, name: str, part: float) -> bool:
        """Return whether a fault that is a part of all strikes now."""
        is_hit = self.random.random() < self.share * part
        if is_hit:
            self.counts[name] = self.counts.get(name, 0) + 1
        return is_hit


@dataclass
class Fleet:
    """One database and one process that works off the jobs of one chain."""

    store: Store
    catalog: Catalog
    clock: FixedClock
    chain_id: ChainId
    loop: asyncio.AbstractEventLoop = field(default_factory=inline_loop)
    reader: Any = None
    _is_queue_full: bool = False

    @property
    def carrier(self) -> AnyCarrier:
        """What the process carries with."""
        raise NotImplementedError

    def start_process(self) -> None:
        """Let another process take the place of one that died."""
        raise NotImplementedError

    def close(self) -> None:
        """End the loop; what holds connections lets go of them."""
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()

    def run(self, kind: str, limit: int) -> None:
        with self.store.unit_of_work() as uow:
            jobs = uow.jobs.claim(
                relay_queue(self.chain_id),
                limit,
                lease_seconds=JOB_LEASE_SECONDS,
                holder=self.carrier.holder,
                kinds=(kind,),
            )
        done: list[Job] = []
        later: list[tuple[Job, int]] = []
        self._is_queue_full = False
        for place, job in enumerate(jobs):
            try:  # once one must wait for the key, all others of this tick must as well
                delay = 1 if self._is_queue_full else self._run_job(job)
            except ProcessDied:
                self.start_process()
                # Its job waits for the end of its lease; a worker claims one at a time.
                later += [(other, 1) for other in jobs[place + 1 :]]
                break
            if delay is None:
                done.append(job)
            else:
                later.append((job, delay))
        with self.store.unit_of_work() as uow:
            if done:
                uow.jobs.complete_all(done)
            for job, delay in later:
                uow.jobs.defer(job, UnixSeconds(self.clock.now() + delay), "later")

    def _run_job(self, job: Job) -> int | None:
        """Return after how many seconds the job is due again; None when it ended."""
        fence = job_fence(job, JOB_LEASE_SECONDS)
        try:
            return self.loop.run_until_complete(self._step(job, fence))
        except (LeaseLostError, StateMovedError, TransientChainError):
            return 1

    async def _step(self, job: Job, fence: Fence) -> int | None:
        if job.kind == MEND:
            mended = await mend(self.store, self.catalog, self.carrier, fence=fence)
            return MEND_SECONDS if mended.is_open else None
        message_id = bytes.fromhex(job.key)
        if job.kind == RELAY:
            relayed = await relay(self.store, self.catalog, self.carrier, message_id, fence=fence)
            self._is_queue_full = relayed.reason in QUEUE_REASONS
            return 1 if relayed.is_open else None
        follower = follower_of(self.reader, self.carrier, self.catalog)
        confirmed = await confirm(self.store, follower, message_id, fence=fence)
        return 1 if confirmed.is_open else None


class SendingWorld(Fleet):
    """One database, one chain, and a fleet whose only process is killed now and then."""

    def __init__(self, store: Store, catalog: Catalog, clock: FixedClock, faults: Faults) -> None:
        super().__init__(store, catalog, clock, CHAIN_A)
        self.faults = faults
        self.node = PoolNode()
        self.bridge, self.reader = PoolBridge(self.node), PoolReader(self.node)
        self.restarts = self.ticks = 0
        self.gap_since: dict[int, int] = {}
        self.gap_seconds_max = 0
        self.settled: set[bytes] = set()
        self._settled_height = 0
        self.start_process()

    @property
    def carrier(self) -> Carrier:
        """What the process carries with."""
        return self._carrier

    def tick(self) -> None:
        """Let a block's time pass: run what is due, mine, and let the chain change its mind."""
        self.run(MEND, 1)
        self.ticks += 1
        if self.ticks % CONFIRM_TICKS == 0:
            self.run(CONFIRM, 2 * JOBS_PER_TICK_MAX)
        self.run(RELAY, JOBS_PER_TICK_MAX)
        self.clock.move(BLOCK_SECONDS)
        self._chain_moves()
        self._settle()
        self._watch_gap()

    def _chain_moves(self) -> None:
        now, random = int(self.clock.now()), self.faults.random
        self.node.base_fee_wei = random.choice((8, 10, 10, 10, 12, 30)) * 10**9
        if self.faults.strikes("used_elsewhere", 0.5):
            self.node.use_elsewhere(now)
        else:
            self.node.mine(now)
        if self.faults.strikes("reorganised", 0.5):
            depth = random.randint(1, FINAL_DEPTH)
            self.node.reorganise(depth, keeps=lambda _: random.random() < 0.5)
        if self.node.pool and self.faults.strikes("dropped", 2):
            del self.node.pool[random.choice(sorted(self.node.pool))]

    def _settle(self) -> None:
        """Book what is final, as the watcher and reconcile do."""
        final = self.node.final_block.ref.height
        fresh = [
            transaction.intent
            for block in self.node.blocks[self._settled_height + 1 : final + 1]
            for transaction in block.transactions
            if len(transaction.intent) == WORD_BYTES
        ]
        self._settled_height = final
        self.settled.update(fresh)
        if fresh:
            with self.store.unit_of_work() as uow:
                uow.connection.execute(
                    update(OUTBOX_MESSAGE)
                    .where(OUTBOX_MESSAGE.c.message_id.in_(fresh))
                    .values(state=MessageState.CONFIRMED.value)
                )

    def _watch_gap(self) -> None:
        gap, now = self.node.gap, int(self.clock.now())
        self.gap_since = {} if gap is None else {gap: self.gap_since.get(gap, now)}
        for since in self.gap_since.values():
            self.gap_seconds_max = max(self.gap_seconds_max, now - since)

    def start_process(self) -> None:
        """Let another process take the place of one that died."""
        self.restarts += 1
        sender = PoolSender(self.node, before=self._before, after=self._after)
        self._carrier = Carrier(
            sender,
            self.bridge,
            f"process {self.restarts}",
            limits=SendLimits(LEASE_SECONDS, in_flight_max=IN_FLIGHT_MAX),
        )

    def _before(self, call: str) -> None:
        if call in ("prepare", "broadcast") and self.faults.strikes("killed before " + call, 0.03):
            raise ProcessDied
        if call != "broadcast":
            if self.faults.strikes("timeout of " + call, 0.02):
                raise RpcTimeoutError(chain_id=CHAIN_A, method=call)
            return
        if self.faults.strikes("nonce too low", 0.25):
            raise AccountNonceUsedError(chain_id=CHAIN_A, account_nonce=0)
        if self.faults.strikes("timeout before", 0.2):
            raise RpcTimeoutError(chain_id=CHAIN_A, method=call)

    def _after(self, call: str) -> None:
        if self.faults.strikes("killed after " + call, 0.03):
            raise ProcessDied
        if self.faults.strikes("timeout after accept", 0.4):
            raise RpcTimeoutError(chain_id=CHAIN_A, method=call)

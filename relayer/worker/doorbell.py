"""The doorbell: tells workers over the broker that a queue has work. It may be lost at will."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from celery import Celery

from relayer import wiring
from relayer.settings import Settings
from relayer.store.engine import DATABASE_ERRORS
from relayer.store.unit_of_work import Store
from relayer.telemetry import event_log
from relayer.worker.app import broker_name, create_app
from relayer.worker.link import CONFIRM_SECONDS, BrokerError, BrokerLink

TASK_PREFIX: Final = "relayer."
RING_SECONDS_MIN: Final = 0.25
PASS_SECONDS_MIN: Final = 0.02
BELL_SECONDS_MAX: Final = 10
LOST_PER_PASS_MAX: Final = 2
SET_BACK_SECONDS: Final = 10.0
JOIN_SECONDS_MAX: Final = 10.0
log = event_log()

Pair = tuple[str, str]


class Doorbell:
    """
    Rings for what is due in the job table; a failure is logged and made good by the sweeper.

    A bell names a queue and a kind. The broker drops one that nobody took for BELL_SECONDS_MAX:
    the sweeper rings each second, so queues without a worker do not fill up.

    A queue that the broker does not serve must not keep the bells of others: what was lost is rung
    last, two losses end a pass, and who is lost while others are rung waits for SET_BACK_SECONDS.
    """

    def __init__(self, app: Celery, store: Store, settings: Settings) -> None:
        self._app = app
        self._settings = settings
        self._store = store
        self._link = BrokerLink(settings.broker_url)
        self._passing = threading.Lock()
        self._rung_at: dict[Pair, float] = {}
        self._lost: set[Pair] = set()
        self._set_back_until: dict[Pair, float] = {}
        self._wanted = threading.Event()
        self._closing = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def ring_soon(self) -> None:
        """Return at once; what is due now is rung for within RING_SECONDS_MIN by a thread."""
        self._wanted.set()
        with self._starting:
            if self._thread is None and not self._closing.is_set():
                self._thread = threading.Thread(target=self._run, name="doorbell", daemon=True)
                self._thread.start()

    def ring_due(self) -> int:
        """
        Ring once for each (queue, kind) with due work; return how many rings were sent.

        A pair is rung at most every RING_SECONDS_MIN: a worker that is behind must not get its
        queue filled with bells, which would only put it further behind. A pair that was rung too
        lately is rung at the end of that time, if it is still due then.
        """
        sent, is_early = self._pass()
        if is_early:
            self.ring_soon()
        return sent

    def close(self) -> None:
        """Stop ringing and close the connection; the store stays open."""
        self._closing.set()
        self._wanted.set()
        with self._starting:
            thread = self._thread
        if thread is not None:
            thread.join(JOIN_SECONDS_MAX)
        self._link.close()

    def _run(self) -> None:
        wait_seconds: float | None = None
        while not self._closing.is_set():
            self._wanted.wait(wait_seconds)
            self._wanted.clear()
            if self._closing.is_set():
                return
            try:
                _, is_early = self._pass()
            except DATABASE_ERRORS as exc:
                log.warning("doorbell.failed", reason=type(exc).__name__)
                is_early = False
            except Exception:  # this thread rings for the life of the process
                log.exception("doorbell.failed")
                is_early = False
            wait_seconds = RING_SECONDS_MIN if is_early else None
            self._closing.wait(PASS_SECONDS_MIN)

    def _pass(self) -> tuple[int, bool]:
        """Ring for what is due; return how many rings were sent, and whether one was too early."""
        with self._passing:
            with self._store.read() as uow:
                due = uow.jobs.due_doorbells(uow.clock.now())
            now = time.monotonic()
            pairs = [pair for pair in due if self._set_back_until.get(pair, now) <= now]
            ready = [
                pair
                for pair in pairs
                if now - self._rung_at.get(pair, -RING_SECONDS_MIN) >= RING_SECONDS_MIN
            ]
            return self._send(ready, now), len(ready) < len(pairs)

    def _send(self, pairs: Sequence[Pair], now: float) -> int:
        """Ring pairs, those that were lost before at the end; return how many bells were taken."""
        rung: list[Pair] = []
        lost: list[Pair] = []
        for pair in sorted(pairs, key=lambda pair: pair in self._lost):
            try:
                self._ring(pair)
            except BrokerError as exc:
                note = log.debug if pair in self._lost else log.warning
                note("doorbell.lost", queue=pair[0], kind=pair[1], reason=exc.detail)
                lost.append(pair)
                if len(lost) == LOST_PER_PASS_MAX:
                    break
            else:
                rung.append(pair)
        if rung:  # the broker is there, so it is these queues that fail
            self._set_back_until |= dict.fromkeys(lost, time.monotonic() + SET_BACK_SECONDS)
        self._rung_at.update((pair, now) for pair in rung)
        found = self._lost.intersection(rung)
        if found:
            log.info("doorbell.rung", pairs=len(found))
        self._lost = self._lost.difference(rung).union(lost)
        return len(rung)

    def _ring(self, pair: Pair) -> None:
        queue, kind = pair
        with self._link.producer() as producer:
            self._app.send_task(
                TASK_PREFIX + kind,
                args=(queue,),
                queue=broker_name(self._settings, queue),
                producer=producer,
                mandatory=True,
                confirm_timeout=CONFIRM_SECONDS,
                expiration=BELL_SECONDS_MAX,
                retry=False,
            )


@contextmanager
def open_doorbell(settings: Settings) -> Iterator[Doorbell]:
    """
    Yield a doorbell with a store of its own, for a process that only puts work into the table.

    Raises:
        SchemaVersionError: the database is not at the version of the code.
    """
    store = wiring.open_store(settings)
    doorbell = Doorbell(create_app(wiring.catalog_of(settings), settings), store, settings)
    try:
        yield doorbell
    finally:
        doorbell.close()
        store.close()

"""The lookout: looks into the job table itself when no bell is heard for what is due there."""

import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from relayer.store.engine import DATABASE_ERRORS
from relayer.telemetry import event_log
from relayer.worker.context import WorkContext

QUIET_SECONDS: Final = 2.0
LOOK_SECONDS: Final = 1.0
JITTER: Final = 0.5
LOOKOUT_THREADS: Final = 4
JOIN_SECONDS_MAX: Final = 10.0
log = event_log()

Pair = tuple[str, str]


class Lookout:
    """
    Does what is due although no bell tells of it: a silent broker costs seconds, not the work.

    About once a second one cheap query asks for the (queue, kind) pairs that have due work. A pair
    whose work has been due for QUIET_SECONDS without a bell here is mute: it is worked off from the
    table, at each look again, until a bell for it is heard. So a job waits for QUIET_SECONDS and a
    look at most, and every step after it for a look; the pauses scatter, so that the processes of a
    fleet do not ask at one moment. A pair has one thread at a time, so that one whose step hangs
    does not hold up another.
    """

    def __init__(
        self,
        context: WorkContext,
        runs: Mapping[str, Callable[[str], object]],
        queues: Sequence[str],
        quiet_seconds: float = QUIET_SECONDS,
    ) -> None:
        """
        Look for work in some queues; nothing happens before start.

        Args:
            context: what the process shares; nothing is begun once it is stopping.
            runs: for each kind of job what works off a queue.
            queues: those that this process takes work from.
            quiet_seconds: how long work may be due without a bell.
        """
        self._context = context
        self._runs = runs
        self._queues = frozenset(queues)
        self._quiet_seconds = quiet_seconds
        self._lock = threading.Lock()
        self._heard_at: dict[Pair, float] = {}
        self._mute: set[Pair] = set()
        self._running: set[Pair] = set()
        self._closing = threading.Event()
        self._pool = ThreadPoolExecutor(LOOKOUT_THREADS, thread_name_prefix="lookout-step")
        self._thread = threading.Thread(target=self._run, name="lookout", daemon=True)

    def hear(self, queue: str, kind: str) -> None:
        """Note a bell: the broker works for this pair."""
        with self._lock:
            self._heard_at[queue, kind] = time.monotonic()
            self._mute.discard((queue, kind))

    def start(self) -> None:
        """Look from now on."""
        self._thread.start()

    def look(self) -> int:
        """Have what is due without a bell worked off by threads; return how many pairs that is."""
        with self._context.store.read() as uow:
            now = uow.clock.now()
            due = uow.jobs.due_since(now)
        found = [pair for pair, since in due.items() if self._is_for_us(pair, now - since)]
        for pair in found:
            self._pool.submit(self._work_off, pair)
        return len(found)

    def close(self) -> None:
        """Stop looking, and wait for the steps under way."""
        self._closing.set()
        if self._thread.ident is not None:
            self._thread.join(JOIN_SECONDS_MAX)
        self._pool.shutdown(cancel_futures=True)

    def _is_for_us(self, pair: Pair, due_seconds: int) -> bool:
        """Return whether a pair is to be worked off now; it counts as running if so."""
        queue, kind = pair
        if queue not in self._queues or kind not in self._runs:
            return False
        with self._lock:
            silent_seconds = time.monotonic() - self._heard_at.get(pair, float("-inf"))
            if pair in self._running or silent_seconds < self._quiet_seconds:
                return False
            if pair not in self._mute:
                if due_seconds < self._quiet_seconds:
                    return False
                self._mute.add(pair)
                log.info("doorbell.missed", queue=queue, kind=kind, overdue_seconds=due_seconds)
            self._running.add(pair)
        return True

    def _work_off(self, pair: Pair) -> None:
        queue, kind = pair
        try:
            self._runs[kind](queue)
        except Exception:  # a fault of one look must not end the next; what it claimed has a lease
            log.exception("job.failed", kind=kind, queue=queue)
        finally:
            with self._lock:
                self._running.discard(pair)

    def _run(self) -> None:
        while not self._closing.wait(LOOK_SECONDS * random.uniform(1 - JITTER, 1 + JITTER)):
            if self._context.stopping.is_set():
                return
            try:
                self.look()
            except DATABASE_ERRORS as exc:
                log.warning("sweep.failed", reason=type(exc).__name__)
            except Exception:  # it is what works when nothing else does: it never ends by itself
                log.exception("sweep.failed")

"""The doorbell: tells workers over the broker that a queue has work. It may be lost at will."""

import threading
import time
from typing import Final

import structlog
from celery import Celery
from kombu.exceptions import KombuError

from relayer.settings import Settings
from relayer.store.unit_of_work import Store
from relayer.worker.app import CONFIRM_SECONDS, broker_name

TASK_PREFIX: Final = "relayer."
RING_SECONDS_MIN: Final = 0.25
log = structlog.get_logger(__name__)


class Doorbell:
    """Rings for what is due in the job table; a failure is logged and made good by the sweeper."""

    def __init__(self, app: Celery, store: Store, settings: Settings) -> None:
        self._app = app
        self._settings = settings
        self._store = store
        self._lock = threading.Lock()
        self._rung_at: dict[tuple[str, str], float] = {}

    def ring_due(self) -> int:
        """
        Ring once for each (queue, kind) with due work; return how many rings were sent.

        A pair is rung at most every RING_SECONDS_MIN: a worker that is behind must not get its
        queue filled with bells, which would only put it further behind.
        """
        with self._store.read() as uow:
            pairs = uow.jobs.due_doorbells(uow.clock.now())
        return sum(self._ring(queue, kind) for queue, kind in pairs if self._is_time(queue, kind))

    def _is_time(self, queue: str, kind: str) -> bool:
        now = time.monotonic()
        with self._lock:
            if now - self._rung_at.get((queue, kind), -RING_SECONDS_MIN) < RING_SECONDS_MIN:
                return False
            self._rung_at[queue, kind] = now
            return True

    def _ring(self, queue: str, kind: str) -> bool:
        try:
            with self._lock:
                self._app.send_task(
                    TASK_PREFIX + kind,
                    args=(queue,),
                    queue=broker_name(self._settings, queue),
                    mandatory=True,
                    confirm_timeout=CONFIRM_SECONDS,
                    retry=False,
                )
        except (KombuError, OSError) as exc:
            log.warning("doorbell.lost", queue=queue, kind=kind, reason=type(exc).__name__)
            return False
        return True

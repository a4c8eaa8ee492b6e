"""Runs Celery workers: one in this process's main thread, or one beside everything else."""

import threading
from collections.abc import Sequence
from typing import Final

from celery import Celery
from celery.worker import WorkController

from relayer import wiring
from relayer.settings import Settings
from relayer.steps.queues import queues_of
from relayer.store.unit_of_work import Store
from relayer.worker.app import broker_name, broker_queues, create_app
from relayer.worker.context import WorkContext
from relayer.worker.doorbell import Doorbell
from relayer.worker.tasks import register_tasks

THREADS: Final = 2
STOP_SECONDS_MAX: Final = 30.0


def worker_app(settings: Settings, store: Store) -> tuple[Celery, WorkContext, Doorbell]:
    """Return an application whose tasks are bound to a new context, with its doorbell."""
    catalog = wiring.catalog_of(settings)
    app = create_app(catalog, settings)
    doorbell = Doorbell(app, store, settings)
    context = WorkContext(settings, store, catalog, ring_due=lambda: _ring(doorbell))
    register_tasks(app, context)
    return app, context, doorbell


def _ring(doorbell: Doorbell) -> None:
    doorbell.ring_due()


def run_worker(settings: Settings, queues: Sequence[str]) -> None:
    """
    Run a worker until SIGTERM or SIGINT; running steps end first.

    Args:
        queues: names of queues; none for all of the deployment.
    """
    store = wiring.open_store(settings)
    app, context, _ = worker_app(settings, store)
    chosen = queues or queues_of(context.catalog.chain_ids)
    try:
        app.Worker(
            hostname=f"relayer@{context.holder}",
            pool_cls="threads",
            concurrency=THREADS,
            queues=[broker_name(settings, name) for name in chosen],
            without_gossip=True,
            without_mingle=True,
            quiet=True,
            loglevel="WARNING",
        ).start()
    finally:
        context.close()


class EmbeddedWorker:
    """A worker in a thread of this process, for the embedded broker."""

    def __init__(self, app: Celery, context: WorkContext) -> None:
        self._controller = WorkController(
            app=app,
            hostname=f"relayer@{context.holder}",
            pool_cls="threads",
            concurrency=THREADS,
            queues=list(broker_queues(context.catalog, context.settings)),
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=True,
            loglevel="WARNING",
        )
        self._thread = threading.Thread(
            target=self._controller.start, name="embedded-worker", daemon=True
        )

    def start(self) -> None:
        """Start consuming."""
        self._thread.start()

    def stop(self) -> None:
        """Stop after the running steps."""
        self._controller.stop(in_sighandler=False)
        self._thread.join(STOP_SECONDS_MAX)

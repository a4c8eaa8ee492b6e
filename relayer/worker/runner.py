"""Runs Celery workers: one in this process's main thread, or one beside everything else."""

import logging
import os
import signal
import threading
from collections.abc import Sequence
from types import FrameType
from typing import Final

from celery import Celery
from celery.app.trace import setup_worker_optimizations
from celery.worker import WorkController
from celery.worker import state as worker_state

from relayer import wiring, wiring_senders
from relayer.errors import SettingsError
from relayer.settings import Settings
from relayer.steps.queues import queues_of
from relayer.store.unit_of_work import Store
from relayer.worker.app import SHUTDOWN_SECONDS, broker_name, create_app
from relayer.worker.collector import spare_collections
from relayer.worker.consumer import BellConsumer
from relayer.worker.context import WorkContext
from relayer.worker.doorbell import TASK_PREFIX, Doorbell
from relayer.worker.link import is_embedded
from relayer.worker.lookout import QUIET_SECONDS, Lookout
from relayer.worker.processing import Work
from relayer.worker.tasks import WORKS, register_tasks

THREADS: Final = 4
STOP_SECONDS_MAX: Final = 30.0
EXIT_CLEAN: Final = 0
RELAY_QUEUES: Final = "relay."


def worker_app(
    settings: Settings, store: Store, works: Sequence[Work] = WORKS
) -> tuple[Celery, WorkContext, Doorbell]:
    """Return an application whose tasks are bound to a new context, with its doorbell."""
    catalog = wiring.catalog_of(settings)
    app = create_app(catalog, settings)
    doorbell = Doorbell(app, store, settings)
    context = WorkContext(settings, store, catalog, ring_due=doorbell.ring_soon)
    register_tasks(app, context, works)
    return app, context, doorbell


def run_worker(
    settings: Settings,
    queues: Sequence[str],
    works: Sequence[Work] = WORKS,
    quiet_seconds: float = QUIET_SECONDS,
) -> None:
    """
    Run a worker until SIGTERM or SIGINT; running steps end first.

    What still asks a chain or a guardian after SHUTDOWN_SECONDS is cancelled, its job goes to
    another worker.

    Args:
        queues: names of queues; none for all of the deployment.
        works: what is done for each kind of job.
        quiet_seconds: after so long without a bell, due work is taken from the table.

    Raises:
        SchemaVersionError: the database is not at the version of the code.
        SettingsError: a queue is none of the deployment's.
        KeyFileError: it is to send, and the sender's key file is unusable.
        InvariantError: only a bug can cause it; nothing more is done here.
    """
    store = wiring.open_store(settings)
    app, context, doorbell = worker_app(settings, store, works)
    lookout = None
    try:
        chosen = chosen_queues(context, queues)
        worker = _controller(app, context, chosen)
        lookout = lookout_of(app, context, chosen, quiet_seconds)
        worker.consumer.on_bell = lookout.hear
        context.on_broken = _stop_controllers
        _stop_on_signals(context)
        spare_collections()
        lookout.start()
        worker.start()
    finally:
        context.stopping.set()
        if lookout is not None:
            lookout.close()
        doorbell.close()
        context.close()
    if context.broken is not None:
        raise context.broken


def chosen_queues(context: WorkContext, queues: Sequence[str]) -> tuple[str, ...]:
    """
    Return the queues to take work from; none given means all.

    Raises:
        SettingsError: one is none of the deployment's.
    """
    known = queues_of(context.catalog.chain_ids)
    unknown = [name for name in queues if name not in known]
    if unknown:
        raise SettingsError((f"--queues: {', '.join(unknown)} unknown; one of {', '.join(known)}",))
    return tuple(queues) or known


def lookout_of(
    app: Celery, context: WorkContext, queues: Sequence[str], quiet_seconds: float = QUIET_SECONDS
) -> Lookout:
    """Return what does an application's tasks for these queues when no bell is heard."""
    runs = {
        name.removeprefix(TASK_PREFIX): task
        for name, task in app.tasks.items()
        if name.startswith(TASK_PREFIX)
    }
    return Lookout(context, runs, queues, quiet_seconds)


class EmbeddedWorker:
    """
    A worker in a thread of this process, for the embedded broker.

    A bug that stops it sends this process SIGTERM, so that the rest ends as well.
    """

    def __init__(self, app: Celery, context: WorkContext, *, is_looking: bool = True) -> None:
        """
        Make a worker that does nothing before start.

        Args:
            is_looking: whether due work is taken from the table when no bell is heard.
        """
        context.on_broken = _terminate_process
        self._context = context
        queues = chosen_queues(context, ())
        self._controller = _controller(app, context, queues)
        self._lookout = lookout_of(app, context, queues) if is_looking else None
        if self._lookout is not None:
            self.consumer.on_bell = self._lookout.hear
        self._thread = threading.Thread(
            target=self._controller.start, name="embedded-worker", daemon=True
        )

    @property
    def consumer(self) -> BellConsumer:
        """What takes the bells."""
        consumer: BellConsumer = self._controller.consumer
        return consumer

    def start(self) -> None:
        """Start consuming."""
        spare_collections()
        self._thread.start()
        if self._lookout is not None:
            self._lookout.start()

    def stop(self) -> None:
        """
        Stop after the running steps.

        Raises:
            InvariantError: a step met what only a bug can cause.
        """
        self._context.stopping.set()
        watchdog = _cancel_later(self._context)
        if self._lookout is not None:
            self._lookout.close()
        if is_embedded(self._context.settings.broker_url):
            self._controller.stop(in_sighandler=False)
        else:
            _stop_controllers()
        self._thread.join(STOP_SECONDS_MAX)
        worker_state.should_stop = None
        watchdog.cancel()
        if self._context.broken is not None:
            raise self._context.broken


def _controller(app: Celery, context: WorkContext, queues: Sequence[str]) -> WorkController:
    if any(name.startswith(RELAY_QUEUES) for name in queues):
        wiring_senders.check_sender_key(context.settings)
    hostname = f"relayer@{context.holder}"
    setup_worker_optimizations(app, hostname)
    # Their info lines are two for each bell.
    logging.getLogger("celery").setLevel(logging.WARNING)
    return WorkController(
        app=app,
        hostname=hostname,
        pool_cls="threads",
        consumer_cls=BellConsumer,
        concurrency=THREADS,
        queues=[broker_name(context.settings, name) for name in queues],
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        loglevel="WARNING",
    )


def _stop_on_signals(context: WorkContext) -> None:
    def _stop(_number: int, _frame: FrameType | None) -> None:
        if not context.stopping.is_set():
            context.stopping.set()
            _cancel_later(context)
        _stop_controllers()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)


def _cancel_later(context: WorkContext) -> threading.Timer:
    watchdog = threading.Timer(SHUTDOWN_SECONDS, context.cancel_steps)
    watchdog.daemon = True
    watchdog.start()
    return watchdog


def _stop_controllers() -> None:
    # Read by the controller's own thread once a second; other threads must not close its sockets.
    worker_state.should_stop = EXIT_CLEAN


def _terminate_process() -> None:
    os.kill(os.getpid(), signal.SIGTERM)

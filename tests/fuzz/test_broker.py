"""Whatever lies on the task queues: a bell is heard, all else is dropped and starts nothing."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from kombu.connection import Connection
from kombu.messaging import Producer

from relayer.clock import SystemClock
from relayer.settings import Settings
from relayer.steps.fence import Fence
from relayer.steps.queues import DECIDE
from relayer.store.engine import engine_of
from relayer.store.job_records import JobState
from relayer.store.jobs import Job
from relayer.store.unit_of_work import Store
from relayer.worker.app import WORK, broker_name
from relayer.worker.bell import (
    BELL_BYTES_MAX,
    RungFor,
    fault_of_content,
    fault_of_message,
)
from relayer.worker.context import WorkContext
from relayer.worker.doorbell import TASK_PREFIX, Doorbell
from relayer.worker.processing import Done, Outcome, Work
from relayer.worker.runner import EmbeddedWorker, worker_app
from tests.databases import TestDatabases
from tests.fuzz.bounds import bounded, fuzzed
from tests.fuzz.garbage import JSON_VALUES, RAW_JSON, TEXTS, mutated
from tests.fuzz.images import database_image
from tests.relayer.worker.kit import MEMORY_URL, new_prefix, ring_keys, wait_until, worker_settings

TASK: Final = TASK_PREFIX + DECIDE
HEADERS: Final[dict[str, Any]] = {
    "lang": "py",
    "task": TASK,
    "id": "5e3c1b9a-0000-4000-8000-000000000000",
    "eta": None,
    "expires": None,
    "group": None,
    "retries": 0,
    "timelimit": [None, None],
    "root_id": "5e3c1b9a-0000-4000-8000-000000000000",
    "parent_id": None,
    "ignore_result": True,
}
EMBEDDED: Final[dict[str, Any]] = {
    "callbacks": None,
    "errbacks": None,
    "chain": None,
    "chord": None,
}
CONTENT: Final[list[Any]] = [[DECIDE], {}, EMBEDDED]
OTHER: Final[dict[str, Any]] = {
    "task": TASK,
    "args": [DECIDE],
    "kwargs": {},
    "options": {},
    "subtask_type": None,
    "immutable": True,
}
ROUNDS: Final = 3
RUNG_FOR: Final = RungFor(tasks={TASK}, queues={DECIDE})
CELERY_TASKS: Final = (
    "celery.map",
    "celery.starmap",
    "celery.chunks",
    "celery.group",
    "celery.chain",
    "celery.chord",
    "celery.chord_unlock",
    "celery.accumulate",
    "celery.backend_cleanup",
)
FOREIGN_TYPES: Final = (
    "application/x-python-serialize",
    "application/x-yaml",
    "application/x-msgpack",
    "application/data",
    "text/plain",
    "",
)


@dataclass(frozen=True)
class Letter:
    """One message as somebody puts it on the queue."""

    body: bytes
    headers: dict[str, Any] = field(default_factory=lambda: dict(HEADERS))
    content_type: str = "application/json"
    content_encoding: str = "utf-8"


@st.composite
def letters(draw: st.DrawFn) -> Letter:
    """Draw a message that is a bell but for its headers, its content or its type, or is garbage."""
    body = json.dumps(CONTENT).encode()
    headers = dict(HEADERS)
    match draw(st.sampled_from(["headers", "content", "garbage", "celery", "wish", "type"])):
        case "headers":
            headers = draw(mutated(HEADERS))
        case "content":
            body = json.dumps(draw(mutated(CONTENT))).encode()
        case "garbage":
            body = draw(RAW_JSON)
        case "celery":
            headers["task"] = draw(st.sampled_from(CELERY_TASKS) | TEXTS)
            body = json.dumps([[[OTHER] * 9, [[DECIDE]] * 9], {}, EMBEDDED]).encode()
        case "wish":
            name = draw(st.sampled_from([*EMBEDDED, "eta", "expires", "retries", "timelimit"]))
            value = draw(st.sampled_from([[OTHER], OTHER, "2099-01-01T00:00:00", 5, [1, 1]]))
            headers |= {name: value} if name in HEADERS else {}
            body = json.dumps([[DECIDE], {}, EMBEDDED | {name: value}]).encode()
        case _:
            kind = draw(st.sampled_from(FOREIGN_TYPES))
            return Letter(body, headers, kind, draw(st.sampled_from(["utf-8", "binary", "zz"])))
    return Letter(body, headers)


@fuzzed(300)
@given(letter=letters())
@example(letter=Letter(b"x" * 1_000_000))
@example(letter=Letter(b"[" * BELL_BYTES_MAX))
def test_only_a_bell_passes(letter: Letter) -> None:
    """What passes names a task and a queue of this worker, and wishes for nothing else."""
    with bounded(cpu_seconds_max=0.5):
        fault = fault_of_message(letter.headers, letter.content_type, letter.body)
        try:
            content = json.loads(letter.body)
        except (ValueError, RecursionError):
            return
        fault = fault or fault_of_content(letter.headers["task"], content, RUNG_FOR)
    if fault is None:
        assert letter.headers["task"] == TASK
        assert content[:2] == [[DECIDE], {}]
        assert not any(content[2].values())
        assert not any(letter.headers.get(name) for name in ("eta", "expires", "retries"))


@fuzzed(150)
@given(headers=JSON_VALUES, kind=JSON_VALUES, body=JSON_VALUES | st.binary(), content=JSON_VALUES)
def test_values_of_any_type_are_judged(headers: Any, kind: Any, body: Any, content: Any) -> None:
    """The transports hand on whatever they read."""
    assert fault_of_message(headers, kind, body) is not None
    assert fault_of_content(headers, content, RUNG_FOR) is not None


class Worker:
    """A real worker on the embedded broker that only counts, and a hand on its queue."""

    def __init__(self, url: str) -> None:
        self.ran: list[str] = []
        self.store = Store(engine_of(url), SystemClock())
        self.settings: Settings = worker_settings(url, MEMORY_URL, new_prefix())
        works = (Work(DECIDE, self._count),)
        app, self.context, _ = worker_app(self.settings, self.store, works)
        self.doorbell = Doorbell(app, self.store, self.settings)
        self._worker = EmbeddedWorker(app, self.context, is_looking=False)
        self._worker.start()

    def put(self, letter: Letter) -> None:
        """Put a message on the queue as it is."""
        name = broker_name(self.settings, DECIDE)
        with Connection(MEMORY_URL) as connection:
            Producer(connection.default_channel, auto_declare=False).publish(
                letter.body,
                exchange=broker_name(self.settings, WORK),
                routing_key=name,
                headers=letter.headers,
                content_type=letter.content_type,
                content_encoding=letter.content_encoding,
            )

    def still_works(self, key: str) -> None:
        """Wish a job, ring, and wait until it ran."""
        ring_keys(self.store, key)
        self.doorbell.ring_soon()
        wait_until(lambda: key in self.ran, f"job {key} ran", 20.0)
        wait_until(lambda: self._has_ended(key), f"job {key} ended", 20.0)

    def close(self) -> None:
        """End it."""
        self.doorbell.close()
        self._worker.stop()
        self.context.close()
        self.store.close()

    def _has_ended(self, key: str) -> bool:
        with self.store.read() as uow:
            return uow.jobs.job(DECIDE, key).state is JobState.IDLE

    def _count(self, _context: WorkContext, job: Job, _fence: Fence) -> Outcome:
        self.ran.append(job.key)
        return Done()


@pytest.fixture(scope="module")
def database_url(databases: TestDatabases) -> str:
    """The URL of a database for the worker."""
    return databases.migrated_url("sqlite")


@pytest.fixture(scope="module")
def worker(database_url: str) -> Iterator[Worker]:
    """A worker that runs while the tests of this file do."""
    made = Worker(database_url)
    made.still_works("00")
    yield made
    made.close()


@pytest.mark.parametrize("number", range(ROUNDS))
def test_a_worker_outlives_what_lies_on_its_queue(
    worker: Worker, database_url: str, number: int
) -> None:
    """A crowd of garbage changes no row, starts no thread, and the next bell is heard."""
    count = len(worker.ran)
    threads = threading.active_count()
    before = database_image(database_url)

    @fuzzed(25)
    @given(letter=letters())
    @example(letter=Letter(b"\x1f\x8b" + bytes(100), HEADERS | {"compression": "gzip"}))
    @example(letter=Letter(b"cos\nsystem\n(S'true'\ntR.", HEADERS, FOREIGN_TYPES[0], "binary"))
    @example(letter=Letter(b"!!python/object/apply:os.system ['true']", {}, FOREIGN_TYPES[1]))
    def put(letter: Letter) -> None:
        worker.put(letter)

    with bounded(cpu_seconds_max=20.0):
        put()
        worker.put(Letter(json.dumps(CONTENT).encode()))
        wait_until(lambda: _is_empty(worker), "the queue is read")

    assert worker.ran[count:] == []
    assert database_image(database_url) == before
    worker.still_works(f"{number + 1:02x}")
    assert threading.active_count() <= threads + 5


def _is_empty(worker: Worker) -> bool:
    with Connection(MEMORY_URL) as connection:
        name = broker_name(worker.settings, DECIDE)
        return bool(connection.default_channel._size(name) == 0)

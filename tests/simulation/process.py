"""Processes of the fleet, and where each may die, lose its database or wait for the others."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import StaticPool

from relayer.clock import Clock
from relayer.steps.fence import Fence, job_fence
from relayer.store.engine import READ_ONLY
from relayer.store.jobs import Job
from relayer.store.unit_of_work import Store, UnitOfWork
from tests.simulation.chance import Chance

MEANWHILE_DEPTH_MAX: Final = 2
FENCED: Final = "fenced_job"
TOKEN: Final = "SELECT token FROM job WHERE kind = ? AND key = ?"


class CrashError(BaseException):
    """The process is dead: nothing in it can catch this, and it does nothing more."""


class ViolationError(BaseException):
    """Something that must always hold does not; it ends the run, so no step may catch it."""

    def __init__(self, invariant: str, detail: str) -> None:
        super().__init__(f"{invariant}: {detail}")
        self.invariant = invariant


@dataclass(slots=True)
class Database:
    """
    One database in memory: what its processes share, and what survives them.

    raw is the connection below the engine; there is only one.
    """

    name: str
    engine: Engine
    raw: Any
    is_open: bool = False

    def copy_from(self, other: "Database") -> None:
        """Take the content of another database."""
        other.raw.backup(self.raw)


def database_in_memory(name: str) -> Database:
    """Return an empty database; transactions begin as those of the real engine do."""
    engine = create_engine(
        "sqlite://",
        poolclass=StaticPool,
        pool_reset_on_return=None,
        connect_args={"check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def _connected(dbapi_connection: Any, _record: object) -> None:
        dbapi_connection.isolation_level = None
        dbapi_connection.execute("PRAGMA foreign_keys = ON")

    @event.listens_for(engine, "begin")
    def _began(connection: Any) -> None:
        # Past the engine, which would make two more statements of it: this runs very often.
        is_read_only = connection.get_execution_options().get(READ_ONLY, False)
        raw = connection.connection.driver_connection
        raw.execute(f"PRAGMA query_only = {'ON' if is_read_only else 'OFF'}")
        raw.execute("BEGIN" if is_read_only else "BEGIN IMMEDIATE")

    with engine.connect() as connection:
        raw = connection.connection.driver_connection
    return Database(name, engine, raw)


@dataclass(slots=True)
class Surroundings:
    """
    What every process is exposed to.

    Args:
        go_on: lets the rest of the world do something while a process waits.
        note: writes a line of the trace.
    """

    chance: Chance
    clock: Clock
    go_on: Callable[[], None]
    note: Callable[[str], None]
    depth: int = 0


@dataclass(slots=True)
class Process:
    """
    One process: it may die at any transaction and at any call to the outside.

    After its death it can do nothing more, in no cleanup either; a new one takes its place.
    """

    name: str
    database: Database
    around: Surroundings
    is_dead: bool = False
    busy: set[str] = field(default_factory=set)
    store: Store = field(init=False)

    def __post_init__(self) -> None:
        self.store = FaultyStore(self)

    def call_point(self, what: str) -> None:
        """Pass a call to the outside: here it may die, and here the world may go on."""
        if self.database.is_open:
            raise ViolationError("no_call_in_transaction", f"{self.name} calls {what}")
        self.die_perhaps(what)
        self.wait_perhaps(what)

    def die_perhaps(self, where: str) -> None:
        """Die here, if chance wants it or if it is dead already."""
        if not self.is_dead and self.around.chance.hits(self.around.chance.rates.crash):
            self.around.note(f"! {self.name} dies at {where}")
            self.is_dead = True
        if self.is_dead:
            raise CrashError(self.name)

    def wait_perhaps(self, where: str) -> None:
        """Let the others go on for a while, if chance wants it."""
        around = self.around
        if around.depth >= MEANWHILE_DEPTH_MAX or not around.chance.hits(around.chance.rates.pause):
            return
        around.note(f"~ {self.name} waits at {where}")
        around.depth += 1
        try:
            around.go_on()
        finally:
            around.depth -= 1
        around.note(f"~ {self.name} goes on at {where}")
        if self.is_dead:
            raise CrashError(self.name)

    def lose_database_perhaps(self, where: str) -> None:
        """Raise what the driver raises when the database is away."""
        if self.around.chance.hits(self.around.chance.rates.database):
            self.around.note(f"! {self.name} loses its database {where}")
            raise OperationalError("simulated", None, ConnectionError(where))


def check_fenced(uow: UnitOfWork) -> None:
    """
    Check that a transaction on behalf of a job commits while the job is still its process's.

    Raises:
        ViolationError: another process has the job.
    """
    job: Job | None = getattr(uow, FENCED, None)
    if job is None:
        return
    found = uow.connection.exec_driver_sql(TOKEN, (job.kind, job.key)).scalar_one()
    if found != job.token:
        raise ViolationError("fenced_commit", f"{job.kind} {job.key} is another process's now")


def noting_fence(job: Job, lease_seconds: int, *, is_effect: bool = False) -> Fence:
    """Return the real fence of a job; the transaction remembers that it passed it."""
    fence = job_fence(job, lease_seconds, is_effect=is_effect)

    def _fence(uow: UnitOfWork) -> None:
        fence(uow)
        setattr(uow, FENCED, job)

    return _fence


class FaultyStore(Store):
    """A process's view of its database: each transaction may fail before or after its commit."""

    def __init__(self, process: Process) -> None:
        super().__init__(process.database.engine, process.around.clock)
        self._process = process

    @contextmanager
    def unit_of_work(self) -> Iterator[UnitOfWork]:
        """Yield one transaction, if nothing happens."""
        process = self._process
        process.die_perhaps("begin")
        process.wait_perhaps("begin")
        process.lose_database_perhaps("before the commit")
        with self._exclusively(), super().unit_of_work() as uow:
            yield uow
            process.die_perhaps("commit")
            check_fenced(uow)
        process.die_perhaps("committed")
        process.lose_database_perhaps("after the commit")
        process.wait_perhaps("committed")

    @contextmanager
    def read(self) -> Iterator[UnitOfWork]:
        """Yield one snapshot, if nothing happens."""
        process = self._process
        process.die_perhaps("read")
        process.lose_database_perhaps("before a read")
        with self._exclusively(), super().read() as uow:
            yield uow
        process.wait_perhaps("read")

    @contextmanager
    def _exclusively(self) -> Iterator[None]:
        database = self._process.database
        if database.is_open:
            raise ViolationError("one_transaction", f"{self._process.name} opens a second one")
        database.is_open = True
        try:
            yield
        finally:
            database.is_open = False

"""
Processes of `relayer` that start at once: forked from a server that has the program loaded.

Each is a process of its own with its own id, signals, connections and exit status. Only the second
that Python needs to read the program is saved, so that more of a run is work to be killed in.
"""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from types import TracebackType
from typing import Final, Self

PRELOADED: Final = (
    "tests.faults.load.program",
    "relayer.cli.main",
    "relayer.cli.supervisor",
    "relayer.api.serve",
    "relayer.worker.runner",
    "relayer.worker.sweeper",
    "relayer.worker.watcher",
    "chains.evm.reader",
    "celery.concurrency.thread",
    "celery.worker.components",
    "celery.worker.consumer",
    "kombu.transport.pyamqp",
    "kombu.transport.memory",
    "psycopg",
    "uvicorn.loops.auto",
    "uvicorn.protocols.http.auto",
    "uvicorn.lifespan.on",
)
STOP_SECONDS_MAX: Final = 40.0
LOG_TAIL_LINES: Final = 25


def run_command(arguments: list[str], log: str) -> None:
    """Be `relayer <arguments>`; what it writes goes to a file."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for standard in (1, 2):
        os.dup2(descriptor, standard)
    from relayer.cli.main import app  # noqa: PLC0415 - not needed where the process is started

    app(arguments)


def wound_of(log: Path) -> Path:
    """Return the file in which a wounded process leaves the time of it, beside its log."""
    return log.with_suffix(".wound")


class LoadProcesses:
    """Processes by name; a context manager that leaves none behind."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(list(PRELOADED))
        self.commands: dict[str, list[str]] = {}
        self._running: dict[str, ForkServerProcess] = {}
        self.started: list[int] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for name in tuple(self._running):
            self.kill(name)

    @property
    def names(self) -> tuple[str, ...]:
        """The processes that run, or should."""
        return tuple(self._running)

    def start(self, name: str, *arguments: str) -> int:
        """Start `relayer <arguments>`, or again what had the name before; return its id."""
        if arguments:
            self.commands[name] = list(arguments)
        return self.start_as(name, run_command)

    def start_as(self, name: str, run: Callable[..., None], *wound: int) -> int:
        """Start a name's command inside a program that wounds it; return its id."""
        arguments = (self.commands[name], str(self.log(name)), *wound)
        process = self._context.Process(target=run, args=arguments, name=name)
        process.start()
        self._running[name] = process
        self.started.append(self.pid(name))
        return self.pid(name)

    def pid(self, name: str) -> int:
        """Return the id of a process."""
        pid = self._running[name].pid
        assert pid is not None
        return pid

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a process."""
        os.kill(self.pid(name), number)

    def kill(self, name: str) -> None:
        """End a process as a crash would."""
        process = self._running.pop(name)
        process.kill()
        process.join()

    def stop(self, name: str, seconds_max: float = STOP_SECONDS_MAX) -> tuple[int, float]:
        """Ask a process to end; return its exit status and the seconds it took."""
        process = self._running.pop(name)
        begun = time.monotonic()
        process.terminate()
        process.join(seconds_max)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise AssertionError(f"{name} did not end in {seconds_max} s:\n{self.tail(name)}")
        return process.exitcode, time.monotonic() - begun

    def wait_for_end(self, name: str, seconds_max: float) -> float:
        """
        Wait for a process that is wounded and ends by itself, with status 0.

        Returns:
            The seconds since it was wounded.
        """
        process = self._running.pop(name)
        process.join(seconds_max)
        if process.exitcode != 0:
            process.kill()
            process.join()
            raise AssertionError(f"{name}: status {process.exitcode}:\n{self.tail(name)}")
        return time.monotonic() - float(wound_of(self.log(name)).read_text())

    def is_frozen(self, name: str) -> bool:
        """Return whether a process stands still."""
        return Path(f"/proc/{self.pid(name)}/stat").read_text().rpartition(") ")[2][0] == "T"

    def is_alive(self, name: str) -> bool:
        """Return whether a process has not ended."""
        return self._running[name].is_alive()

    def check(self) -> None:
        """Fail when a process ended by itself."""
        for name, process in self._running.items():
            if process.exitcode is not None:
                raise AssertionError(f"{name}: status {process.exitcode}:\n{self.tail(name)}")

    def left_over(self) -> list[int]:
        """Return the ids of processes that were started and still live."""
        return [pid for pid in self.started if Path(f"/proc/{pid}").exists()]

    def tail(self, name: str) -> str:
        """Return the last lines of a process's log."""
        log = self.log(name)
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        return "\n".join(lines[-LOG_TAIL_LINES:])

    def log(self, name: str) -> Path:
        """Return the file that a process writes to."""
        return self.folder / f"{name}.log"

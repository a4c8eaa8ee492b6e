"""The processes of one run: started here, watched here, and ended here by their ids."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

import httpx

from relayer.errors import RelayerError

STOP_SECONDS_MAX: Final = 15.0
READY_SECONDS_MAX: Final = 60.0
READY_POLL_SECONDS: Final = 0.1
LOG_TAIL_LINES: Final = 15


class ProcessEndedError(RelayerError):
    """A process of the demo ended by itself; the end of its log says why."""

    def __init__(self, *, name: str, exit_code: int, tail: str) -> None:
        super().__init__(f"{name} ended with status {exit_code}:\n{tail}")
        self.name = name


class Processes:
    """Child processes by name; a context manager that leaves none behind."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._commands: dict[str, list[str]] = {}
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._logs: dict[str, IO[bytes]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop_all()

    def start(self, name: str, arguments: Iterable[str]) -> int:
        """Start `relayer <arguments>` and return its process id; its output goes to a file."""
        self._commands[name] = [sys.executable, "-m", "relayer.cli", *arguments]
        return self._spawn(name)

    def pid(self, name: str) -> int:
        """Return the process id of a running process."""
        return self._running[name].pid

    def kill(self, name: str) -> None:
        """End a process as a crash would."""
        process = self._running.pop(name)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()

    def restart(self, name: str) -> int:
        """Start a process again with the command it had."""
        return self._spawn(name)

    def check(self) -> None:
        """
        Notice a process that ended by itself.

        Raises:
            ProcessEndedError: one did.
        """
        for name, process in tuple(self._running.items()):
            exit_code = process.poll()
            if exit_code is not None:
                raise ProcessEndedError(name=name, exit_code=exit_code, tail=self.tail(name))

    def tail(self, name: str) -> str:
        """Return the last lines of a process's log."""
        path = self.folder / f"{name}.log"
        return "\n".join(path.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:])

    def wait_until_up(self, urls: Iterable[str]) -> None:
        """
        Wait until every URL answers 200.

        Raises:
            ProcessEndedError: a process ended meanwhile.
            TimeoutError: one does not answer in time.
        """
        deadline = time.monotonic() + READY_SECONDS_MAX
        for url in urls:
            while not _answers(url):
                self.check()
                if time.monotonic() > deadline:
                    raise TimeoutError(f"{url} did not answer in {READY_SECONDS_MAX:.0f} s")
                time.sleep(READY_POLL_SECONDS)

    def stop_all(self) -> None:
        """Ask every process to end, and end those that do not."""
        for process in self._running.values():
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS_MAX
        for process in self._running.values():
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._running.clear()
        for log in self._logs.values():
            log.close()
        self._logs.clear()

    def _spawn(self, name: str) -> int:
        if name not in self._logs:
            self._logs[name] = (self.folder / f"{name}.log").open("ab")
        process = subprocess.Popen(  # noqa: S603 - our own program, no shell
            self._commands[name],
            stdin=subprocess.DEVNULL,
            stdout=self._logs[name],
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._running[name] = process
        return process.pid


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=1.0).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False

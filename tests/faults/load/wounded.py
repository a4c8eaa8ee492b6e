"""
Processes of `relayer` that a test wounds at an exact point: inside a COMMIT, or before a BEGIN.

The engine's own events are what is hooked in; the program itself is as it is.
"""

import os
import signal
import time
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Engine, event

from tests.faults.load.program import run_command, wound_of
from tests.relayer.worker import program as acting

FROZEN: Final = 1_000_000_000


def run_until_commit(arguments: list[str], log: str, number: int) -> None:
    """Be `relayer <arguments>`; send SIGTERM to this process inside its COMMIT of that number."""
    left = [number]

    def _commits(_connection: object) -> None:
        left[0] -= 1
        if not left[0]:
            wound_of(Path(log)).write_text(str(time.monotonic()))
            os.kill(os.getpid(), signal.SIGTERM)

    event.listen(Engine, "commit", _commits)
    run_command(arguments, log)


def run_until_begin(arguments: list[str], log: str, number: int) -> None:
    """
    Be `relayer <arguments>`; freeze this process before its transaction of that number.

    It is frozen while none is open in another thread: what a frozen process has open blocks others
    until the server ends its session.
    """
    begun = [0]
    is_open: set[object] = set()

    def _begins(connection: object) -> None:
        begun[0] += 1
        if begun[0] >= number and not is_open and begun[0] < FROZEN:
            begun[0] = FROZEN
            os.kill(os.getpid(), signal.SIGSTOP)
        is_open.add(connection)

    # The engine's own listener opens the transaction on SQLite; this one comes before it.
    event.listen(Engine, "begin", _begins, insert=True)
    for end in ("commit", "rollback"):
        event.listen(Engine, end, is_open.discard)
    run_command(arguments, log)


def run_acting(arguments: list[str], log: str, *_: Any) -> None:
    """Be a worker whose jobs do what their keys say."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for standard in (1, 2):
        os.dup2(descriptor, standard)
    raise SystemExit(acting.main(arguments))

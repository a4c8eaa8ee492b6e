"""A PostgreSQL server of the test's own, which it may restart as it likes."""

import os
import pwd
import shutil
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import pytest

from chains.devnet.anvil import free_port

COMMAND_SECONDS_MAX: Final = 60.0
USERS: Final = ("postgres", "embedded_postgres")
ENDURING: Final = "-c fsync=off -c synchronous_commit=off -c max_connections=60"


class OwnPostgres:
    """A server in a new folder; a context manager that removes both."""

    def __init__(self) -> None:
        self._programs = _programs()
        self._user = _user()
        self._folder = Path(tempfile.mkdtemp(prefix="relayer-postgres-"))
        self._port = free_port()
        self.url = f"postgresql://postgres@127.0.0.1:{self._port}/postgres"

    def __enter__(self) -> Self:
        if self._user is not None:
            shutil.chown(self._folder, self._user)
        try:
            self._run("initdb", "-D", self._place, "-A", "trust", "-U", "postgres", "--no-sync")
            self.start()
        except (OSError, subprocess.SubprocessError) as exc:
            self._remove()
            pytest.skip(f"no PostgreSQL of our own can be started: {exc}")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with suppress(subprocess.SubprocessError):
            self.stop("immediate")
        self._remove()

    def start(self) -> None:
        """Start, and wait until it answers."""
        options = f"-p {self._port} -k {self._folder} -c listen_addresses=127.0.0.1 {ENDURING}"
        log = str(self._folder / "log")
        self._run("pg_ctl", "-D", self._place, "-w", "-l", log, "-o", options, "start")

    def stop(self, mode: str) -> None:
        """Stop: fast ends the sessions and writes what is to write, immediate is a crash."""
        self._run("pg_ctl", "-D", self._place, "-w", "-m", mode, "stop")

    @property
    def _place(self) -> str:
        return str(self._folder / "cluster")

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [str(self._programs / program), *arguments],
            check=True,
            timeout=COMMAND_SECONDS_MAX,
            user=self._user,
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def _remove(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)


def _programs() -> Path:
    """Return where initdb and pg_ctl are: the system's, or those of the embedded package."""
    for found in sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True):
        return found.parent
    try:
        from embedded_postgres._commands import POSTGRES_BIN_PATH  # noqa: PLC0415
    except ImportError as exc:
        pytest.skip(f"neither a system's PostgreSQL nor an embedded one: {exc}")
    return Path(POSTGRES_BIN_PATH)


def _user() -> str | None:
    """Return as whom the server runs: it refuses to run as root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    for name in USERS:
        if name in names:
            return name
    pytest.skip("PostgreSQL does not run as root, and there is no user postgres")

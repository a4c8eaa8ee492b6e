"""A RabbitMQ broker of the test's own, whose queues it may break as it likes."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import pytest

from chains.devnet.anvil import free_port

PROGRAMS: Final = Path("/usr/lib/rabbitmq/bin")
NODE: Final = "relayer-test@localhost"
START_SECONDS_MAX: Final = 120.0
COMMAND_SECONDS_MAX: Final = 60.0
STOP_SECONDS_MAX: Final = 30.0
POLL_SECONDS: Final = 0.2
# A second member that does not exist: from its next start on the queue elects nobody. Two calls, so
# that the first is on disk when the queue stops.
MEMBER: Final = 'Name = list_to_atom("%2F_{queue}"), Member = {{Name, node()}}, '
ADD_GHOST: Final = MEMBER + "{{ok, _, _}} = ra:add_member(Member, {{Name, ghost@nowhere}})."
RESTART: Final = (
    MEMBER + "ok = ra:stop_server(quorum_queues, Member), "
    "ok = ra:restart_server(quorum_queues, Member), element(1, ra:members(Member, 3000))."
)
RESTARTS_MAX: Final = 5


class OwnRabbitmq:
    """A broker in a new folder; a context manager that ends the one and removes the other."""

    def __init__(self) -> None:
        if not (PROGRAMS / "rabbitmq-server").exists():
            pytest.skip(f"no RabbitMQ in {PROGRAMS}")
        self._folder = Path(tempfile.mkdtemp(prefix="relayer-rabbitmq-"))
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"amqp://guest:guest@127.0.0.1:{self._port}//"

    def __enter__(self) -> Self:
        (self._folder / "plugins").write_text("[].\n")
        self._process = subprocess.Popen(
            [str(PROGRAMS / "rabbitmq-server")],
            env=self._environment(),
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            self._wait_until_up()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end()

    def lose_leader(self, queue: str) -> None:
        """Leave a quorum queue of the default virtual host without a leader, for good."""
        self._evaluate(ADD_GHOST.format(queue=queue))
        for _ in range(RESTARTS_MAX):
            if self._evaluate(RESTART.format(queue=queue)) != "ok":
                return
        raise AssertionError(f"{queue} still has a leader after {RESTARTS_MAX} restarts")

    def _evaluate(self, program: str) -> str:
        return subprocess.run(
            [str(PROGRAMS / "rabbitmqctl"), "-n", NODE, "eval", program],
            check=True,
            timeout=COMMAND_SECONDS_MAX,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout.strip()

    def _environment(self) -> dict[str, str]:
        """Return an environment in which nothing of the machine's own broker is found."""
        folder = self._folder
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "RABBITMQ_NODENAME": NODE,
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self._port),
            "RABBITMQ_DIST_PORT": str(self._port + 1),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "no-environment"),
            "RABBITMQ_CONFIG_FILE": str(folder / "no-configuration"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "no-advanced-configuration"),
        }

    def _wait_until_up(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + START_SECONDS_MAX
        pause = threading.Event()
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                pytest.skip(f"RabbitMQ ended with status {self._process.returncode}")
            with suppress(OSError):
                socket.create_connection(("127.0.0.1", self._port), timeout=1).close()
                return
            pause.wait(POLL_SECONDS)
        pytest.skip(f"RabbitMQ did not listen within {START_SECONDS_MAX} s")

    def _end(self) -> None:
        """End what was started here, with all its children."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(STOP_SECONDS_MAX)
        shutil.rmtree(self._folder, ignore_errors=True)

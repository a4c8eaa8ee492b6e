"""Start and stop anvil, a local EVM node; no process outlives the one that started it."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from chains.devnet.rpc import DevnetError, DevnetRpc
from chains.devnet.running import Running
from chains.types import ChainId

PROJECT_ROOT: Final = Path(__file__).resolve().parents[2]
ANVIL_PATH: Final = (
    PROJECT_ROOT / "contracts/evm/node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil"
)
READY_SECONDS_MAX: Final = 15.0
STOP_SECONDS_MAX: Final = 5.0
POLL_SECONDS: Final = 0.01
START_ATTEMPTS_MAX: Final = 3
# The shell waits for its input to end, which also happens when we are killed, and then ends anvil.
GUARD_SCRIPT: Final = '"$@" >/dev/null 2>&1 </dev/null & echo $!; read _; kill $!; wait $!'


@dataclass(frozen=True, slots=True)
class AnvilOptions:
    """
    How one anvil runs.

    Args:
        port: None for a free one.
        block_time_seconds: None mines a block for each transaction.
        is_mixed: mine a block for each transaction beside those of block_time_seconds.
        slots_in_epoch: N; safe = latest - N, finalized = latest - 2 N.
        state_path: kept there over restarts, if given.
    """

    chain_number: int = 31337
    port: int | None = None
    block_time_seconds: float | None = None
    is_mixed: bool = False
    slots_in_epoch: int = 1
    state_path: Path | None = None


def find_anvil() -> Path:
    """
    Return the anvil binary of contracts/evm, else the one on PATH.

    Raises:
        DevnetError: there is none.
    """
    if ANVIL_PATH.is_file():
        return ANVIL_PATH
    found = shutil.which("anvil")
    if found is None:
        raise DevnetError("anvil is missing; run: cd contracts/evm && npm ci --ignore-scripts")
    return Path(found)


def free_port() -> int:
    """Return a port of the loopback interface that is free at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Anvil(Running):
    """One anvil process; a context manager."""

    def __init__(self, options: AnvilOptions) -> None:
        self.options = options
        self.chain_id = ChainId(f"eip155:{options.chain_number}")
        self.port = options.port or 0
        self._guard: subprocess.Popen[bytes] | None = None
        self._pid = 0
        self._rpc: DevnetRpc | None = None

    @property
    def rpc_url(self) -> str:
        """The node's HTTP address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        """The node's websocket address."""
        return f"ws://127.0.0.1:{self.port}"

    @property
    def rpc(self) -> DevnetRpc:
        """
        The blocking client of this node.

        Raises:
            DevnetError: the node is not running.
        """
        if self._rpc is None:
            raise DevnetError("anvil is not running; call start() first")
        return self._rpc

    @property
    def pid(self) -> int:
        """The process id of anvil, 0 while it is not running."""
        return self._pid

    def start(self) -> None:
        """
        Start the node and wait until it answers; after stop() it starts on the same port.

        Raises:
            DevnetError: already running, no binary, or no answer in time.
        """
        if self._guard is not None:
            raise DevnetError("anvil is running already")
        for attempt in range(START_ATTEMPTS_MAX):
            self.port = self.port or free_port()
            try:
                self._spawn()
                return
            except DevnetError:
                self.stop()
                if self.options.port is not None or attempt == START_ATTEMPTS_MAX - 1:
                    raise
                self.port = 0  # somebody took the port in between: try another

    def stop(self) -> None:
        """End the node; calling it twice is fine."""
        guard, self._guard, self._pid = self._guard, None, 0
        if self._rpc is not None:
            self._rpc.close()
            self._rpc = None
        if guard is None or guard.stdin is None or guard.stdout is None:
            return
        with contextlib.suppress(BrokenPipeError):
            guard.stdin.close()
        try:
            guard.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            os.killpg(guard.pid, signal.SIGKILL)
            guard.wait(STOP_SECONDS_MAX)
        guard.stdout.close()

    def kill(self) -> None:
        """End the node without giving it a chance to write anything, as a crash would."""
        if self._pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
        self.stop()

    def _spawn(self) -> None:
        command = ["/bin/sh", "-c", GUARD_SCRIPT, "guard", str(find_anvil()), *self._arguments()]
        self._guard = subprocess.Popen(  # noqa: S603  (our own binary, no shell expansion)
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        if self._guard.stdout is None:
            raise DevnetError("anvil's guard has no output")
        self._pid = int(self._guard.stdout.readline())
        self._rpc = DevnetRpc(self.chain_id, self.rpc_url)
        deadline = time.monotonic() + READY_SECONDS_MAX
        while not self._is_ready():
            if time.monotonic() > deadline:
                raise DevnetError(f"anvil did not answer on port {self.port} in time")
            time.sleep(POLL_SECONDS)

    def _is_ready(self) -> bool:
        try:
            number = int(str(self.rpc.call("eth_chainId")), 16)
        except DevnetError:
            return False
        if number != self.options.chain_number:
            raise DevnetError(f"port {self.port} is served by chain {number}, not by ours")
        return True

    def _arguments(self) -> list[str]:
        options = self.options
        arguments = ["--host", "127.0.0.1", "--port", str(self.port), "--silent"]
        arguments += ["--chain-id", str(options.chain_number)]
        arguments += ["--slots-in-an-epoch", str(options.slots_in_epoch)]
        arguments += ["--no-request-size-limit"]
        if options.block_time_seconds is not None:
            arguments += ["--block-time", str(options.block_time_seconds)]
        if options.is_mixed:
            arguments += ["--mixed-mining"]
        if options.state_path is not None:
            arguments += ["--state", str(options.state_path)]
        return arguments

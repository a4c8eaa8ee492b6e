"""The API as a process of its own, on a port of its own."""

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
import pytest

ROOT: Final = Path(__file__).parents[3]
START_SECONDS: Final = 90
PROGRAM: Final = """
import sys
from relayer.api.serve import serve
from relayer.telemetry import configure_logging, event_log
from tests.relayer.api.kit import deployment_settings
configure_logging(service="api", node="test", log_format="json", log_level="info")
event_log().info("process.started")
serve(deployment_settings(sys.argv[1], api={"listen_port": int(sys.argv[2])}))
event_log().info("process.stopped")
"""


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until_ready(url: str, process: "subprocess.Popen[str]") -> None:
    """Poll until the process takes requests; fail when it ends or the time is over."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/readyz").status_code == 200:
                return
        except httpx.TransportError:
            threading.Event().wait(0.1)
    pytest.fail("the API did not become ready")


@dataclass(frozen=True, slots=True)
class Served:
    """A running API."""

    url: str
    process: "subprocess.Popen[str]"


@contextmanager
def served(database_url: str) -> Iterator[Served]:
    """Run the API on a migrated database until the block ends."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, database_url, str(port)],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until_ready(url, process)
        yield Served(url, process)
    finally:
        process.kill()
        process.wait()

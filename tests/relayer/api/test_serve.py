"""The API as a process: it serves, and SIGTERM ends it cleanly."""

import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Final

import httpx
import pytest

from relayer.api.serve import serve
from relayer.errors import SchemaVersionError
from tests.databases import TestDatabases
from tests.relayer.api.kit import deployment_settings

ROOT: Final = Path(__file__).parents[3]
START_SECONDS: Final = 40
END_SECONDS: Final = 15
PROGRAM: Final = """
import sys
from relayer.api.serve import serve
from tests.relayer.api.kit import deployment_settings
serve(deployment_settings(sys.argv[1], api={"listen_port": int(sys.argv[2])}, log_format="json"))
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


def test_sigterm_ends_it_cleanly_with_a_request_waiting(api_databases: TestDatabases) -> None:
    """Status 0; who waits for events is answered; every log line is JSON."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    database_url = api_databases.migrated_url("sqlite")
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, database_url, str(port)],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )
    answers: list[httpx.Response] = []
    try:
        wait_until_ready(url, process)
        waiter = threading.Thread(
            target=lambda: answers.append(
                httpx.get(f"{url}/v1/events", params={"wait_seconds": 30}, timeout=60)
            )
        )
        waiter.start()
        threading.Event().wait(0.5)

        process.send_signal(signal.SIGTERM)

        assert process.wait(END_SECONDS) == 0
        waiter.join(END_SECONDS)
        assert [answer.status_code for answer in answers] == [200]
    finally:
        process.kill()
        process.wait()
    lines = process.stderr.read().splitlines() if process.stderr else []
    assert lines
    assert all(line.startswith("{") and line.endswith("}") for line in lines), lines


def test_an_old_database_is_not_served(api_databases: TestDatabases) -> None:
    """It ends at once with the command that helps."""
    settings = deployment_settings(api_databases.empty_url("sqlite"))

    with pytest.raises(SchemaVersionError, match="relayer db upgrade"):
        serve(settings)

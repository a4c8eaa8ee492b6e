"""How tests run here: nothing leaves the machine, and nothing is skipped where all is required."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.style.source import ROOT

DOCUMENTATION_ADDRESS = "192.0.2.1"  # RFC 5737: nobody has it
SKIPPING_TEST = "import pytest\n\ndef test_absent():\n    pytest.skip('no node')\n"


def run_skipping_test(folder: Path, *, requires_all: bool) -> subprocess.CompletedProcess[str]:
    """Run one test that skips, under our conftest."""
    path = folder / "test_absent.py"
    path.write_text(SKIPPING_TEST)
    environment = os.environ | {"RELAYER_REQUIRE_ALL": "1" if requires_all else "0"}
    options = ["-q", "-p", "tests.conftest", "-p", "no:cacheprovider", "-c", "pyproject.toml"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options, path],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_connection_beyond_loopback_is_refused() -> None:
    """A test that would need the network fails at once and says what it asked for."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_STREAM) as connection,
        pytest.raises(RuntimeError, match="loopback only"),
    ):
        connection.connect((DOCUMENTATION_ADDRESS, 80))


def test_a_connection_to_loopback_is_allowed() -> None:
    """Databases, brokers and local chains are reached."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname(), timeout=5) as connection,
    ):
        assert connection.getpeername() == server.getsockname()


def test_a_skip_is_shown(tmp_path: Path) -> None:
    """On a machine without the service a test is skipped, with its reason."""
    answer = run_skipping_test(tmp_path, requires_all=False)

    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "1 skipped" in answer.stdout
    assert "no node" in answer.stdout


def test_a_skip_fails_where_everything_is_required(tmp_path: Path) -> None:
    """RELAYER_REQUIRE_ALL=1 leaves no way to pass without running."""
    answer = run_skipping_test(tmp_path, requires_all=True)

    assert answer.returncode == 1, answer.stdout + answer.stderr
    assert "no node" in answer.stdout

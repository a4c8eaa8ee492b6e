"""What holds for every test: marks by place, no network beyond loopback, no silent skip."""

import ipaddress
import os
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, settings

from tests.databases import TestDatabases
from tests.logs import reset_logs

REQUIRE_ALL: Final = os.environ.get("RELAYER_REQUIRE_ALL") == "1"
TESTS_FOLDER: Final = Path(__file__).parent
MARK_OF_FOLDER: Final = {"devnet": "devnet", "faults": "slow"}
MARK_OF_FIXTURE: Final = {"devnet": "devnet", "anvil": "devnet"}
MARK_OF_PARAMETER: Final = {"postgresql": "services", "rabbitmq": "services"}

settings.register_profile(
    "default", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.register_profile("deep", settings.get_profile("default"), max_examples=2_000)
settings.load_profile(os.environ.get("RELAYER_HYPOTHESIS_PROFILE", "default"))


class NetworkUsedError(RuntimeError):
    """A test talked to something that is not on this machine."""

    def __init__(self, host: str) -> None:
        super().__init__(f"tests talk to loopback only, this one asked for {host}")


def is_loopback(address: object) -> bool:
    """Return whether a socket address stays on this machine; names other than localhost do not."""
    if not isinstance(address, tuple):
        return True  # a Unix socket
    host = str(address[0])
    if host in ("", "localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def refuse_network(event: str, arguments: tuple[Any, ...]) -> None:
    """Stop a connection that would leave the machine."""
    if event == "socket.connect" and not is_loopback(arguments[1]):
        raise NetworkUsedError(str(arguments[1]))


sys.addaudithook(refuse_network)

reset_logs()


@pytest.fixture(scope="session")
def databases() -> Iterator[TestDatabases]:
    """What makes databases; its templates serve all tests of a process."""
    made = TestDatabases()
    yield made
    made.close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by their folder, the fixtures they ask for, and their parameters."""
    for item in items:
        inside = item.path.is_relative_to(TESTS_FOLDER)
        folders = item.path.relative_to(TESTS_FOLDER).parts[:-1] if inside else ()
        for folder in folders:
            if folder in MARK_OF_FOLDER:
                item.add_marker(MARK_OF_FOLDER[folder])
        for fixture in getattr(item, "fixturenames", ()):
            if fixture in MARK_OF_FIXTURE:
                item.add_marker(MARK_OF_FIXTURE[fixture])
        for value in getattr(getattr(item, "callspec", None), "params", {}).values():
            if isinstance(value, str) and value in MARK_OF_PARAMETER:
                item.add_marker(MARK_OF_PARAMETER[value])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip into a failure where everything is required: RELAYER_REQUIRE_ALL=1."""
    del item, call
    report = yield
    if REQUIRE_ALL and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, but RELAYER_REQUIRE_ALL=1: {report.longrepr}"
    return report

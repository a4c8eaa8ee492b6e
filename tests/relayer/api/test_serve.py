"""The API as a process: it serves, and SIGTERM ends it cleanly."""

import signal
import threading
from typing import Final

import httpx
import pytest

from relayer.api.serve import serve
from relayer.errors import SchemaVersionError
from tests.databases import TestDatabases
from tests.relayer.api.kit import deployment_settings
from tests.relayer.api.process import served

END_SECONDS: Final = 15


@pytest.mark.slow
def test_sigterm_ends_it_cleanly_with_a_request_waiting(databases: TestDatabases) -> None:
    """Status 0; who waits for events is answered; every log line is JSON."""
    answers: list[httpx.Response] = []
    with served(databases.migrated_url("sqlite")) as api:
        waiter = threading.Thread(
            target=lambda: answers.append(
                httpx.get(f"{api.url}/v1/events", params={"wait_seconds": 30}, timeout=60)
            )
        )
        waiter.start()
        threading.Event().wait(0.5)

        api.process.send_signal(signal.SIGTERM)

        assert api.process.wait(END_SECONDS) == 0
        waiter.join(END_SECONDS)
        assert [answer.status_code for answer in answers] == [200]
        assert api.process.stderr is not None
        lines = api.process.stderr.read().splitlines()
    assert lines
    assert all(line.startswith("{") and line.endswith("}") for line in lines), lines


def test_an_old_database_is_not_served(databases: TestDatabases) -> None:
    """It ends at once with the command that helps."""
    settings = deployment_settings(databases.empty_url("sqlite"))

    with pytest.raises(SchemaVersionError, match="relayer db upgrade"):
        serve(settings)

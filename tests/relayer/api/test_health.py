"""Liveness and readiness."""

from pathlib import Path

from fastapi.testclient import TestClient

from relayer.api.app import app_of
from relayer.clock import FixedClock
from relayer.steps.catalog import Catalog
from relayer.store.engine import engine_of
from relayer.store.unit_of_work import Store
from tests.databases import NOW


def test_a_process_that_runs_is_alive_and_ready(client: TestClient) -> None:
    """Both answer ok."""
    assert client.get("/livez").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"status": "ok"}


def test_a_database_one_migration_behind_is_not_ready(tmp_path: Path, catalog: Catalog) -> None:
    """503 with the command that helps; alive all the same."""
    store = Store(engine_of(f"sqlite:///{tmp_path / 'old.sqlite3'}"), FixedClock(NOW))
    with TestClient(app_of(store, catalog)) as client:
        ready, alive = client.get("/readyz"), client.get("/livez")
    store.close()

    assert (ready.status_code, alive.status_code) == (503, 200)
    assert "relayer db upgrade" in ready.json()["detail"]


def test_a_process_that_stops_is_not_ready(client: TestClient) -> None:
    """Others get its requests while it finishes."""
    client.app.state.doors.stopping.set()  # type: ignore[attr-defined]

    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert "stopping" in answer.json()["detail"]

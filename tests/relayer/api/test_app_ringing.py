"""The API rings the doorbell for what it accepted, and for nothing else."""

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from relayer.api.app import app_of
from relayer.steps.catalog import Catalog
from relayer.store.unit_of_work import Store
from tests.relayer.api.kit import ANN, OPEN, check_of, key_header, message_of


@pytest.fixture
def rings() -> list[int]:
    """How many messages were stored at each ring."""
    return []


@pytest.fixture
def ringing_client(store: Store, catalog: Catalog, rings: list[int]) -> Iterator[TestClient]:
    """A client of an API that rings."""

    def _ring() -> None:
        with store.read() as uow:
            rings.append(uow.feed.last_seq())

    with TestClient(app_of(store, catalog, _ring), raise_server_exceptions=False) as made:
        yield made


def test_an_accepted_message_rings_after_it_was_stored(
    ringing_client: TestClient, rings: list[int]
) -> None:
    """Who answers the bell finds the work."""
    message = message_of(OPEN, ANN)

    answer = ringing_client.post("/v1/messages", json=message, headers=key_header("open"))

    assert answer.status_code == 201
    assert len(rings) == 1
    assert rings[0] >= 1


def test_a_refused_message_and_a_question_ring_for_nothing(
    ringing_client: TestClient, rings: list[int]
) -> None:
    """They leave no work behind."""
    ringing_client.post("/v1/messages", json={}, headers=key_header("bad"))
    ringing_client.post("/v1/messages", json=check_of())
    ringing_client.get("/livez")

    assert not rings


def test_a_doorbell_that_fails_does_not_harm_the_answer(store: Store, catalog: Catalog) -> None:
    """The message is stored; the sweeper rings for it."""

    def _fail() -> None:
        raise OSError("no broker")

    with TestClient(app_of(store, catalog, _fail)) as client:
        message = message_of(OPEN, ANN)
        answer = client.post("/v1/messages", json=message, headers=key_header("open"))

    assert answer.status_code == 201

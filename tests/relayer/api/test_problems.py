"""Problems: one shape for every refusal, and no inside shown."""

from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from relayer.api.envelope import MESSAGE_TYPES
from relayer.api.problems import (
    PROBLEMS,
    TYPE_PREFIX,
    ProblemError,
    install_problems,
    printable,
    problem_of_refusal,
)
from relayer.errors import NotYetError, RefusedError, StalePriceError
from relayer.store.engine import DATABASE_ERRORS, engine_of
from tests.relayer.api.kit import ANN, UNLOCK, key_header, message_of

ROOT = Path(__file__).parents[3]


def failing_client(error: Exception) -> TestClient:
    """Return a client of an app whose only endpoint raises an error."""
    app = FastAPI()
    install_problems(app)

    @app.get("/fail")
    def fail() -> None:
        raise error

    return TestClient(app, raise_server_exceptions=False)


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (ProblemError("cursor_invalid", "cursor: begin again"), 422, "cursor_invalid"),
        (RefusedError(code="unknown_vault", detail="vault: x"), 422, "unknown_vault"),
        (RefusedError(code="unheard_of", detail="field: x"), 422, "request_invalid"),
        (StalePriceError(asset_id="WETH", detail="too old"), 503, "price_refused"),
        (NotYetError(reason="unheard_of", detail="later"), 503, "unavailable"),
        (KeyError("secret inside"), 500, "internal"),
    ],
)
def test_every_error_is_a_problem(error: Exception, status: int, code: str) -> None:
    """Type, title, status and detail; 503 says when to come back."""
    answer = failing_client(error).get("/fail")

    body = answer.json()
    assert (answer.status_code, body["status"], body["type"]) == (
        status,
        status,
        TYPE_PREFIX + code,
    )
    assert body["title"] == PROBLEMS[code][1]
    assert answer.headers["content-type"] == "application/problem+json"
    assert ("retry-after" in answer.headers) == (status == 503)


def test_a_fault_shows_nothing_of_the_inside() -> None:
    """The log has it; the answer has not."""
    answer = failing_client(KeyError("secret inside")).get("/fail")

    assert "secret" not in answer.text


def test_a_database_that_does_not_answer_is_unavailable(tmp_path: Path) -> None:
    """503, so that the client asks again with the same key."""
    with pytest.raises(DATABASE_ERRORS) as failed:
        engine_of(f"sqlite:///{tmp_path / 'missing' / 'hub.sqlite3'}").connect()

    answer = failing_client(failed.value).get("/fail")

    assert (answer.status_code, answer.json()["type"]) == (503, TYPE_PREFIX + "unavailable")
    assert str(tmp_path) not in answer.text


def test_a_refusal_keeps_its_detail() -> None:
    """The step's words reach the sender."""
    problem = problem_of_refusal(RefusedError(code="unknown_token", detail="token: take another"))

    assert (problem.code, problem.detail) == ("unknown_token", "token: take another")


def test_text_of_others_is_made_printable_and_short() -> None:
    """Lone surrogates cannot break the answer, and nobody floods it."""
    assert printable("\ud800") == "\\ud800"
    assert len(printable("x" * 10_000)) < 300


def test_a_method_that_is_not_served_is_a_problem(client: TestClient) -> None:
    """405 with the methods that are."""
    answer = client.put("/v1/messages", json={})

    assert (answer.status_code, answer.json()["type"]) == (405, TYPE_PREFIX + "method_not_allowed")
    assert "POST" in answer.headers["allow"]


def test_a_wrong_field_is_named_as_the_sender_wrote_it(client: TestClient) -> None:
    """Without the message type that stands in our own union's path."""
    message = message_of(UNLOCK, ANN)
    message["data"]["amount"] = 5

    answer = client.post("/v1/messages", json=message, headers=key_header("k")).json()

    assert [error["field"] for error in answer["errors"]] == ["body.data.amount"]
    assert answer["detail"].startswith("body.data.amount: ")


@pytest.mark.parametrize("changes", [{"type": "relayer.unknown"}, {"type": None}])
def test_a_wrong_type_is_answered_with_the_right_ones(
    client: TestClient, changes: dict[str, object]
) -> None:
    """The list of types is the remedy."""
    answer = client.post("/v1/messages", json=message_of(UNLOCK, ANN) | changes).json()

    assert answer["errors"][0]["field"] == "body.type"
    for message_type in MESSAGE_TYPES:
        assert message_type in answer["detail"]


def test_the_guide_lists_every_problem_with_its_status() -> None:
    """docs/integrators.md and the table in the code are the same."""
    guide = (ROOT / "docs" / "integrators.md").read_text()

    for code, (status, _title) in PROBLEMS.items():
        assert f"| `{code}` | {status} |" in guide

# ruff: noqa: PT017
"""Every endpoint of the message API, in process: refused by its own code, and nothing written."""

import json
from collections.abc import Iterator
from typing import Any, Final

import pytest
from fastapi.testclient import TestClient
from hypothesis import example, given
from hypothesis import strategies as st

from chains.command import OpenAccount
from relayer import wiring
from relayer.api.app import app_of
from relayer.api.body import BODY_BYTES_MAX, strict_json
from relayer.api.problems import PROBLEMS, ProblemError
from relayer.clock import FixedClock
from relayer.store.engine import engine_of
from relayer.store.unit_of_work import Store
from tests.databases import NOW, TestDatabases
from tests.fuzz.bounds import bounded, fuzzed
from tests.fuzz.garbage import JSON_VALUES, RAW_JSON, TEXTS, mutated, mutated_text
from tests.fuzz.images import database_image
from tests.relayer.api.kit import (
    ACCOUNT,
    ANN,
    BOB,
    CREDIT,
    LINK,
    OPEN,
    OPERATOR,
    SOL,
    SOL_LINK,
    SOL_OPEN,
    SOL_UNLOCK,
    UNLOCK,
    check_of,
    deployment_settings,
    key_header,
    message_of,
    with_solana,
)

JSON_TYPE: Final = {b"Content-Type": b"application/json"}
MESSAGES: Final = st.sampled_from(
    [
        message_of(OpenAccount(BOB.address, bytes(32)), BOB),
        message_of(LINK, ANN, BOB),
        message_of(UNLOCK, ANN),
        message_of(CREDIT, ANN, OPERATOR),
        message_of(SOL_OPEN, SOL),
        message_of(SOL_LINK, ANN, SOL),
        message_of(SOL_UNLOCK, SOL),
        check_of(unlock={"chain_id": "eip155:31337", "token": "0x" + "00" * 32, "amount": "1"}),
    ]
)
PATHS: Final = (
    "/v1/accounts/{}",
    "/v1/accounts/{}/health",
    "/v1/accounts/{}/history",
    "/v1/accounts/{}/events",
    "/v1/requests/{}",
    "/v1/messages/{}",
    "/v1/messages",
    "/v1/events",
    "/v1/{}",
    "/{}",
    "/health/{}",
)
PARAMETERS: Final = ("account", "after", "limit", "cursor", "wait_seconds", "x")
WORD: Final = "0x" + ACCOUNT.hex()
REFUSED_MIN: Final = 400


@pytest.fixture(scope="module")
def database_url(databases: TestDatabases) -> str:
    """The URL of the hub's database."""
    return databases.migrated_url("sqlite")


@pytest.fixture(scope="module")
def client(database_url: str) -> Iterator[TestClient]:
    """A client of the API after ann opened her account."""
    store = Store(engine_of(database_url), FixedClock(NOW))
    catalog = with_solana(wiring.catalog_of(deployment_settings()))
    with TestClient(app_of(store, catalog), raise_server_exceptions=False) as made:
        opened = made.post("/v1/messages", json=message_of(OPEN, ANN), headers=key_header("open"))
        assert opened.status_code == 201
        yield made
    store.close()


def check_refusal(answer: Any) -> None:
    """Hold an answer against the table of problems; a fault on our side is none."""
    found = answer.json()
    code = found["type"].removeprefix("urn:relayer:problem:")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.status_code == found["status"] == PROBLEMS[code][0]
    assert code != "internal", found
    assert found["detail"]
    assert len(answer.content) < 16_384


def _half(value: dict[str, Any]) -> bytes:
    return json.dumps(value).replace("1.0", "\\ud800", 1).encode()


BODIES: Final = st.one_of(
    MESSAGES.flatmap(mutated).map(lambda value: json.dumps(value).encode()),
    MESSAGES.flatmap(mutated).map(lambda value: json.dumps(value).encode()),
    RAW_JSON,
    JSON_VALUES.map(lambda value: json.dumps(value).encode()),
    MESSAGES.flatmap(mutated).map(_half),
    MESSAGES.map(json.dumps).flatmap(mutated_text).map(lambda text: text.encode()),
)
TWICE: Final = b"{" + b",".join(b'"%x":0' % number for number in range(7_000)) + b',"%x":1}' % 6_999


@fuzzed(100)
@given(body=BODIES, key=st.sampled_from(["k", '"k"', "", "a b", "x" * 129, "\xff", "open"]))
@example(body=TWICE, key="k")
@example(body=b"x" * (BODY_BYTES_MAX + 1), key="k")
@example(body=b'{"a":' * 12_000, key="k")
def test_a_body_is_refused_and_changes_nothing(
    client: TestClient, database_url: str, body: bytes, key: str
) -> None:
    """Or it is the message itself, in other letters of the same meaning."""
    before = database_image(database_url)

    with bounded(cpu_seconds_max=1.5):
        answer = client.post(
            "/v1/messages",
            content=body,
            headers={**JSON_TYPE, b"Idempotency-Key": key.encode("latin-1")},
        )

    if answer.status_code < REFUSED_MIN:
        assert isinstance(json.loads(body), dict)
        return
    check_refusal(answer)
    assert database_image(database_url) == before


@fuzzed(100)
@given(
    path=st.sampled_from(PATHS),
    word=st.just(WORD) | mutated_text(WORD) | TEXTS,
    parameters=st.dictionaries(
        st.sampled_from(PARAMETERS), TEXTS | st.integers(-2, 300).map(str), max_size=3
    ),
    method=st.sampled_from(["GET"] * 8 + ["HEAD", "PUT", "DELETE", "OPTIONS", "POST", "TRACE"]),
)  # fmt: skip
def test_a_question_is_answered_or_refused(
    client: TestClient, path: str, word: str, parameters: dict[str, str], method: str
) -> None:
    """Whatever stands in the path and behind it; waiting is bounded by its own limit."""
    parameters.pop("wait_seconds", None)
    with bounded(cpu_seconds_max=1.5):
        answer = client.request(method, path.format(_quoted(word)), params=parameters)

    if answer.status_code >= REFUSED_MIN and method != "HEAD":
        check_refusal(answer)


@fuzzed(60)
@given(kind=TEXTS | st.sampled_from(["application/json; charset=utf-16", "APPLICATION/JSON"]))
def test_any_content_type_is_served_or_refused(client: TestClient, kind: str) -> None:
    """415, or the body is judged."""
    shown = kind.encode().replace(b"\n", b"").replace(b"\r", b"").replace(b"\x00", b"").strip()

    answer = client.post("/v1/messages", content=b"{}", headers={b"Content-Type": shown})

    check_refusal(answer)


@fuzzed(150)
@given(raw=RAW_JSON | BODIES)
@example(raw=TWICE * 1)
def test_what_is_read_strictly_is_what_was_written(raw: bytes) -> None:
    """Every reader of JSON reads the same from it: no key twice, no NaN, no half structure."""
    with bounded(cpu_seconds_max=1.0):
        try:
            found = strict_json(raw)
        except ProblemError as refused:
            assert refused.code == "json_invalid"
            return
    assert json.loads(json.dumps(found)) == found
    assert raw.strip()


def _quoted(word: str) -> str:
    return "".join(f"%{byte:02X}" for byte in word.encode()[:3_000])

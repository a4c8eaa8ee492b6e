"""The application as a whole: nothing hostile makes it fail."""

import json
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relayer.api.app import app_of, create_app
from relayer.clock import FixedClock
from relayer.steps.catalog import Catalog
from relayer.store.unit_of_work import Store
from tests.databases import NOW, TestDatabases
from tests.relayer.api.kit import (
    ACCOUNT,
    ANN,
    CREDIT,
    LINK,
    OPEN,
    OPERATOR,
    UNLOCK,
    check_of,
    deployment_settings,
    message_of,
)

JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
MESSAGES: Final = [
    message_of(OPEN, ANN),
    message_of(LINK, ANN, ANN),
    message_of(UNLOCK, ANN),
    message_of(CREDIT, ANN, OPERATOR),
    check_of(unlock={"chain_id": "eip155:1", "token": "0x" + "00" * 20, "amount": "1"}),
]
HOSTILE: Final = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
SUFFIXES: Final = ["", "/health", "/history", "/events"]


@pytest.fixture(scope="module")
def fuzzed(databases: TestDatabases, catalog: Catalog) -> Iterator[TestClient]:
    """One app for all hostile requests; ann's account is open."""
    with databases.store("sqlite", FixedClock(NOW)) as store:
        app = app_of(store, catalog)
        with TestClient(app, raise_server_exceptions=False) as client:
            client.post("/v1/messages", json=MESSAGES[0], headers={"Idempotency-Key": "open"})
            yield client


def send(client: TestClient, raw: bytes, key: str = "k") -> None:
    """Send bytes as a message; whatever they are, the answer is ours."""
    answer = client.post(
        "/v1/messages",
        content=raw,
        headers={"Content-Type": "application/json", "Idempotency-Key": key},
    )
    assert_ours(answer)


def assert_ours(answer: Any) -> None:
    """Hold an answer to be a success or a problem of the sender's."""
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["type"].startswith("urn:relayer:problem:")


def test_settings_make_an_app(store: Store) -> None:
    """create_app takes the catalog from the settings."""
    app = create_app(store, deployment_settings())

    assert app.state.doors.catalog.hub == "hub:test"


@HOSTILE
@given(raw=st.binary(max_size=200))
def test_bytes_never_make_it_fail(fuzzed: TestClient, raw: bytes) -> None:
    """Whatever is sent as JSON."""
    send(fuzzed, raw)


@HOSTILE
@given(value=JSON)
def test_json_never_makes_it_fail(fuzzed: TestClient, value: Any) -> None:
    """Any JSON value, lone surrogates and huge numbers included."""
    send(fuzzed, json.dumps(value).encode())


@HOSTILE
@given(data=st.data())
def test_a_message_with_a_hostile_member_never_makes_it_fail(
    fuzzed: TestClient, data: st.DataObject
) -> None:
    """Any member of a right message replaced by anything."""
    message = json.loads(json.dumps(data.draw(st.sampled_from(MESSAGES))))
    holder = data.draw(st.sampled_from([message, message["data"]]))
    holder[data.draw(st.sampled_from(sorted(holder)) | st.text(max_size=8))] = data.draw(JSON)

    send(fuzzed, json.dumps(message).encode())


@HOSTILE
@given(
    values=st.dictionaries(
        st.sampled_from(["limit", "after", "cursor", "wait_seconds", "account"]),
        st.text(max_size=70) | st.integers().map(str),
    ),
    suffix=st.sampled_from(SUFFIXES),
)
def test_queries_never_make_it_fail(
    fuzzed: TestClient, values: dict[str, str], suffix: str
) -> None:
    """Any query on any list."""
    encodable = {
        name: text.encode("utf-8", "replace").decode()
        for name, text in values.items()
        if name != "wait_seconds" or text not in {str(number) for number in range(1, 31)}
    }

    assert_ours(fuzzed.get(f"/v1/accounts/0x{ACCOUNT.hex()}{suffix}", params=encodable))
    assert_ours(fuzzed.get("/v1/messages", params=encodable))


@HOSTILE
@given(segment=st.text(max_size=70))
def test_paths_never_make_it_fail(fuzzed: TestClient, segment: str) -> None:
    """Any account, message or request id."""
    quoted = quote(segment.encode("utf-8", "replace"), safe="")
    for prefix in ("accounts", "messages", "requests"):
        assert_ours(fuzzed.get(f"/v1/{prefix}/{quoted}"))


@HOSTILE
@given(key=st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), max_size=200))
def test_keys_never_make_it_fail(fuzzed: TestClient, key: str) -> None:
    """Any header text that a client can send."""
    send(fuzzed, json.dumps(MESSAGES[2]).encode(), key)

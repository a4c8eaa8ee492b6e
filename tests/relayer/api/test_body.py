"""Strict JSON and content types."""

import time

import pytest
from fastapi.testclient import TestClient

from relayer.api.body import BODY_BYTES_MAX, strict_json
from relayer.api.problems import ProblemError


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b'{"a": 1, "a": 2}',
        b'{"a": {"b": 1, "b": 1}}',
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b"[" * 50_000,
        b"[" * BODY_BYTES_MAX,
        b'{"":[' * 13_000,
        b"[" * 65 + b"]" * 65,
        b"{} {}",
        b'{"a": ' + b"9" * 5_000 + b"}",
    ],
)
def test_what_is_not_one_plain_json_value_is_refused(raw: bytes) -> None:
    """Each with the same code and a remedy."""
    with pytest.raises(ProblemError) as refused:
        strict_json(raw)

    assert refused.value.code == "json_invalid"
    assert "body" in refused.value.detail


def test_plain_json_is_read_as_it_is() -> None:
    """Text stays text."""
    assert strict_json(b'{"a": "1", "b": ["x"]}') == {"a": "1", "b": ["x"]}


def test_brackets_inside_text_nest_nothing() -> None:
    """Whatever stands in front of them."""
    text = '{"a": "\\\\\\"' + "[{" * 500 + '", "b": [[1]]}'

    assert strict_json(text.encode()) == {"a": '\\"' + "[{" * 500, "b": [[1]]}


@pytest.mark.parametrize("raw", [b'"' + b'\\"' * 30_000, b'"' + b'\\"' * 30_000 + b"\\"])
def test_text_without_end_is_refused_at_once(raw: bytes) -> None:
    """It is gone through once."""
    started = time.perf_counter()

    with pytest.raises(ProblemError):
        strict_json(raw)

    assert time.perf_counter() - started < 1


@pytest.mark.parametrize("content_type", ["text/plain", "application/xml", "", "json"])
def test_another_content_type_is_refused(client: TestClient, content_type: str) -> None:
    """415 that names the types that are read."""
    answer = client.post("/v1/messages", content=b"{}", headers={"Content-Type": content_type})

    assert (answer.status_code, answer.json()["type"]) == (
        415,
        "urn:relayer:problem:media_type_unsupported",
    )
    assert "application/json" in answer.json()["detail"]


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "application/json; charset=utf-8", "application/cloudevents+json"],
)
def test_json_is_read_under_its_names(client: TestClient, content_type: str) -> None:
    """The body is judged then, not the header."""
    answer = client.post("/v1/messages", content=b"{}", headers={"Content-Type": content_type})

    assert answer.status_code == 422


@pytest.mark.parametrize("raw", [b"", b"[]", b"null", b'"x"', b"1"])
def test_a_body_that_is_no_object_is_refused(client: TestClient, raw: bytes) -> None:
    """Never a fault."""
    answer = client.post("/v1/messages", content=raw, headers={"Content-Type": "application/json"})

    assert answer.status_code in (400, 422)
    assert answer.headers["content-type"] == "application/problem+json"


def test_the_limit_leaves_room_for_every_message() -> None:
    """The largest message is far below the limit."""
    assert BODY_BYTES_MAX > 16 * 1024


def test_a_key_twice_is_found_at_once() -> None:
    """Looking for it again for each key took seconds, in which nobody else was answered."""
    keys = b",".join(b'"%x":0' % number for number in range(8_000))
    started = time.process_time()

    with pytest.raises(ProblemError, match="stands twice"):
        strict_json(b"{" + keys + b',"%x":1}' % 7_999)

    assert time.process_time() - started < 0.5

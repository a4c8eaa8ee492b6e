"""The door that takes orders to a guardian: only its own number, repeated, acknowledges one."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from chains.bridges.door import ANSWER_BYTES_MAX, TEXT_CHARACTERS_MAX
from chains.bridges.switch_door import OrderAnswer, SwitchHttpDoor
from chains.switch_order import SignedOrder, SwitchOrder, signed_order_fields
from tests.chains.bridges.guardian_server import GuardianServer, serving

SIGNED = SignedOrder(SwitchOrder("*", "out", "*", True, "a drill", 7, 1_700_000_000), b"\x01" * 65)


@pytest.fixture(scope="module")
def guardian() -> Iterator[GuardianServer]:
    """A guardian that answers what a test tells it to."""
    with serving() as server:
        yield server


def told(server: GuardianServer, status: int, body: Any) -> OrderAnswer:
    """Return what becomes of an answer."""
    server.status = status
    server.body = body if isinstance(body, bytes) else json.dumps(body).encode()
    door = SwitchHttpDoor(label="g0", address=bytes(32), url=server.url, token="secret")
    return asyncio.run(door.order(SIGNED))


def test_the_repeated_number_acknowledges_the_order(guardian: GuardianServer) -> None:
    """The order goes to the guardian's door for switches as it was signed."""
    answer = told(guardian, 200, {"sequence": "7"})

    assert answer == OrderAnswer(True, "acknowledged", "")
    path, asked = guardian.asked[-1]
    assert path == "/v1/switches"
    assert json.loads(asked) == signed_order_fields(SIGNED)


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, {"sequence": "8"}), (200, {"sequence": 7}), (200, {}), (409, {"sequence": "7"})],
)
def test_any_other_number_or_status_does_not(
    guardian: GuardianServer, status: int, body: Any
) -> None:
    """What the guardian says instead is handed on."""
    answer = told(guardian, status, {**body, "code": "stale_order", "detail": "at 9"})

    assert answer == OrderAnswer(False, "stale_order", "at 9")


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"x" * (ANSWER_BYTES_MAX + 1), "g0 answered too much"),
        (b"[", "g0 answered no JSON"),
        ([], "g0 answered no object"),
    ],
)
def test_what_is_no_object_is_unusable(guardian: GuardianServer, body: Any, detail: str) -> None:
    """Nothing of it is shown."""
    assert told(guardian, 200, body) == OrderAnswer(False, "answer_unusable", detail)


def test_a_guardian_s_texts_are_short_and_printable(guardian: GuardianServer) -> None:
    """They end in tables and logs."""
    answer = told(guardian, 409, {"code": "a\x00b", "detail": "\x1b[31m" * 1_000})

    assert answer.code == "a?b"
    assert len(answer.detail) == TEXT_CHARACTERS_MAX
    assert answer.detail.isprintable()


def test_nobody_there_is_unreachable_and_names_no_address() -> None:
    """A URL may hold a password."""
    with serving() as server:
        url = server.url.replace("http://", "http://user:secret@")

    answer = asyncio.run(SwitchHttpDoor(label="g0", address=bytes(32), url=url).order(SIGNED))

    assert (answer.is_acknowledged, answer.code) == (False, "unreachable")
    assert "secret" not in answer.detail
    assert "127.0.0.1" not in answer.detail

"""The door to a guardian: what comes back is hostile, and every failure is a passing one."""

import asyncio
import gzip
import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chains.bridges.door import ANSWER_BYTES_MAX, TEXT_CHARACTERS_MAX
from chains.bridges.guardian_door import DoorAnswer, GuardianHttpDoor
from tests.chains.bridges.guardian_server import GuardianServer, serving

ADDRESS = bytes(31) + b"\x01"
SIGNATURE = "0x" + "ab" * 65
REQUEST = {"message": "0x00"}


def door_to(server: GuardianServer) -> GuardianHttpDoor:
    """Return what asks a server."""
    seconds_max = 0.5 if server.is_silent else 5.0
    return GuardianHttpDoor(label="g0", address=ADDRESS, url=server.url, seconds_max=seconds_max)


@pytest.fixture(scope="module")
def shared() -> Iterator[GuardianServer]:
    """A server for answers that are only bytes."""
    with serving() as server:
        yield server


def ask(server: GuardianServer, status: int = 200, body: Any = None) -> DoorAnswer:
    """Return what becomes of an answer."""
    server.status = status
    server.body = body if isinstance(body, bytes) else json.dumps(body).encode()
    return asyncio.run(door_to(server).ask(REQUEST))


def test_a_signature_is_handed_on(shared: GuardianServer) -> None:
    """Unjudged: the step recovers its signer."""
    answer = ask(shared, 200, {"signature": SIGNATURE})

    assert answer == DoorAnswer(b"\xab" * 65, False, "signed", "")
    assert shared.asked[-1] == ("/v1/attestations", b'{"message":"0x00"}')
    assert (door_to(shared).label, door_to(shared).address) == ("g0", ADDRESS)


def test_refused_and_not_yet_are_told_apart(shared: GuardianServer) -> None:
    """Only a refusal is final."""
    fields = {"code": "behind", "detail": "at 1"}

    assert ask(shared, 409, fields) == DoorAnswer(None, True, "behind", "at 1")
    assert ask(shared, 425, fields) == DoorAnswer(None, False, "behind", "at 1")


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b""),
        (200, b"\xff\xfe"),
        (200, b"["),
        (200, b"[" * 16_000),
        (200, b'{"a":' * 3_000),
        (200, []),
        (200, "signed"),
        (200, None),
        (200, {}),
        (200, {"signature": 5}),
        (200, {"signature": None}),
        (200, {"signature": ["0x" + "ab" * 65]}),
        (200, {"signature": SIGNATURE[2:]}),
        (200, {"signature": SIGNATURE + "00"}),
        (200, {"signature": SIGNATURE[:-2]}),
        (200, {"signature": "0x" + "ab " * 65}),
        (200, {"signature": "0x" + "é" * 130}),
        (200, b"x" * (ANSWER_BYTES_MAX + 1)),
        (500, {"code": "x"}),
        (302, {"signature": SIGNATURE}),
        (201, {"signature": SIGNATURE}),
        (422, {"code": "request_malformed", "detail": "context"}),
    ],
)
def test_everything_else_is_a_passing_failure(
    shared: GuardianServer, status: int, body: Any
) -> None:
    """Nothing is signed and nothing is final."""
    answer = ask(shared, status, body)

    assert (answer.signature, answer.is_final, answer.code) == (None, False, "answer_unusable")


@settings(max_examples=25)
@given(
    st.sampled_from([200, 400, 409, 425, 500]),
    st.one_of(
        st.binary(max_size=200),
        st.recursive(
            st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=9)),
            lambda inner: st.dictionaries(
                st.sampled_from(["signature", "code", "detail", "x"]), inner, max_size=4
            ),
            max_leaves=6,
        ),
    ),
)
def test_no_answer_raises(shared: GuardianServer, status: int, body: Any) -> None:
    """And none signs without 65 bytes."""
    answer = ask(shared, status, body)

    assert answer.signature is None or len(answer.signature) == 65
    assert answer.is_final is (status == 409 and answer.code != "answer_unusable")


def test_texts_are_short_and_printable(shared: GuardianServer) -> None:
    """A zero byte would stop PostgreSQL, a line break would forge a log line."""
    evil = {"code": "a\x00b\nc" * 99, "detail": "\x1b[31m\u2028" * 9_00}

    answer = ask(shared, 409, evil)

    assert answer.is_final
    assert len(answer.code) == 64
    assert len(answer.detail) == TEXT_CHARACTERS_MAX
    assert (answer.code + answer.detail).isprintable()
    assert ask(shared, 409, {"code": {"a": 1}, "detail": 7}) == DoorAnswer(
        None, True, "unknown", ""
    )
    assert ask(shared, 409, b'{"code":"\\ud800","detail":"x"}').code in (
        "answer_unusable",
        "?",
    )


def test_an_endless_answer_is_cut_while_it_is_read() -> None:
    """Little more than the limit is ever taken."""
    with serving() as server:
        server.endless = True
        server.body = b"{"

        answer = asyncio.run(door_to(server).ask(REQUEST))

        assert answer.detail == "g0 answered too much"
        server.endless = False
    assert server.sent_bytes < 64 * 1_048_576


def test_a_packed_answer_is_not_unpacked() -> None:
    """A few bytes cannot become many."""
    with serving() as server:
        server.headers = {"Content-Encoding": "gzip"}
        packed = gzip.compress(b"{" + b" " * 10_000_000 + b"}")

        answer = ask(server, 200, packed)

    assert len(packed) < ANSWER_BYTES_MAX
    assert answer.code == "answer_unusable"


def test_a_guardian_that_keeps_silent_is_left() -> None:
    """After the whole time of one question, however its bytes are spread."""
    with serving() as server:
        server.is_silent = True

        answer = asyncio.run(door_to(server).ask(REQUEST))

    assert (answer.code, answer.is_final) == ("unreachable", False)


def test_nobody_there_is_passing_and_names_no_address() -> None:
    """A URL may hold a password."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://user:secret@127.0.0.1:{taken.getsockname()[1]}"

        answer = asyncio.run(GuardianHttpDoor(label="g0", address=ADDRESS, url=url).ask(REQUEST))

    assert (answer.code, answer.is_final) == ("unreachable", False)
    assert "secret" not in answer.detail
    assert "127.0.0.1" not in answer.detail


@pytest.mark.parametrize(
    "location", ["http://xn--/", "http://[", "//", "http://a:99999/", "\xff", "/v1/attestations"]
)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirection_is_neither_followed_nor_read(status: int, location: str) -> None:
    """Not even an address that no reader of addresses takes raises anything else."""
    with serving() as server:
        server.headers = {"Location": location}

        answer = ask(server, status, {"signature": SIGNATURE})

    assert (answer.code, answer.is_final) == ("answer_unusable", False)
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "url", ["http://[", "ftp://x", "http://a b", "", "http://\x00", "http://xn--/"]
)
def test_a_bad_address_is_passing(url: str) -> None:
    """The configuration is wrong, the worker goes on."""
    answer = asyncio.run(GuardianHttpDoor(label="g0", address=ADDRESS, url=url).ask(REQUEST))

    assert (answer.code, answer.is_final) == ("unreachable", False)

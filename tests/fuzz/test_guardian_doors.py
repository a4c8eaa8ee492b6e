# ruff: noqa: PT017
"""A hostile guardian towards the hub, and a hostile hub towards a guardian."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any, Final

import pytest
from fastapi.testclient import TestClient
from hypothesis import example, given
from hypothesis import strategies as st

from chains.bridges.door import CODE_CHARACTERS_MAX, TEXT_CHARACTERS_MAX
from chains.bridges.guardian_door import GuardianHttpDoor
from chains.errors import MessageFormatError
from relayer.api.guardian import create_guardian_app
from relayer.clock import FixedClock
from relayer.guardian.request import request_fields, request_of_fields
from relayer.store.engine import engine_of
from relayer.store.unit_of_work import Store
from tests.databases import NOW, TestDatabases
from tests.fuzz.bounds import bounded, fuzzed
from tests.fuzz.garbage import HALF_A_CHARACTER, JSON_VALUES, RAW_JSON, TEXTS, mutated
from tests.fuzz.images import database_image
from tests.fuzz.lines import LineServer, serving_lines
from tests.relayer.api.kit import ANN, SOL, SOL_LINK, SOL_OPEN, SOLANA, UNLOCK, with_solana
from tests.relayer.steps.world import (
    HEIGHT,
    SIGNATORY,
    SIGNED_CREDIT,
    SIGNED_OPEN,
    SIGNED_UNLOCK,
    catalog_of_world,
    request_of,
    see_final,
    settled_world,
    signed,
)

REQUEST: Final = request_fields(request_of(SIGNED_UNLOCK))
WALLET: Final = request_fields(
    request_of(
        signed(UNLOCK, SOL),
        context=(signed(SOL_OPEN, SOL), SIGNED_OPEN, signed(SOL_LINK, ANN, SOL)),
    )
)
REQUESTS: Final = st.sampled_from([REQUEST, request_fields(request_of(SIGNED_CREDIT)), WALLET])
ANSWERS: Final = {409, 413, 422, 425}
SIGNATURE: Final = "0x" + "ab" * 65
PATH: Final = "/v1/attestations"


@pytest.fixture(scope="module")
def line() -> Iterator[LineServer]:
    """A guardian that sends whatever bytes it likes."""
    with serving_lines() as made:
        yield made


@st.composite
def http_answers(draw: st.DrawFn) -> bytes:
    """Draw the bytes of an answer: a status line, headers and a body, each right or not."""
    status = draw(st.sampled_from([b"200 OK", b"409 C", b"425 E", b"500 X", b"302 F", b"999", b""]))
    headers = draw(
        st.lists(
            st.sampled_from(
                [
                    *(b"Content-Length: 5", b"Content-Length: 99999999999", b"Content-Length: -1"),
                    *(b"Location: http://[", b"Location: //\xff\xfe", b"Location: http://a:99999/"),
                    *(b"Location: http://xn--/", b"Location: data:x", b"Content-Length: \xb2"),
                    *(b"Transfer-Encoding: chunked", b"Content-Encoding: gzip", b"X: " + b"y" * 9),
                    *(b"Set-Cookie: a=b; expires=\xff", b"Content-Type: \xff", b"no colon", b": x"),
                ]
            ),
            max_size=3,
        )
    )
    body = draw(
        st.one_of(
            RAW_JSON,
            mutated({"signature": SIGNATURE, "code": "x", "detail": "y"}).map(
                lambda value: json.dumps(value).encode()
            ),
            st.binary(max_size=40),
        )
    )
    start = draw(st.sampled_from([b"HTTP/1.1 ", b"HTTP/1.0 ", b"HTTP/9 ", b""]))
    return b"\r\n".join([start + status, b"Connection: close", *headers, b"", body])


@fuzzed(60)
@given(answer=http_answers() | st.binary(max_size=80))
@example(answer=b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"[" * 16_000)
@example(answer=b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1_000_000)
@example(answer=b"HTTP/1.1 200 OK\r\nX: " + b"y" * 1_000_000)
def test_a_hostile_guardian_only_fails_to_sign(line: LineServer, answer: bytes) -> None:
    """The door never raises; what it hands on is short, printable and unjudged."""
    line.answer = answer
    door = GuardianHttpDoor(label="g0", address=bytes(32), url=line.url, seconds_max=2.0)

    with bounded():
        found = asyncio.run(door.ask(REQUEST))

    assert found.signature is None or len(found.signature) == 65
    assert found.signature is None or not found.is_final
    assert len(found.code) <= CODE_CHARACTERS_MAX
    assert len(found.detail) <= TEXT_CHARACTERS_MAX + 100
    assert (found.code + found.detail).isprintable()
    assert line.url not in found.detail


@fuzzed(150)
@given(value=REQUESTS.flatmap(mutated) | JSON_VALUES)
def test_a_request_is_read_or_malformed(value: Any) -> None:
    """What is read is written back as it was, beyond the case of its digits."""
    with bounded(cpu_seconds_max=1.0):
        try:
            found = request_of_fields(value)
        except MessageFormatError as refused:
            assert refused.field
            assert len(str(refused)) < 600
            return
    written = json.dumps(request_fields(found), sort_keys=True)
    assert written.lower() == json.dumps(value, sort_keys=True).lower()


@pytest.fixture(scope="module")
def own_database(databases: TestDatabases) -> str:
    """The URL of a guardian's database that knows the world."""
    return databases.migrated_url("sqlite")


@pytest.fixture(scope="module")
def guardian(own_database: str) -> Iterator[TestClient]:
    """A client of a guardian that can sign what is right."""
    store = Store(engine_of(own_database), FixedClock(NOW))
    settled_world(store)
    see_final(store, SOLANA, HEIGHT)
    app = create_guardian_app(
        store, with_solana(catalog_of_world()), SIGNATORY, label="g0", token="t" * 8
    )
    yield TestClient(app, raise_server_exceptions=False)
    store.close()


def _bodies() -> st.SearchStrategy[bytes]:
    text = REQUESTS.flatmap(mutated).map(lambda value: json.dumps(value).encode())
    half = REQUESTS.map(
        lambda value: json.dumps(
            value | {"command": value["command"] | {"kind": HALF_A_CHARACTER}}
        ).encode()
    )
    return st.one_of(text, text, text, RAW_JSON, half, JSON_VALUES.map(json.dumps).map(str.encode))


@fuzzed(60)
@given(body=_bodies(), shown=st.sampled_from(["Bearer tttttttt"] * 9 + ["", "Bearer \xff", "x"]))
def test_a_hostile_hub_changes_nothing(
    guardian: TestClient, own_database: str, body: bytes, shown: str
) -> None:
    """Refused with a code of its own and no row written; signed only what is the request itself."""
    before = database_image(own_database)
    with bounded():
        answer = guardian.post(
            PATH, content=body, headers={b"Authorization": shown.encode("latin-1")}
        )

    if answer.status_code == 200:
        return  # a change that leaves the meaning, such as the case of digits
    assert answer.status_code in (ANSWERS if shown == "Bearer tttttttt" else {401})
    assert answer.json().keys() == {"code", "detail"}
    assert database_image(own_database) == before


@fuzzed(40)
@given(text=TEXTS)
def test_a_token_is_compared_and_nothing_else(guardian: TestClient, text: str) -> None:
    """Whatever stands in the header."""
    shown = text.encode("utf-8").replace(b"\n", b"").replace(b"\r", b"").replace(b"\x00", b"")

    answer = guardian.post(PATH, content=b"{}", headers={b"Authorization": shown.strip()})

    assert answer.status_code == 401

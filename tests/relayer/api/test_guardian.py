"""The guardian's door: whatever is posted gets an answer of its own, and no secret is logged."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import orjson
import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relayer.api.guardian import REQUEST_BYTES_MAX, book, create_guardian_app
from relayer.clock import FixedClock
from relayer.errors import NotYetError
from relayer.guardian.request import AttestationRequest, request_fields
from relayer.outbox.life import MessageState
from relayer.steps.catalog import Catalog
from relayer.steps.countersign import countersign
from relayer.store.unit_of_work import Store
from tests.databases import NOW, TestDatabases
from tests.relayer.api.kit import BOB, CHAIN_A, CHAIN_B, UNLOCK
from tests.relayer.steps.braking import limited
from tests.relayer.steps.mutations import (
    CREDIT_MUTATIONS,
    RELEASE_MUTATIONS,
    SEIZE_MUTATIONS,
)
from tests.relayer.steps.mutations import unlock as other_unlock
from tests.relayer.steps.world import (
    GUARDIAN,
    HEIGHT,
    SIGNATORY,
    SIGNED_UNLOCK,
    catalog_of_world,
    kinds_booked,
    released,
    request_of,
    see_final,
    settled_world,
    signed,
    stored_message,
)

PATH = "/v1/attestations"


@pytest.fixture(scope="module")
def world_catalog() -> Catalog:
    """The deployment with a liquidator."""
    return catalog_of_world()


@pytest.fixture(scope="module")
def own_store(databases: TestDatabases) -> Iterator[Store]:
    """A guardian's store that only sees what it refuses."""
    with databases.store("sqlite", FixedClock(NOW)) as made:
        settled_world(made, owed_usd=24_000)
        yield made


def client_of(store: Store, catalog: Catalog) -> TestClient:
    """Return a client of a guardian; a fault inside comes back as a status, as over a socket."""
    app = create_guardian_app(store, catalog, SIGNATORY, label="g0")
    return TestClient(app, raise_server_exceptions=False)


@pytest.fixture(scope="module")
def strict(own_store: Store, world_catalog: Catalog) -> TestClient:
    """A client of the guardian that only refuses."""
    return client_of(own_store, world_catalog)


@pytest.fixture
def fresh(store: Store, world_catalog: Catalog) -> TestClient:
    """A client of a guardian with a calm world of its own."""
    settled_world(store)
    return client_of(store, world_catalog)


def test_what_is_right_is_signed(fresh: TestClient, store: Store) -> None:
    """200 with the signature, the same every time."""
    answers = [fresh.post(PATH, json=request_fields(request_of(SIGNED_UNLOCK))) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()
    assert len(bytes.fromhex(answers[0].json()["signature"][2:])) == 65
    assert kinds_booked(store) == ["unlock.held"]


def test_what_is_refused_says_why(strict: TestClient) -> None:
    """409 with a code and the field."""
    answer = strict.post(PATH, json=request_fields(request_of(signed(UNLOCK, BOB))))

    assert answer.status_code == 409
    assert answer.json()["code"] == "signer_not_owner"


def test_who_is_behind_says_later(strict: TestClient) -> None:
    """425: ask again."""
    ahead = replace(request_of(SIGNED_UNLOCK), heights={CHAIN_B: HEIGHT + 1})

    answer = strict.post(PATH, json=request_fields(ahead))

    assert (answer.status_code, answer.json()["code"]) == (425, "behind")


@pytest.mark.parametrize(
    "body", [b"", b"{", b"null", b"[]", b"5", b'"x"', b"\xff", b"[" * 50_000, b'{"a":' * 9_000]
)
def test_what_is_no_request_is_malformed(strict: TestClient, body: bytes) -> None:
    """422, whatever it is."""
    answer = strict.post(PATH, content=body)

    assert (answer.status_code, answer.json()["code"]) == (422, "request_malformed")


def test_a_malformed_field_is_named(strict: TestClient) -> None:
    """So that the hub's operator finds it."""
    fields = request_fields(request_of(SIGNED_UNLOCK)) | {"heights": {CHAIN_A: 5}}

    assert "heights" in strict.post(PATH, json=fields).json()["detail"]


def test_what_is_too_large_is_not_read_on(strict: TestClient) -> None:
    """413, also when no length was announced."""
    pieces = 0

    def _body() -> Iterator[bytes]:
        nonlocal pieces
        for _ in range(64):
            pieces += 1
            yield b" " * 65_536

    assert strict.post(PATH, content=b" " * (REQUEST_BYTES_MAX + 1)).status_code == 413
    assert strict.post(PATH, content=_body()).status_code == 413
    assert strict.post(PATH, content=b" " * REQUEST_BYTES_MAX).status_code == 422


@pytest.mark.parametrize(
    "request_",
    [case[1] for case in RELEASE_MUTATIONS + CREDIT_MUTATIONS + SEIZE_MUTATIONS],
    ids=[case[0] for case in RELEASE_MUTATIONS + CREDIT_MUTATIONS + SEIZE_MUTATIONS],
)
def test_no_change_of_a_request_is_signed_or_a_fault(
    strict: TestClient, request_: AttestationRequest
) -> None:
    """Refused or malformed, never 500."""
    assert strict.post(PATH, json=request_fields(request_)).status_code in (409, 422)


TEXT = st.text(max_size=20) | st.sampled_from(["\x00", "eip155:31337", "0x", "1" * 78, "2" * 78])


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_garbage_in_any_place_is_never_a_fault(strict: TestClient, data: st.DataObject) -> None:
    """One value of an honest request is replaced by any other JSON value."""
    fields: Any = request_fields(request_of(SIGNED_UNLOCK))
    place: Any = fields
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        inner = place[key]
        if not (isinstance(inner, dict | list) and inner and data.draw(st.booleans())):
            break
        place = inner
    place[key] = data.draw(
        st.one_of(st.none(), st.booleans(), st.integers(-5, 2**53), TEXT, st.just([]), st.just({}))
    )
    content = orjson.dumps(fields)

    assert strict.post(PATH, content=content).status_code in (409, 422, 425)


def test_the_log_holds_no_secret(fresh: TestClient, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither key nor signatures."""
    fresh.post(PATH, json=request_fields(request_of(signed(UNLOCK, BOB))))
    answer = fresh.post(PATH, json=request_fields(request_of(SIGNED_UNLOCK)))

    printed = "".join(capsys.readouterr())
    assert "message.refused" in printed
    assert GUARDIAN.key.secret.hex() not in printed
    assert answer.json()["signature"][2:] not in printed
    assert SIGNED_UNLOCK.signatures[0].hex() not in printed


def test_the_status_shows_how_far_it_is(fresh: TestClient, store: Store) -> None:
    """Finality per chain, halts, and what waits for a person."""
    with store.unit_of_work() as uow:
        uow.chains.halt(CHAIN_B, "test")

    status = fresh.get("/v1/status").json()

    assert status["label"] == "g0"
    assert status["finalized"][CHAIN_A] == str(HEIGHT)
    assert (status["halted"], status["parked_events"]) == ([CHAIN_B], 0)


def test_booking_settles_and_gives_back(
    fresh: TestClient, store: Store, world_catalog: Catalog, clock: FixedClock
) -> None:
    """One message is executed, another expires; both leave nothing held."""
    first, second = request_of(SIGNED_UNLOCK), request_of(other_unlock(amount=5), nonce=2)
    for request in (first, second):
        assert fresh.post(PATH, json=request_fields(request)).status_code == 200
    see_final(store, CHAIN_A, HEIGHT + 1, [released(first.message)])
    book(store, world_catalog, CHAIN_A)
    clock.move(4_000)
    see_final(store, CHAIN_A, HEIGHT + 2, at=NOW + 3_601)

    book(store, world_catalog, CHAIN_A)

    states = [stored_message(store, each.message.message_id).state for each in (first, second)]
    assert states == [MessageState.CONFIRMED, MessageState.RETURNED]


def test_booking_ends_what_the_governor_holds_back_of_expired_messages(
    store: Store, world_catalog: Catalog, clock: FixedClock
) -> None:
    """Nobody shows it again, so nothing else would."""
    settled_world(store)
    governed = limited(world_catalog, 1)
    request = request_of(SIGNED_UNLOCK)
    with pytest.raises(NotYetError, match="governor_queued"):
        countersign(store, governed, SIGNATORY, request)
    clock.move(4_000)

    book(store, governed, CHAIN_A)

    with store.read() as uow:
        assert uow.governor.waiting() == ()


def test_a_door_with_a_token_asks_for_it(own_store: Store, world_catalog: Catalog) -> None:
    """A stranger with an owner's signature gets nothing held and nothing signed."""
    app = create_guardian_app(own_store, world_catalog, SIGNATORY, label="g0", token="secret")
    client = TestClient(app)
    fields = request_fields(request_of(signed(UNLOCK, BOB)))

    for headers in ({}, {"Authorization": "Bearer other"}, {"Authorization": "secret"}):
        answer = client.post(PATH, json=fields, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "asker_unknown")
    known = client.post(PATH, json=fields, headers={"Authorization": "Bearer secret"})
    assert known.json()["code"] == "signer_not_owner"

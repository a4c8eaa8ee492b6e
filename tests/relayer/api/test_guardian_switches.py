"""The guardian's door for orders: obeyed for the signature, and then nothing is signed."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from fastapi.testclient import TestClient

from chains.switch_order import SignedOrder, SwitchOrder, signed_order_fields
from relayer.api.guardian import create_guardian_app
from relayer.api.guardian_switches import ORDER_BYTES_MAX
from relayer.guardian.request import request_fields
from relayer.store.unit_of_work import Store
from tests.databases import NOW
from tests.relayer.api.kit import HUB, signer
from tests.relayer.steps.world import (
    SIGNATORY,
    SIGNED_UNLOCK,
    catalog_of_world,
    request_of,
    settled_world,
)

PATH = "/v1/switches"
OPERATOR = signer("switch operator")
PAUSE = SwitchOrder("*", "*", "*", True, "drill", 7, NOW)


@pytest.fixture
def client(store: Store) -> Iterator[TestClient]:
    """A client of a guardian in a calm world, which knows the operator and asks for a token."""
    settled_world(store)
    world = catalog_of_world()
    own = replace(world, governor=replace(world.governor, operator=OPERATOR.address))
    app = create_guardian_app(store, own, SIGNATORY, label="g0", token="secret")
    with TestClient(app, raise_server_exceptions=False) as made:
        made.headers["Authorization"] = "Bearer secret"
        yield made


def fields_of(order: SwitchOrder = PAUSE) -> dict[str, Any]:
    """Return an order as the operator sends it."""
    signature = bytes.fromhex(OPERATOR.sign(order.digest(HUB))[2:])
    return signed_order_fields(SignedOrder(order, signature))


def test_r16_after_the_acknowledgement_a_guardian_signs_nothing(client: TestClient) -> None:
    """Until it is let go on by a later order."""
    asked = request_fields(request_of(SIGNED_UNLOCK))

    answer = client.post(PATH, json=fields_of())

    assert (answer.status_code, answer.json()) == (200, {"sequence": "7"})
    refused = client.post("/v1/attestations", json=asked)
    assert (refused.status_code, refused.json()["code"]) == (425, "switched_off")
    assert client.get("/v1/status").json()["switched_off"] == ["* * *"]
    assert client.post(PATH, json=fields_of(replace(PAUSE, is_off=False, sequence=8))).is_success
    assert client.post("/v1/attestations", json=asked).status_code == 200


def test_an_old_order_or_a_strangers_is_refused(client: TestClient) -> None:
    """409 with a code of its own."""
    client.post(PATH, json=fields_of())
    older = client.post(PATH, json=fields_of(replace(PAUSE, is_off=False, sequence=6)))
    changed = client.post(PATH, json=fields_of() | {"reason": "other"})
    none = client.post(PATH, json=fields_of() | {"signature": "0x00"})

    assert (older.status_code, older.json()["code"]) == (409, "order_replayed")
    assert (changed.status_code, changed.json()["code"]) == (409, "signer_not_operator")
    assert (none.status_code, none.json()["code"]) == (409, "signature_invalid")


def test_who_has_no_token_is_a_stranger(client: TestClient) -> None:
    """As at the other door."""
    answer = client.post(PATH, json=fields_of(), headers={"Authorization": "Bearer other"})

    assert (answer.status_code, answer.json()["code"]) == (401, "asker_unknown")
    assert client.get("/v1/status").json()["switched_off"] == []


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 422), (b"[]", 422), (b'{"a":1}', 422), (b" " * (ORDER_BYTES_MAX + 1), 413)],
)
def test_what_is_no_order_is_malformed(client: TestClient, body: bytes, status: int) -> None:
    """And what is too large is not read on."""
    assert client.post(PATH, content=body).status_code == status

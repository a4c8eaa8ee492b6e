"""POST /v1/messages: what is accepted, answered, replayed and refused."""

import json
from dataclasses import replace
from typing import Any

import pytest
from fastapi.testclient import TestClient

from relayer.clock import FixedClock
from relayer.steps.accept import fingerprint_of
from relayer.steps.queues import DECIDE
from relayer.store.job_records import JobState
from relayer.store.unit_of_work import Store
from tests.relayer.api.kit import (
    ACCOUNT,
    ANN,
    BOB,
    CREDIT,
    HUB,
    LINK,
    OPEN,
    OPERATOR,
    UNLOCK,
    check_of,
    key_header,
    message_of,
    other_nonce,
    short,
)

ACCOUNT_TEXT = "0x" + ACCOUNT.hex()


def post(client: TestClient, message: dict[str, Any], key: str | None = "k") -> Any:
    """Send a message."""
    headers = {"Content-Type": "application/json"} | ({} if key is None else key_header(key))
    return client.post("/v1/messages", content=json.dumps(message), headers=headers)


def assert_problem(answer: Any, status: int, code: str, *named: str) -> None:
    """Hold an answer to be a problem whose detail names what it should."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["type"] == f"urn:relayer:problem:{code}"
    assert body["status"] == status
    for text in named:
        assert text in body["detail"], body["detail"]


def test_an_account_is_opened_by_its_opener(client: TestClient) -> None:
    """201, and the account can be read at the Location."""
    answer = post(client, message_of(OPEN, ANN))

    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == f"/v1/accounts/{ACCOUNT_TEXT}"
    assert answer.json()["command_id"] == "0x" + OPEN.digest(HUB).hex()
    account = client.get(answer.headers["location"]).json()
    assert account["opener"] == short(ANN.address)
    assert account["balances"] == []


def test_an_account_is_not_opened_by_somebody_else(client: TestClient) -> None:
    """The opener's own signature is needed."""
    answer = post(client, message_of(OPEN, BOB))

    assert_problem(answer, 403, "signer_mismatch", "signatures.0", short(ANN.address))
    assert client.get(f"/v1/accounts/{ACCOUNT_TEXT}").status_code == 404


def test_an_owner_is_linked_by_both_signatures(open_client: TestClient) -> None:
    """An owner and the new owner sign; the new owner may then act."""
    answer = post(open_client, message_of(LINK, ANN, BOB))

    assert answer.status_code == 201, answer.text
    owners = open_client.get(f"/v1/accounts/{ACCOUNT_TEXT}").json()["owners"]
    assert [owner["owner"] for owner in owners] == [short(BOB.address)]
    assert post(open_client, message_of(UNLOCK, BOB), "unlock").status_code == 202


def test_an_owner_is_not_linked_by_a_stranger(open_client: TestClient) -> None:
    """The first signature must be an owner's, the second the new owner's."""
    by_stranger = post(open_client, message_of(LINK, BOB, BOB))
    without_consent = post(open_client, message_of(LINK, ANN, ANN), "k2")

    assert_problem(by_stranger, 403, "signer_not_owner", "signatures.0")
    assert_problem(without_consent, 403, "signer_mismatch", "signatures.1")


def test_an_unlock_becomes_a_pending_request_with_a_job(
    open_client: TestClient, store: Store
) -> None:
    """202 with the request's address; the job that decides it is due."""
    answer = post(open_client, message_of(UNLOCK, ANN))

    assert answer.status_code == 202, answer.text
    request = open_client.get(answer.headers["location"]).json()
    assert (request["state"], request["kind"]) == ("PENDING", "RequestUnlock")
    assert request["command"]["amount"] == str(UNLOCK.amount)
    with store.read() as uow:
        assert uow.jobs.job(DECIDE, UNLOCK.digest(HUB).hex()).state is JobState.DUE


def test_a_credit_request_needs_owner_and_operator(open_client: TestClient) -> None:
    """The protocol's operator signs beside the owner."""
    accepted = post(open_client, message_of(CREDIT, ANN, OPERATOR))
    refused = post(open_client, message_of(other_nonce(CREDIT, 9), ANN, BOB), "k2")

    assert accepted.status_code == 202, accepted.text
    assert_problem(refused, 403, "signer_mismatch", "operator of lender")


def test_the_same_key_and_body_is_answered_again(open_client: TestClient) -> None:
    """A replay gives the stored answer and says so; nothing is written twice."""
    first = post(open_client, message_of(UNLOCK, ANN))
    again = post(open_client, message_of(UNLOCK, ANN))

    assert (again.status_code, again.json()) == (first.status_code, first.json())
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    events = open_client.get("/v1/events").json()["events"]
    assert [event["type"] for event in events] == ["account.opened", "unlock.requested"]


def test_a_replay_is_answered_after_the_deadline_too(
    open_client: TestClient, clock: FixedClock
) -> None:
    """Who lost the answer gets it, however late."""
    first = post(open_client, message_of(UNLOCK, ANN))
    clock.move(10_000)

    again = post(open_client, message_of(UNLOCK, ANN))

    assert (again.status_code, again.json()) == (202, first.json())


def test_the_same_key_with_another_body_is_refused(open_client: TestClient) -> None:
    """422: one key names one request."""
    post(open_client, message_of(UNLOCK, ANN))

    answer = post(open_client, message_of(other_nonce(UNLOCK, 9), ANN))

    assert_problem(answer, 422, "idempotency_key_reused", "Idempotency-Key")


def test_the_same_command_under_another_key_is_one_command(open_client: TestClient) -> None:
    """The digest is the command's id: asked twice, done once."""
    first = post(open_client, message_of(UNLOCK, ANN), "k1")
    second = post(open_client, message_of(UNLOCK, ANN), "k2")

    assert first.json() == second.json()
    events = open_client.get(f"/v1/accounts/{ACCOUNT_TEXT}/events").json()["events"]
    assert [event["type"] for event in events].count("unlock.requested") == 1


def test_keys_of_two_signers_do_not_meet(open_client: TestClient) -> None:
    """A key belongs to the first signer, so nobody can use up another's."""
    post(open_client, message_of(LINK, ANN, BOB), "link")
    by_ann = post(open_client, message_of(UNLOCK, ANN), "same")
    by_bob = post(open_client, message_of(other_nonce(UNLOCK, 9), BOB), "same")

    assert (by_ann.status_code, by_bob.status_code) == (202, 202)


def test_a_key_in_progress_is_a_conflict(open_client: TestClient, store: Store) -> None:
    """409 while the first request with the key is not answered."""
    message = message_of(UNLOCK, ANN)
    with store.unit_of_work() as uow:
        uow.commands.begin(
            "k", "0x" + ANN.address.hex(), fingerprint_of([message["type"], message["data"]])
        )

    assert_problem(post(open_client, message), 409, "idempotency_key_in_progress")


def test_a_refusal_leaves_its_key_free(open_client: TestClient, clock: FixedClock) -> None:
    """A refused request stores nothing; the corrected one may take the same key."""
    late = replace(UNLOCK, deadline=clock.now() - 1)
    assert_problem(post(open_client, message_of(late, ANN)), 422, "deadline_passed", "deadline")

    assert post(open_client, message_of(UNLOCK, ANN)).status_code == 202


@pytest.mark.parametrize(
    ("key", "code"),
    [
        (None, "idempotency_key_missing"),
        ("", "idempotency_key_invalid"),
        ("k" * 129, "idempotency_key_invalid"),
        ("two words", "idempotency_key_invalid"),
    ],
)
def test_a_key_is_needed_and_has_a_form(
    open_client: TestClient, key: str | None, code: str
) -> None:
    """400 without a key, or with one that is empty, too long or has spaces."""
    assert_problem(post(open_client, message_of(UNLOCK, ANN), key), 400, code, "Idempotency-Key")


def test_an_account_that_is_not_open_is_named(client: TestClient) -> None:
    """404 with the account."""
    answer = post(client, message_of(UNLOCK, ANN))

    assert_problem(answer, 404, "unknown_account", ACCOUNT_TEXT)


@pytest.mark.parametrize(
    ("changes", "status", "code", "named"),
    [
        ({"chain_id": "eip155:1"}, 422, "unknown_chain", "eip155:31337"),
        ({"vault": b"\x00" * 12 + b"\x01" * 20}, 422, "unknown_vault", "vault"),
        ({"token": b"\x00" * 12 + b"\x02" * 20}, 422, "unknown_token", "token"),
        ({"amount": 0}, 422, "amount_invalid", "amount"),
        ({"recipient": bytes(32)}, 422, "address_invalid", "recipient"),
        ({"recipient": b"\x01" * 32}, 422, "address_invalid", "recipient"),
        ({"deadline": 1}, 422, "deadline_passed", "deadline"),
    ],
)
def test_terms_that_cannot_be_met_are_refused(
    open_client: TestClient, changes: dict[str, Any], status: int, code: str, named: str
) -> None:
    """Each names the field and what would be right."""
    answer = post(open_client, message_of(replace(UNLOCK, **changes), ANN))

    assert_problem(answer, status, code, named)


def test_a_grant_that_has_expired_already_is_refused(
    open_client: TestClient, clock: FixedClock
) -> None:
    """Nobody can draw on it."""
    expired = replace(CREDIT, expiry=clock.now())

    answer = post(open_client, message_of(expired, ANN, OPERATOR))

    assert_problem(answer, 422, "expiry_passed", "expiry")


@pytest.mark.parametrize("place", ["r", "s", "v"])
def test_an_altered_signature_is_refused(open_client: TestClient, place: str) -> None:
    """Never accepted in the owner's name, whatever byte is changed."""
    message = message_of(UNLOCK, ANN)
    raw = bytearray.fromhex(message["data"]["signatures"][0][2:])
    raw[{"r": 5, "s": 40, "v": 64}[place]] ^= 1
    message["data"]["signatures"] = ["0x" + raw.hex()]

    answer = post(open_client, message)

    assert answer.status_code == 403
    assert answer.json()["type"].endswith(("signature_refused", "signer_not_owner"))


def test_a_changed_field_breaks_the_signature(open_client: TestClient) -> None:
    """A signature covers every field: raising the amount makes another signer."""
    message = message_of(UNLOCK, ANN)
    message["data"]["amount"] = str(UNLOCK.amount + 1)

    assert_problem(post(open_client, message), 403, "signer_not_owner")


@pytest.mark.parametrize(
    ("place", "value", "field"),
    [
        (("data", "amount"), 5, "amount"),
        (("data", "amount"), "05", "amount"),
        (("data", "amount"), "-1", "amount"),
        (("data", "amount"), "1.5", "amount"),
        (("data", "amount"), str(2**256), "amount"),
        (("data", "deadline"), str(2**64), "deadline"),
        (("data", "account"), "0x12", "account"),
        (("data", "signatures"), [], "signatures"),
        (("data", "surprise"), "x", "surprise"),
        (("surprise",), "x", "surprise"),
        (("specversion",), "0.3", "specversion"),
        (("type",), "relayer.unknown", "type"),
        (("subject",), "0x" + "11" * 32, "subject"),
        (("data", "recipient"), "0x" + "Ab" * 20, "recipient"),
        (("data", "chain_id"), "\ud800", "chain_id"),
    ],
)
def test_a_field_of_the_wrong_form_is_named(
    open_client: TestClient, place: tuple[str, ...], value: Any, field: str
) -> None:
    """422 and the field; numbers as JSON numbers are refused, unknown keys too."""
    message = message_of(UNLOCK, ANN)
    holder = message if len(place) == 1 else message[place[0]]
    holder[place[-1]] = value

    assert_problem(post(open_client, message), 422, "request_invalid", field)


def test_addresses_may_be_written_as_wallets_do(open_client: TestClient) -> None:
    """20-byte addresses with their checksum mean the same command as 32-byte words."""
    message = message_of(UNLOCK, ANN)
    message["data"]["recipient"] = short(UNLOCK.recipient)
    message["data"]["token"] = short(UNLOCK.token).lower()

    answer = post(open_client, message)

    assert answer.status_code == 202, answer.text
    assert answer.json()["command_id"] == "0x" + UNLOCK.digest(HUB).hex()


def test_a_margin_check_changes_nothing_and_needs_no_key(
    open_client: TestClient, store: Store
) -> None:
    """200 with the three levels; the feed stays as it was."""
    answer = post(open_client, check_of(), None)

    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert [level["level"] for level in body["levels"]] == [
        "initial",
        "liquidation_end",
        "maintenance",
    ]
    assert body["is_liquidatable"] is False
    with store.read() as uow:
        assert uow.feed.last_seq() == 1

"""GET: history pages, requests, messages, and what is not there."""

from dataclasses import replace

import pytest
from fastapi.testclient import TestClient

from chains.base58 import base58_of
from chains.types import ChainId, chain_key
from relayer.clock import UnixSeconds
from relayer.outbox.life import MessageEvent, WaitReason
from relayer.store.unit_of_work import Store
from tests.databases import NOW
from tests.relayer.api.kit import (
    ACCOUNT,
    ANN,
    HUB,
    OPEN,
    UNLOCK,
    Lock,
    book_lock,
    key_header,
    message_of,
    other_nonce,
    release_message,
    short,
)

ACCOUNT_TEXT = "0x" + ACCOUNT.hex()
HISTORY = f"/v1/accounts/{ACCOUNT_TEXT}/history"
NOBODY = "0x" + "11" * 32


def test_history_is_paged_without_gaps_or_doubles(open_client: TestClient, store: Store) -> None:
    """Following next_cursor gives every entry once, in the order of the journal."""
    booked = [book_lock(store, Lock(units=number), number) for number in range(1, 8)]

    seen: list[str] = []
    cursor: dict[str, str] = {}
    for _ in range(10):
        page = open_client.get(HISTORY, params={"limit": "3"} | cursor)
        seen += [entry["entry_id"] for entry in page.json()["entries"]]
        if page.json()["next_cursor"] is None:
            break
        cursor = {"cursor": page.json()["next_cursor"]}

    assert seen == ["0x" + entry_id.hex() for entry_id in booked]


def test_an_entry_shows_its_postings_as_text(open_client: TestClient, store: Store) -> None:
    """Signed units as text, so that no reader rounds them."""
    units = 2**200
    book_lock(store, Lock(units=units))

    entry = open_client.get(HISTORY).json()["entries"][0]

    assert [posting["units"] for posting in entry["postings"]] == [str(units), str(-units)]
    assert entry["phase"] == "POSTED"


@pytest.mark.parametrize("cursor", ["x", "AAAA", "é", "A" * 64, "AAAAAAAAAAAAAAAAAAAAAA"])
def test_a_made_up_cursor_is_refused(open_client: TestClient, cursor: str) -> None:
    """422 that says how to begin."""
    answer = open_client.get(HISTORY, params={"cursor": cursor})

    assert answer.status_code == 422
    assert answer.json()["type"].endswith("cursor_invalid")


def test_a_cursor_of_another_account_is_refused(open_client: TestClient, store: Store) -> None:
    """A cursor belongs to one list."""
    for number in (1, 2):
        book_lock(store, Lock(units=1), number)
    cursor = open_client.get(HISTORY, params={"limit": 1}).json()["next_cursor"]

    other = open_client.get(f"/v1/accounts/{NOBODY}/history", params={"cursor": cursor})

    assert other.json()["type"].endswith("cursor_invalid")


@pytest.mark.parametrize("limit", ["0", "201", "-1", "x", "1.5"])
def test_a_limit_outside_its_range_is_refused(open_client: TestClient, limit: str) -> None:
    """1 to 200."""
    answer = open_client.get(HISTORY, params={"limit": limit})

    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "query.limit")


@pytest.mark.parametrize(
    ("path", "code"),
    [
        (f"/v1/accounts/{NOBODY}", "unknown_account"),
        (f"/v1/accounts/{NOBODY}/health", "unknown_account"),
        (f"/v1/accounts/{NOBODY}/history", "unknown_account"),
        (f"/v1/accounts/{NOBODY}/events", "unknown_account"),
        (f"/v1/messages?account={NOBODY}", "unknown_account"),
        (f"/v1/messages/{NOBODY}", "unknown_message"),
        (f"/v1/requests/{NOBODY}", "unknown_request"),
        ("/v1/nothing", "not_found"),
        ("/", "not_found"),
    ],
)
def test_what_is_not_there_is_a_problem(client: TestClient, path: str, code: str) -> None:
    """404 with its own code."""
    answer = client.get(path)

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == f"urn:relayer:problem:{code}"


def test_a_malformed_id_is_named(client: TestClient) -> None:
    """422 and the field, before the database is asked."""
    answer = client.get("/v1/accounts/0x12")

    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "path.account")


def test_an_opening_is_a_request_that_is_done(open_client: TestClient) -> None:
    """Opening and linking have no decision of their own."""
    request = open_client.get("/v1/requests/0x" + OPEN.digest(HUB).hex()).json()

    assert (request["state"], request["kind"]) == ("GRANTED", "OpenAccount")
    assert request["decided_at"] == request["created_at"] == NOW


def test_a_refused_request_names_its_numbers(open_client: TestClient, store: Store) -> None:
    """Code, detail and figures come from the decision as it was stored."""
    command = other_nonce(UNLOCK, 1)
    open_client.post("/v1/messages", json=message_of(command, ANN), headers=key_header("k"))
    command_id = command.digest(HUB)
    with store.unit_of_work() as uow:
        uow.requests.refuse(
            command_id, code="insufficient_margin", detail="too much", numbers={"max_units": "7"}
        )

    request = open_client.get("/v1/requests/0x" + command_id.hex()).json()

    assert (request["state"], request["code"]) == ("REFUSED", "insufficient_margin")
    assert request["numbers"] == {"max_units": "7"}


def test_a_message_shows_its_life_and_signatures(open_client: TestClient, store: Store) -> None:
    """State, machine-readable reason, canonical bytes, every step, every signature."""
    message = release_message()
    with store.unit_of_work() as uow:
        uow.outbox.enqueue(message)
        uow.outbox.move(
            message.message_id,
            MessageEvent.DISPATCH,
            WaitReason.SIGNATURES_MISSING,
            "",
            UnixSeconds(NOW),
        )
        uow.outbox.add_signature(message.message_id, 0, ANN.address, b"\x01" * 65)

    shown = open_client.get("/v1/messages/0x" + message.message_id.hex()).json()

    assert (shown["state"], shown["reason"]) == ("DISPATCHED", "signatures_missing")
    assert shown["payload"] == "0x" + message.message.encode().hex()
    assert [step["event"] for step in shown["life"]] == ["COMPOSE", "DISPATCH"]
    assert shown["signatures"] == [{"signer": short(ANN.address), "signature": "0x" + "01" * 65}]


def test_messages_of_an_account_are_paged(open_client: TestClient, store: Store) -> None:
    """Following next_after gives every message once."""
    with store.unit_of_work() as uow:
        for nonce in range(1, 6):
            uow.outbox.enqueue(release_message(nonce=nonce))

    seen: list[int] = []
    after: dict[str, str] = {}
    for _ in range(5):
        page = open_client.get(
            "/v1/messages", params={"account": ACCOUNT_TEXT, "limit": "2"} | after
        ).json()
        seen += [message["nonce"] for message in page["messages"]]
        if page["next_after"] is None:
            break
        after = {"after": page["next_after"]}

    assert sorted(seen) == [1, 2, 3, 4, 5]


def test_the_list_of_messages_needs_an_account(client: TestClient) -> None:
    """422 and the field."""
    answer = client.get("/v1/messages")

    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "query.account")


def test_a_message_to_solana_is_spelled_as_there(open_client: TestClient, store: Store) -> None:
    """Vault, token, recipient and transactions in base 58; the account and ids stay hex."""
    chain_id = ChainId("solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1")
    vault, mint, wallet = (bytes([number]) * 32 for number in (5, 6, 7))
    composed = release_message()
    message = replace(
        composed.message, target=chain_key(chain_id), vault=vault, token=mint, recipient=wallet
    )
    signature = bytes(range(64))
    with store.unit_of_work() as uow:
        uow.outbox.enqueue(replace(composed, message=message, target_chain=chain_id))
        uow.outbox.add_transaction(message.message_id, chain_id, signature, "deliver")

    shown = open_client.get(f"/v1/messages/0x{message.message_id.hex()}").json()

    assert (shown["contract"], shown["token"]) == (base58_of(vault), base58_of(mint))
    assert shown["recipient"] == base58_of(wallet)
    assert shown["account"] == ACCOUNT_TEXT
    assert [sent["tx_hash"] for sent in shown["transactions"]] == [base58_of(signature)]

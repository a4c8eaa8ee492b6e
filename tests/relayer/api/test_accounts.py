"""One account as an answer: balances in their parts, debts, grants."""

from fastapi.testclient import TestClient

from chains.types import text_of_word
from relayer.clock import UnixSeconds
from relayer.outbox.life import MessageEvent, WaitReason
from relayer.store.grants import CreditGrant, GrantState
from relayer.store.unit_of_work import Store
from tests.databases import NOW
from tests.relayer.api.kit import (
    ACCOUNT,
    ANN,
    CHAIN_A,
    CHAIN_B,
    CHAIN_C,
    LINE_C,
    VAULT_B,
    Lock,
    book_lock,
    release_message,
)

PATH = "/v1/accounts/0x" + ACCOUNT.hex()


def test_balances_tell_final_from_soft(open_client: TestClient, store: Store) -> None:
    """available is final and free; soft is seen and not final; ordered by asset."""
    book_lock(store, Lock(units=10**18), 1)
    book_lock(store, Lock(units=5, is_pending=True), 2)
    book_lock(store, Lock(7, asset_id="USDC", chain_id=CHAIN_B, vault=VAULT_B), 3)

    balances = open_client.get(PATH).json()["balances"]

    assert balances == [
        {
            "asset_id": "USDC",
            "chain_id": CHAIN_B,
            "scale": 6,
            "available": "7",
            "soft": "0",
            "held": "0",
            "in_flight": "0",
        },
        {
            "asset_id": "WETH",
            "chain_id": CHAIN_A,
            "scale": 18,
            "available": str(10**18),
            "soft": "5",
            "held": "0",
            "in_flight": "0",
        },
    ]


def test_in_flight_counts_messages_that_are_on_their_way(
    open_client: TestClient, store: Store
) -> None:
    """A message counts from its dispatch; one that only waits for dispatch does not."""
    book_lock(store, Lock(units=10**18))
    waiting, sent = release_message(units=3, nonce=1), release_message(units=4, nonce=2)
    with store.unit_of_work() as uow:
        for message in (waiting, sent):
            uow.outbox.enqueue(message)
        uow.outbox.move(
            sent.message_id,
            MessageEvent.DISPATCH,
            WaitReason.SIGNATURES_MISSING,
            "",
            UnixSeconds(NOW),
        )

    assert open_client.get(PATH).json()["balances"][0]["in_flight"] == "4"


def test_grants_and_what_they_commit_are_shown(open_client: TestClient, store: Store) -> None:
    """A grant counts as committed debt before anything is drawn."""
    grant = CreditGrant(
        message_id=b"\x05" * 32,
        chain_id=CHAIN_C,
        credit_line=LINE_C,
        account=ACCOUNT,
        borrower=ANN.address,
        limit_units=1_000,
        expiry_seconds=UnixSeconds(NOW + 60),
        nonce=1,
        state=GrantState.GRANTED,
    )
    with store.unit_of_work() as uow:
        uow.grants.upsert(grant)

    account = open_client.get(PATH).json()

    assert account["grants"][0]["limit"] == "1000"
    assert account["grants"][0]["borrower"] == text_of_word(ANN.address)
    assert account["debts"] == [
        {
            "protocol": "lender",
            "asset_id": "USDC",
            "chain_id": CHAIN_C,
            "scale": 6,
            "owed": "0",
            "committed": "1000",
        }
    ]

"""Owners with Solana wallets at POST /v1/messages: taken as others are, refused by name."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from fastapi.testclient import TestClient

from chains.command import LinkOwner
from chains.devnet.wallet_vectors import refused_signatures
from relayer.api.app import app_of
from relayer.steps.catalog import Catalog
from relayer.store.unit_of_work import Store
from tests.relayer.api.kit import (
    ANN,
    BOB,
    CHAIN_A,
    CREDIT,
    HUB,
    OPERATOR,
    SOL,
    SOL_LINK,
    SOL_OPEN,
    SOL_TWO,
    SOL_UNLOCK,
    SOLANA,
    Wallet,
    key_header,
    message_of,
    with_solana,
)

UNLOCK_THERE = replace(SOL_UNLOCK, account=SOL_OPEN.account)


@pytest.fixture
def wallet_client(store: Store, catalog: Catalog) -> Iterator[TestClient]:
    """A client of an API that serves a Solana chain too, where sol opened an account."""
    app = app_of(store, with_solana(catalog))
    with TestClient(app, raise_server_exceptions=False) as made:
        opened = post(made, message_of(SOL_OPEN, SOL), "open")
        assert opened.status_code == 201, opened.text
        yield made


def post(client: TestClient, message: dict[str, Any], key: str = "k") -> Any:
    """Send a message."""
    return client.post("/v1/messages", json=message, headers=key_header(key))


def test_a_solana_wallet_opens_links_and_asks(wallet_client: TestClient) -> None:
    """The account is that of its key; either owner asks afterwards."""
    link = LinkOwner(SOL_OPEN.account, SOLANA, SOL_TWO.address)
    assert post(wallet_client, message_of(link, SOL, SOL_TWO), "link").status_code == 201

    asked = post(wallet_client, message_of(UNLOCK_THERE, SOL_TWO))

    assert asked.status_code == 202, asked.text
    assert asked.json()["command_id"] == "0x" + UNLOCK_THERE.digest(HUB).hex()
    again = post(wallet_client, message_of(UNLOCK_THERE, SOL_TWO))
    assert again.headers["idempotent-replayed"] == "true"
    assert again.json() == asked.json()


def test_upper_case_digits_are_the_same_signature(wallet_client: TestClient) -> None:
    """Bytes are written in hexadecimal of either case."""
    message = message_of(UNLOCK_THERE, SOL)
    message["data"]["signatures"] = ["0x" + message["data"]["signatures"][0][2:].upper()]

    assert post(wallet_client, message).status_code == 202


@pytest.mark.parametrize(
    ("message", "status", "code", "detail"),
    [
        (message_of(UNLOCK_THERE, SOL_TWO), 403, "signer_not_owner", "signatures.0"),
        (message_of(replace(SOL_OPEN, salt=bytes(32)), SOL_TWO), 403, "signer_mismatch", "opener"),
        (message_of(replace(SOL_LINK, owner=BOB.address), ANN, BOB), 422, "address_invalid",
         "owner"),
        (message_of(LinkOwner(SOL_OPEN.account, CHAIN_A, SOL_TWO.address), SOL, SOL_TWO), 422,
         "address_invalid", "owner"),
        (message_of(replace(UNLOCK_THERE, recipient=BOB.address), SOL), 422, "address_invalid",
         "recipient"),
        (message_of(replace(CREDIT, account=SOL_OPEN.account), SOL, SOL), 403, "signer_mismatch",
         "operator of lender"),
    ],
)  # fmt: skip
def test_what_a_wallet_may_not_do_is_refused(
    wallet_client: TestClient, message: dict[str, Any], status: int, code: str, detail: str
) -> None:
    """With the code of the same fault on EVM, and the field."""
    answer = post(wallet_client, message)

    assert answer.status_code == status, answer.text
    assert answer.json()["type"] == f"urn:relayer:problem:{code}"
    assert detail in answer.json()["detail"]


def test_a_wallet_pledges_for_credit_and_the_operator_signs_as_before(
    wallet_client: TestClient,
) -> None:
    """Two families in one message."""
    command = replace(CREDIT, account=SOL_OPEN.account)

    assert post(wallet_client, message_of(command, SOL, OPERATOR)).status_code == 202


@pytest.mark.parametrize("name", refused_signatures())
def test_a_broken_signature_is_refused(
    client: TestClient, catalog: Catalog, store: Store, name: str
) -> None:
    """By its form before it is read, or for its reason; the account is not opened."""
    app = app_of(store, with_solana(catalog))
    _, signature = refused_signatures()[name]
    message = message_of(SOL_OPEN)
    message["data"]["signatures"] = ["0x" + signature.hex()]

    with TestClient(app, raise_server_exceptions=False) as made:
        answer = post(made, message)

    if len(signature) != len(SOL.sign_command(SOL_OPEN, HUB)):
        assert answer.status_code == 422, answer.text
        assert answer.json()["errors"][0]["field"] == "body.data.signatures.0"
    else:
        assert answer.status_code == 403, answer.text
        assert answer.json()["type"] == "urn:relayer:problem:signature_refused"
        assert "Solana wallet" in answer.json()["detail"]
    assert client.get(f"/v1/accounts/0x{SOL_OPEN.account.hex()}").status_code == 404


@pytest.mark.parametrize("wallet", [SOL, ANN])
def test_the_hub_of_the_signature_counts(wallet_client: TestClient, wallet: Wallet) -> None:
    """What was signed for another deployment is nobody's here."""
    message = message_of(UNLOCK_THERE, wallet)
    signature = wallet.sign_command(UNLOCK_THERE, "hub:other")  # type: ignore[arg-type]
    message["data"]["signatures"] = ["0x" + signature.hex()]

    assert post(wallet_client, message).status_code == 403

"""Margin checks: levels, limits and verdicts, with and without prices."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from chains.types import text_of_word
from relayer.clock import FixedClock, UnixSeconds
from relayer.store.grants import CreditGrant, GrantState
from relayer.store.unit_of_work import Store
from tests.databases import NOW
from tests.relayer.api.kit import (
    ACCOUNT,
    ANN,
    CHAIN_A,
    CHAIN_C,
    LINE_C,
    WETH_A,
    Lock,
    book_lock,
    check_of,
    record_price,
)

WETH = text_of_word(WETH_A)
LINE = text_of_word(LINE_C)


@pytest.fixture
def funded(open_client: TestClient, store: Store) -> TestClient:
    """Ann holds 1 WETH at 2000 USD."""
    book_lock(store, Lock(units=10**18))
    record_price(store, "WETH", 2_000)
    record_price(store, "USDC", 1)
    return open_client


def check(client: TestClient, **questions: Any) -> dict[str, Any]:
    """Send a margin check that must be answered."""
    answer = client.post("/v1/messages", json=check_of(ACCOUNT, **questions))
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def commit(store: Store, limit_units: int) -> None:
    """Give ann a grant that counts as debt up to its limit."""
    with store.unit_of_work() as uow:
        uow.grants.upsert(
            CreditGrant(
                message_id=b"\x05" * 32,
                chain_id=CHAIN_C,
                credit_line=LINE_C,
                account=ACCOUNT,
                borrower=ANN.address,
                limit_units=limit_units,
                expiry_seconds=UnixSeconds(NOW + 60),
                nonce=1,
                state=GrantState.GRANTED,
            )
        )


def test_without_debt_everything_may_leave(funded: TestClient) -> None:
    """The whole balance is the limit, and the factor is null."""
    body = check(funded)

    assert [level["factor_wad"] for level in body["levels"]] == [None, None, None]
    assert body["max_unlock"][0]["max_units"] == str(10**18)


def test_credit_up_to_the_limit_passes_and_one_more_does_not(funded: TestClient) -> None:
    """The limit that is shown is the exact border of the verdict."""
    limit = int(check(funded)["max_credit"][0]["max_units"])
    assert 0 < limit < 1_500_000_000

    question = {"chain_id": CHAIN_C, "credit_line": LINE}
    at_limit = check(funded, credit={**question, "limit": str(limit)})["credit"]
    above = check(funded, credit={**question, "limit": str(limit + 1)})["credit"]

    assert at_limit["passes"] is True
    assert (above["passes"], above["code"]) == (False, "insufficient_margin")
    assert str(limit) in above["detail"]


def test_unlock_up_to_the_limit_passes_and_one_more_does_not(
    funded: TestClient, store: Store
) -> None:
    """A grant counts against an unlock up to its limit."""
    commit(store, 500_000_000)
    limit = int(check(funded)["max_unlock"][0]["max_units"])
    assert 0 < limit < 10**18

    question = {"chain_id": CHAIN_A, "token": WETH}
    at_limit = check(funded, unlock={**question, "amount": str(limit)})["unlock"]
    above = check(funded, unlock={**question, "amount": str(limit + 1)})["unlock"]

    assert at_limit["passes"] is True
    assert (above["passes"], above["code"]) == (False, "insufficient_margin")


def test_a_stale_price_makes_limits_unknown_not_wrong(
    funded: TestClient, store: Store, clock: FixedClock
) -> None:
    """null with the reason, and a verdict that does not pass; never a number on an old price."""
    commit(store, 500_000_000)
    clock.move(100_000)

    body = check(funded, unlock={"chain_id": CHAIN_A, "token": WETH, "amount": "1"})

    assert body["max_unlock"][0]["max_units"] is None
    assert "USDC" in body["max_unlock"][0]["reason"]
    assert (body["unlock"]["passes"], body["unlock"]["code"]) == (False, "price_refused")
    assert body["levels"][0]["state"] == "unknown"


@pytest.mark.parametrize(
    ("questions", "code"),
    [
        (
            {"unlock": {"chain_id": CHAIN_A, "token": "0x" + "01" * 20, "amount": "1"}},
            "unknown_token",
        ),
        (
            {"credit": {"chain_id": CHAIN_C, "credit_line": "0x" + "01" * 20, "limit": "1"}},
            "unknown_credit_line",
        ),
    ],
)
def test_a_question_about_what_is_not_served_is_refused(
    funded: TestClient, questions: dict[str, Any], code: str
) -> None:
    """422 and the field."""
    answer = funded.post("/v1/messages", json=check_of(ACCOUNT, **questions))

    assert (answer.status_code, answer.json()["type"]) == (422, f"urn:relayer:problem:{code}")


def test_health_is_the_margin_check_without_questions(funded: TestClient) -> None:
    """GET health answers the same levels and limits."""
    body = check(funded)
    health = funded.get("/v1/accounts/0x" + ACCOUNT.hex() + "/health").json()

    assert health == {name: body[name] for name in health}
    assert set(body) - set(health) == {"unlock", "credit"}

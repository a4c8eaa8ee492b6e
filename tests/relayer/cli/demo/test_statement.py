"""What the statement makes of the answers of commands."""

from typing import Any

import pytest

from relayer.cli.demo.statement import entries_of, message_of

MESSAGE_ID = "0x" + "d4" * 32
REQUEST_ID = "0x" + "e5" * 32
EVENT_ID = "0x" + "f6" * 32


def shown(**changes: Any) -> dict[str, Any]:
    """Return a message as `relayer message show --json` prints it."""
    value: dict[str, Any] = {
        "message_id": MESSAGE_ID,
        "asset_id": "USDC",
        "amount_units": "18000000001",
        "guardians": {
            "members": [
                {"label": "guardian-1", "has_signed": True},
                {"label": "guardian-2", "has_signed": False},
            ]
        },
        "life": [
            {"after": "PENDING", "event": "COMPOSE", "at": 102},
            {"after": "DISPATCHED", "event": "DISPATCH", "at": 103},
            {"after": "ATTESTED", "event": "ATTEST", "at": 105},
            {"after": "SUBMITTED", "event": "SUBMIT", "at": 105},
            {"after": "SUBMITTED", "event": "WAIT", "at": 106},
            {"after": "DELIVERED", "event": "DELIVER", "at": 109},
            {"after": "SUBMITTED", "event": "REORG", "at": 110},
            {"after": "DELIVERED", "event": "DELIVER", "at": 112},
            {"after": "CONFIRMED", "event": "CONFIRM", "at": 120},
        ],
    }
    return value | changes


def entry(kind: str, cause: str) -> dict[str, Any]:
    """Return an entry as `relayer ledger entries --json` prints it."""
    posting = {"chain_id": "eip155:1", "asset_id": "WETH", "units": "-1500000000000000000"}
    return {"kind": kind, "cause": cause, "postings": [posting]}


def test_a_message_has_its_latency_for_each_step() -> None:
    """Counted from the request; after a reorganisation the first time stays."""
    message = message_of(shown(), {MESSAGE_ID: {"created_at": 100, "command_id": REQUEST_ID}})

    assert message["latencies_seconds"] == {
        "decided": 2,
        "attested": 3,
        "submitted": 0,
        "delivered": 4,
        "confirmed": 11,
    }
    assert message["signed_by"] == ["guardian-1"]
    assert message["amount"] == "18000.000001"
    assert message["scale"] == 6
    assert message["request_id"] == REQUEST_ID


def test_a_message_of_the_hub_itself_has_no_request() -> None:
    """A seizure is nobody's request: its life begins with the decision."""
    message = message_of(shown(), {})

    assert message["request_id"] is None
    assert next(iter(message["moments"])) == "decided"


@pytest.mark.parametrize(
    ("kind", "cause", "spelled"),
    [
        ("unlock.held", MESSAGE_ID, "message"),
        ("unlock.held", REQUEST_ID, "request"),
        ("liquidation.moved", REQUEST_ID, "liquidation"),
        ("lock.seen", EVENT_ID, "event of chain eip155:1"),
    ],
)
def test_a_cause_is_spelled_by_what_it_is(kind: str, cause: str, spelled: str) -> None:
    """Event of a chain, message, request, or the hub's own decision."""
    messages = [{"message_id": MESSAGE_ID, "request_id": REQUEST_ID}]

    found = entries_of([entry(kind, cause)], messages)[0]

    assert found["cause_is"] == spelled
    assert found["postings"][0]["amount"] == "-1.5"
    assert found["postings"][0]["units"] == "-1500000000000000000"

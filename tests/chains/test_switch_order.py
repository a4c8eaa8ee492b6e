"""Orders about switches: one digest each, and nothing malformed becomes one."""

from dataclasses import fields, replace
from typing import Any

import pytest

from chains.errors import MessageFormatError
from chains.switch_order import (
    SignedOrder,
    SwitchOrder,
    signed_order_fields,
    signed_order_of_fields,
)
from chains.types import ChainId

HUB = ChainId("hub:test")
ORDER = SwitchOrder("eip155:1", "out", "WETH", True, "odd outflow", 7, 1_800_000_000)
SIGNED = SignedOrder(ORDER, b"\x01" * 65)
CHANGES: dict[str, Any] = {
    "chain_id": "*",
    "direction": "in",
    "asset_id": "*",
    "is_off": False,
    "reason": "other",
    "sequence": 8,
    "issued_at": 1,
}


def test_it_survives_the_wire() -> None:
    """Numbers go as text."""
    assert signed_order_of_fields(signed_order_fields(SIGNED)) == SIGNED


def test_every_field_and_the_hub_are_in_the_digest() -> None:
    """A change of any makes another order."""
    assert set(CHANGES) == {field.name for field in fields(SwitchOrder)}
    digests = {replace(ORDER, **{name: value}).digest(HUB) for name, value in CHANGES.items()}
    digests |= {ORDER.digest(HUB), ORDER.digest(ChainId("hub:other"))}

    assert len(digests) == len(CHANGES) + 2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("chain_id", ""),
        ("chain_id", "a b"),
        ("chain_id", "x" * 65),
        ("asset_id", "A\x00"),
        ("direction", "up"),
        ("reason", ""),
        ("reason", "x" * 501),
        ("sequence", "-1"),
        ("sequence", "1" * 21),
        ("sequence", 7),
        ("issued_at", "\u0661"),
        ("is_off", "true"),
        ("signature", "01"),
        ("signature", "0xzz"),
        ("signature", None),
    ],
)
def test_a_malformed_field_is_named(name: str, value: Any) -> None:
    """Whoever sent it finds it."""
    with pytest.raises(MessageFormatError, match=name):
        signed_order_of_fields(signed_order_fields(SIGNED) | {name: value})


@pytest.mark.parametrize("value", [None, [], 5, {}, signed_order_fields(SIGNED) | {"more": "x"}])
def test_another_object_is_no_order(value: object) -> None:
    """Exactly these keys."""
    with pytest.raises(MessageFormatError, match="exactly"):
        signed_order_of_fields(value)

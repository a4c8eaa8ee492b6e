"""What must hold between a message and its command: every field, with the field's name."""

from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.message import Message, MessageKind
from relayer.clock import UnixSeconds
from relayer.errors import RefusedError
from relayer.guardian.checks import (
    EXPIRY_AHEAD_SECONDS_MAX,
    NONCE_MAX,
    GuardianView,
    check_binding,
    check_signers,
)
from tests.databases import NOW
from tests.relayer.api.kit import ANN, HUB, LINE_C, OPERATOR, UNLOCK, VAULT_A
from tests.relayer.steps.world import SIGNED_CREDIT, SIGNED_UNLOCK, request_of, signed

VIEW = GuardianView(hub=HUB, epoch=1, target_contract=VAULT_A, now=UnixSeconds(NOW))
NAMES = [field.name for field in fields(Message) if field.name not in ("kind", "nonce")]


def changed(message: Message, name: str, by: int) -> Message:
    """Return a message with another value of one field."""
    value: Any = getattr(message, name)
    if isinstance(value, bytes):
        value = ((int.from_bytes(value, "big") + by) % 2**256).to_bytes(32, "big")
    else:
        value += by
    return replace(message, **{name: value})


def test_what_belongs_together_passes() -> None:
    """At the first and at the last second."""
    request = request_of(SIGNED_UNLOCK)

    check_binding(request, VIEW)
    check_binding(request, replace(VIEW, now=UnixSeconds(UNLOCK.deadline)))
    check_binding(request_of(SIGNED_CREDIT), replace(VIEW, target_contract=LINE_C))


@given(st.sampled_from(NAMES), st.integers(1, 2**31))
def test_no_field_can_change(name: str, by: int) -> None:
    """By whatever amount; the expiry of a release may, within its bounds."""
    request = request_of(SIGNED_UNLOCK)
    other = replace(request, message=changed(request.message, name, by))
    if name == "expiry_seconds" and by <= EXPIRY_AHEAD_SECONDS_MAX - 3_600:
        check_binding(other, VIEW)
        return

    with pytest.raises(RefusedError, match=name.removesuffix("_units").removesuffix("_seconds")):
        check_binding(other, VIEW)


@pytest.mark.parametrize("kind", [kind for kind in MessageKind if kind is not MessageKind.RELEASE])
def test_a_command_makes_messages_of_its_own_kind(kind: MessageKind) -> None:
    """An unlock makes releases only."""
    with pytest.raises(RefusedError, match="kind_mismatch"):
        check_binding(request_of(SIGNED_UNLOCK, kind=kind), VIEW)


def test_an_executed_message_is_judged_by_its_own_time() -> None:
    """Expiry, deadline and epoch are the past's; everything else still must fit."""
    late = replace(VIEW, now=UnixSeconds(NOW + 10**6), epoch=9, is_executed=True)
    check_binding(request_of(SIGNED_UNLOCK), late)

    with pytest.raises(RefusedError, match="recipient"):
        check_binding(request_of(SIGNED_UNLOCK, recipient=VAULT_A), late)


def test_a_nonce_that_no_table_can_hold_is_refused() -> None:
    """The lane counts by one; nobody gets there honestly."""
    check_binding(request_of(SIGNED_UNLOCK, nonce=NONCE_MAX), VIEW)

    with pytest.raises(RefusedError, match="nonce"):
        check_binding(request_of(SIGNED_UNLOCK, nonce=NONCE_MAX + 1), VIEW)


def test_signers_come_in_order() -> None:
    """As many as are needed, no more and no fewer."""
    both = signed(SIGNED_CREDIT.command, ANN, OPERATOR)

    assert check_signers(both, hub=HUB, count=2) == (ANN.address, OPERATOR.address)
    for count in (1, 3):
        with pytest.raises(RefusedError, match="signatures_missing"):
            check_signers(both, hub=HUB, count=count)

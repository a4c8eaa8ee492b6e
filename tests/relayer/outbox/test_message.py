"""Tests of what must be stored with a message."""

from dataclasses import replace

import pytest

from chains.errors import MessageFormatError
from chains.message import MessageKind
from relayer.clock import UnixSeconds
from tests.relayer.store.samples import OTHER_CHAIN, release


def test_its_id_is_that_of_the_canonical_bytes() -> None:
    """Nothing stored beside the bytes changes the id."""
    message = release()

    assert message.message_id == message.message.message_id
    assert replace(message, command=None).message_id == message.message_id


def test_value_leaves_a_vault_only_with_a_hold() -> None:
    """A release or a seizure without a hold cannot be made; a pause can."""
    message = release()

    with pytest.raises(MessageFormatError, match="RELEASE needs a hold"):
        replace(message, hold_entry_id=None)
    pause = replace(message.message, kind=MessageKind.PAUSE)
    assert replace(message, message=pause, hold_entry_id=None).hold_entry_id is None


def test_fields_that_disagree_are_refused() -> None:
    """Another target, short ids, or a deadline outside the message's time."""
    message = release()

    with pytest.raises(MessageFormatError, match="target_chain"):
        replace(message, target_chain=OTHER_CHAIN)
    with pytest.raises(MessageFormatError, match="correlation_id"):
        replace(message, correlation_id=b"\x01")
    with pytest.raises(MessageFormatError, match="hold_entry_id: 32 bytes"):
        replace(message, hold_entry_id=b"\x01")
    with pytest.raises(MessageFormatError, match="deadline_at"):
        replace(message, deadline_at=UnixSeconds(message.message.expiry_seconds + 1))
    with pytest.raises(MessageFormatError, match="deadline_at"):
        replace(message, deadline_at=UnixSeconds(message.created_at - 1))

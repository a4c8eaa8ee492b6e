"""Tests of the guards on messages, senders, jobs and the feed."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from relayer.clock import UnixSeconds
from relayer.store.leases import sender_lease_name
from relayer.store.send_rows import SendAttempt, SenderKey
from relayer.store.unit_of_work import Store
from tests.databases import NOW
from tests.relayer.store.samples import ANN, CHAIN, FLOW, VAULT, release, unlock_command

APPEND_ONLY = {
    "message_transition": "detail",
    "message_signature": "signature",
    "message_transaction": "role",
    "send_attempt": "raw",
    "signed_command": "fields",
}
FIXED = {
    "outbox_message": ("payload", "nonce", "hold_entry_id", "command_fields", "account"),
    "send": ("account_nonce", "key_address"),
    "feed_event": ("content", "seq", "account"),
}
NEVER_DELETED = ("lease", "job", "outbox_nonce", "outbox_message", "send", "feed_event")


def filled(store: Store) -> None:
    """Put a row into each table."""
    message = release(1)
    key = SenderKey(CHAIN, ANN)
    with store.unit_of_work() as uow:
        uow.outbox.next_nonce(CHAIN, VAULT)
        uow.outbox.enqueue(message)
        uow.outbox.add_signature(message.message_id, 1, ANN, b"\x01" * 65)
        uow.outbox.add_transaction(message.message_id, CHAIN, ANN, "deliver")
        lease = uow.leases.acquire(sender_lease_name(CHAIN, ANN), "me", 60)
        assert lease is not None
        uow.nonces.reserve(key, message.message_id, 0, lease)
        uow.nonces.record_attempt(uow.nonces.row(key, 0), SendAttempt(ANN, b"raw", 1, 1), lease)
        uow.jobs.ring("kind", "key", "queue", UnixSeconds(NOW), FLOW)
        uow.feed.append("type", {}, account=ANN, correlation_id=FLOW, at=UnixSeconds(NOW))
        uow.commands.store(ANN, unlock_command())


def refused(store: Store, statement: str) -> None:
    """Run raw SQL that the database must refuse."""
    with pytest.raises(DBAPIError), store.unit_of_work() as uow:
        uow.connection.execute(text(statement))


def test_records_of_a_message_cannot_be_changed(store: Store) -> None:
    """Life, signatures, transactions, attempts and commands are append-only."""
    filled(store)

    for table, column in APPEND_ONLY.items():
        refused(store, f"UPDATE {table} SET {column} = {column}")
        refused(store, f"DELETE FROM {table}")


def test_what_was_promised_to_others_stays(store: Store) -> None:
    """Payload, hold, command and feed content never change; the state of a row may."""
    filled(store)

    for table, columns in FIXED.items():
        for column in columns:
            refused(store, f"UPDATE {table} SET {column} = {column}")


def test_what_counts_is_never_deleted(store: Store) -> None:
    """A token, a nonce or a sequence that started again would be given twice."""
    filled(store)

    for table in NEVER_DELETED:
        refused(store, f"DELETE FROM {table}")


def test_a_payload_of_another_width_is_refused(store: Store) -> None:
    """The table takes canonical bytes only."""
    filled(store)

    refused(
        store,
        "INSERT INTO outbox_message SELECT account, account, kind, target_chain, contract, 2,"
        "account, correlation_id, hold_entry_id, command_kind, command_fields, "
        "command_signatures, created_at, state, reason, attempts, next_attempt_at, deadline_at "
        "FROM outbox_message",
    )

"""Tables of jobs, leases, messages, senders and the feed. Comments are in migration 0004."""

from typing import Final

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, Table, Text

from relayer.store.chain_tables import METADATA
from relayer.store.columns import U256, Bytes32

LEASE: Final = Table(
    "lease",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
)

JOB: Final = Table(
    "job",
    METADATA,
    Column("kind", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("queue", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("ready_at", BigInteger),
    Column("rung_for", BigInteger),
    Column("waiting_since", BigInteger),
    Column("wanted", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("holder", Text),
    Column("reason", Text),
    Column("correlation_id", Bytes32, nullable=False),
)

OUTBOX_NONCE: Final = Table(
    "outbox_nonce",
    METADATA,
    Column("target_chain", Text, primary_key=True),
    Column("contract", Bytes32, primary_key=True),
    Column("last_nonce", BigInteger, nullable=False),
)

OUTBOX_MESSAGE: Final = Table(
    "outbox_message",
    METADATA,
    Column("message_id", Bytes32, primary_key=True),
    Column("payload", LargeBinary, nullable=False),
    Column("kind", Text, nullable=False),
    Column("target_chain", Text, nullable=False),
    Column("contract", Bytes32, nullable=False),
    Column("nonce", BigInteger, nullable=False),
    Column("account", Bytes32, nullable=False),
    Column("correlation_id", Bytes32, nullable=False),
    Column("hold_entry_id", Bytes32),
    Column("command_kind", Text),
    Column("command_fields", Text),
    Column("command_signatures", Text),
    Column("created_at", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_attempt_at", BigInteger, nullable=False),
    Column("deadline_at", BigInteger, nullable=False),
)

MESSAGE_TRANSITION: Final = Table(
    "message_transition",
    METADATA,
    Column("message_id", Bytes32, primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("before", Text),
    Column("after", Text, nullable=False),
    Column("event", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
)

MESSAGE_SIGNATURE: Final = Table(
    "message_signature",
    METADATA,
    Column("message_id", Bytes32, primary_key=True),
    Column("guardian_set_index", BigInteger, primary_key=True),
    Column("signer", Bytes32, primary_key=True),
    Column("signature", LargeBinary, nullable=False),
    Column("at", BigInteger, nullable=False),
)

MESSAGE_TRANSACTION: Final = Table(
    "message_transaction",
    METADATA,
    Column("message_id", Bytes32, primary_key=True),
    Column("chain_id", Text, primary_key=True),
    Column("tx_hash", LargeBinary, primary_key=True),
    Column("role", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
)

SEND: Final = Table(
    "send",
    METADATA,
    Column("chain_id", Text, primary_key=True),
    Column("key_address", Bytes32, primary_key=True),
    Column("account_nonce", BigInteger, primary_key=True),
    Column("message_id", Bytes32, nullable=False),
    Column("state", Text, nullable=False),
    Column("reserved_at", BigInteger, nullable=False),
    Column("mined_tx_hash", LargeBinary),
    Column("mined_height", BigInteger),
    Column("mined_hash", Bytes32),
)

SEND_ATTEMPT: Final = Table(
    "send_attempt",
    METADATA,
    Column("chain_id", Text, primary_key=True),
    Column("tx_hash", LargeBinary, primary_key=True),
    Column("key_address", Bytes32, nullable=False),
    Column("account_nonce", BigInteger, nullable=False),
    Column("message_id", Bytes32, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("raw", LargeBinary, nullable=False),
    Column("fee_max_wei", U256, nullable=False),
    Column("fee_priority_wei", U256, nullable=False),
    Column("at", BigInteger, nullable=False),
)

FEED_COUNTER: Final = Table(
    "feed_counter",
    METADATA,
    Column("scope", LargeBinary, primary_key=True),
    Column("last_seq", BigInteger, nullable=False),
)

FEED_EVENT: Final = Table(
    "feed_event",
    METADATA,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("account", Bytes32),
    Column("account_seq", BigInteger),
    Column("event_type", Text, nullable=False),
    Column("content", Text, nullable=False),
    Column("correlation_id", Bytes32, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("published_at", BigInteger),
)

IDEMPOTENCY: Final = Table(
    "idempotency",
    METADATA,
    Column("sender", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("fingerprint", Bytes32, nullable=False),
    Column("begun_at", BigInteger, nullable=False),
    Column("finished_at", BigInteger),
    Column("status", Integer),
    Column("body", LargeBinary),
)

SIGNED_COMMAND: Final = Table(
    "signed_command",
    METADATA,
    Column("command_id", Bytes32, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("fields", Text, nullable=False),
    Column("signatures", Text, nullable=False),
    Column("received_at", BigInteger, nullable=False),
)

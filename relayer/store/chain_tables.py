"""Tables of what is seen on chains. Comments and checks are in migration 0002."""

from typing import Final

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, Table, Text
from sqlmodel import SQLModel

from relayer.store.columns import U256, Bytes32

METADATA: Final = SQLModel.metadata
IDENTITY: Final = BigInteger().with_variant(Integer(), "sqlite")

CHAIN: Final = Table(
    "chain",
    METADATA,
    Column("chain_id", Text, primary_key=True),
    Column("reference", Text),
    Column("genesis_hash", Bytes32),
    Column("halted_at", BigInteger),
    Column("halted_reason", Text),
    Column("head_height", BigInteger),
    Column("head_hash", Bytes32),
    Column("finalized_height", BigInteger),
    Column("finalized_hash", Bytes32),
    Column("reread_height", BigInteger),
    Column("version", BigInteger, nullable=False),
)

CHAIN_LOG: Final = Table(
    "chain_log",
    METADATA,
    Column("seq", IDENTITY, primary_key=True),
    Column("chain_id", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
)

CHECKPOINT: Final = Table(
    "checkpoint",
    METADATA,
    Column("chain_id", Text, primary_key=True),
    Column("block_hash", Bytes32, primary_key=True),
    Column("height", BigInteger, nullable=False),
    Column("parent_hash", Bytes32, nullable=False),
    Column("timestamp_seconds", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("stored_at", BigInteger, nullable=False),
)

OBSERVED_EVENT: Final = Table(
    "observed_event",
    METADATA,
    Column("event_id", Bytes32, primary_key=True),
    Column("chain_id", Text, nullable=False),
    Column("height", BigInteger, nullable=False),
    Column("block_hash", Bytes32, nullable=False),
    Column("tx_hash", LargeBinary, nullable=False),
    Column("log_index", BigInteger, nullable=False),
    Column("contract", Bytes32, nullable=False),
    Column("kind", Text, nullable=False),
    Column("account", Bytes32, nullable=False),
    Column("message_id", Bytes32),
    Column("lock_id", BigInteger),
    Column("payload", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("booked", Text, nullable=False),
    Column("parked_from", Text),
    Column("parked_reason", Text),
    Column("revivals", Integer, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
    Column("final_at", BigInteger),
)

BOOKING_MARK: Final = Table(
    "booking_mark",
    METADATA,
    Column("chain_id", Text, primary_key=True),
    Column("height", BigInteger, nullable=False),
    Column("version", BigInteger, nullable=False),
)

MALFORMED_LOG: Final = Table(
    "malformed_log",
    METADATA,
    Column("chain_id", Text, primary_key=True),
    Column("block_hash", Bytes32, primary_key=True),
    Column("tx_hash", LargeBinary, primary_key=True),
    Column("log_index", BigInteger, primary_key=True),
    Column("height", BigInteger, nullable=False),
    Column("contract", Bytes32, nullable=False),
    Column("reason", Text, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
)

CUSTODY_BREAK: Final = Table(
    "custody_break",
    METADATA,
    Column("break_id", IDENTITY, primary_key=True),
    Column("chain_id", Text, nullable=False),
    Column("asset_id", Text, nullable=False),
    Column("contract", Bytes32, nullable=False),
    Column("ledger_units", U256, nullable=False),
    Column("chain_units", U256, nullable=False),
    Column("height", BigInteger, nullable=False),
    Column("block_hash", Bytes32, nullable=False),
    Column("found_at", BigInteger, nullable=False),
)

BREAK_CLEARANCE: Final = Table(
    "break_clearance",
    METADATA,
    Column("break_id", BigInteger, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("cleared_by", Text, nullable=False),
    Column("cleared_at", BigInteger, nullable=False),
)

DEBT_POSITION: Final = Table(
    "debt_position",
    METADATA,
    Column("view", Text, primary_key=True),
    Column("chain_id", Text, primary_key=True),
    Column("credit_line", Bytes32, primary_key=True),
    Column("account", Bytes32, primary_key=True),
    Column("scaled", U256, nullable=False),
    Column("index_ray", U256, nullable=False),
    Column("seen_height", BigInteger, nullable=False),
    Column("log_index", BigInteger, nullable=False),
)

CREDIT_GRANT: Final = Table(
    "credit_grant",
    METADATA,
    Column("message_id", Bytes32, primary_key=True),
    Column("chain_id", Text, nullable=False),
    Column("credit_line", Bytes32, nullable=False),
    Column("account", Bytes32, nullable=False),
    Column("borrower", Bytes32, nullable=False),
    Column("limit_units", U256, nullable=False),
    Column("expiry_seconds", BigInteger, nullable=False),
    Column("nonce", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
)

PRICE: Final = Table(
    "price",
    METADATA,
    Column("seq", IDENTITY, primary_key=True),
    Column("feed_label", Text, nullable=False),
    Column("chain_id", Text, nullable=False),
    Column("asset_id", Text, nullable=False),
    Column("answer", Text, nullable=False),
    Column("scale", Integer, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("observed_at", BigInteger, nullable=False),
    Column("height", BigInteger),
)

CHAIN_CONDITION: Final = Table(
    "chain_condition",
    METADATA,
    Column("chain_id", Text, primary_key=True),
    Column("condition", Text, nullable=False),
    Column("since_at", BigInteger, nullable=False),
    Column("detail", Text, nullable=False),
)

CHAIN_NODE: Final = Table(
    "chain_node",
    METADATA,
    Column("chain_id", Text, primary_key=True),
    Column("label", Text, primary_key=True),
    Column("standing", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("since_at", BigInteger, nullable=False),
    Column("dissents", BigInteger, nullable=False),
    Column("dissented_at", BigInteger),
)

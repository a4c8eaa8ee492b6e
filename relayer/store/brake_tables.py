"""Tables of switches and of the governor. Comments and checks are in 0010 and 0012."""

from typing import Final

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, Table, Text

from relayer.store.chain_tables import IDENTITY, METADATA
from relayer.store.columns import U256, Bytes32

SWITCH: Final = Table(
    "switch",
    METADATA,
    Column("source", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("chain_id", Text),
    Column("direction", Text),
    Column("asset_id", Text),
    Column("is_off", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("issued_at", BigInteger, nullable=False),
    Column("signature", LargeBinary),
    Column("changed_at", BigInteger, nullable=False),
)

SWITCH_LOG: Final = Table(
    "switch_log",
    METADATA,
    Column("seq", IDENTITY, primary_key=True),
    Column("source", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("signature", LargeBinary),
    Column("at", BigInteger, nullable=False),
)

SWITCH_ACK: Final = Table(
    "switch_ack",
    METADATA,
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("guardian", Bytes32, primary_key=True),
    Column("at", BigInteger, nullable=False),
)

GOVERNOR_RELEASE: Final = Table(
    "governor_release",
    METADATA,
    Column("message_id", Bytes32, primary_key=True),
    Column("chain_id", Text, nullable=False),
    Column("bridge", Text, nullable=False),
    Column("asset_id", Text, nullable=False),
    Column("units", U256, nullable=False),
    Column("value_wad", U256, nullable=False),
    Column("state", Text, nullable=False),
    Column("is_counted", Integer, nullable=False),
    Column("queued_at", BigInteger, nullable=False),
    Column("due_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("decided_at", BigInteger),
    Column("reason", Text, nullable=False),
    Column("who", Text, nullable=False),
)

GOVERNOR_LOG: Final = Table(
    "governor_log",
    METADATA,
    Column("seq", IDENTITY, primary_key=True),
    Column("message_id", Bytes32, nullable=False),
    Column("action", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("due_at", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
)

GOVERNOR_TAKE: Final = Table(
    "governor_take",
    METADATA,
    Column("seq", IDENTITY, primary_key=True),
    Column("message_id", Bytes32, nullable=False),
    Column("origin", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("value_wad", U256, nullable=False),
    Column("missing_wad", U256, nullable=False),
    Column("at", BigInteger, nullable=False),
)

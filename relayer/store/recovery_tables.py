"""Tables of recoveries, deficits and corrections. Comments and checks are in migration 0011."""

from typing import Final

from sqlalchemy import BigInteger, Column, Table, Text

from relayer.store.chain_tables import IDENTITY, METADATA
from relayer.store.columns import U256, Bytes32

CHAIN_RECOVERY: Final = Table(
    "chain_recovery",
    METADATA,
    Column("seq", IDENTITY, primary_key=True),
    Column("chain_id", Text, nullable=False),
    Column("target_height", BigInteger),
    Column("target_hash", Bytes32),
    Column("head_height", BigInteger, nullable=False),
    Column("finalized_height", BigInteger),
    Column("finalized_hash", Bytes32),
    Column("checkpoints_count", BigInteger, nullable=False),
    Column("events_count", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("recovered_by", Text, nullable=False),
    Column("recovered_at", BigInteger, nullable=False),
)

DEFICIT: Final = Table(
    "deficit",
    METADATA,
    Column("entry_id", Bytes32, primary_key=True),
    Column("account", Bytes32, nullable=False),
    Column("asset_id", Text, nullable=False),
    Column("chain_id", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("units", U256, nullable=False),
    Column("at", BigInteger, nullable=False),
)

CORRECTION: Final = Table(
    "correction",
    METADATA,
    Column("correction_id", Bytes32, primary_key=True),
    Column("entry_id", Bytes32, nullable=False),
    Column("break_id", BigInteger, nullable=False),
    Column("chain_id", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("document", Text, nullable=False),
    Column("signatures", Text, nullable=False),
    Column("posted_at", BigInteger, nullable=False),
)

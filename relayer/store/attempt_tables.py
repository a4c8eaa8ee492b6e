"""The table of transactions that expire. Comments are in migration 0015."""

from typing import Final

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, Table, Text

from relayer.store.chain_tables import METADATA
from relayer.store.columns import Bytes32

EXPIRING_ATTEMPT: Final = Table(
    "expiring_attempt",
    METADATA,
    Column("chain_id", Text, primary_key=True),
    Column("tx_hash", LargeBinary, primary_key=True),
    Column("key_address", Bytes32, nullable=False),
    Column("message_id", Bytes32, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("raw", LargeBinary, nullable=False),
    Column("fee_micro_lamports", BigInteger, nullable=False),
    Column("last_block_number", BigInteger, nullable=False),
    Column("signed_height", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("landed_height", BigInteger),
    Column("landed_hash", Bytes32),
    Column("reason", Text, nullable=False),
)

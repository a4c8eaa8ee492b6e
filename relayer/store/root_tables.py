"""Tables of published roots, and of what people did with dead letters; migration 0007."""

from typing import Final

from sqlalchemy import BigInteger, Column, SmallInteger, Table, Text
from sqlmodel import SQLModel

from relayer.store.chain_tables import IDENTITY
from relayer.store.columns import Bytes32

METADATA: Final = SQLModel.metadata

LEDGER_ROOT: Final = Table(
    "ledger_root",
    METADATA,
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("tree_hash", Bytes32, nullable=False),
    Column("root", Bytes32, nullable=False),
    Column("head_hash", Bytes32, nullable=False),
    Column("made_at", BigInteger, nullable=False),
)

LEDGER_NODE: Final = Table(
    "ledger_node",
    METADATA,
    Column("level", SmallInteger, primary_key=True, autoincrement=False),
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("node_hash", Bytes32, nullable=False),
)

DEAD_LETTER_LOG: Final = Table(
    "dead_letter_log",
    METADATA,
    Column("seq", IDENTITY, primary_key=True),
    Column("letter_id", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("before", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("taken_by", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
)

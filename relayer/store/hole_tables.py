"""The table of what two readings differ in. Comments and checks are in migration 0006."""

from typing import Final

from sqlalchemy import BigInteger, Column, Table, Text
from sqlmodel import SQLModel

from relayer.store.columns import Bytes32

METADATA: Final = SQLModel.metadata

HOLE: Final = Table(
    "hole",
    METADATA,
    Column("event_id", Bytes32, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("chain_id", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("height", BigInteger, nullable=False),
    Column("found_at", BigInteger, nullable=False),
)

"""Tables of the ledger and of margin accounts; migration 0001 holds their DDL and units."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    LargeBinary,
    SmallInteger,
    Text,
    UniqueConstraint,
    text,
)
from sqlmodel import Field, SQLModel

from relayer.store.columns import U256, Bytes32, Counter, table_of


class LedgerHeadRow(SQLModel, table=True):
    """The one row that numbers and chains entries; its lock serialises posting."""

    __tablename__ = "ledger_head"

    shard: int = Field(sa_column=Column(SmallInteger, primary_key=True))
    last_seq: int = Field(sa_column=Column(BigInteger, nullable=False))
    last_hash: bytes = Field(sa_column=Column(Bytes32, nullable=False))


class JournalEntryRow(SQLModel, table=True):
    """One journal entry without its postings; append-only."""

    __tablename__ = "journal_entry"
    __table_args__ = tuple(
        Index(
            f"journal_entry_{link}_key",
            link,
            unique=True,
            postgresql_where=text(f"{link} IS NOT NULL"),
        )
        for link in ("resolves", "reversal_of")
    )

    seq: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    entry_id: bytes = Field(sa_column=Column(Bytes32, nullable=False, unique=True))
    kind: str = Field(sa_column=Column(Text, nullable=False))
    cause: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    phase: int = Field(sa_column=Column(SmallInteger, nullable=False))
    resolves: bytes | None = Field(sa_column=Column(Bytes32, ForeignKey("journal_entry.entry_id")))
    reversal_of: bytes | None = Field(
        sa_column=Column(Bytes32, ForeignKey("journal_entry.entry_id"))
    )
    correlation_id: bytes = Field(sa_column=Column(LargeBinary, nullable=False, index=True))
    booked_at: int = Field(sa_column=Column(BigInteger, nullable=False))
    postings_count: int = Field(sa_column=Column(SmallInteger, nullable=False))
    entry_hash: bytes = Field(sa_column=Column(Bytes32, nullable=False))


class LedgerLineRow(SQLModel, table=True):
    """One account in one asset on one chain, with its counters; its names never change."""

    __tablename__ = "ledger_line"
    __table_args__ = (UniqueConstraint("code", "asset_id", "chain_id", name="ledger_line_names"),)

    line_key: bytes = Field(sa_column=Column(Bytes32, primary_key=True))
    code: str = Field(sa_column=Column(Text, nullable=False))
    asset_id: str = Field(sa_column=Column(Text, nullable=False))
    chain_id: str = Field(sa_column=Column(Text, nullable=False))
    debits_pending: int = Field(sa_column=Column(Counter, nullable=False))
    debits_posted: int = Field(sa_column=Column(Counter, nullable=False))
    credits_pending: int = Field(sa_column=Column(Counter, nullable=False))
    credits_posted: int = Field(sa_column=Column(Counter, nullable=False))
    postings_count: int = Field(sa_column=Column(BigInteger, nullable=False))


class PostingRow(SQLModel, table=True):
    """One posting of an entry; append-only."""

    __tablename__ = "posting"

    seq: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    position: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    line_key: bytes = Field(sa_column=Column(Bytes32, nullable=False))
    phase: int = Field(sa_column=Column(SmallInteger, nullable=False))
    side: int = Field(sa_column=Column(SmallInteger, nullable=False))
    units: int = Field(sa_column=Column(U256, nullable=False))


class LineCheckpointRow(SQLModel, table=True):
    """The counters of a line as of a seq, so that past balances need few postings; append-only."""

    __tablename__ = "line_checkpoint"

    line_key: bytes = Field(
        sa_column=Column(Bytes32, ForeignKey("ledger_line.line_key"), primary_key=True)
    )
    seq: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    debits_pending: int = Field(sa_column=Column(Counter, nullable=False))
    debits_posted: int = Field(sa_column=Column(Counter, nullable=False))
    credits_pending: int = Field(sa_column=Column(Counter, nullable=False))
    credits_posted: int = Field(sa_column=Column(Counter, nullable=False))


class MarginAccountRow(SQLModel, table=True):
    """One margin account; append-only."""

    __tablename__ = "margin_account"

    account: bytes = Field(sa_column=Column(Bytes32, primary_key=True))
    opener: bytes = Field(sa_column=Column(Bytes32, nullable=False))
    salt: bytes = Field(sa_column=Column(Bytes32, nullable=False))
    command_id: bytes = Field(sa_column=Column(Bytes32, nullable=False))
    opened_at: int = Field(sa_column=Column(BigInteger, nullable=False))


class AccountOwnerRow(SQLModel, table=True):
    """One address that may act for an account on one chain; append-only."""

    __tablename__ = "account_owner"

    account: bytes = Field(
        sa_column=Column(Bytes32, ForeignKey("margin_account.account"), primary_key=True)
    )
    chain_id: str = Field(sa_column=Column(Text, primary_key=True))
    owner: bytes = Field(sa_column=Column(Bytes32, primary_key=True))
    command_id: bytes = Field(sa_column=Column(Bytes32, nullable=False))
    linked_at: int = Field(sa_column=Column(BigInteger, nullable=False))


HEAD: Final = table_of(LedgerHeadRow)
ENTRY: Final = table_of(JournalEntryRow)
LINE: Final = table_of(LedgerLineRow)
POSTING: Final = table_of(PostingRow)
CHECKPOINT: Final = table_of(LineCheckpointRow)
ACCOUNT: Final = table_of(MarginAccountRow)
OWNER: Final = table_of(AccountOwnerRow)

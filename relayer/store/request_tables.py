"""Tables of requests, their decisions, and the last known state of each credit line."""

from sqlalchemy import JSON, BigInteger, Column, String
from sqlmodel import Field, SQLModel

from relayer.store.columns import U256, Bytes32


class RequestRow(SQLModel, table=True):
    """One request of an owner or protocol, or one case of the hub, and what was decided."""

    __tablename__ = "request"

    command_id: bytes = Field(sa_column=Column(Bytes32(), primary_key=True))
    kind: str = Field(sa_column=Column(String(32), nullable=False))
    account: bytes = Field(sa_column=Column(Bytes32(), nullable=False, index=True))
    correlation_id: bytes = Field(sa_column=Column(Bytes32(), nullable=False))
    state: str = Field(sa_column=Column(String(16), nullable=False))
    code: str = Field(sa_column=Column(String(64), nullable=False))
    detail: str = Field(sa_column=Column(String(2000), nullable=False))
    message_id: bytes | None = Field(default=None, sa_column=Column(Bytes32(), nullable=True))
    numbers: dict[str, str] = Field(sa_column=Column(JSON, nullable=False))
    created_at: int = Field(sa_column=Column(BigInteger, nullable=False))
    decided_at: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))


class CreditLineRow(SQLModel, table=True):
    """The newest state seen of a credit line: its index and rate, to accrue interest between."""

    __tablename__ = "credit_line_state"

    chain_id: str = Field(sa_column=Column(String(41), primary_key=True))
    credit_line: bytes = Field(sa_column=Column(Bytes32(), primary_key=True))
    index_ray: int = Field(sa_column=Column(U256(), nullable=False))
    accrued_at: int = Field(sa_column=Column(BigInteger, nullable=False))
    rate_per_second_ray: int = Field(sa_column=Column(U256(), nullable=False))
    height: int = Field(sa_column=Column(BigInteger, nullable=False))

"""Add requests with their decisions, and the state of credit lines."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def _whole(digits: int) -> "sa.types.TypeEngine[Any]":
    if op.get_context().dialect.name == "sqlite":
        return sa.LargeBinary(32)
    return sa.Numeric(digits, 0)


def upgrade() -> None:
    """Create both tables."""
    op.create_table(
        "request",
        sa.Column("command_id", sa.LargeBinary(32), primary_key=True, comment="EIP-712 digest"),
        sa.Column("kind", sa.String(32), nullable=False, comment="name of the command"),
        sa.Column("account", sa.LargeBinary(32), nullable=False, comment="margin account id"),
        sa.Column("correlation_id", sa.LargeBinary(32), nullable=False, comment="followed flow"),
        sa.Column("state", sa.String(16), nullable=False, comment="PENDING, GRANTED or REFUSED"),
        sa.Column("code", sa.String(64), nullable=False, comment="machine-readable reason"),
        sa.Column("detail", sa.String(2000), nullable=False, comment="reason that names numbers"),
        sa.Column("message_id", sa.LargeBinary(32), nullable=True, comment="message of a grant"),
        sa.Column("numbers", sa.JSON, nullable=False, comment="figures behind the decision, text"),
        sa.Column("created_at", sa.BigInteger, nullable=False, comment="Unix seconds"),
        sa.Column("decided_at", sa.BigInteger, nullable=True, comment="Unix seconds"),
        sa.CheckConstraint("state IN ('PENDING', 'GRANTED', 'REFUSED')", name="request_state"),
        comment="One request and what was decided about it",
    )
    op.create_index("ix_request_account", "request", ["account"])
    op.create_table(
        "credit_line_state",
        sa.Column("chain_id", sa.String(41), primary_key=True, comment="CAIP-2"),
        sa.Column("credit_line", sa.LargeBinary(32), primary_key=True, comment="address word"),
        sa.Column("index_ray", _whole(78), nullable=False, comment="debt index x 1e27"),
        sa.Column("accrued_at", sa.BigInteger, nullable=False, comment="Unix seconds of chain"),
        sa.Column("rate_per_second_ray", _whole(78), nullable=False, comment="rate/s x 1e27"),
        sa.Column("height", sa.BigInteger, nullable=False, comment="block it was read at"),
        comment="Newest state seen of each credit line",
    )

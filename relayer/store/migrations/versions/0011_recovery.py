"""Recoveries below final blocks, deficits they leave, and signed corrections."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

WORD = sa.LargeBinary(32)
BIG = sa.BigInteger()
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
UNITS = sa.Numeric(78, 0).with_variant(sa.LargeBinary(32), "sqlite")
U256_MAX = 2**256 - 1
APPEND_ONLY = ("chain_recovery", "deficit", "correction")


def upgrade() -> None:
    """Create the tables, then the triggers that keep them append-only."""
    op.create_table(
        "chain_recovery",
        sa.Column("seq", SERIAL, primary_key=True, autoincrement=True, comment="order of arrival"),
        _column("chain_id", NAME, "CAIP-2 name"),
        _maybe("target_height", BIG, "block gone back to, null for before the first [height]"),
        _maybe("target_hash", WORD, "block gone back to"),
        _column("head_height", BIG, "newest stored block before [height]"),
        _maybe("finalized_height", BIG, "newest stored final block before [height]"),
        _maybe("finalized_hash", WORD, "newest stored final block before"),
        _column("checkpoints_count", BIG, "stored blocks declared gone"),
        _column("events_count", BIG, "stored events declared gone"),
        _column("reason", NAME, "why"),
        _column("recovered_by", NAME, "who"),
        _column("recovered_at", BIG, "time [Unix seconds, UTC]"),
        comment="Rewinds below a final block, each ordered by a person; append-only",
    )
    op.create_table(
        "deficit",
        _key("entry_id", WORD, "journal entry that booked or cured it"),
        _column("account", WORD, "margin account whose collateral was gone when it was taken back"),
        _column("asset_id", NAME, "name of the asset"),
        _column("chain_id", NAME, "CAIP-2 name"),
        _column("action", NAME, "BOOKED or CURED"),
        _column("units", UNITS, "size [base units]"),
        _column("at", BIG, "time [Unix seconds, UTC]"),
        sa.CheckConstraint("action IN ('BOOKED', 'CURED')", name="deficit_action"),
        sa.CheckConstraint("length(entry_id) = 32 AND length(account) = 32", name="deficit_words"),
        sa.CheckConstraint(_range("units"), name="deficit_units_range"),
        comment="What accounts owe the hub after a recovery, and what was paid back; append-only",
    )
    op.create_index("ix_deficit_account", "deficit", ["chain_id", "account", "asset_id"])
    op.create_table(
        "correction",
        _key("correction_id", WORD, "EIP-712 digest that was signed"),
        _column("entry_id", WORD, "journal entry that it posted"),
        _column("break_id", BIG, "break that it answers"),
        _column("chain_id", NAME, "CAIP-2 name"),
        _column("reason", NAME, "why"),
        _column("document", NAME, "signed document as canonical JSON"),
        _column("signatures", NAME, "signatures as a JSON list of hex, ascending by signer"),
        _column("posted_at", BIG, "time [Unix seconds, UTC]"),
        sa.CheckConstraint(
            "length(correction_id) = 32 AND length(entry_id) = 32", name="correction_words"
        ),
        sa.ForeignKeyConstraint(["break_id"], ["custody_break.break_id"]),
        comment="Entries that people signed against a break; append-only",
    )
    op.create_index("ix_correction_break_id", "correction", ["break_id"])
    for table in APPEND_ONLY:
        for change in ("UPDATE", "DELETE"):
            _refuse(table, change, f"{table}_no_{change.lower()}")


def _is_postgresql() -> bool:
    return op.get_bind().dialect.name == "postgresql"


def _range(column: str) -> str:
    if _is_postgresql():
        return f"{column} BETWEEN 1 AND {U256_MAX}"
    return f"typeof({column}) = 'blob' AND length({column}) = 32"


def _column(name: str, kind: "sa.types.TypeEngine[Any]", comment: str) -> "sa.Column[Any]":
    return sa.Column(name, kind, comment=comment, nullable=False)


def _key(name: str, kind: "sa.types.TypeEngine[Any]", comment: str) -> "sa.Column[Any]":
    return sa.Column(name, kind, comment=comment, primary_key=True, autoincrement=False)


def _maybe(name: str, kind: "sa.types.TypeEngine[Any]", comment: str) -> "sa.Column[Any]":
    return sa.Column(name, kind, comment=comment, nullable=True)


def _refuse(table: str, change: str, trigger: str) -> None:
    if _is_postgresql():
        also = " OR TRUNCATE" if change == "DELETE" else ""
        op.execute(
            f"CREATE TRIGGER {trigger} BEFORE {change}{also} ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
        return
    op.execute(
        f"CREATE TRIGGER {trigger} BEFORE {change} ON {table} "
        f"BEGIN SELECT RAISE(ABORT, '{table} is append-only: {change} refused'); END"
    )

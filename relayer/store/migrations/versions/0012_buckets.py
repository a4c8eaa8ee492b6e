"""What was taken out of the token buckets, and when the messages that are held back expire."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

WORD = sa.LargeBinary(32)
BIG = sa.BigInteger()
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
UNITS = sa.Numeric(78, 0).with_variant(sa.LargeBinary(32), "sqlite")
U256_MAX = 2**256 - 1
TABLE = "governor_take"


def upgrade() -> None:
    """Create the table and its triggers; what waits already expires with its time in the queue."""
    op.create_table(
        TABLE,
        sa.Column("seq", SERIAL, primary_key=True, autoincrement=True, comment="order of taking"),
        _column("message_id", WORD, "hash of the canonical bytes"),
        _column("origin", NAME, "chain that messages of the lane leave"),
        _column("target", NAME, "CAIP-2 name of the chain that they reach"),
        _column("value_wad", UNITS, "taken [USD x 1e18]"),
        _column("missing_wad", UNITS, "lacking in the bucket right after [USD x 1e18]"),
        _column("at", BIG, "time from which it refills [Unix seconds, UTC]"),
        sa.CheckConstraint("length(message_id) = 32", name="governor_take_message_id_range"),
        *(
            sa.CheckConstraint(_range(name), name=f"governor_take_{name}_range")
            for name in ("value_wad", "missing_wad")
        ),
        sa.UniqueConstraint("message_id", name="governor_take_once"),
        comment="What each message took out of the token bucket of its lane; append-only",
    )
    op.create_index("ix_governor_take_lane", TABLE, ["origin", "target", "seq"])
    for change in ("UPDATE", "DELETE"):
        _refuse(TABLE, change, f"{TABLE}_no_{change.lower()}")
    op.add_column(
        "governor_release",
        sa.Column(
            "expires_at",
            BIG,
            nullable=False,
            server_default="0",
            comment="last second of the message [Unix seconds, UTC]",
        ),
    )
    op.execute("UPDATE governor_release SET expires_at = due_at")


def _is_postgresql() -> bool:
    return op.get_bind().dialect.name == "postgresql"


def _range(column: str) -> str:
    if _is_postgresql():
        return f"{column} BETWEEN 0 AND {U256_MAX}"
    return f"typeof({column}) = 'blob' AND length({column}) = 32"


def _column(name: str, kind: "sa.types.TypeEngine[Any]", comment: str) -> "sa.Column[Any]":
    return sa.Column(name, kind, comment=comment, nullable=False)


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

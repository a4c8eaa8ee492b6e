"""Transactions of chains without account nonces: one at a time may land for each purpose."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

WORD = sa.LargeBinary(32)
RAW = sa.LargeBinary()
BIG = sa.BigInteger()
NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
TABLE = "expiring_attempt"
STATES = ("LIVE", "LANDED", "FAILED", "FINAL", "SPENT", "EXPIRED")
PURPOSES = ("DELIVER", "PREPARE")
OPEN = "state IN ('LIVE', 'LANDED', 'FAILED')"
FIXED = (
    "chain_id, tx_hash, key_address, message_id, purpose, seq, raw, fee_micro_lamports, "
    "last_block_number, signed_height, at"
)


def upgrade() -> None:
    """Create the table, its indexes, then the triggers that keep what was signed."""
    op.create_table(
        TABLE,
        _column("chain_id", NAME, "CAIP-2 name", primary_key=True),
        _column("tx_hash", RAW, "transaction: its signature, 64 bytes", primary_key=True),
        _column("key_address", WORD, "sending key's address"),
        _column("message_id", WORD, "message it is for"),
        _column("purpose", NAME, "DELIVER, or PREPARE for what makes room for that"),
        _column("seq", sa.Integer(), "number among those of the same purpose, from 1"),
        _column("raw", RAW, "signed bytes"),
        _column("fee_micro_lamports", BIG, "priority fee [micro-lamports per compute unit]"),
        _column("last_block_number", BIG, "last block that may hold it [blocks, not slots]"),
        _column("signed_height", BIG, "newest confirmed slot when it was signed [height]"),
        _column("at", BIG, "time of storing, before its broadcast [Unix seconds, UTC]"),
        _column("state", NAME, "LIVE, LANDED, FAILED, FINAL, SPENT or EXPIRED"),
        _column("landed_height", BIG, "block that holds it [height]", nullable=True),
        _column("landed_hash", WORD, "that block", nullable=True),
        _column("reason", NAME, "why it failed in that block; else empty"),
        *(
            sa.CheckConstraint(
                f"{word} IS NULL OR length({word}) = 32", name=f"{TABLE}_{word}_range"
            )
            for word in ("key_address", "message_id", "landed_hash")
        ),
        sa.CheckConstraint("length(tx_hash) = 64", name=f"{TABLE}_tx_hash_range"),
        sa.CheckConstraint(_among("state", STATES), name=f"{TABLE}_state"),
        sa.CheckConstraint(_among("purpose", PURPOSES), name=f"{TABLE}_purpose"),
        sa.CheckConstraint(
            "(landed_height IS NULL) = (state IN ('LIVE', 'EXPIRED'))", name=f"{TABLE}_block"
        ),
        sa.UniqueConstraint("chain_id", "message_id", "purpose", "seq", name=f"{TABLE}_seq"),
        comment="Transactions that expire, stored before their broadcast",
    )
    op.execute(
        f"CREATE UNIQUE INDEX {TABLE}_one_open ON {TABLE} (chain_id, message_id, purpose) "
        f"WHERE {OPEN}"
    )
    op.create_index(f"ix_{TABLE}_message_id", TABLE, ["message_id"])
    op.create_index(f"ix_{TABLE}_state", TABLE, ["chain_id", "state"])
    _refuse("DELETE", f"{TABLE}_no_delete")
    _refuse(f"UPDATE OF {FIXED}", f"{TABLE}_fixed")


def _among(column: str, values: tuple[str, ...]) -> str:
    return f"{column} IN ({', '.join(repr(value) for value in values)})"


def _column(
    name: str, kind: "sa.types.TypeEngine[Any]", comment: str, **options: Any
) -> "sa.Column[Any]":
    options = {"nullable": False, "autoincrement": False} | options
    return sa.Column(name, kind, comment=comment, **options)


def _refuse(change: str, trigger: str) -> None:
    if op.get_bind().dialect.name == "postgresql":
        also = " OR TRUNCATE" if change == "DELETE" else ""
        op.execute(
            f"CREATE TRIGGER {trigger} BEFORE {change}{also} ON {TABLE} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
        return
    verb = change.split(maxsplit=1)[0]
    op.execute(
        f"CREATE TRIGGER {trigger} BEFORE {change} ON {TABLE} "
        f"BEGIN SELECT RAISE(ABORT, '{TABLE} is append-only: {verb} refused'); END"
    )

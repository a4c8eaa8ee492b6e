"""Published roots of the journal, nodes of its Merkle tree, and the log of dead letters."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

APPEND_ONLY = ("ledger_root", "ledger_node", "dead_letter_log")

WORD = sa.LargeBinary(32)
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
SMALL = sa.SmallInteger()
NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Create the tables, then the triggers that keep them append-only."""
    _create_roots()
    _create_dead_letter_log()
    for table in APPEND_ONLY:
        _guard(table)


def _column(
    name: str, kind: "sa.types.TypeEngine[Any]", comment: str, **options: Any
) -> "sa.Column[Any]":
    return sa.Column(name, kind, comment=comment, nullable=False, **options)


def _words(table: str, *names: str) -> list[sa.CheckConstraint]:
    return [
        sa.CheckConstraint(f"length({name}) = 32", name=f"{table}_{name}_length") for name in names
    ]


def _create_roots() -> None:
    op.create_table(
        "ledger_root",
        _column(
            "size", BIG, "entries under the root, from 1", primary_key=True, autoincrement=False
        ),
        _column("tree_hash", WORD, "RFC 6962 tree hash over the entry hashes"),
        _column("root", WORD, "SHA-256 that binds size and tree hash: what is published"),
        _column("head_hash", WORD, "hash of the newest entry under the root"),
        _column("made_at", BIG, "time of making [Unix seconds, UTC]"),
        sa.CheckConstraint("size >= 1", name="ledger_root_size"),
        *_words("ledger_root", "tree_hash", "root", "head_hash"),
        comment="Published roots of the journal; append-only",
    )
    op.create_table(
        "ledger_node",
        _column(
            "level", SMALL, "the subtree has 2^level leaves", primary_key=True, autoincrement=False
        ),
        _column(
            "position",
            BIG,
            "place of the subtree among those of its level, from 0",
            primary_key=True,
            autoincrement=False,
        ),
        _column("node_hash", WORD, "RFC 6962 hash of the subtree"),
        *_words("ledger_node", "node_hash"),
        comment="Complete subtrees of the journal's Merkle tree; append-only",
    )


def _create_dead_letter_log() -> None:
    op.create_table(
        "dead_letter_log",
        _column("seq", BIG, "order of the rows", primary_key=True),
        _column("letter_id", NAME, "the dead letter, for example job:relay:ab12"),
        _column("action", NAME, "what was done with it"),
        _column("before", NAME, "why it was dead"),
        _column("reason", NAME, "why a person did it"),
        _column("taken_by", NAME, "who did it"),
        _column("at", BIG, "time of doing [Unix seconds, UTC]"),
        comment="What people did with dead letters; append-only",
    )
    op.create_index("ix_dead_letter_log_letter_id", "dead_letter_log", ["letter_id"])


def _guard(table: str) -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
        return
    for change in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER {table}_no_{change.lower()} BEFORE {change} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only: {change} refused'); END"
        )

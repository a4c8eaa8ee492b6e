"""What the second reading of final blocks found that the first one had not."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

WORD = sa.LargeBinary(32)
BIG = sa.BigInteger()
NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Create the table, its index, then the triggers that keep it append-only."""
    op.create_table(
        "hole",
        sa.Column("event_id", WORD, primary_key=True, comment="the event that readings differ in"),
        sa.Column(
            "kind",
            NAME,
            primary_key=True,
            comment="MISSED: stored late; UNCONFIRMED: stored, and denied by a quorum later; "
            "DISPUTED: one node said otherwise than the quorum",
        ),
        sa.Column("chain_id", NAME, nullable=False, comment="CAIP-2 name"),
        sa.Column("source", NAME, nullable=False, comment="REREAD or LOCK_COUNT: what showed it"),
        sa.Column("height", BIG, nullable=False, comment="block of the event [height]"),
        sa.Column("found_at", BIG, nullable=False, comment="time [Unix seconds, UTC]"),
        sa.CheckConstraint("length(event_id) = 32", name="hole_event_id_range"),
        sa.CheckConstraint("kind IN ('MISSED', 'UNCONFIRMED', 'DISPUTED')", name="hole_kind"),
        sa.CheckConstraint("source IN ('REREAD', 'LOCK_COUNT')", name="hole_source"),
        comment="Differences between two readings of final blocks, each once; append-only",
    )
    op.create_index("ix_hole_chain_id", "hole", ["chain_id", "kind"])
    for change in ("UPDATE", "DELETE"):
        _refuse(change, f"hole_no_{change.lower()}")


def _refuse(change: str, trigger: str) -> None:
    if op.get_bind().dialect.name == "postgresql":
        also = " OR TRUNCATE" if change == "DELETE" else ""
        op.execute(
            f"CREATE TRIGGER {trigger} BEFORE {change}{also} ON hole "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
        return
    op.execute(
        f"CREATE TRIGGER {trigger} BEFORE {change} ON hole "
        f"BEGIN SELECT RAISE(ABORT, 'hole is append-only: {change} refused'); END"
    )

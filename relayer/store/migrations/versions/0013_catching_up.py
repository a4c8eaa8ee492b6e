"""
Let an event be marked as booked in its place, and keep no index that nobody reads.

An index whose condition named `booked` made every booking of an event rewrite all its index
entries, and a table without room on its pages made it move to another page. What still waits is
found by a mark per chain instead: below it nothing does.
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

BIG = sa.BigInteger()
NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
LINKS = ("resolves", "reversal_of")


def upgrade() -> None:
    """Create the marks, then change the indexes; a chain without a mark is looked at as a whole."""
    op.create_table(
        "booking_mark",
        sa.Column(
            "chain_id",
            NAME,
            primary_key=True,
            autoincrement=False,
            comment="CAIP-2 name of a chain",
        ),
        sa.Column(
            "height",
            BIG,
            nullable=False,
            comment="living events below this height are booked or parked",
        ),
        sa.Column(
            "version", BIG, nullable=False, comment="times something was left to book behind it"
        ),
        comment="From where on events of a chain may wait to be booked",
    )
    op.drop_index("ix_observed_event_unbooked", "observed_event")
    op.execute(
        "CREATE INDEX ix_observed_event_gone ON observed_event (chain_id, height, log_index) "
        "WHERE state = 'ORPHANED'"
    )
    op.drop_index("ix_observed_event_message_id", "observed_event")
    op.execute(
        "CREATE INDEX ix_observed_event_message_id ON observed_event (message_id) "
        "WHERE message_id IS NOT NULL"
    )
    op.drop_index("ix_journal_entry_cause", "journal_entry")
    if op.get_bind().dialect.name != "postgresql":
        return
    op.execute("ALTER TABLE observed_event SET (fillfactor = 50)")
    for column in LINKS:
        op.execute(f"ALTER TABLE journal_entry DROP CONSTRAINT journal_entry_{column}_key")
        op.execute(
            f"CREATE UNIQUE INDEX journal_entry_{column}_key ON journal_entry ({column}) "
            f"WHERE {column} IS NOT NULL"
        )

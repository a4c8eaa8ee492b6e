"""
Let an outgoing event say what the observed event of its flow says, without a copy of it.

Its content is empty then. Code from before this migration cannot read such an event: stop every
process first, and start none of the old code afterwards. Events that are there keep their content.
"""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

CONTENT = (
    "CloudEvents data as JSON; empty where it is place and fields of the observed event "
    "whose id is correlation_id"
)


def upgrade() -> None:
    """Say in the column's comment what is stored from now on."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f"COMMENT ON COLUMN feed_event.content IS '{CONTENT}'")

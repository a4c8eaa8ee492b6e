"""Add the condition of each chain and how its nodes stand."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create both tables."""
    op.create_table(
        "chain_condition",
        sa.Column("chain_id", sa.String(41), primary_key=True, comment="CAIP-2"),
        sa.Column("condition", sa.String(16), nullable=False, comment="ok or quorum_lost"),
        sa.Column("since_at", sa.BigInteger, nullable=False, comment="[Unix seconds, UTC]"),
        sa.Column("detail", sa.String(2000), nullable=False, comment="who failed, by label"),
        sa.CheckConstraint("condition IN ('ok', 'quorum_lost')", name="chain_condition_name"),
        comment="Whether enough nodes of a chain agree, as its watcher last saw it",
    )
    op.create_table(
        "chain_node",
        sa.Column("chain_id", sa.String(41), primary_key=True, comment="CAIP-2"),
        sa.Column("label", sa.String(32), primary_key=True, comment="name of the node, no URL"),
        sa.Column("standing", sa.String(16), nullable=False, comment="HEALTHY, DEMOTED or OUT"),
        sa.Column("reason", sa.String(2000), nullable=False, comment="why it is not healthy"),
        sa.Column("since_at", sa.BigInteger, nullable=False, comment="[Unix seconds, UTC]"),
        sa.Column("dissents", sa.BigInteger, nullable=False, comment="contradictions, ever"),
        sa.Column("dissented_at", sa.BigInteger, nullable=True, comment="[Unix seconds, UTC]"),
        sa.CheckConstraint("standing IN ('HEALTHY', 'DEMOTED', 'OUT')", name="chain_node_standing"),
        sa.CheckConstraint("dissents >= 0", name="chain_node_dissents"),
        comment="How each node of a chain stands, as its watcher last saw it",
    )

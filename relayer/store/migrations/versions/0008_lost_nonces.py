"""Nonces that were lost: finally used, but not by the message that they were reserved for."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

WORD = sa.LargeBinary(32)
NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
STATES = "RESERVED BROADCAST MINED REVERTED FINAL FREED LOST"
STATE_COMMENT = "RESERVED, BROADCAST, MINED, REVERTED, FINAL, FREED or LOST"
STATE_RULE = f"state IN ({', '.join(repr(state) for state in STATES.split())})"
COPY = """
INSERT INTO send_anew (chain_id, key_address, account_nonce, message_id, state, reserved_at,
                       mined_tx_hash, mined_height, mined_hash)
SELECT chain_id, key_address, account_nonce, message_id, state, reserved_at,
       mined_tx_hash, mined_height, mined_hash
FROM send
"""
FIXED = "chain_id, key_address, account_nonce"


def upgrade() -> None:
    """Let a nonce be LOST; SQLite cannot change a rule, so there the table is made anew."""
    if op.get_bind().dialect.name == "postgresql":
        op.drop_constraint("send_state", "send")
        op.create_check_constraint("send_state", "send", STATE_RULE)
        op.alter_column("send", "state", comment=STATE_COMMENT)
        return
    _create_anew()
    op.execute(COPY)
    op.drop_table("send")
    op.rename_table("send_anew", "send")
    op.create_index("ix_send_message_id", "send", ["message_id"])
    op.create_index("ix_send_state", "send", ["chain_id", "key_address", "state"])
    _refuse("DELETE", "send_no_delete")
    _refuse(f"UPDATE OF {FIXED}", "send_fixed")


def _create_anew() -> None:
    words = ("key_address", "message_id", "mined_hash")
    rules = [
        sa.CheckConstraint(f"{word} IS NULL OR length({word}) = 32", name=f"send_{word}_range")
        for word in words
    ]
    op.create_table(
        "send_anew",
        sa.Column("chain_id", NAME, primary_key=True, comment="CAIP-2 name"),
        sa.Column("key_address", WORD, primary_key=True, comment="sending key, left-padded"),
        sa.Column(
            "account_nonce",
            sa.BigInteger(),
            primary_key=True,
            autoincrement=False,
            comment="the key's transaction number on the chain",
        ),
        sa.Column("message_id", WORD, nullable=False, comment="message, or made-up id of a filler"),
        sa.Column("state", NAME, nullable=False, comment=STATE_COMMENT),
        sa.Column(
            "reserved_at",
            sa.BigInteger(),
            nullable=False,
            comment="time of reserving [Unix seconds, UTC]",
        ),
        sa.Column("mined_tx_hash", sa.LargeBinary(), comment="attempt that is in a block"),
        sa.Column("mined_height", sa.BigInteger(), comment="its block [height]"),
        sa.Column("mined_hash", WORD, comment="its block"),
        *rules,
        sa.CheckConstraint(STATE_RULE, name="send_state"),
        comment="Account nonces of sending keys, stored before anything is broadcast",
    )


def _refuse(change: str, trigger: str) -> None:
    verb = change.split(maxsplit=1)[0]
    op.execute(
        f"CREATE TRIGGER {trigger} BEFORE {change} ON send "
        f"BEGIN SELECT RAISE(ABORT, 'send is append-only: {verb} refused'); END"
    )

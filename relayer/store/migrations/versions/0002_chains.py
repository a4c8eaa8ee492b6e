"""Chains, what is observed on them, breaks, debts, grants and prices."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

WORD = sa.LargeBinary(32)
RAW = sa.LargeBinary()
BIG = sa.BigInteger()
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INT = sa.Integer()
NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
UNITS = sa.Numeric(78, 0).with_variant(sa.LargeBinary(32), "sqlite")
U256_MAX = 2**256 - 1

APPEND_ONLY = ("chain_log", "malformed_log", "custody_break", "break_clearance", "price")
NO_DELETE = ("chain", "observed_event", "credit_grant")  # nothing that was seen is forgotten
FIXED = {
    "observed_event": "event_id, chain_id, height, block_hash, tx_hash, log_index, contract, "
    "kind, account, message_id, lock_id, payload, seen_at",
    "checkpoint": "chain_id, block_hash, height, parent_hash, timestamp_seconds, stored_at",
    "credit_grant": "message_id, chain_id, credit_line, account, borrower, limit_units, "
    "expiry_seconds, nonce",
}


def upgrade() -> None:
    """Create the tables, their indexes, then the triggers that keep them append-only."""
    _create_chains()
    _create_observed_event()
    _create_breaks()
    _create_credit()
    _create_price()
    for table in APPEND_ONLY:
        _refuse(table, "UPDATE", f"{table}_no_update")
    for table in (*APPEND_ONLY, *NO_DELETE):
        _refuse(table, "DELETE", f"{table}_no_delete")
    for table, columns in FIXED.items():
        _refuse(table, f"UPDATE OF {columns}", f"{table}_fixed")


def _is_postgresql() -> bool:
    return op.get_bind().dialect.name == "postgresql"


def _column(
    name: str, kind: "sa.types.TypeEngine[Any]", comment: str, **options: Any
) -> "sa.Column[Any]":
    return sa.Column(
        name, kind, comment=comment, nullable=options.pop("nullable", False), **options
    )


def _key(name: str, kind: "sa.types.TypeEngine[Any]", comment: str) -> "sa.Column[Any]":
    return sa.Column(name, kind, comment=comment, primary_key=True, autoincrement=False)


def _maybe(name: str, kind: "sa.types.TypeEngine[Any]", comment: str) -> "sa.Column[Any]":
    return _column(name, kind, comment, nullable=True)


def _table(name: str, comment: str, *parts: sa.schema.SchemaItem, **states: str) -> None:
    """Create a table; words get a length check, units a range, states their list of names."""
    checks = []
    for part in parts:
        rule = None
        if not isinstance(part, sa.Column):
            continue
        if part.type is WORD:
            rule = f"{part.name} IS NULL OR length({part.name}) = 32"
        if part.type is UNITS:
            rule = f"{part.name} BETWEEN 0 AND {U256_MAX}"
            if not _is_postgresql():
                rule = f"typeof({part.name}) = 'blob' AND length({part.name}) = 32"
        if rule is not None:
            checks.append(sa.CheckConstraint(rule, name=f"{name}_{part.name}_range"))
    for column, values in states.items():
        listed = ", ".join(f"'{value}'" for value in values.split())
        checks.append(sa.CheckConstraint(f"{column} IN ({listed})", name=f"{name}_{column}"))
    op.create_table(name, *parts, *checks, comment=comment)


def _create_chains() -> None:
    _table(
        "chain",
        "Chains: identity, halt and cursor",
        _key("chain_id", NAME, "CAIP-2 name"),
        _maybe("reference", NAME, "chain's own number or name, as its node says"),
        _maybe("genesis_hash", WORD, "hash of the first block"),
        _maybe("halted_at", BIG, "time of the halt, null while running [Unix seconds, UTC]"),
        _maybe("halted_reason", NAME, "why it is halted"),
        _maybe("head_height", BIG, "newest stored block [height]"),
        _maybe("head_hash", WORD, "newest stored block"),
        _maybe("finalized_height", BIG, "newest stored final block [height]"),
        _maybe("finalized_hash", WORD, "newest stored final block"),
        _maybe("reread_height", BIG, "final ranges were read twice up to here [height]"),
        _column("version", BIG, "rises with each move of the cursor"),
    )
    _table(
        "chain_log",
        "Halts and resumptions of chains; append-only",
        _column("seq", SERIAL, "order of arrival", primary_key=True, autoincrement=True),
        _column("chain_id", NAME, "CAIP-2 name"),
        _column("action", NAME, "halt or resume"),
        _column("reason", NAME, "why"),
        _column("at", BIG, "time [Unix seconds, UTC]"),
        action="halt resume",
    )
    _table(
        "checkpoint",
        "Stored block headers, kept to notice reorgs",
        _key("chain_id", NAME, "CAIP-2 name"),
        _key("block_hash", WORD, "hash of the block"),
        _column("height", BIG, "height of the block"),
        _column("parent_hash", WORD, "hash of the block before"),
        _column("timestamp_seconds", BIG, "time as the chain says [Unix seconds, UTC]"),
        _column("state", NAME, "CANONICAL, FINAL or ORPHANED"),
        _column("stored_at", BIG, "time of storing [Unix seconds, UTC]"),
        state="CANONICAL FINAL ORPHANED",
    )
    op.execute(
        "CREATE UNIQUE INDEX ix_checkpoint_living ON checkpoint (chain_id, height) "
        "WHERE state <> 'ORPHANED'"
    )
    _table(
        "malformed_log",
        "Logs of watched contracts that could not be read; append-only",
        _key("chain_id", NAME, "CAIP-2 name"),
        _key("block_hash", WORD, "block of the log"),
        _key("tx_hash", RAW, "transaction of the log"),
        _key("log_index", BIG, "place in the block"),
        _column("height", BIG, "height of the block"),
        _column("contract", WORD, "contract that emitted it, left-padded"),
        _column("reason", NAME, "what is wrong with it"),
        _column("seen_at", BIG, "time [Unix seconds, UTC]"),
    )


def _create_observed_event() -> None:
    _table(
        "observed_event",
        "Parsed facts of watched contracts; never deleted, a reorg changes their state",
        _key("event_id", WORD, "id derived from chain, block, transaction and log index"),
        _column("chain_id", NAME, "CAIP-2 name"),
        _column("height", BIG, "height of the block"),
        _column("block_hash", WORD, "hash of the block"),
        _column("tx_hash", RAW, "transaction"),
        _column("log_index", BIG, "place in the block"),
        _column("contract", WORD, "contract that emitted it, left-padded"),
        _column("kind", NAME, "name of the event"),
        _column("account", WORD, "margin account"),
        _maybe("message_id", WORD, "message that the event is the effect of"),
        _maybe("lock_id", BIG, "the vault's counter of locks, from 1"),
        _column("payload", NAME, "own fields as JSON; bytes in hex, integers as text"),
        _column("state", NAME, "SEEN, FINAL or ORPHANED"),
        _column("booked", NAME, "what the journal holds: NONE, SOFT, FINAL, VOID or PARKED"),
        _maybe("parked_from", NAME, "what the journal held when it was parked"),
        _maybe("parked_reason", NAME, "why no rule could book it"),
        _column("revivals", INT, "times its block came back after it was taken back"),
        _column("seen_at", BIG, "time of first sight [Unix seconds, UTC]"),
        _maybe("final_at", BIG, "time it became final [Unix seconds, UTC]"),
        sa.CheckConstraint("lock_id IS NULL OR lock_id >= 1", name="observed_event_lock_id"),
        state="SEEN FINAL ORPHANED",
        booked="NONE SOFT FINAL VOID PARKED",
    )
    op.execute(
        "CREATE UNIQUE INDEX ix_observed_event_lock ON observed_event "
        "(chain_id, contract, lock_id) WHERE lock_id IS NOT NULL AND state <> 'ORPHANED'"
    )
    op.execute(
        "CREATE INDEX ix_observed_event_unbooked ON observed_event (chain_id, height, log_index) "
        "WHERE booked IN ('NONE', 'SOFT') OR state = 'ORPHANED'"
    )
    place = ["chain_id", "height", "log_index"]
    op.create_index("ix_observed_event_place", "observed_event", place)
    op.create_index("ix_observed_event_account", "observed_event", ["account", *place])
    op.create_index("ix_observed_event_message_id", "observed_event", ["message_id"])


def _create_breaks() -> None:
    _table(
        "custody_break",
        "Differences between ledger and chain; append-only",
        _column("break_id", SERIAL, "order of arrival", primary_key=True, autoincrement=True),
        _column("chain_id", NAME, "CAIP-2 name"),
        _column("asset_id", NAME, "name of the asset"),
        _column("contract", WORD, "vault, left-padded"),
        _column("ledger_units", UNITS, "custody by the ledger [base units]"),
        _column("chain_units", UNITS, "custody by the chain [base units]"),
        _column("height", BIG, "block at which both were read [height]"),
        _column("block_hash", WORD, "block at which both were read"),
        _column("found_at", BIG, "time [Unix seconds, UTC]"),
    )
    _table(
        "break_clearance",
        "Who closed which break and why; append-only",
        _key("break_id", BIG, "break that is closed"),
        _column("reason", NAME, "why"),
        _column("cleared_by", NAME, "who"),
        _column("cleared_at", BIG, "time [Unix seconds, UTC]"),
        sa.ForeignKeyConstraint(["break_id"], ["custody_break.break_id"]),
    )


def _create_credit() -> None:
    _table(
        "debt_position",
        "Debts by credit line and account; a projection of events",
        _key("view", NAME, "SOFT: all events seen; FINAL: events of final blocks"),
        _key("chain_id", NAME, "CAIP-2 name"),
        _key("credit_line", WORD, "contract, left-padded"),
        _key("account", WORD, "margin account"),
        _column("scaled", UNITS, "scaled debt; debt is scaled * index / 1e27, rounded up"),
        _column("index_ray", UNITS, "index at the last event [x 1e27]"),
        _column("seen_height", BIG, "block of the last event [height]"),
        _column("log_index", BIG, "place of the last event in its block"),
        view="SOFT FINAL",
    )
    op.create_index("ix_debt_position_account", "debt_position", ["account"])
    _table(
        "credit_grant",
        "Credit grants; they count as debt up to their limit",
        _key("message_id", WORD, "message that carries the grant"),
        _column("chain_id", NAME, "CAIP-2 name"),
        _column("credit_line", WORD, "contract, left-padded"),
        _column("account", WORD, "margin account"),
        _column("borrower", WORD, "address that may draw, left-padded"),
        _column("limit_units", UNITS, "cap on the account's debt [debt token base units]"),
        _column("expiry_seconds", BIG, "last second of drawing [Unix seconds, UTC]"),
        _column("nonce", BIG, "a higher nonce replaces a lower one"),
        _column("state", NAME, "SIGNED, GRANTED, LAPSED or REPLACED"),
        state="SIGNED GRANTED LAPSED REPLACED",
    )
    op.create_index("ix_credit_grant_account", "credit_grant", ["account", "state"])
    op.create_index("ix_credit_grant_state", "credit_grant", ["state", "expiry_seconds"])


def _create_price() -> None:
    _table(
        "price",
        "Price log; append-only",
        _column("seq", SERIAL, "order of arrival", primary_key=True, autoincrement=True),
        _column("feed_label", NAME, "name of the source"),
        _column("chain_id", NAME, "CAIP-2 name of the source's chain"),
        _column("asset_id", NAME, "name of the asset"),
        _column("answer", NAME, "signed integer as text [USD per whole token x 10^scale]"),
        _column("scale", INT, "digits behind the point of the answer"),
        _column("updated_at", BIG, "time as the source says [Unix seconds, UTC]"),
        _column("observed_at", BIG, "time of reading [Unix seconds, UTC]"),
        _maybe("height", BIG, "block at which it was read; null off chain [height]"),
    )
    op.create_index("ix_price_feed_label", "price", ["feed_label", "seq"])
    op.create_index("ix_price_asset_id", "price", ["asset_id", "feed_label", "seq"])


def _refuse(table: str, change: str, trigger: str) -> None:
    if _is_postgresql():
        also = " OR TRUNCATE" if change == "DELETE" else ""
        op.execute(
            f"CREATE TRIGGER {trigger} BEFORE {change}{also} ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
        return
    verb = change.split(maxsplit=1)[0]
    op.execute(
        f"CREATE TRIGGER {trigger} BEFORE {change} ON {table} "
        f"BEGIN SELECT RAISE(ABORT, '{table} is append-only: {verb} refused'); END"
    )

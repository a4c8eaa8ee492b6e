"""Switches with their log and acknowledgements; what the governor holds back and released."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

WORD = sa.LargeBinary(32)
RAW = sa.LargeBinary()
BIG = sa.BigInteger()
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
UNITS = sa.Numeric(78, 0).with_variant(sa.LargeBinary(32), "sqlite")
U256_MAX = 2**256 - 1

APPEND_ONLY = ("switch_log", "switch_ack", "governor_log")
NO_DELETE = ("switch", "governor_release")  # an old order must stay known as old
FIXED = {
    "switch": "source, subject, chain_id, direction, asset_id",
    "governor_release": "message_id, chain_id, bridge, asset_id, units, queued_at",
}


def upgrade() -> None:
    """Create the tables, their indexes, then the triggers that keep them append-only."""
    _create_switches()
    _create_governor()
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


def _subject() -> tuple["sa.Column[Any]", ...]:
    return (
        _maybe("chain_id", NAME, "CAIP-2 name, null for any chain"),
        _maybe("direction", NAME, "in or out, null for both"),
        _maybe("asset_id", NAME, "asset of the ledger, null for any"),
    )


def _create_switches() -> None:
    _table(
        "switch",
        "Switches: what is stopped, by whose order, and the newest order about it",
        _key("source", NAME, "OWN: ordered here; OPERATOR: by a signed order from outside"),
        _key("subject", NAME, "chain, direction and asset, * for any"),
        *_subject(),
        _column("is_off", sa.Integer(), "1 while stopped, 0 when let go on"),
        _column("reason", NAME, "why, as the person wrote it"),
        _column("who", NAME, "name or signer"),
        _column("sequence", BIG, "number of the order; an older or equal one is refused"),
        _column("issued_at", BIG, "time in the order [Unix seconds, UTC]"),
        _maybe("signature", RAW, "over the order, null where it was ordered unsigned"),
        _column("changed_at", BIG, "time [Unix seconds, UTC]"),
        source="OWN OPERATOR",
    )
    _table(
        "switch_log",
        "Every order about a switch; append-only",
        _column("seq", SERIAL, "order of arrival", primary_key=True, autoincrement=True),
        _column("source", NAME, "OWN or OPERATOR"),
        _column("subject", NAME, "chain, direction and asset, * for any"),
        _column("action", NAME, "pause or resume"),
        _column("reason", NAME, "why, as the person wrote it"),
        _column("who", NAME, "name or signer"),
        _column("sequence", BIG, "number of the order"),
        _maybe("signature", RAW, "over the order, null where it was ordered unsigned"),
        _column("at", BIG, "time [Unix seconds, UTC]"),
        action="pause resume",
    )
    _table(
        "switch_ack",
        "Which guardian acknowledged which order; append-only",
        _key("sequence", BIG, "number of the order"),
        _key("guardian", WORD, "address word of the guardian"),
        _column("at", BIG, "time [Unix seconds, UTC]"),
    )


def _create_governor() -> None:
    _table(
        "governor_release",
        "What the governor decided about each message that moves value out",
        _key("message_id", WORD, "hash of the canonical bytes"),
        _column("chain_id", NAME, "CAIP-2 name of the chain that it leaves"),
        _column("bridge", NAME, "bridge that carries it"),
        _column("asset_id", NAME, "asset of the ledger"),
        _column("units", UNITS, "amount [base units]"),
        _column("value_wad", UNITS, "value when it was last judged [USD x 1e18]"),
        _column("state", NAME, "QUEUED, DELAYED, RELEASED or DROPPED"),
        _column("is_counted", sa.Integer(), "1 where it fills windows once released"),
        _column("queued_at", BIG, "first judged [Unix seconds, UTC]"),
        _column("due_at", BIG, "leaves at the latest [Unix seconds, UTC]"),
        _maybe("decided_at", BIG, "released or dropped [Unix seconds, UTC]"),
        _column("reason", NAME, "limit and numbers, or a person's words"),
        _column("who", NAME, "governor, or a person's name"),
        state="QUEUED DELAYED RELEASED DROPPED",
    )
    op.create_index(
        "ix_governor_release_window", "governor_release", ["chain_id", "state", "decided_at"]
    )
    _table(
        "governor_log",
        "Every decision of the governor or of a person about a message; append-only",
        _column("seq", SERIAL, "order of arrival", primary_key=True, autoincrement=True),
        _column("message_id", WORD, "hash of the canonical bytes"),
        _column("action", NAME, "what was done"),
        _column("reason", NAME, "limit and numbers, or a person's words"),
        _column("who", NAME, "governor, or a person's name"),
        _column("due_at", BIG, "leaves at the latest, after this [Unix seconds, UTC]"),
        _column("at", BIG, "time [Unix seconds, UTC]"),
        action="queue delay release drop extend",
    )


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

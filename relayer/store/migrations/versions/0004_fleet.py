"""Jobs, leases, messages, senders, the feed, and signed commands."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

WORD = sa.LargeBinary(32)
RAW = sa.LargeBinary()
BIG = sa.BigInteger()
INT = sa.Integer()
NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
UNITS = sa.Numeric(78, 0).with_variant(sa.LargeBinary(32), "sqlite")
U256_MAX = 2**256 - 1

APPEND_ONLY = (
    *("message_transition", "message_signature", "message_transaction"),
    *("send_attempt", "signed_command"),
)
# A token, a nonce or a sequence may never start again.
NO_DELETE = ("lease", "job", "outbox_nonce", "outbox_message", "send", "feed_counter", "feed_event")
FIXED = {
    "outbox_message": "message_id, payload, kind, target_chain, contract, nonce, account, "
    "correlation_id, hold_entry_id, command_kind, command_fields, command_signatures, created_at",
    "send": "chain_id, key_address, account_nonce",
    "feed_event": "seq, account, account_seq, event_type, content, correlation_id, at",
}


def upgrade() -> None:
    """Create the tables, their indexes, then the triggers that keep them append-only."""
    _create_jobs()
    _create_outbox()
    _create_message_records()
    _create_senders()
    _create_feed()
    _create_requests()
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


def _create_jobs() -> None:
    _table(
        "lease",
        "Who may move a cursor or use a sending key; fencing tokens",
        _key("name", NAME, "what is guarded"),
        _column("holder", NAME, "process that holds it; empty when released"),
        _column("token", BIG, "rises with each holder; an older one is refused"),
        _column("expires_at", BIG, "others may take it from then on [Unix seconds, UTC]"),
    )
    _table(
        "job",
        "Work to claim; the broker only says that there is some",
        _key("kind", NAME, "step to run"),
        _key("key", NAME, "what to run it on"),
        _column("queue", NAME, "queue of its doorbell"),
        _column("state", NAME, "IDLE, DUE, CLAIMED or QUARANTINED"),
        _maybe("ready_at", BIG, "claimable from then on: due, or lease over [Unix seconds, UTC]"),
        _maybe("rung_for", BIG, "earliest due time rung while claimed [Unix seconds, UTC]"),
        _maybe("waiting_since", BIG, "first ring since it was last idle [Unix seconds, UTC]"),
        _column("wanted", BIG, "how often it was rung"),
        _column("attempts", INT, "failures in a row"),
        _column("token", BIG, "fencing token, rises with each claim"),
        _maybe("holder", NAME, "process that claimed it"),
        _maybe("reason", NAME, "why it waits, machine-readable"),
        _column("correlation_id", WORD, "flow that rang it last"),
        state="IDLE DUE CLAIMED QUARANTINED",
    )
    op.create_index("ix_job_queue", "job", ["queue", "ready_at"])
    op.create_index("ix_job_ready_at", "job", ["ready_at"])


def _create_outbox() -> None:
    _table(
        "outbox_nonce",
        "Newest nonce of each lane; its row lock serialises composing",
        _key("target_chain", NAME, "CAIP-2 name of the target"),
        _key("contract", WORD, "target contract, left-padded"),
        _column("last_nonce", BIG, "newest nonce, from 1, no gaps"),
    )
    _table(
        "outbox_message",
        "Messages to other chains; all but the state is append-only",
        _key("message_id", WORD, "keccak256 of the payload"),
        _column("payload", RAW, "canonical bytes, version 1, 278 bytes"),
        _column("kind", NAME, "kind of message"),
        _column("target_chain", NAME, "CAIP-2 name of the target"),
        _column("contract", WORD, "target contract, left-padded"),
        _column("nonce", BIG, "number on the lane"),
        _column("account", WORD, "margin account, zeros when none"),
        _column("correlation_id", WORD, "flow of its cause"),
        _maybe("hold_entry_id", WORD, "pending journal entry that reserves the value"),
        _maybe("command_kind", NAME, "name of the command behind it"),
        _maybe("command_fields", NAME, "fields of the command as JSON"),
        _maybe("command_signatures", NAME, "signatures of the command as JSON list of hex"),
        _column("created_at", BIG, "time of composition [Unix seconds, UTC]"),
        _column("state", NAME, "state of its life"),
        _column("reason", NAME, "why it waits, machine-readable"),
        _column("attempts", INT, "tries in this state"),
        _column("next_attempt_at", BIG, "next try [Unix seconds, UTC]"),
        _column("deadline_at", BIG, "an effect is expected by then [Unix seconds, UTC]"),
        sa.UniqueConstraint("target_chain", "contract", "nonce", name="outbox_message_lane"),
        sa.CheckConstraint("length(payload) = 278", name="outbox_message_payload"),
        state="PENDING DISPATCHED ATTESTED SUBMITTED DELIVERED CONFIRMED FAILED DISPUTED RETURNED",
    )
    for columns in (("state", "created_at"), ("account", "created_at"), ("correlation_id",)):
        op.create_index(f"ix_outbox_message_{columns[0]}", "outbox_message", list(columns))


def _create_message_records() -> None:
    message = sa.ForeignKeyConstraint
    _table(
        "message_transition",
        "Life of each message; append-only",
        _key("message_id", WORD, "message"),
        _key("seq", INT, "place in its life, from 1, no gaps"),
        _maybe("before", NAME, "state before; null for the first"),
        _column("after", NAME, "state after"),
        _column("event", NAME, "arrow of the transition table, COMPOSE or WAIT"),
        _column("reason", NAME, "why, machine-readable"),
        _column("detail", NAME, "what a person needs to know"),
        _column("at", BIG, "time [Unix seconds, UTC]"),
        message(["message_id"], ["outbox_message.message_id"]),
    )
    _table(
        "message_signature",
        "Signatures of guardians; append-only",
        _key("message_id", WORD, "message"),
        _key("guardian_set_index", BIG, "set that the signature names"),
        _key("signer", WORD, "guardian's address, left-padded"),
        _column("signature", RAW, "r, s, v: 65 bytes"),
        _column("at", BIG, "time of arrival [Unix seconds, UTC]"),
        message(["message_id"], ["outbox_message.message_id"]),
    )
    _table(
        "message_transaction",
        "Transactions broadcast for messages; append-only",
        _key("message_id", WORD, "message"),
        _key("chain_id", NAME, "CAIP-2 name"),
        _key("tx_hash", RAW, "transaction"),
        _column("role", NAME, "what it is for"),
        _column("at", BIG, "time [Unix seconds, UTC]"),
        message(["message_id"], ["outbox_message.message_id"]),
    )


def _create_senders() -> None:
    _table(
        "send",
        "Account nonces of sending keys, stored before anything is broadcast",
        _key("chain_id", NAME, "CAIP-2 name"),
        _key("key_address", WORD, "sending key's address, left-padded"),
        _key("account_nonce", BIG, "the key's transaction number on the chain"),
        _column("message_id", WORD, "message, or made-up id of a gap's filler"),
        _column("state", NAME, "RESERVED, BROADCAST, MINED, REVERTED, FINAL or FREED"),
        _column("reserved_at", BIG, "time of reserving [Unix seconds, UTC]"),
        _maybe("mined_tx_hash", RAW, "attempt that is in a block"),
        _maybe("mined_height", BIG, "its block [height]"),
        _maybe("mined_hash", WORD, "its block"),
        state="RESERVED BROADCAST MINED REVERTED FINAL FREED",
    )
    op.create_index("ix_send_message_id", "send", ["message_id"])
    op.create_index("ix_send_state", "send", ["chain_id", "key_address", "state"])
    _table(
        "send_attempt",
        "Signed transactions, stored before their broadcast; append-only",
        _key("chain_id", NAME, "CAIP-2 name"),
        _key("tx_hash", RAW, "transaction"),
        _column("key_address", WORD, "sending key's address, left-padded"),
        _column("account_nonce", BIG, "the key's transaction number"),
        _column("message_id", WORD, "message, or made-up id of a gap's filler"),
        _column("seq", INT, "number of the attempt with this nonce, from 1"),
        _column("raw", RAW, "signed bytes"),
        _column("fee_max_wei", UNITS, "highest fee [wei per gas]"),
        _column("fee_priority_wei", UNITS, "highest tip [wei per gas]"),
        _column("at", BIG, "time [Unix seconds, UTC]"),
    )
    op.create_index("ix_send_attempt_message_id", "send_attempt", ["message_id"])


def _create_feed() -> None:
    _table(
        "feed_counter",
        "Newest sequence of everybody (empty scope) and of each account",
        _key("scope", RAW, "empty, or a margin account"),
        _column("last_seq", BIG, "newest sequence, from 1, no gaps"),
    )
    _table(
        "feed_event",
        "Outgoing events; all but published_at is append-only",
        _key("seq", BIG, "place among all events, from 1, no gaps"),
        _maybe("account", WORD, "margin account; null for everybody"),
        _maybe("account_seq", BIG, "place among the account's events, from 1, no gaps"),
        _column("event_type", NAME, "CloudEvents type"),
        _column("content", NAME, "CloudEvents data as JSON"),
        _column("correlation_id", WORD, "flow of its cause"),
        _column("at", BIG, "time [Unix seconds, UTC]"),
        _maybe("published_at", BIG, "time the broker confirmed it [Unix seconds, UTC]"),
        sa.UniqueConstraint("account", "account_seq", name="feed_event_account_seq"),
    )
    op.execute(
        "CREATE INDEX ix_feed_event_unpublished ON feed_event (seq) WHERE published_at IS NULL"
    )


def _create_requests() -> None:
    _table(
        "idempotency",
        "Idempotency keys and the answers given",
        _key("sender", NAME, "whose key it is"),
        _key("key", NAME, "key as the sender wrote it"),
        _column("fingerprint", WORD, "hash of the request"),
        _column("begun_at", BIG, "time of beginning [Unix seconds, UTC]"),
        _maybe("finished_at", BIG, "time of the answer [Unix seconds, UTC]"),
        _maybe("status", INT, "HTTP status of the answer"),
        _maybe("body", RAW, "answer"),
    )
    _table(
        "signed_command",
        "Commands as received; append-only",
        _key("command_id", WORD, "EIP-712 digest"),
        _column("kind", NAME, "name of the command"),
        _column("fields", NAME, "fields as JSON"),
        _column("signatures", NAME, "signatures as JSON list of hex"),
        _column("received_at", BIG, "time [Unix seconds, UTC]"),
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

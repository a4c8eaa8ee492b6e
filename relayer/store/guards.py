"""Whether the triggers that keep the history as it was written are all in place."""

from typing import Final

from sqlalchemy import text

from relayer.store.engine import POSTGRESQL, SQLITE
from relayer.store.unit_of_work import Store

# Both databases; migrations 0002 and later.
_FLEET: Final = frozenset(
    {
        "break_clearance_no_delete",
        "break_clearance_no_update",
        "chain_log_no_delete",
        "chain_log_no_update",
        "chain_no_delete",
        "chain_recovery_no_delete",
        "chain_recovery_no_update",
        "checkpoint_fixed",
        "correction_no_delete",
        "correction_no_update",
        "credit_grant_fixed",
        "credit_grant_no_delete",
        "custody_break_no_delete",
        "custody_break_no_update",
        "deficit_no_delete",
        "deficit_no_update",
        "expiring_attempt_fixed",
        "expiring_attempt_no_delete",
        "feed_counter_no_delete",
        "feed_event_fixed",
        "feed_event_no_delete",
        "hole_no_delete",
        "hole_no_update",
        "governor_log_no_delete",
        "governor_log_no_update",
        "governor_release_fixed",
        "governor_release_no_delete",
        "governor_take_no_delete",
        "governor_take_no_update",
        "job_no_delete",
        "lease_no_delete",
        "malformed_log_no_delete",
        "malformed_log_no_update",
        "message_signature_no_delete",
        "message_signature_no_update",
        "message_transaction_no_delete",
        "message_transaction_no_update",
        "message_transition_no_delete",
        "message_transition_no_update",
        "observed_event_fixed",
        "observed_event_no_delete",
        "outbox_message_fixed",
        "outbox_message_no_delete",
        "outbox_nonce_no_delete",
        "price_no_delete",
        "price_no_update",
        "send_attempt_no_delete",
        "send_attempt_no_update",
        "send_fixed",
        "send_no_delete",
        "signed_command_no_delete",
        "signed_command_no_update",
        "switch_ack_no_delete",
        "switch_ack_no_update",
        "switch_fixed",
        "switch_log_no_delete",
        "switch_log_no_update",
        "switch_no_delete",
    }
)
_LEDGER: Final = frozenset(
    {"ledger_head_no_delete", "ledger_line_names_fixed", "ledger_line_no_delete"}
)
_LEDGER_TABLES: Final = (
    "account_owner",
    "dead_letter_log",
    "journal_entry",
    "ledger_node",
    "ledger_root",
    "line_checkpoint",
    "margin_account",
    "posting",
)
TRIGGERS: Final[dict[str, frozenset[str]]] = {
    POSTGRESQL: _FLEET
    | _LEDGER
    | {f"{table}_append_only" for table in _LEDGER_TABLES}
    | {"posting_sum_zero"},
    SQLITE: _FLEET
    | _LEDGER
    | {f"{table}_no_{change}" for table in _LEDGER_TABLES for change in ("delete", "update")}
    | {"posting_of_entry"},
}
_PRESENT: Final[dict[str, str]] = {
    POSTGRESQL: "SELECT tgname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid "
    "WHERE NOT tgisinternal AND tgenabled <> 'D' "
    "AND relnamespace = current_schema()::regnamespace",
    SQLITE: "SELECT name FROM sqlite_master WHERE type = 'trigger'",
}


def present_guards(store: Store) -> frozenset[str]:
    """Return the names of the triggers that exist and are enabled."""
    with store.read() as uow:
        names = uow.connection.scalars(text(_PRESENT[store.engine.dialect.name]))
        return frozenset(names)


def missing_guards(store: Store) -> tuple[str, ...]:
    """Return the triggers that the migrations made and that are gone or disabled, in order."""
    return tuple(sorted(TRIGGERS[store.engine.dialect.name] - present_guards(store)))

"""The list of triggers is that of the migrations, and a missing one is named."""

from sqlalchemy import text

from relayer.store.guards import TRIGGERS, missing_guards, present_guards
from relayer.store.unit_of_work import Store


def test_the_list_is_exactly_what_the_migrations_make(store: Store) -> None:
    """A new trigger must be listed, or the doctor would not miss it."""
    assert present_guards(store) == TRIGGERS[store.engine.dialect.name]
    assert missing_guards(store) == ()


def test_a_dropped_trigger_is_missing(store: Store) -> None:
    """The doctor names it."""
    table = "" if store.engine.dialect.name == "sqlite" else " ON price"
    with store.unit_of_work() as uow:
        uow.connection.execute(text(f"DROP TRIGGER price_no_delete{table}"))

    assert missing_guards(store) == ("price_no_delete",)

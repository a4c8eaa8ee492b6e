"""Tests of the declared tables against the migrated ones."""

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlmodel import SQLModel

from relayer.store.engine import POSTGRESQL
from relayer.store.ledger_tables import ACCOUNT, CHECKPOINT, ENTRY, HEAD, LINE, OWNER, POSTING
from relayer.store.unit_of_work import Store

LEDGER_TABLES = (HEAD, ENTRY, LINE, POSTING, CHECKPOINT, ACCOUNT, OWNER)


def test_the_declared_tables_are_those_that_migrations_make(store: Store) -> None:
    """No column, type, nullability, index or key differs on PostgreSQL."""
    if store.engine.dialect.name != POSTGRESQL:
        return
    names = {table.name for table in LEDGER_TABLES}
    with store.engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "include_object": lambda made, name, kind, *_: kind != "table" or name in names,
                "compare_type": True,
            },
        )
        found = compare_metadata(context, SQLModel.metadata)

    assert [change for change in found if "comment" not in str(change)] == []

"""The table of holes is that of its migration."""

from sqlalchemy import inspect

from relayer.clock import FixedClock
from relayer.store.hole_tables import HOLE
from tests.databases import BACKENDS, NOW, TestDatabases


def test_the_code_and_the_database_name_the_same_columns(databases: TestDatabases) -> None:
    """Names, keys and what may be null agree on both databases, and each column is explained."""
    for backend in BACKENDS:
        with databases.store(backend, FixedClock(NOW)) as store:
            found = inspect(store.engine)
            columns = found.get_columns("hole")
            keys = found.get_pk_constraint("hole")["constrained_columns"]
        assert {column["name"] for column in columns} == set(HOLE.columns.keys())
        assert sorted(keys) == sorted(column.name for column in HOLE.primary_key)
        for column in columns:
            assert column["nullable"] == HOLE.columns[column["name"]].nullable
            assert backend != "postgresql" or column["comment"]

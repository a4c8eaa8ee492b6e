"""What makes databases: a used one comes back as new, and one that was altered never comes back."""

from contextlib import closing

import psycopg
import pytest

from relayer.clock import FixedClock
from relayer.store.engine import engine_of
from relayer.store.unit_of_work import Store
from tests.databases import BACKENDS, NOW, TestDatabases
from tests.relayer.store.test_roots import book

ROWS = """
    SELECT relname, query_to_xml('TABLE public.' || quote_ident(relname), true, true, '')::text
    FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY relname"""
COUNTERS = "SELECT sequencename, last_value FROM pg_sequences ORDER BY sequencename"
ALTERATIONS = (
    "DROP TRIGGER posting_append_only ON posting",
    "ALTER TABLE posting DISABLE TRIGGER ALL",
    "ALTER TABLE chain ADD COLUMN another bigint",
    "ALTER TABLE chain DROP CONSTRAINT chain_pkey CASCADE",
    "CREATE OR REPLACE FUNCTION another() RETURNS bigint LANGUAGE sql AS 'SELECT 1'",
    "CREATE TABLE another (number bigint)",
    "CREATE SCHEMA another",
)


def content(url: str) -> list[object]:
    """Return all rows and counters of a PostgreSQL database."""
    with psycopg.connect(url) as link:
        return [link.execute(query.encode()).fetchall() for query in (ROWS, COUNTERS)]


def use(url: str) -> None:
    """Book entries and draw from every counter."""
    store = Store(engine_of(url), FixedClock(NOW))
    book(store, 1, 25)
    store.close()
    with psycopg.connect(url) as link:
        link.execute("SELECT nextval(oid::regclass) FROM pg_class WHERE relkind = 'S'")


@pytest.mark.parametrize("backend", ["postgresql"])
def test_a_used_database_comes_back_as_new(databases: TestDatabases, backend: str) -> None:
    """Rows and counters are those after the migrations, even when a session was still open."""
    url = databases.migrated_url(backend)
    new = content(url)
    use(url)
    assert content(url) != new
    with closing(psycopg.connect(url)) as forgotten:
        forgotten.execute("LOCK TABLE posting")
        databases.drop(url)

    again = databases.migrated_url(backend)

    assert again == url
    assert content(again) == new
    databases.drop(again)


@pytest.mark.parametrize("backend", ["postgresql"])
@pytest.mark.parametrize("alteration", ALTERATIONS)
def test_an_altered_database_does_not_come_back(
    databases: TestDatabases, backend: str, alteration: str
) -> None:
    """Whatever a test did to a table, a trigger, a rule, a function or a schema."""
    url = databases.migrated_url(backend)
    with psycopg.connect(url) as link:
        link.execute(alteration.encode())

    databases.drop(url)

    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(url)


@pytest.mark.parametrize("backend", BACKENDS)
def test_nothing_is_left(backend: str) -> None:
    """Closing removes what was given back, what was not, and the templates."""
    made = TestDatabases()
    kept, given_back = (made.migrated_url(backend) for _ in range(2))
    made.drop(given_back)

    made.close()

    for url in (kept, given_back):
        with pytest.raises(Exception, match=r"does not exist|unable to open"):
            Store(engine_of(url), FixedClock(NOW)).schema_version()

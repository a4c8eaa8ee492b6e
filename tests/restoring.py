"""Make a used PostgreSQL database what its template is again: removing one waits for the disk."""

from dataclasses import dataclass
from typing import Final, Self

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

END_SECONDS_MAX: Final = 10
# What a test filled further is removed: its empty pages would slow down all that come after it.
KEPT_BYTES_MAX: Final = 16 * 2**20
TABLES: Final = """
    SELECT relname FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY relname"""
SEQUENCES: Final = TABLES.replace("'r'", "'S'")
# A row of the catalog gets a new xmin when its table, trigger or rule is altered, and no other
# way; filling and analysing a table write in place.
DEFINITIONS: Final = """
    SELECT md5(string_agg(line, ',' ORDER BY line)) FROM (
        SELECT concat('class ', oid, ' ', xmin) AS line
        FROM pg_class WHERE relnamespace = 'public'::regnamespace
        UNION ALL SELECT concat('column ', attrelid, ' ', attnum, ' ', a.xmin)
        FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid
        WHERE relnamespace = 'public'::regnamespace
        UNION ALL SELECT concat('trigger ', oid, ' ', xmin) FROM pg_trigger
        UNION ALL SELECT concat('constraint ', oid, ' ', xmin) FROM pg_constraint
        UNION ALL SELECT concat('function ', oid, ' ', xmin)
        FROM pg_proc WHERE pronamespace = 'public'::regnamespace
        UNION ALL SELECT concat('schema ', oid, ' ', xmin) FROM pg_namespace
        WHERE nspname NOT LIKE 'pg_%'
    ) AS lines"""
FILLED_BYTES: Final = """
    SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::bigint FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"""
END_SESSIONS: Final = """
    SELECT pg_terminate_backend(pid, %s) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()"""


@dataclass(frozen=True, slots=True)
class Template:
    """
    What a migrated database holds.

    Args:
        definitions: a hash over its catalog.
        filled_bytes: the size of its tables.
        restore: the statements that bring back its rows and counters.
    """

    definitions: str
    filled_bytes: int
    restore: sql.Composed

    @classmethod
    def of(cls, url: str) -> Self:
        """Read the template at a URL."""
        with psycopg.connect(url) as link:
            tables = [str(row[0]) for row in link.execute(TABLES)]
            sequences = [str(row[0]) for row in link.execute(SEQUENCES)]
            statements = [sql.Composed([sql.SQL("SET LOCAL session_replication_role = replica")])]
            statements += [sql.SQL("DELETE FROM {}").format(_name(table)) for table in tables]
            for table in tables:
                statements += _filling(link, table)
            statements += [_counter(link, sequence) for sequence in sequences]
            return cls(
                definitions=_text(link, DEFINITIONS),
                filled_bytes=int(_text(link, FILLED_BYTES)),
                restore=sql.SQL("; ").join(statements),
            )

    def is_restored(self, url: str) -> bool:
        """Empty a copy and fill it anew; False when it was altered or has grown too large."""
        with psycopg.connect(url) as link:
            link.execute(END_SESSIONS, (END_SECONDS_MAX * 1_000,))
            if _text(link, DEFINITIONS) != self.definitions:
                return False
            if int(_text(link, FILLED_BYTES)) > self.filled_bytes + KEPT_BYTES_MAX:
                return False
            link.execute(self.restore)
        return True


def _filling(link: psycopg.Connection, table: str) -> list[sql.Composed]:
    """Return the statement that inserts the rows a table has; none when it is empty."""
    asked = sql.SQL("SELECT jsonb_agg(t) FROM {} AS t").format(_name(table))
    row = link.execute(asked).fetchone()
    if row is None or row[0] is None:
        return []
    statement = sql.SQL("INSERT INTO {} SELECT * FROM jsonb_populate_recordset(NULL::{}, {})")
    return [statement.format(_name(table), _name(table), sql.Literal(Jsonb(row[0])))]


def _counter(link: psycopg.Connection, sequence: str) -> sql.Composed:
    """Return the statement that sets a sequence to where it stands."""
    asked = sql.SQL("SELECT last_value, is_called FROM {}").format(_name(sequence))
    row = link.execute(asked).fetchone()
    assert row is not None
    statement = sql.SQL("SELECT setval({}::regclass, {}, {})")
    return statement.format(sql.Literal(f"public.{sequence}"), *map(sql.Literal, row))


def _name(relation: str) -> sql.Identifier:
    return sql.Identifier("public", relation)


def _text(link: psycopg.Connection, query: str) -> str:
    row = link.execute(query.encode()).fetchone()
    assert row is not None
    return str(row[0])

"""Speed of posting: batches of 1 to 1,000 entries against raw COPY of the same rows."""

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import perf_counter, process_time
from typing import Any, Final

import psycopg

from chains.types import ChainId
from relayer.clock import FixedClock, UnixSeconds
from relayer.ledger.chart import margin_code, vault_code
from relayer.ledger.journal import (
    GENESIS_HASH,
    JournalEntry,
    Phase,
    Posting,
    chain_hash,
    entry_id_of,
    line_key_of,
    record_of,
)
from relayer.money import AssetId
from relayer.store.ledger_rows import ENTRY_COLUMNS, POSTING_COLUMNS, entry_row, posting_rows
from relayer.store.unit_of_work import Store
from tests.databases import NOW, TestDatabases

ENTRIES: Final = 20_000
ENTRIES_OF_SMALL: Final = {1: 500, 10: 4_000, 100: 12_000}
BATCHES: Final = (1, 10, 100, 1_000)
REPEATS: Final = 3
ACCOUNTS: Final = 2_000
HOT_ACCOUNTS: Final = 20
MICROSECONDS: Final = 1_000_000
HOME: Final = ChainId("eip155:1")
WETH: Final = AssetId("WETH")
VAULT: Final = vault_code(b"\x01" * 32)


def entries_made(count: int, accounts: int, seed: int = 1) -> list[JournalEntry]:
    """Return locks: each moves one vault and one of so many margin accounts."""
    source = random.Random(seed)
    codes = [margin_code(index.to_bytes(32, "big")) for index in range(1, accounts + 1)]
    entries = []
    for index in range(count):
        cause = source.randbytes(32)
        units = source.randrange(1, 10**24)
        postings = (
            Posting(VAULT, WETH, HOME, units),
            Posting(source.choice(codes), WETH, HOME, -units),
        )
        entries.append(
            JournalEntry(
                entry_id=entry_id_of("lock.final", cause),
                kind="lock.final",
                cause=cause,
                phase=Phase.POSTED,
                postings=postings,
                resolves=None,
                reversal_of=None,
                correlation_id=cause,
                booked_at=UnixSeconds(NOW + index),
            )
        )
    return entries


def seconds_to_post(
    databases: TestDatabases, backend: str, entries: Sequence[JournalEntry], batch: int
) -> tuple[float, float]:
    """Return wall seconds and our process's CPU seconds to post entries in batches, durably."""
    with durable_store(databases, backend) as store:
        started, worked = perf_counter(), process_time()
        for first in range(0, len(entries), batch):
            with store.unit_of_work() as uow:
                results = uow.ledger.post_many(entries[first : first + batch])
            assert all(result.is_booked for result in results)
        return perf_counter() - started, process_time() - worked


@contextmanager
def durable_store(databases: TestDatabases, backend: str) -> Iterator[Store]:
    """Yield a store whose commits wait for the disk, as in production."""
    with databases.store(backend, FixedClock(NOW)) as store:
        if backend == "postgresql":
            name = store.engine.url.database
            with store.engine.begin() as connection:
                connection.exec_driver_sql(f"ALTER DATABASE {name} SET synchronous_commit = on")
            store.engine.dispose()
        yield store


def rows_of(
    entries: Sequence[JournalEntry],
) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """Return the rows of journal_entry and of posting that these entries become."""
    keys = {posting.line: line_key_of(posting.line) for e in entries for posting in e.postings}
    last_hash, stored, postings = GENESIS_HASH, [], []
    for seq, entry in enumerate(entries, start=1):
        last_hash = chain_hash(last_hash, record_of(entry))
        stored.append(entry_row(seq, entry, last_hash))
        postings += posting_rows(seq, entry, keys)
    return stored, postings


def seconds_to_copy(databases: TestDatabases, entries: Sequence[JournalEntry], batch: int) -> float:
    """
    Return the seconds that PostgreSQL takes for the same rows by COPY, and nothing else.

    The tables have the columns, checks and indexes of the journal, no triggers, no foreign keys;
    one transaction and one COPY per table and batch, rows made beforehand.
    """
    rows, postings = rows_of(entries)
    with durable_store(databases, "postgresql") as store:
        url = store.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(url) as link:
            for name in ("journal_entry", "posting"):
                link.execute(f"CREATE TABLE raw_{name} (LIKE {name} INCLUDING ALL)".encode())
            link.commit()
            started = perf_counter()
            for first in range(0, len(entries), batch):
                _copy(link, "raw_journal_entry", ENTRY_COLUMNS, rows[first : first + batch])
                _copy(
                    link, "raw_posting", POSTING_COLUMNS, postings[2 * first : 2 * (first + batch)]
                )
                link.commit()
            return perf_counter() - started


def _copy(
    link: psycopg.Connection[Any],
    table: str,
    columns: Mapping[str, str],
    rows: Sequence[tuple[Any, ...]],
) -> None:
    statement = f"COPY {table} ({', '.join(columns)}) FROM STDIN (FORMAT BINARY)"
    with link.cursor() as cursor, cursor.copy(statement.encode()) as copy:
        copy.set_types(tuple(columns.values()))
        for row in rows:
            copy.write_row(row)


if __name__ == "__main__":
    d = TestDatabases()
    entries = entries_made(ENTRIES, ACCOUNTS)
    for b in (1000, 100, 10, 1):
        n = min(len(entries), b * 300)
        w, c = seconds_to_post(d, "postgresql", entries[:n], b)
        print("pg", b, round(n / w), "e/s wall", round(1e6 * c / n), "us cpu")
        w, c = seconds_to_post(d, "sqlite", entries[:n], b)
        print("sqlite", b, round(n / w), "e/s wall", round(1e6 * c / n), "us cpu")
        k = seconds_to_copy(d, entries[:n], b)
        print("copy", b, round(n / k), "e/s")
    d.close()

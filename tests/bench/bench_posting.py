"""Speed of posting: batches of 1 to 1,000 entries against raw COPY of the same rows."""

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import perf_counter, process_time
from typing import Any, Final

import psycopg
from psycopg.types.string import BytesBinaryDumper

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
from tests.bench.report import register
from tests.databases import NOW, TestDatabases

ENTRIES: Final = 20_000
BATCHES: Final = (1, 10, 100, 1_000)
COUNTS: Final = {1: 500, 10: 4_000, 100: 12_000, 1_000: ENTRIES}
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
    # COPY takes the dumper of bytea registered last, which may be a slower one of another class.
    link.adapters.register_dumper(bytes, BytesBinaryDumper)
    with link.cursor() as cursor, cursor.copy(statement.encode()) as copy:
        copy.set_types(tuple(columns.values()))
        for row in rows:
            copy.write_row(row)


def bench_posting(databases: TestDatabases) -> None:
    """Compare batches with COPY of the same rows, with single commits, and with hot accounts."""
    entries = entries_made(ENTRIES, ACCOUNTS)
    per_entry: dict[tuple[str, int], float] = {}
    for batch in BATCHES:
        chosen = entries[: COUNTS[batch]]
        copying = min(seconds_to_copy(databases, chosen, batch) for _ in range(REPEATS))
        copied = MICROSECONDS * copying / len(chosen)
        for backend in ("postgresql", "sqlite"):
            runs = [seconds_to_post(databases, backend, chosen, batch) for _ in range(REPEATS)]
            seconds, worked = min(runs)
            ours = MICROSECONDS * seconds / len(chosen)
            per_entry[backend, batch] = ours
            suffix = "" if backend == "postgresql" else "_sqlite"
            register(
                f"posting.batch{batch}{suffix}_vs_copy",
                ours=ours,
                other=copied,
                unit="us/entry",
                how=f"{len(chosen)} locks of {ACCOUNTS} accounts on {backend}, {batch} a commit,"
                f" {MICROSECONDS * worked / len(chosen):.0f} us of our own CPU each, against COPY"
                " of the same rows into PostgreSQL with the same indexes",
            )
    for backend in ("postgresql", "sqlite"):
        suffix = "" if backend == "postgresql" else "_sqlite"
        register(
            f"posting.batch1000{suffix}_vs_single",
            ours=per_entry[backend, 1_000],
            other=per_entry[backend, 1],
            unit="us/entry",
            how=f"{backend}, 1,000 locks a commit against one a commit",
        )
    hot = seconds_to_post(databases, "postgresql", entries_made(ENTRIES, HOT_ACCOUNTS), 1_000)[0]
    register(
        "posting.hot_vs_uniform",
        ours=MICROSECONDS * hot / ENTRIES,
        other=per_entry["postgresql", 1_000],
        unit="us/entry",
        how=f"batches of 1,000 on {HOT_ACCOUNTS} accounts against {ACCOUNTS}",
    )


if __name__ == "__main__":
    made = TestDatabases()
    try:
        bench_posting(made)
    finally:
        made.close()

"""FLEET 10.6 over a real journal: any changed byte of any row is found, and where it is."""

import random
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from relayer.clock import FixedClock
from relayer.ledger.journal import record_of
from relayer.store import records
from relayer.store.engine import engine_of
from relayer.store.records import RecordReader
from relayer.store.unit_of_work import Store
from tests.databases import NOW, TestDatabases, path_of
from tests.relayer.store.test_roots import book, entry

ENTRIES = 500
ROWS = 1_000
TABLES = {
    "journal_entry": (
        "seq", "entry_id", "kind", "cause", "phase", "correlation_id", "booked_at",
        "postings_count", "entry_hash",
    ),
    "posting": ("seq", "position", "line_key", "phase", "side", "units"),
}  # fmt: skip


@pytest.fixture
def booked(store: Store) -> Store:
    """A store with a journal."""
    book(store, 1, 25)
    return store


def test_records_are_those_of_the_entries(booked: Store) -> None:
    """The columns of both databases make the same bytes as the entries."""
    with booked.read() as uow:
        reader = RecordReader(uow.connection)
        assert [reader.record(seq) for seq in range(1, 26)] == [
            record_of(entry(number)) for number in range(1, 26)
        ]
        assert reader.record(26) is None


def test_an_honest_chain_is_sound_on_pages_of_any_length(
    booked: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The head is reached and agrees."""
    for length in (1, 4, 25, 1_000):
        monkeypatch.setattr(records, "ENTRIES_PER_PAGE", length)
        with booked.read() as uow:
            chain = RecordReader(uow.connection).check_chain()
            head = uow.ledger.head()

        assert chain.faults == []
        assert (chain.last_seq, chain.last_hash) == (head.seq, head.entry_hash)


def test_an_empty_journal_is_sound(store: Store) -> None:
    """Nothing booked, nothing wrong."""
    with store.read() as uow:
        assert RecordReader(uow.connection).check_chain().faults == []


def test_known_lines_are_bounded(booked: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept of lines is dropped and learned again; the outcome is the same."""
    monkeypatch.setattr(records, "LINES_KEPT_MAX", 1)
    monkeypatch.setattr(records, "ENTRIES_PER_PAGE", 3)

    with booked.read() as uow:
        assert RecordReader(uow.connection).check_chain().faults == []


def flipped(value: Any, random_source: random.Random) -> Any:
    """Return a stored value with one random byte changed."""
    if isinstance(value, int):
        raw = bytearray(value.to_bytes(8, "big", signed=True))
    elif isinstance(value, str):
        raw = bytearray(value.encode())
    else:
        raw = bytearray(value)
    place = random_source.randrange(len(raw))
    raw[place] ^= random_source.randrange(1, 256)
    if isinstance(value, int):
        return int.from_bytes(raw, "big", signed=True)
    return bytes(raw)


def unguarded(path: Path) -> sqlite3.Connection:
    """Open the file as somebody who may write it: no trigger, no check, no key."""
    link = sqlite3.connect(path, isolation_level=None)
    names = [row[0] for row in link.execute("SELECT name FROM sqlite_master WHERE type='trigger'")]
    for name in names:
        link.execute(f"DROP TRIGGER {name}")
    link.execute("PRAGMA ignore_check_constraints = ON")
    link.execute("PRAGMA foreign_keys = OFF")
    link.execute("PRAGMA synchronous = OFF")
    link.execute("PRAGMA temp_store = MEMORY")
    return link


@pytest.mark.slow
def test_fleet_10_6_one_flipped_byte_in_any_row_is_located_at_its_seq(
    databases: TestDatabases,
) -> None:
    """1,000 random rows, one random byte of one random column each: found at the row's seq."""
    url = databases.migrated_url("sqlite")
    store = Store(engine_of(url), FixedClock(NOW))
    book(store, 1, ENTRIES)
    link = unguarded(path_of(url))
    source = random.Random(20260106)
    found = 0
    while found < ROWS:
        table = source.choice(tuple(TABLES))
        seq = source.randint(1, ENTRIES)
        column = source.choice(TABLES[table])
        rows = link.execute(f"SELECT rowid, {column} FROM {table} WHERE seq = ?", (seq,)).fetchall()
        rowid, value = source.choice(rows)
        changed = flipped(value, source)
        if isinstance(value, str):
            set_to = f"UPDATE {table} SET {column} = CAST(? AS TEXT) WHERE rowid = ?"
        else:
            set_to = f"UPDATE {table} SET {column} = ? WHERE rowid = ?"
        # A seq is the row's own id in journal_entry: by then the row has moved there.
        is_moved = table == "journal_entry" and column == "seq"
        try:
            link.execute(set_to, (changed, rowid))
        except sqlite3.IntegrityError:
            continue  # the database itself refuses a second row at one place
        found += 1

        with store.read() as uow:
            faults = RecordReader(uow.connection).check_chain().faults

        assert faults, f"{table}.{column} of entry {seq}"
        moved_to = changed if column == "seq" else seq
        first = min(seq, moved_to) if 1 <= moved_to <= ENTRIES else seq
        assert faults[0].seq == first, f"{table}.{column} of entry {seq}: {faults[0]}"
        link.execute(
            f"UPDATE {table} SET {column} = ? WHERE rowid = ?",
            (value, changed if is_moved else rowid),
        )
    with store.read() as uow:
        assert RecordReader(uow.connection).check_chain().faults == []
    link.close()
    store.close()
    databases.drop(url)


@pytest.mark.slow
def test_fleet_10_6_the_chain_over_columns_is_checked_fast(databases: TestDatabases) -> None:
    """A floor far below what a quiet core does, so that only a lost order of magnitude fails."""
    with databases.store("sqlite", FixedClock(NOW)) as store:
        for first in range(1, 20_001, 5_000):
            book(store, first, first + 4_999)
        with store.read() as uow:
            began = time.process_time()
            chain = RecordReader(uow.connection).check_chain()
            seconds = time.process_time() - began

    assert (chain.last_seq, chain.faults) == (20_000, [])
    assert chain.last_seq > 40_000 * seconds

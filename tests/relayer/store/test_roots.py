"""Roots and proofs over a real journal, and what they find when it is changed behind their back."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from relayer.ledger.journal import JournalEntry
from relayer.ledger.merkle import GrowingTree
from relayer.ledger.text import entry_of_text
from relayer.store import roots
from relayer.store.engine import POSTGRESQL
from relayer.store.root_tables import LEDGER_NODE
from relayer.store.roots import JournalBrokenError, StoredRoot
from relayer.store.unit_of_work import Store
from tests.databases import NOW

ENTRIES = 21
NODE_LEVEL = 2  # of four leaves: small journals have stored nodes too


def entry(number: int) -> JournalEntry:
    """Return one of many locks."""
    return entry_of_text(
        f"2026-01-02 vault:base +{number} USDC@eip155:1 | margin:ann -{number} USDC@eip155:1"
    )


def book(store: Store, first: int, last: int) -> None:
    """Book some of the locks."""
    with store.unit_of_work() as uow:
        uow.ledger.post_many([entry(number) for number in range(first, last + 1)])


@pytest.fixture(autouse=True)
def _low_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Store nodes from a low level on."""
    monkeypatch.setattr(roots, "NODE_LEVEL_MIN", NODE_LEVEL)


@pytest.fixture
def booked(store: Store) -> Store:
    """A store with a journal."""
    book(store, 1, ENTRIES)
    return store


def make(store: Store, size: int) -> StoredRoot:
    """Make one root."""
    with store.unit_of_work() as uow:
        return uow.roots.make(size)


def naive_root(store: Store, size: int) -> bytes:
    """Return the root that the entries' hashes give at once."""
    tree = GrowingTree()
    with store.read() as uow:
        for found in uow.ledger.entries(after_seq=0, limit=size):
            tree.append(found.entry_hash)
    assert tree.size == size
    return tree.root


@contextmanager
def unguarded(store: Store, table: str) -> Iterator[Connection]:
    """Yield a transaction in which the table's triggers and checks are off."""
    is_postgresql = store.engine.dialect.name == POSTGRESQL
    with store.engine.connect() as connection, connection.begin():
        if is_postgresql:
            connection.execute(text("SET LOCAL session_replication_role = replica"))
        else:
            for change in ("update", "delete"):
                connection.execute(text(f"DROP TRIGGER {table}_no_{change}"))
        yield connection


def change(store: Store, table: str, statement: str) -> None:
    """Tamper with a table."""
    values = {"zero": bytes(32)} if ":zero" in statement else {}
    with unguarded(store, table) as connection:
        assert connection.execute(text(statement), values).rowcount > 0


def test_roots_made_step_by_step_are_those_of_the_whole_journal(booked: Store) -> None:
    """Whatever the steps, each root is that of a tree built at once, and is kept."""
    for size in (1, 4, 9, 16, 17, 21):
        made = make(booked, size)

        assert made.root == naive_root(booked, size)
        assert made.made_at == NOW
    with booked.read() as uow:
        assert [root.size for root in uow.roots.newest_roots(limit=3)] == [21, 17, 16]
        assert uow.roots.newest() == uow.roots.at(21)
        assert uow.roots.at(20) is None
        assert uow.roots.check_all().faults == []


def test_the_next_root_costs_what_is_new(booked: Store) -> None:
    """Entries below the newest root are not read again, but for those without a stored node."""
    make(booked, 20)
    change(
        booked,
        "journal_entry",
        "UPDATE journal_entry SET entry_hash = :zero WHERE seq BETWEEN 1 AND 16",
    )

    assert make(booked, 21).size == 21
    with booked.read() as uow:
        assert uow.roots.check_all().faults[0].seq == 1


def test_a_root_made_twice_is_one_root(booked: Store) -> None:
    """Two processes make the same one."""
    assert make(booked, 9) == make(booked, 9)
    with booked.read() as uow:
        assert len(uow.roots.newest_roots()) == 1


@pytest.mark.parametrize("size", [0, 8, 22])
def test_a_root_over_entries_that_are_not_new_is_refused(booked: Store, size: int) -> None:
    """Below the newest root, or beyond the journal."""
    make(booked, 9)

    with pytest.raises(ValueError, match="a root over"):
        make(booked, size)


@pytest.mark.parametrize("size", [1, 4, 7, 21])
def test_every_entry_under_a_root_is_proven(booked: Store, size: int) -> None:
    """And the proof holds the entry as it was booked."""
    made = make(booked, size)

    with booked.read() as uow:
        for seq in range(1, size + 1):
            assert uow.roots.prove_entry(seq, size).check(made.root) == entry(seq)


def test_growth_is_proven_between_all_roots(booked: Store) -> None:
    """Between any two sizes that have a root."""
    made = [make(booked, size) for size in (1, 4, 9, 16, 17, 21)]

    with booked.read() as uow:
        for old in made:
            for new in made[made.index(old) :]:
                uow.roots.prove_growth(old.size, new.size).check(old.root, new.root)


def test_nothing_is_proven_where_no_root_is(booked: Store) -> None:
    """The error says what is missing."""
    make(booked, 9)

    with booked.read() as uow:
        with pytest.raises(ValueError, match="no root was made over 8"):
            uow.roots.prove_entry(1, 8)
        with pytest.raises(ValueError, match="entry 10 is not under"):
            uow.roots.prove_entry(10, 9)
        with pytest.raises(ValueError, match="no root was made over 21"):
            uow.roots.prove_growth(9, 21)


def test_a_changed_new_entry_gets_no_root(booked: Store) -> None:
    """Named by its seq; nothing is published."""
    make(booked, 9)
    change(booked, "journal_entry", "UPDATE journal_entry SET kind = 'forged' WHERE seq = 12")

    with pytest.raises(JournalBrokenError, match="journal entry 12: hash differs"):
        make(booked, 21)
    with booked.read() as uow:
        assert len(uow.roots.newest_roots()) == 1


def test_a_changed_edge_gets_no_root(booked: Store) -> None:
    """The newest root no longer follows from the entries beside the new ones."""
    make(booked, 9)
    change(booked, "journal_entry", "UPDATE journal_entry SET entry_hash = :zero WHERE seq = 9")

    with pytest.raises(JournalBrokenError, match="does not follow"):
        make(booked, 21)


def test_a_rewritten_journal_is_found_by_its_published_roots(booked: Store) -> None:
    """Somebody who rehashes everything behind a change cannot make the old roots come out."""
    make(booked, 9)
    with unguarded(booked, "ledger_root") as connection:
        connection.execute(text("UPDATE ledger_root SET root = :zero"), {"zero": bytes(32)})

    with booked.read() as uow:
        faults = uow.roots.check_all().faults

    assert [(fault.seq, fault.reason) for fault in faults] == [
        (9, "the published root is another one")
    ]


def test_a_changed_node_proves_nothing(booked: Store) -> None:
    """A path that does not lead to the root is never handed out."""
    make(booked, 9)
    make(booked, 21)
    change(booked, "ledger_node", "UPDATE ledger_node SET node_hash = :zero WHERE level = 2")

    with booked.read() as uow:
        with pytest.raises(JournalBrokenError, match="does not lead"):
            uow.roots.prove_entry(1, 21)
        with pytest.raises(JournalBrokenError, match="does not lead to both roots"):
            uow.roots.prove_growth(9, 21)


def test_a_missing_node_and_a_missing_entry_are_named(booked: Store) -> None:
    """Where a hash beside the path cannot be made."""
    make(booked, 21)
    change(booked, "ledger_node", "DELETE FROM ledger_node WHERE level = 3 AND position = 1")

    with booked.read() as uow, pytest.raises(JournalBrokenError, match="tree node 3/1 is missing"):
        uow.roots.prove_entry(1, 21)


def test_a_cut_journal_is_found_by_its_published_roots(booked: Store) -> None:
    """A head put back behind removed entries still misses the root over them."""
    make(booked, 21)
    is_postgresql = booked.engine.dialect.name == POSTGRESQL
    with unguarded(booked, "journal_entry") as connection:
        if not is_postgresql:
            connection.execute(text("DROP TRIGGER posting_no_delete"))
        connection.execute(text("DELETE FROM posting WHERE seq > 20"))
        connection.execute(text("DELETE FROM journal_entry WHERE seq > 20"))
        connection.execute(
            text(
                "UPDATE ledger_head SET last_seq = 20,"
                " last_hash = (SELECT entry_hash FROM journal_entry WHERE seq = 20)"
            )
        )

    with booked.read() as uow:
        faults = uow.roots.check_all().faults

    assert [fault.reason for fault in faults] == ["entries under a published root are missing"]


@pytest.mark.parametrize("table", ["ledger_root", "ledger_node"])
def test_published_roots_cannot_be_changed_by_raw_sql(booked: Store, table: str) -> None:
    """UPDATE and DELETE fail in the database."""
    make(booked, 21)
    column = {"ledger_root": "root", "ledger_node": "node_hash"}[table]

    for statement in (f"DELETE FROM {table}", f"UPDATE {table} SET {column} = {column}"):
        with pytest.raises(DBAPIError, match="append-only"), booked.unit_of_work() as uow:
            uow.connection.execute(text(statement))


def test_only_large_subtrees_are_stored(booked: Store) -> None:
    """Nodes of few leaves would be as many as the entries."""
    make(booked, 21)

    with booked.read() as uow:
        rows = uow.connection.execute(LEDGER_NODE.select().order_by(*LEDGER_NODE.primary_key))
        places = [(row.level, row.position) for row in rows]

    assert places == [(2, 0), (2, 1), (2, 2), (2, 3), (2, 4), (3, 0), (3, 1), (4, 0)]

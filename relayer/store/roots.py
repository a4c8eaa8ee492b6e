"""Published roots of the journal, and the nodes that make the next root and every proof cheap."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, select

from relayer.clock import Clock, UnixSeconds
from relayer.errors import RelayerError
from relayer.ledger.journal import GENESIS_HASH
from relayer.ledger.merkle import (
    GrowingTree,
    Node,
    growth_path,
    inclusion_path,
    peak_places,
    root_of,
)
from relayer.ledger.proof import EntryProof, GrowthProof
from relayer.ledger.records import ChainCheck
from relayer.ledger.verify import EntryFault
from relayer.store.records import RecordReader
from relayer.store.root_tables import LEDGER_NODE, LEDGER_ROOT
from relayer.store.statements import insert_into

# Subtrees of 2^10 leaves and more are stored; smaller ones are made from the entries' hashes.
NODE_LEVEL_MIN: Final = 10
ROOTS_PER_QUERY_MAX: Final = 1_000


class JournalBrokenError(RelayerError):
    """The journal does not follow from what was published of it; a person must act."""

    def __init__(self, *, seq: int, reason: str) -> None:
        super().__init__(
            f"journal entry {seq}: {reason}; no root is made. Stop the workers, keep the database "
            "as it is, and run: relayer ledger verify"
        )
        self.seq = seq
        self.reason = reason


@dataclass(frozen=True, slots=True)
class StoredRoot:
    """One published root; head_hash is that of entry number size, made_at a Unix second."""

    size: int
    tree_hash: bytes
    root: bytes
    head_hash: bytes
    made_at: UnixSeconds


class RootTable:
    """Roots and nodes, inside one transaction."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock

    def newest(self) -> StoredRoot | None:
        """Return the root over most entries; None before the first."""
        found = self.newest_roots(limit=1)
        return found[0] if found else None

    def at(self, size: int) -> StoredRoot | None:
        """Return the root over so many entries; None where none was made."""
        row = self._connection.execute(
            select(LEDGER_ROOT).where(LEDGER_ROOT.c.size == size)
        ).one_or_none()
        return None if row is None else _root(row)

    def newest_roots(self, *, limit: int = ROOTS_PER_QUERY_MAX) -> tuple[StoredRoot, ...]:
        """Return the newest roots first."""
        rows = self._connection.execute(
            select(LEDGER_ROOT).order_by(LEDGER_ROOT.c.size.desc()).limit(limit)
        )
        return tuple(_root(row) for row in rows)

    def make(self, size: int) -> StoredRoot:
        """
        Make the root over so many entries, from the newest root and the entries behind it only.

        The new entries' hashes are derived again from their columns, and the tree is compared
        with the newest root, so nothing that changed meanwhile is ever published.

        Raises:
            ValueError: size is below the newest root, or beyond the journal.
            JournalBrokenError: an entry, a node or the newest root was changed.
        """
        newest = self.newest()
        if newest is not None and newest.size == size:
            return newest
        reader = RecordReader(self._connection)
        first = 0 if newest is None else newest.size
        if not first < size <= reader.head()[0]:
            raise ValueError(f"a root over {size} entries: {first + 1} to {reader.head()[0]}")
        tree = GrowingTree() if newest is None else self._tree_at(newest, reader)
        chain = ChainCheck(first, GENESIS_HASH if newest is None else newest.head_hash)
        nodes: list[Node] = []
        for entries, postings in reader.pages(first, size):
            chain.check(entries, postings, reader.names)
            for columns in entries:
                completed = tree.append(columns[10])
                nodes += [node for node in completed if node.level >= NODE_LEVEL_MIN]
        if chain.last_seq != size:
            chain.faults.append(EntryFault(chain.last_seq + 1, "the entry is missing"))
        if chain.faults:
            raise JournalBrokenError(seq=chain.faults[0].seq, reason=chain.faults[0].reason)
        made = StoredRoot(size, tree.tree_hash, tree.root, chain.last_hash, self._clock.now())
        self._store(made, nodes)
        return made

    def prove_entry(self, seq: int, size: int) -> EntryProof:
        """
        Return the proof that the entry at a seq is under the root over so many entries.

        Raises:
            ValueError: no root was made for this size, or it does not reach the entry.
            JournalBrokenError: the entry or a hash beside its path was changed.
        """
        root = self._known(size)
        if not 1 <= seq <= size:
            raise ValueError(f"entry {seq} is not under the root over {size} entries")
        reader = RecordReader(self._connection)
        record = reader.record(seq)
        if record is None:
            raise JournalBrokenError(seq=seq, reason="its columns make no record")
        before = reader.hashes(seq - 2, seq - 1)
        proof = EntryProof(
            seq=seq,
            size=size,
            record=record,
            previous_hash=before[0][1] if before else GENESIS_HASH,
            path=inclusion_path(seq - 1, size, self._nodes(reader)),
            root=root.root,
        )
        try:
            proof.check(root.root)
        except ValueError as exc:
            raise JournalBrokenError(seq=seq, reason=str(exc)) from exc
        return proof

    def prove_growth(self, old_size: int, new_size: int) -> GrowthProof:
        """
        Return the proof that the journal only grew between two roots.

        Raises:
            ValueError: a size has no root, or they are in the wrong order.
            JournalBrokenError: a hash beside the path was changed.
        """
        old, new = self._known(old_size), self._known(new_size)
        reader = RecordReader(self._connection)
        proof = GrowthProof(
            old_size=old_size,
            new_size=new_size,
            old_tree_hash=old.tree_hash,
            path=growth_path(old_size, new_size, self._nodes(reader)),
            old_root=old.root,
            new_root=new.root,
        )
        try:
            proof.check(old.root, new.root)
        except ValueError as exc:
            raise JournalBrokenError(seq=old_size, reason=str(exc)) from exc
        return proof

    def check_all(self) -> ChainCheck:
        """
        Check the hash chain and every root and node that was made, from the first entry on.

        Run it in Store.read(), so that all of it is one snapshot.
        """
        reader = RecordReader(self._connection)
        head_seq, head_hash = reader.head()
        chain, tree = ChainCheck(), GrowingTree()
        roots = self._all_roots()
        expected = next(roots, None)
        for entries, postings in reader.pages(0, head_seq):
            chain.check(entries, postings, reader.names)
            for columns in entries:
                tree.append(columns[10])
                if expected is not None and tree.size == expected.size:
                    if (tree.root, columns[10]) != (expected.root, expected.head_hash):
                        chain.fault(columns[0], "the published root is another one")
                    expected = next(roots, None)
        if expected is not None:
            chain.fault(expected.size, "entries under a published root are missing")
        chain.end(head_seq, head_hash)
        return chain

    def _all_roots(self) -> Iterator[StoredRoot]:
        last_size = 0
        while True:
            rows = self._connection.execute(
                select(LEDGER_ROOT)
                .where(LEDGER_ROOT.c.size > last_size)
                .order_by(LEDGER_ROOT.c.size)
                .limit(ROOTS_PER_QUERY_MAX)
            ).all()
            if not rows:
                return
            yield from map(_root, rows)
            last_size = rows[-1].size

    def _known(self, size: int) -> StoredRoot:
        root = self.at(size)
        if root is None:
            raise ValueError(f"no root was made over {size} entries")
        return root

    def _tree_at(self, root: StoredRoot, reader: RecordReader) -> GrowingTree:
        """Return the right edge of the tree at a root, compared with that root."""
        node_at = self._nodes(reader)
        peaks = [Node(*place, node_at(*place)) for place in peak_places(root.size)]
        tree = GrowingTree(root.size, peaks)
        if tree.root != root.root or root_of(root.size, root.tree_hash) != root.root:
            raise JournalBrokenError(
                seq=root.size, reason="the newest published root does not follow from the journal"
            )
        return tree

    def _nodes(self, reader: RecordReader) -> "_NodeSource":
        return _NodeSource(self._connection, reader)

    def _store(self, root: StoredRoot, nodes: list[Node]) -> None:
        if nodes:
            rows = [
                {"level": node.level, "position": node.position, "node_hash": node.node_hash}
                for node in nodes
            ]
            statement = insert_into(self._connection, LEDGER_NODE)
            self._connection.execute(statement.on_conflict_do_nothing(), rows)
        # Another process may have made the same root; what is read back must be this one.
        self._connection.execute(
            insert_into(self._connection, LEDGER_ROOT)
            .values(
                size=root.size,
                tree_hash=root.tree_hash,
                root=root.root,
                head_hash=root.head_hash,
                made_at=root.made_at,
            )
            .on_conflict_do_nothing()
        )
        stored = self.at(root.size)
        if stored is None or stored.root != root.root:
            raise JournalBrokenError(seq=root.size, reason="another root was published")


class _NodeSource:
    """Gives the hash of a complete subtree: stored, or made from the entries' hashes."""

    def __init__(self, connection: Connection, reader: RecordReader) -> None:
        self._connection = connection
        self._reader = reader

    def __call__(self, level: int, position: int) -> bytes:
        """Return the hash of the subtree at a place of its level."""
        if level < NODE_LEVEL_MIN:
            return self._from_leaves(level, position)
        found: bytes | None = self._connection.execute(
            select(LEDGER_NODE.c.node_hash)
            .where(LEDGER_NODE.c.level == level)
            .where(LEDGER_NODE.c.position == position)
        ).scalar_one_or_none()
        if found is None:
            raise JournalBrokenError(
                seq=(position << level) + 1, reason=f"tree node {level}/{position} is missing"
            )
        return found

    def _from_leaves(self, level: int, position: int) -> bytes:
        first, count = position << level, 1 << level
        tree = GrowingTree()
        for seq, entry_hash in self._reader.hashes(first, first + count):
            if seq != first + tree.size + 1:
                break
            tree.append(entry_hash)
        if tree.size != count:
            raise JournalBrokenError(seq=first + tree.size + 1, reason="the entry is missing")
        return tree.tree_hash


def _root(row: Row[Any]) -> StoredRoot:
    return StoredRoot(row.size, row.tree_hash, row.root, row.head_hash, UnixSeconds(row.made_at))

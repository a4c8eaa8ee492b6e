"""Proofs that a journal entry is under a published root, and that the journal only grew."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from relayer.ledger.journal import WORD_BYTES, JournalEntry, chain_hash
from relayer.ledger.merkle import (
    PATH_LENGTH_MAX,
    leaf_hash,
    root_of,
    tree_hash_of_path,
    tree_hashes_of_growth,
)
from relayer.ledger.records import entry_of_record

ENTRY_FORMAT: Final = "relayer.ledger.entry-proof.v1"
GROWTH_FORMAT: Final = "relayer.ledger.growth-proof.v1"
RECORD_BYTES_MAX: Final = 131_072
ENTRY_FIELDS: Final = frozenset(
    {"format", "seq", "size", "entry", "record", "previous_hash", "path", "root"}
)
GROWTH_FIELDS: Final = frozenset(
    {"format", "old_size", "new_size", "old_tree_hash", "path", "old_root", "new_root"}
)


class ProofError(ValueError):
    """A proof is malformed, or does not lead to the root; field says where it fails."""

    def __init__(self, *, field: str, reason: str) -> None:
        super().__init__(f"proof {field}: {reason}")
        self.field = field
        self.reason = reason


@dataclass(frozen=True, slots=True)
class EntryProof:
    """
    That one entry has its place in a journal of so many entries.

    Args:
        seq: place in the journal, from 1.
        size: entries under the root.
        record: the bytes that the hash chain covers, see journal.record_of.
        previous_hash: hash of the entry before; zeros for the first.
        path: hashes from the leaf up, lowest first.
        root: what was published, see merkle.root_of.
    """

    seq: int
    size: int
    record: bytes
    previous_hash: bytes
    path: tuple[bytes, ...]
    root: bytes

    def check(self, root: bytes) -> JournalEntry:
        """
        Return the entry, proven to be at its place under the root that the caller trusts.

        Raises:
            ProofError: it is not.
        """
        try:
            entry = entry_of_record(self.record)
        except ValueError as exc:
            raise ProofError(field="record", reason=str(exc)) from exc
        leaf = leaf_hash(chain_hash(self.previous_hash, self.record))
        tree_hash = tree_hash_of_path(leaf, self.seq - 1, self.size, self.path)
        if tree_hash is None:
            raise ProofError(field="path", reason="has another length than seq and size ask for")
        if self.root != root:
            raise ProofError(field="root", reason="is not the root that was given")
        if root_of(self.size, tree_hash) != root:
            raise ProofError(field="path", reason="does not lead to the root")
        return entry


@dataclass(frozen=True, slots=True)
class GrowthProof:
    """That the journal under one root begins with all that was under an older one."""

    old_size: int
    new_size: int
    old_tree_hash: bytes
    path: tuple[bytes, ...]
    old_root: bytes
    new_root: bytes

    def check(self, old_root: bytes, new_root: bytes) -> None:
        """
        Check the proof against both roots that the caller trusts.

        Raises:
            ProofError: the journal under the older root was changed, or the proof is not of them.
        """
        if self.old_root != old_root:
            raise ProofError(field="old_root", reason="is not the root that was given")
        if self.new_root != new_root:
            raise ProofError(field="new_root", reason="is not the root that was given")
        if not 1 <= self.old_size <= self.new_size:
            raise ProofError(field="old_size", reason="must be 1 to new_size")
        if root_of(self.old_size, self.old_tree_hash) != old_root:
            raise ProofError(field="old_tree_hash", reason="is not that of the older root")
        found = tree_hashes_of_growth(self.old_size, self.new_size, self.path, self.old_tree_hash)
        if found is None:
            raise ProofError(field="path", reason="has another length than the sizes ask for")
        if found[0] != self.old_tree_hash or root_of(self.new_size, found[1]) != new_root:
            raise ProofError(field="path", reason="does not lead to both roots")


def entry_fields(entry: JournalEntry) -> dict[str, Any]:
    """Return an entry as JSON: hashes as 0x-hex, units as decimal texts, debit positive."""
    return {
        "entry_id": _hex(entry.entry_id),
        "kind": entry.kind,
        "phase": entry.phase.name,
        "cause": _hex(entry.cause),
        "resolves": None if entry.resolves is None else _hex(entry.resolves),
        "reversal_of": None if entry.reversal_of is None else _hex(entry.reversal_of),
        "correlation_id": _hex(entry.correlation_id),
        "booked_at": entry.booked_at,
        "postings": [
            {
                "code": posting.code,
                "asset_id": posting.asset_id,
                "chain_id": posting.chain_id,
                "units": str(posting.units),
            }
            for posting in entry.postings
        ],
    }


def fields_of_proof(proof: EntryProof | GrowthProof) -> dict[str, Any]:
    """
    Return a proof as the object that its file holds.

    Raises:
        ValueError: the record of an entry proof is no record.
    """
    if isinstance(proof, GrowthProof):
        return {
            "format": GROWTH_FORMAT,
            "old_size": proof.old_size,
            "new_size": proof.new_size,
            "old_tree_hash": _hex(proof.old_tree_hash),
            "path": [_hex(word) for word in proof.path],
            "old_root": _hex(proof.old_root),
            "new_root": _hex(proof.new_root),
        }
    return {
        "format": ENTRY_FORMAT,
        "seq": proof.seq,
        "size": proof.size,
        "entry": entry_fields(entry_of_record(proof.record)),
        "record": _hex(proof.record),
        "previous_hash": _hex(proof.previous_hash),
        "path": [_hex(word) for word in proof.path],
        "root": _hex(proof.root),
    }


def proof_of_fields(fields: object) -> EntryProof | GrowthProof:
    """
    Return the proof in a parsed file, its readable part compared with its bytes.

    Raises:
        ProofError: a field is missing, unknown or malformed, or the entry shown is another one.
    """
    if not isinstance(fields, Mapping):
        raise ProofError(field="file", reason="one JSON object is needed")
    match fields.get("format"):
        case str() as found if found == GROWTH_FORMAT:
            _check_names(fields, GROWTH_FIELDS)
            return GrowthProof(
                old_size=_size(fields, "old_size"),
                new_size=_size(fields, "new_size"),
                old_tree_hash=_word(fields, "old_tree_hash"),
                path=_path(fields),
                old_root=_word(fields, "old_root"),
                new_root=_word(fields, "new_root"),
            )
        case str() as found if found == ENTRY_FORMAT:
            return _entry_proof(fields)
        case _:
            raise ProofError(field="format", reason=f"use {ENTRY_FORMAT} or {GROWTH_FORMAT}")


def _entry_proof(fields: Mapping[str, Any]) -> EntryProof:
    _check_names(fields, ENTRY_FIELDS)
    record = _bytes("record", fields["record"])
    try:
        shown = entry_fields(entry_of_record(record))
    except ValueError as exc:
        raise ProofError(field="record", reason=str(exc)) from exc
    if not _is_same(fields["entry"], shown):
        raise ProofError(field="entry", reason="is not what the record says")
    return EntryProof(
        seq=_size(fields, "seq"),
        size=_size(fields, "size"),
        record=record,
        previous_hash=_word(fields, "previous_hash"),
        path=_path(fields),
        root=_word(fields, "root"),
    )


def _is_same(found: object, expected: object) -> bool:
    """Return whether two JSON values are equal: True is not 1 here, as it is in Python."""
    if isinstance(expected, dict):
        return (
            isinstance(found, dict)
            and found.keys() == expected.keys()
            and all(_is_same(found[name], value) for name, value in expected.items())
        )
    if isinstance(expected, list):
        return (
            isinstance(found, list)
            and len(found) == len(expected)
            and all(map(_is_same, found, expected))
        )
    return type(found) is type(expected) and found == expected


def _check_names(fields: Mapping[str, Any], names: frozenset[str]) -> None:
    for name in sorted(names - fields.keys()):
        raise ProofError(field=name, reason="is missing")
    for name in sorted(str(name) for name in fields.keys() - names):
        raise ProofError(field=name, reason="is unknown")


def _size(fields: Mapping[str, Any], name: str) -> int:
    value = fields[name]
    if type(value) is not int or value < 1:
        raise ProofError(field=name, reason="a whole number above 0 is needed")
    return value


def _word(fields: Mapping[str, Any], name: str) -> bytes:
    return word_of_field(name, fields[name])


def word_of_field(name: str, text: object) -> bytes:
    """
    Return the 32 bytes behind 0x-hex.

    Raises:
        ProofError: they are not there; names the field.
    """
    word = _bytes(name, text)
    if len(word) != WORD_BYTES:
        raise ProofError(field=name, reason=f"{len(word)} bytes; {WORD_BYTES} are needed")
    return word


def _bytes(name: str, text: object) -> bytes:
    if not isinstance(text, str) or not text.startswith("0x") or len(text) > 2 * RECORD_BYTES_MAX:
        raise ProofError(field=name, reason="0x-hex is needed")
    try:
        raw = bytes.fromhex(text[2:])
    except ValueError as exc:
        raise ProofError(field=name, reason="is not hexadecimal") from exc
    if "0x" + raw.hex() != text:
        raise ProofError(field=name, reason="write hexadecimal in small letters without blanks")
    return raw


def _path(fields: Mapping[str, Any]) -> tuple[bytes, ...]:
    path = fields["path"]
    if not isinstance(path, list) or len(path) > PATH_LENGTH_MAX:
        raise ProofError(field="path", reason=f"a list of at most {PATH_LENGTH_MAX} hashes")
    return tuple(word_of_field(f"path.{place}", word) for place, word in enumerate(path))


def _hex(raw: bytes) -> str:
    return "0x" + raw.hex()

"""Proofs: what an honest one says, and that no changed one passes."""

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from relayer.ledger.journal import GENESIS_HASH, chain_hash, record_of
from relayer.ledger.merkle import GrowingTree, growth_path, inclusion_path
from relayer.ledger.proof import (
    EntryProof,
    GrowthProof,
    ProofError,
    entry_fields,
    fields_of_proof,
    proof_of_fields,
)
from relayer.ledger.text import entry_of_text
from tests.relayer.ledger.test_merkle import Nodes

ENTRIES = tuple(
    entry_of_text(f"2026-01-02 vault:base +{n} USDC@eip155:1 | margin:ann -{n} USDC@eip155:1")
    for n in range(1, 12)
)
PAGE = Path(__file__).parents[3] / "docs" / "proofs.md"
SEQ = 6
OLD_SIZE = 7
Change = Callable[[dict[str, Any]], None]


def hashes_of_journal() -> list[bytes]:
    """Return the entry hashes of the journal."""
    hashes, previous = [], GENESIS_HASH
    for entry in ENTRIES:
        previous = chain_hash(previous, record_of(entry))
        hashes.append(previous)
    return hashes


HASHES = hashes_of_journal()


def tree_over(size: int) -> GrowingTree:
    """Return the tree over the first entries."""
    tree = GrowingTree()
    for word in HASHES[:size]:
        tree.append(word)
    return tree


ROOT = tree_over(len(ENTRIES)).root
OLD_ROOT = tree_over(OLD_SIZE).root


def entry_proof(seq: int = SEQ) -> EntryProof:
    """Return the proof of one entry."""
    return EntryProof(
        seq=seq,
        size=len(ENTRIES),
        record=record_of(ENTRIES[seq - 1]),
        previous_hash=HASHES[seq - 2] if seq > 1 else GENESIS_HASH,
        path=inclusion_path(seq - 1, len(ENTRIES), Nodes(HASHES)),
        root=ROOT,
    )


def growth_proof() -> GrowthProof:
    """Return the proof that the journal only grew."""
    return GrowthProof(
        old_size=OLD_SIZE,
        new_size=len(ENTRIES),
        old_tree_hash=tree_over(OLD_SIZE).tree_hash,
        path=growth_path(OLD_SIZE, len(ENTRIES), Nodes(HASHES)),
        old_root=OLD_ROOT,
        new_root=ROOT,
    )


def read_back(fields: dict[str, Any]) -> EntryProof | GrowthProof:
    """Return the proof in a file as it is written and parsed."""
    return proof_of_fields(json.loads(json.dumps(fields)))


@pytest.mark.parametrize("seq", range(1, len(ENTRIES) + 1))
def test_every_entry_is_proven_by_its_file(seq: int) -> None:
    """Written, parsed, checked: the entry itself comes out."""
    proof = read_back(fields_of_proof(entry_proof(seq)))

    assert isinstance(proof, EntryProof)
    assert proof.check(ROOT) == ENTRIES[seq - 1]


def test_growth_is_proven_by_its_file() -> None:
    """Written, parsed, checked."""
    proof = read_back(fields_of_proof(growth_proof()))

    assert isinstance(proof, GrowthProof)
    proof.check(OLD_ROOT, ROOT)


def put(name: str, value: object) -> Change:
    """Return a change of one field."""
    return lambda fields: fields.__setitem__(name, value)


def flipped(text: str, place: int) -> str:
    """Return 0x-hex with one bit of a digit changed."""
    digit = format(int(text[place], 16) ^ 1, "x")
    return text[:place] + digit + text[place + 1 :]


def flip(name: str, place: int = 5) -> Change:
    """Return a change of one bit of a field."""
    return lambda fields: fields.__setitem__(name, flipped(fields[name], place))


def _swap_siblings(fields: dict[str, Any]) -> None:
    fields["path"][0], fields["path"][1] = fields["path"][1], fields["path"][0]


def _other_record(fields: dict[str, Any]) -> None:
    other = ENTRIES[SEQ]
    fields["record"] = "0x" + record_of(other).hex()
    fields["entry"] = entry_fields(other)


def _truncated(fields: dict[str, Any]) -> None:
    fields["record"] = fields["record"][:-2]


def _shown_units(fields: dict[str, Any]) -> None:
    fields["entry"]["postings"][0]["units"] = "1000000"


MUTATIONS: dict[str, tuple[Change, str]] = {
    "a bit of the record": (flip("record", 20), "entry"),
    "a cut record": (_truncated, "record"),
    "a longer record": (lambda f: f.__setitem__("record", f["record"] + "00"), "record"),
    "another entry's record": (_other_record, "path"),
    "other units shown": (_shown_units, "entry"),
    "a field more in what is shown": (lambda f: f["entry"].update(note="paid"), "entry"),
    "true for the time shown": (lambda f: f["entry"].update(booked_at=True), "entry"),
    "a bit of the hash before": (flip("previous_hash"), "path"),
    "the seq before": (put("seq", SEQ - 1), "path"),
    "the seq after": (put("seq", SEQ + 1), "path"),
    "a seq beyond the size": (put("seq", len(ENTRIES) + 1), "path"),
    "a seq of 0": (put("seq", 0), "seq"),
    "a text for the seq": (put("seq", "6"), "seq"),
    "true for the seq": (put("seq", True), "seq"),
    "a smaller size": (put("size", len(ENTRIES) - 1), "path"),
    "a larger size": (put("size", len(ENTRIES) + 1), "path"),
    "a size of 2^63": (put("size", 2**63), "path"),
    "siblings swapped": (_swap_siblings, "path"),
    "a sibling missing": (lambda f: f["path"].pop(), "path"),
    "a sibling too many": (lambda f: f["path"].append("0x" + "00" * 32), "path"),
    "a bit of a sibling": (
        lambda f: f["path"].__setitem__(0, flipped(f["path"][0], 9)),
        "path",
    ),
    "a short sibling": (lambda f: f["path"].__setitem__(0, "0x00"), "path.0"),
    "a path without end": (put("path", ["0x" + "00" * 32] * 129), "path"),
    "no path": (put("path", None), "path"),
    "another root inside": (flip("root"), "root"),
    "capitals": (lambda f: f.__setitem__("root", f["root"].upper()), "root"),
    "blanks in hexadecimal": (
        lambda f: f.__setitem__("root", f["root"][:-2] + " " + f["root"][-2:]),
        "root",
    ),
    "no hexadecimal": (put("root", "0xzz"), "root"),
    "another format": (put("format", "relayer.ledger.entry-proof.v2"), "format"),
    "a format that is a list": (put("format", []), "format"),
    "an unknown field": (put("comment", "trust me"), "comment"),
    "a missing field": (lambda f: f.pop("previous_hash"), "previous_hash"),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_fleet_10_6_a_changed_proof_is_refused(name: str) -> None:
    """One class of change each: the error names the field where the proof fails."""
    change, field = MUTATIONS[name]
    fields = copy.deepcopy(fields_of_proof(entry_proof()))
    change(fields)

    with pytest.raises(ProofError) as error:
        found = read_back(fields)
        assert isinstance(found, EntryProof)
        found.check(ROOT)

    assert error.value.field == field


def test_an_honest_proof_is_refused_under_another_root() -> None:
    """The root comes from the one who checks, never from the file."""
    with pytest.raises(ProofError, match="not the root that was given"):
        entry_proof().check(OLD_ROOT)


def test_every_bit_of_the_path_matters() -> None:
    """No sibling may be any other word."""
    proof = entry_proof()
    for place in range(len(proof.path)):
        fields = fields_of_proof(proof)
        fields["path"][place] = flipped(fields["path"][place], 65)
        found = read_back(fields)
        assert isinstance(found, EntryProof)
        with pytest.raises(ProofError, match="does not lead"):
            found.check(ROOT)


GROWTH_MUTATIONS: dict[str, tuple[Change, str]] = {
    "a smaller old size": (put("old_size", OLD_SIZE - 1), "old_tree_hash"),
    "an old size above the new": (put("old_size", 99), "old_size"),
    "a larger new size": (put("new_size", len(ENTRIES) + 1), "path"),
    "a smaller new size": (put("new_size", OLD_SIZE + 1), "path"),
    "a bit of the old tree hash": (flip("old_tree_hash"), "old_tree_hash"),
    "a bit of a hash": (lambda f: f["path"].__setitem__(1, flipped(f["path"][1], 9)), "path"),
    "a hash missing": (lambda f: f["path"].pop(), "path"),
    "a hash too many": (lambda f: f["path"].append("0x" + "00" * 32), "path"),
    "no path": (put("path", []), "path"),
    "another old root": (flip("old_root"), "old_root"),
    "another new root": (flip("new_root"), "new_root"),
    "the roots exchanged": (
        lambda f: f.update(old_root=f["new_root"], new_root=f["old_root"]),
        "old_root",
    ),
}


@pytest.mark.parametrize("name", GROWTH_MUTATIONS)
def test_fleet_10_6_a_changed_proof_of_growth_is_refused(name: str) -> None:
    """One class of change each."""
    change, field = GROWTH_MUTATIONS[name]
    fields = copy.deepcopy(fields_of_proof(growth_proof()))
    change(fields)

    with pytest.raises(ProofError) as error:
        found = read_back(fields)
        assert isinstance(found, GrowthProof)
        found.check(OLD_ROOT, ROOT)

    assert error.value.field == field


@pytest.mark.parametrize("content", [[], "proof", None, 7])
def test_what_is_no_object_is_no_proof(content: object) -> None:
    """The error says what is needed."""
    with pytest.raises(ProofError, match="one JSON object"):
        proof_of_fields(content)


def test_the_page_on_proofs_checks_a_proof_by_itself(tmp_path: Path) -> None:
    """The program in docs/proofs.md, run as it stands: true for ours, false for a changed one."""
    program = PAGE.read_text().split("```python\n")[1].split("```")[0]
    fields = fields_of_proof(entry_proof())
    answers = []
    for seq in (SEQ, SEQ - 1):
        file = tmp_path / f"{seq}.json"
        file.write_text(json.dumps(fields | {"seq": seq}))
        line = [sys.executable, "-c", program, str(file), "0x" + ROOT.hex()]
        answers.append(subprocess.run(line, capture_output=True, text=True, check=True).stdout)

    assert answers == ["True\n", "False\n"]

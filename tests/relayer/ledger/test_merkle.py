"""The Merkle tree against the recursive text of RFC 6962, and against its published vectors."""

import hashlib
import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relayer.ledger.merkle import (
    EMPTY_TREE_HASH,
    GrowingTree,
    Node,
    growth_path,
    inclusion_path,
    leaf_hash,
    node_hash,
    peak_places,
    root_of,
    tree_hash_of_path,
    tree_hashes_of_growth,
)

# The leaves and tree hashes of the certificate-transparency reference tests.
REFERENCE_LEAVES = (
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
)  # fmt: skip
REFERENCE_HASHES = (
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
SIZES = st.integers(1, 300)
DEEP = settings(max_examples=150)


def naive_hash(leaves: Sequence[bytes]) -> bytes:
    """Return MTH of RFC 6962, 2.1, word by word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + naive_hash(leaves[:k]) + naive_hash(leaves[k:])).digest()


def naive_path(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """Return PATH of RFC 6962, 2.1.1."""
    if len(leaves) == 1:
        return []
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    if index < k:
        return [*naive_path(index, leaves[:k]), naive_hash(leaves[k:])]
    return [*naive_path(index - k, leaves[k:]), naive_hash(leaves[:k])]


def naive_growth(old: int, leaves: Sequence[bytes], is_whole: bool = True) -> list[bytes]:
    """Return SUBPROOF of RFC 6962, 2.1.2."""
    if old == len(leaves):
        return [] if is_whole else [naive_hash(leaves)]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    if old <= k:
        return [*naive_growth(old, leaves[:k], is_whole), naive_hash(leaves[k:])]
    return [*naive_growth(old - k, leaves[k:], False), naive_hash(leaves[:k])]


def words(size: int) -> list[bytes]:
    """Return so many leaves, all different."""
    return [hashlib.sha256(b"%d" % at).digest() for at in range(size)]


class Nodes:
    """Nodes of complete subtrees, straight from the leaves."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self.leaves = leaves

    def __call__(self, level: int, position: int) -> bytes:
        """Return one; all of its leaves must be there."""
        first = position << level
        assert first + (1 << level) <= len(self.leaves)
        return naive_hash(self.leaves[first : first + (1 << level)])


@pytest.mark.parametrize("size", range(1, 9))
def test_the_tree_is_that_of_certificate_transparency(size: int) -> None:
    """The reference leaves give the reference hashes."""
    tree = GrowingTree()
    for text in REFERENCE_LEAVES[:size]:
        tree.append(bytes.fromhex(text))

    assert tree.tree_hash.hex() == REFERENCE_HASHES[size - 1]


def test_the_empty_tree_has_the_hash_of_nothing() -> None:
    """As the RFC says; and its root binds the size 0."""
    assert GrowingTree().tree_hash == EMPTY_TREE_HASH == naive_hash([])
    assert GrowingTree().root == root_of(0, EMPTY_TREE_HASH)


@DEEP
@given(size=SIZES)
def test_a_growing_tree_has_the_hash_of_the_recursive_one(size: int) -> None:
    """Leaf by leaf, and the nodes that it completes are those subtrees."""
    leaves, tree = words(size), GrowingTree()
    completed: list[Node] = []

    for word in leaves:
        completed += tree.append(word)

    assert tree.tree_hash == naive_hash(leaves)
    assert [(peak.level, peak.position) for peak in tree.peaks] == list(peak_places(size))
    node_at = Nodes(leaves)
    assert all(node.node_hash == node_at(node.level, node.position) for node in completed)


@DEEP
@given(size=SIZES, data=st.data())
def test_every_path_is_that_of_the_rfc_and_leads_to_the_tree_hash(
    size: int, data: st.DataObject
) -> None:
    """Inclusion, for any leaf of any tree."""
    index, leaves = data.draw(st.integers(0, size - 1)), words(size)

    path = inclusion_path(index, size, Nodes(leaves))

    assert list(path) == naive_path(index, leaves)
    assert tree_hash_of_path(leaf_hash(leaves[index]), index, size, path) == naive_hash(leaves)


@DEEP
@given(new=SIZES, data=st.data())
def test_every_growth_is_that_of_the_rfc_and_leads_to_both_hashes(
    new: int, data: st.DataObject
) -> None:
    """Consistency, between any two sizes."""
    old, leaves = data.draw(st.integers(1, new)), words(new)

    path = growth_path(old, new, Nodes(leaves))

    old_hash = naive_hash(leaves[:old])
    assert list(path) == naive_growth(old, leaves)
    assert tree_hashes_of_growth(old, new, path, old_hash) == (old_hash, naive_hash(leaves))


@DEEP
@given(new=st.integers(2, 120), data=st.data())
def test_a_rewritten_journal_has_no_proof_of_growth(new: int, data: st.DataObject) -> None:
    """Whatever old leaf was changed, the path of the new tree misses the old hash."""
    old = data.draw(st.integers(1, new - 1))
    changed = data.draw(st.integers(0, old - 1))
    leaves = words(new)
    rewritten = [*leaves]
    rewritten[changed] = bytes(32)

    path = growth_path(old, new, Nodes(rewritten))

    old_hash = naive_hash(leaves[:old])
    assert tree_hashes_of_growth(old, new, path, old_hash) != (old_hash, naive_hash(rewritten))


def test_a_path_of_another_length_leads_nowhere() -> None:
    """Too short and too long, for every leaf of some trees."""
    for size in (1, 2, 3, 7, 8, 13):
        leaves = words(size)
        for index in range(size):
            path = inclusion_path(index, size, Nodes(leaves))
            leaf = leaf_hash(leaves[index])
            assert tree_hash_of_path(leaf, index, size, (*path, bytes(32))) is None
            if path:
                assert tree_hash_of_path(leaf, index, size, path[:-1]) is None


def test_places_outside_of_the_tree_are_refused() -> None:
    """Neither a path is made there nor is one believed."""
    node_at = Nodes(words(4))

    for index, size in ((-1, 4), (4, 4), (0, 0), (0, 2**63)):
        with pytest.raises(ValueError, match="not in a tree"):
            inclusion_path(index, size, node_at)
        assert tree_hash_of_path(bytes(32), index, size, ()) is None
    for old, new in ((0, 4), (5, 4)):
        with pytest.raises(ValueError, match="grows"):
            growth_path(old, new, node_at)
        assert tree_hashes_of_growth(old, new, (), bytes(32)) is None


def test_a_growth_of_nothing_has_an_empty_path() -> None:
    """Equal sizes need no hash, and get none."""
    assert growth_path(3, 3, Nodes(words(3))) == ()
    assert tree_hashes_of_growth(3, 3, (), b"\x01" * 32) == (b"\x01" * 32, b"\x01" * 32)
    assert tree_hashes_of_growth(3, 3, (bytes(32),), b"\x01" * 32) is None
    assert tree_hashes_of_growth(3, 4, (), b"\x01" * 32) is None


def test_a_leaf_is_never_taken_for_a_node() -> None:
    """The prefixes keep both apart: no inner node can be shown as an entry."""
    left, right = words(2)

    assert leaf_hash(left + right) != node_hash(left, right)


def test_the_root_binds_the_size() -> None:
    """One path cannot be shown for a tree of another size: the root would be another."""
    tree_hash = random.Random(7).randbytes(32)

    assert root_of(5, tree_hash) != root_of(6, tree_hash)
    assert root_of(5, tree_hash).hex() == (
        hashlib.sha256(b"relayer.root.v1" + (5).to_bytes(8, "big") + tree_hash).hexdigest()
    )

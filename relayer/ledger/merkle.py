"""Merkle tree over the journal's entry hashes, as RFC 6962 builds it: roots, paths, growth."""

import hashlib
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

WORD_BYTES: Final = 32
LEAF_PREFIX: Final = b"\x00"
NODE_PREFIX: Final = b"\x01"
ROOT_TAG: Final = b"relayer.root.v1"
EMPTY_TREE_HASH: Final = hashlib.sha256(b"").digest()
SIZE_MAX: Final = 2**63 - 1
PATH_LENGTH_MAX: Final = 128

# (level, position) -> the hash of the complete subtree over leaves [position << level,
# (position + 1) << level).
NodeAt = Callable[[int, int], bytes]


def leaf_hash(word: bytes) -> bytes:
    """Return the hash of a leaf: SHA-256 over 0x00 and its bytes."""
    return hashlib.sha256(LEAF_PREFIX + word).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node: SHA-256 over 0x01 and both children."""
    return hashlib.sha256(NODE_PREFIX + left + right).digest()


def root_of(size: int, tree_hash: bytes) -> bytes:
    """
    Return the root that is published: it binds the number of entries too.

    root = SHA-256("relayer.root.v1" | size u64 big-endian | tree hash). With the tree hash alone,
    one path could be shown for another place in a tree of another size.

    Args:
        size: number of entries, 0 to 2^63 - 1.
    """
    return hashlib.sha256(ROOT_TAG + struct.pack(">Q", size) + tree_hash).digest()


@dataclass(frozen=True, slots=True)
class Node:
    """One complete subtree: 2^level leaves from position << level on."""

    level: int
    position: int
    node_hash: bytes


@dataclass(slots=True)
class GrowingTree:
    """
    The right edge of a tree: all that the next leaf and the next root need.

    Args:
        peaks: complete subtrees from left to right, each smaller than the one before.
    """

    size: int = 0
    peaks: list[Node] = field(default_factory=list)

    def append(self, word: bytes) -> list[Node]:
        """Add a leaf; return the subtrees of two leaves and more that it completes."""
        grown = Node(0, self.size, leaf_hash(word))
        completed = []
        while self.peaks and self.peaks[-1].level == grown.level:
            left = self.peaks.pop()
            merged = node_hash(left.node_hash, grown.node_hash)
            grown = Node(grown.level + 1, left.position >> 1, merged)
            completed.append(grown)
        self.peaks.append(grown)
        self.size += 1
        return completed

    @property
    def tree_hash(self) -> bytes:
        """The hash over all leaves so far."""
        if not self.peaks:
            return EMPTY_TREE_HASH
        found = self.peaks[-1].node_hash
        for peak in reversed(self.peaks[:-1]):
            found = node_hash(peak.node_hash, found)
        return found

    @property
    def root(self) -> bytes:
        """What is published for the leaves so far."""
        return root_of(self.size, self.tree_hash)


def peak_places(size: int) -> Iterator[tuple[int, int]]:
    """Yield (level, position) of the complete subtrees that a tree consists of, left to right."""
    first = 0
    for level in reversed(range(size.bit_length())):
        if size >> level & 1:
            yield level, first >> level
            first += 1 << level


def inclusion_path(index: int, size: int, node_at: NodeAt) -> tuple[bytes, ...]:
    """
    Return the hashes that lead from a leaf to the tree hash, lowest first.

    Args:
        index: place of the leaf, 0 to size - 1.

    Raises:
        ValueError: index or size is out of range.
    """
    if not 0 <= index < size <= SIZE_MAX:
        raise ValueError(f"leaf {index} is not in a tree of {size}")
    first, last = 0, size
    path = []
    while last - first > 1:
        middle = first + _split(last - first)
        if index < middle:
            path.append(_range_hash(middle, last, node_at))
            last = middle
        else:
            path.append(_range_hash(first, middle, node_at))
            first = middle
    return tuple(reversed(path))


def tree_hash_of_path(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """
    Return the tree hash that a leaf and its path lead to; None when the path has another shape.

    Source: RFC 9162, 2.1.3.2
    """
    if not 0 <= index < size <= SIZE_MAX:
        return None
    sides = _sides(index, size - 1, len(path))
    if sides is None:
        return None
    found = leaf
    for sibling, is_left in zip(path, sides, strict=True):
        found = node_hash(sibling, found) if is_left else node_hash(found, sibling)
    return found


def growth_path(old_size: int, new_size: int, node_at: NodeAt) -> tuple[bytes, ...]:
    """
    Return the hashes that prove that a tree only grew from one size to another.

    Raises:
        ValueError: not 1 <= old_size <= new_size.
    """
    if not 1 <= old_size <= new_size <= SIZE_MAX:
        raise ValueError(f"a tree grows from 1 leaf at least: {old_size} to {new_size}")
    first, last = 0, new_size
    path: list[bytes] = []
    is_whole = True  # the old tree is a subtree of its own from the first leaf on
    while old_size != last:
        middle = first + _split(last - first)
        if old_size <= middle:
            path.append(_range_hash(middle, last, node_at))
            last = middle
        else:
            path.append(_range_hash(first, middle, node_at))
            first = middle
            is_whole = False
    if not is_whole:
        path.append(_range_hash(first, last, node_at))
    return tuple(reversed(path))


def tree_hashes_of_growth(
    old_size: int, new_size: int, path: Sequence[bytes], old_tree_hash: bytes
) -> tuple[bytes, bytes] | None:
    """
    Return the old and the new tree hash that a path of growth leads to; None for another shape.

    Source: RFC 9162, 2.1.4.2
    """
    if not 1 <= old_size <= new_size <= SIZE_MAX:
        return None
    if old_size == new_size:
        return None if path else (old_tree_hash, old_tree_hash)
    hashes = list(path) if old_size & (old_size - 1) else [old_tree_hash, *path]
    if not hashes:
        return None
    place, last = old_size - 1, new_size - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    sides = _sides(place, last, len(hashes) - 1)
    if sides is None:
        return None
    old_found = new_found = hashes[0]
    for sibling, is_left in zip(hashes[1:], sides, strict=True):
        if is_left:
            old_found = node_hash(sibling, old_found)
            new_found = node_hash(sibling, new_found)
        else:
            new_found = node_hash(new_found, sibling)
    return old_found, new_found


def _sides(place: int, last: int, count: int) -> list[bool] | None:
    """
    Return for each of so many siblings, from a node up to the root, whether it stands on the left.

    Args:
        place, last: the index of the node and of the last one in its row.

    Returns:
        None when the way to the root has another length.

    Source: RFC 9162, 2.1.3.2 and 2.1.4.2
    """
    sides = []
    for _ in range(count):
        if last == 0:
            return None
        is_left = bool(place & 1) or place == last
        while is_left and place and not place & 1:
            place, last = place >> 1, last >> 1
        sides.append(is_left)
        place, last = place >> 1, last >> 1
    return sides if last == 0 else None


def _split(count: int) -> int:
    """Return the largest power of two below a count of two or more."""
    return 1 << ((count - 1).bit_length() - 1)


def _range_hash(first: int, last: int, node_at: NodeAt) -> bytes:
    """Return the hash over leaves [first, last) of a subtree that begins at first."""
    peaks = []
    while first < last:
        count = last - first
        level = count.bit_length() - 1
        peaks.append(node_at(level, first >> level))
        first += 1 << level
    found = peaks.pop()
    while peaks:
        found = node_hash(peaks.pop(), found)
    return found

"""
RFC 6962 tree hashing and its proofs. Pure functions over hashes; no files, no clocks.

A tree keeps the hash of each of its *full* subtrees, called (level, index): the one at level l and
index i covers the leaves from i * 2**l up to (i + 1) * 2**l. They never change once written, an
append adds two on average, and every root and proof is made from about log2(size) of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256

EMPTY_ROOT = sha256(b"").digest()

Node = Callable[[int, int], bytes]
"""The stored hash of the full subtree at (level, index)."""


def leaf_hash(entry: bytes) -> bytes:
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def grown(size: int, leaf: bytes, node: Node) -> Iterator[tuple[int, int, bytes]]:
    """The (level, index, hash) of each subtree that is full once `leaf` joins `size` others."""
    level, index, value = 0, size, leaf
    yield level, index, value
    while index % 2:
        value = node_hash(node(level, index - 1), value)
        level, index = level + 1, index // 2
        yield level, index, value


def root(size: int, node: Node) -> bytes:
    """The root over the first `size` leaves (RFC 6962, section 2.1)."""
    return _subtree(0, size, node) if size else EMPTY_ROOT


def _subtree(start: int, end: int, node: Node) -> bytes:
    """The hash over the leaves start <= i < end of a subtree of the tree."""
    width = end - start
    if width & (width - 1) == 0:
        level = width.bit_length() - 1
        return node(level, start >> level)
    middle = start + _split(width)
    return node_hash(_subtree(start, middle, node), _subtree(middle, end, node))


def _split(width: int) -> int:
    """The largest power of two below `width`."""
    return 1 << ((width - 1).bit_length() - 1)


def inclusion_proof(index: int, size: int, node: Node) -> list[bytes]:
    """Shows that leaf `index` is in the tree of `size` leaves (section 2.1.1)."""
    if not 0 <= index < size:
        raise ValueError(f"no leaf {index} in a tree of {size}")
    proof: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            proof.append(_subtree(middle, end, node))
            end = middle
        else:
            proof.append(_subtree(start, middle, node))
            start = middle
    return proof[::-1]


def consistency_proof(old: int, new: int, node: Node) -> list[bytes]:
    """Shows that the tree of `old` leaves begins that of `new` (section 2.1.2). 0 < old <= new."""
    if not 0 < old <= new:
        raise ValueError(f"no consistency proof from {old} to {new}")
    proof: list[bytes] = []
    start, end = 0, new
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            proof.append(_subtree(middle, end, node))
            end = middle
        else:
            proof.append(_subtree(start, middle, node))
            start = middle
    # The old tree is itself a full subtree from the start: its root is known to the verifier.
    return (proof if start == 0 else [*proof, _subtree(start, end, node)])[::-1]


def verify_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> bool:
    """Whether `proof` shows that `leaf` (a leaf hash) is at `index` of the tree with this root."""
    if not 0 <= index < size or not _hashes(leaf, root, *proof):
        return False
    value, last = leaf, size - 1
    for sibling in proof:
        if last == 0:
            return False
        if index % 2 or index == last:
            value = node_hash(sibling, value)
            while index % 2 == 0:  # the right edge skips the levels where it has no sibling
                index, last = index // 2, last // 2
        else:
            value = node_hash(value, sibling)
        index, last = index // 2, last // 2
    return last == 0 and value == root


def verify_consistency(
    old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]
) -> bool:
    """Whether `proof` shows that the tree of `old` leaves begins that of `new` (as RFC 9162)."""
    if not 0 <= old <= new or not _hashes(old_root, new_root, *proof):
        return False
    if old == new:
        return not proof and old_root == new_root
    if old == 0:
        return not proof and old_root == EMPTY_ROOT
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    if not path:
        return False
    return _climb(old - 1, new - 1, path) == (old_root, new_root)


def _climb(index: int, last: int, path: list[bytes]) -> tuple[bytes, bytes] | None:
    """The two roots that a consistency path leads to, or None if its length is wrong."""
    while index % 2:
        index, last = index // 2, last // 2
    old_value = new_value = path[0]
    for sibling in path[1:]:
        if last == 0:
            return None
        if index % 2 or index == last:
            old_value, new_value = node_hash(sibling, old_value), node_hash(sibling, new_value)
            while index and index % 2 == 0:
                index, last = index // 2, last // 2
        else:
            new_value = node_hash(new_value, sibling)
        index, last = index // 2, last // 2
    return (old_value, new_value) if last == 0 else None


def _hashes(*values: bytes) -> bool:
    return all(len(value) == sha256().digest_size for value in values)

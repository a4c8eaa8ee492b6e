"""Movement: which locks are backed by tokens that came in before them."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chains.events import CollateralLocked, EventPosition
from chains.evm.answers import RawLog
from chains.evm.movement import (
    TRANSFER_TOPIC,
    Inflow,
    applicable_locks,
    inflows_of,
    missing_movements,
)
from chains.types import EVM_ADDRESS_PAD, BlockRef
from tests.chains.strategies import CHAIN

VAULT, OTHER_VAULT, TOKEN, OTHER_TOKEN, ANN = (
    EVM_ADDRESS_PAD + bytes([n]) * 20 for n in range(1, 6)
)
TX, OTHER_TX = b"\x0a" * 32, b"\x0b" * 32
BLOCK = BlockRef(9, b"\x01" * 32)


def lock_at(
    log_index: int, units: int, *, token: bytes = TOKEN, tx: bytes = TX
) -> CollateralLocked:
    """Return a lock; its id is its log index."""
    position = EventPosition(CHAIN, BLOCK, tx, log_index, VAULT)
    return CollateralLocked(position, log_index, ANN, token, ANN, units, units)


def inflow_at(log_index: int, units: int, *, token: bytes = TOKEN, tx: bytes = TX) -> Inflow:
    """Return tokens that came to the vault."""
    return Inflow(token, VAULT, tx, log_index, units)


def transfer(log_index: int, units: int, sender: bytes = ANN, recipient: bytes = VAULT) -> RawLog:
    """Return the log of a transfer."""
    topics = (TRANSFER_TOPIC, sender, recipient)
    return RawLog(TOKEN, topics, units.to_bytes(32, "big"), BLOCK, TX, log_index)


def unbacked(locks: list[CollateralLocked], inflows: list[Inflow]) -> list[int]:
    """Return the log indices of the locks that are not backed."""
    return [error.log_index for error in missing_movements(locks, inflows)]


@pytest.mark.parametrize(
    ("inflows", "missing"),
    [
        ([inflow_at(0, 5)], []),
        ([inflow_at(0, 6)], []),
        ([inflow_at(0, 2), inflow_at(1, 3)], []),
        ([], [3]),
        ([inflow_at(0, 4)], [3]),
        ([inflow_at(4, 5)], [3]),
        ([inflow_at(0, 5, token=OTHER_TOKEN)], [3]),
        ([inflow_at(0, 5, tx=OTHER_TX)], [3]),
        ([replace(inflow_at(0, 5), vault=OTHER_VAULT)], [3]),
    ],
)
def test_r14_a_lock_is_backed_by_what_came_in_before_it(
    inflows: list[Inflow], missing: list[int]
) -> None:
    """Of its token, to its vault, in its transaction, before its log, and not less."""
    assert unbacked([lock_at(3, 5)], inflows) == missing


def test_r14_a_unit_backs_one_lock_only() -> None:
    """Two locks of five need ten."""
    locks = [lock_at(1, 5), lock_at(3, 5)]

    assert unbacked(locks, [inflow_at(0, 5), inflow_at(2, 5)]) == []
    assert unbacked(locks, [inflow_at(0, 5)]) == [3]
    assert unbacked(locks, [inflow_at(0, 5), inflow_at(2, 4)]) == [3]


def test_r14_a_forged_lock_takes_no_real_one_down() -> None:
    """What it claims is not used up."""
    locks = [lock_at(1, 10**24), lock_at(3, 5)]

    assert unbacked(locks, [inflow_at(2, 5)]) == [1]


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 5)), max_size=12))
@settings(max_examples=150)
def test_r14_what_is_proven_never_exceeds_what_came_in(moves: list[tuple[bool, int]]) -> None:
    """At each log, over any order of movements and locks."""
    inflows = [inflow_at(at, units) for at, (is_lock, units) in enumerate(moves) if not is_lock]
    locks = [lock_at(at, units) for at, (is_lock, units) in enumerate(moves) if is_lock]
    missing = unbacked(locks, inflows)

    for end in range(len(moves) + 1):
        came_units = sum(one.units for one in inflows if one.log_index < end)
        proven_units = sum(
            one.units
            for one in locks
            if one.position.log_index < end and one.position.log_index not in missing
        )
        assert proven_units <= came_units


def test_only_movements_into_a_vault_count() -> None:
    """Not what leaves it, not what it sends itself, not a log of another shape."""
    short = replace(transfer(5, 5), data=b"\x05")
    unindexed = replace(transfer(6, 5), topics=(TRANSFER_TOPIC, ANN))
    another = replace(transfer(7, 5), topics=(b"\x07" * 32, ANN, VAULT))
    strange = replace(transfer(8, 5), contract=OTHER_TOKEN)
    logs = [
        transfer(0, 5),
        transfer(1, 5, sender=VAULT, recipient=ANN),
        transfer(2, 5, sender=VAULT, recipient=VAULT),
        transfer(3, 5, sender=EVM_ADDRESS_PAD + bytes(20)),
        *(short, unindexed, another, strange),
    ]

    found = inflows_of(logs, [lock_at(9, 5)])

    assert [one.log_index for one in found] == [0, 3]


def test_locks_of_unknown_tokens_are_left_alone() -> None:
    """No asset is configured for them, so no rule books them."""
    known, unknown = lock_at(1, 5), lock_at(2, 5, token=OTHER_TOKEN)

    assert applicable_locks([known, unknown], {TOKEN}) == (known,)

"""Compare: custody to the unit at one final block; a difference is shown, never repaired."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from chains.errors import RpcUnavailableError
from chains.events import CollateralLocked
from chains.port import VaultState
from chains.types import BlockRef
from relayer.errors import NotYetError
from relayer.steps.catalog import Catalog
from relayer.steps.compare import Custody, compare
from relayer.steps.reconcile import reconcile
from relayer.store.breaks import StoredBreak
from relayer.store.unit_of_work import Store
from tests.relayer.api.kit import ACCOUNT, ANN, CHAIN_A, CHAIN_C, VAULT_A, WETH_A
from tests.relayer.steps.fakes import FakeReader
from tests.relayer.steps.world import (
    ETHER,
    FENCE,
    HEIGHT,
    block_of,
    position_at,
    see_block,
    see_final,
)


def lock_event(number: int = 1, height: int = HEIGHT) -> CollateralLocked:
    """Return a lock of one ether."""
    return CollateralLocked(
        position=position_at(height, CHAIN_A, VAULT_A, number),
        lock_id=number,
        account=ACCOUNT,
        token=WETH_A,
        depositor=ANN.address,
        units=ETHER,
        held_after_units=number * ETHER,
    )


def vault_says(**changes: Any) -> FakeReader:
    """Return a node whose vault holds one ether of one lock, with changes."""
    state = VaultState(
        block=block_of(HEIGHT),
        vault=VAULT_A,
        token=WETH_A,
        held_units=ETHER,
        balance_units=ETHER,
        outflow_available_units=0,
        lock_count=1,
        is_outflow_paused=False,
        is_lock_paused=False,
    )
    return FakeReader(vaults={WETH_A: replace(state, **changes)})


def compared(store: Store, catalog: Catalog, node: Any) -> tuple[Custody, ...]:
    """Compare once."""
    return asyncio.run(compare(store, catalog, node, fence=FENCE))


def locked(store: Store, catalog: Catalog) -> None:
    """Let one final lock be booked."""
    see_final(store, CHAIN_A, HEIGHT, [lock_event()])
    reconcile(store, catalog, CHAIN_A, fence=FENCE)


def open_breaks(store: Store) -> tuple[StoredBreak, ...]:
    """Return the open breaks."""
    with store.read() as uow:
        return uow.breaks.open_breaks()


def told(store: Store) -> int:
    """Return how often a break was told."""
    with store.read() as uow:
        return sum(event.event_type == "break.found" for event in uow.feed.unpublished(100))


def test_equal_to_the_unit(store: Store, catalog: Catalog) -> None:
    """Nothing is recorded."""
    locked(store, catalog)

    (custody,) = compared(store, catalog, vault_says())

    assert (custody.is_equal, custody.surplus_units, custody.ledger_units) == (True, 0, ETHER)
    assert open_breaks(store) == ()


def test_a_gift_is_shown_and_is_no_break(quick_store: Store, catalog: Catalog) -> None:
    """Anybody can send tokens to a vault."""
    locked(quick_store, catalog)

    (custody,) = compared(quick_store, catalog, vault_says(balance_units=ETHER + 5))

    assert (custody.is_equal, custody.surplus_units) == (True, 5)
    assert open_breaks(quick_store) == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"held_units": ETHER - 1},
        {"held_units": ETHER + 1, "balance_units": ETHER + 1},
        {"balance_units": ETHER - 1},
        {"lock_count": 2},
        {"lock_count": 0},
    ],
)
def test_any_difference_is_a_break_told_once(
    quick_store: Store, catalog: Catalog, changes: dict[str, int]
) -> None:
    """Looking again finds the same break and repeats nothing."""
    locked(quick_store, catalog)

    looks = [compared(quick_store, catalog, vault_says(**changes)) for _ in range(3)]

    assert [custody.is_equal for (custody,) in looks] == [False] * 3
    (found,) = open_breaks(quick_store)
    assert found.difference.ledger_units == ETHER
    assert found.difference.block == BlockRef(HEIGHT, block_of(HEIGHT).block_hash)
    assert told(quick_store) == 1


def test_another_difference_is_another_break(store: Store, catalog: Catalog) -> None:
    """Both stay until a person clears them."""
    locked(store, catalog)
    compared(store, catalog, vault_says(held_units=ETHER - 1))
    compared(store, catalog, vault_says(held_units=ETHER - 2))
    compared(store, catalog, vault_says())

    assert [found.difference.chain_units for found in open_breaks(store)] == [
        ETHER - 1,
        ETHER - 2,
    ]
    assert told(store) == 2


def test_events_that_wait_make_no_break(quick_store: Store, catalog: Catalog) -> None:
    """The ledger is behind, that is all; nor is anything compared before the first block."""
    with pytest.raises(NotYetError, match="chain_unread"):
        compared(quick_store, catalog, vault_says())
    see_final(quick_store, CHAIN_A, HEIGHT, [lock_event()])

    with pytest.raises(NotYetError, match="events_unbooked"):
        compared(quick_store, catalog, vault_says())


def test_locks_that_are_not_final_do_not_count(quick_store: Store, catalog: Catalog) -> None:
    """The vault is asked at the final block."""
    locked(quick_store, catalog)
    see_block(quick_store, CHAIN_A, HEIGHT + 1, [lock_event(2, HEIGHT + 1)])
    reconcile(quick_store, catalog, CHAIN_A, fence=FENCE)

    (custody,) = compared(quick_store, catalog, vault_says())

    assert custody.is_equal


def test_a_chain_without_vault_has_nothing_to_compare(quick_store: Store, catalog: Catalog) -> None:
    """Only credit lines are there."""
    assert compared(quick_store, catalog, FakeReader(chain_id=CHAIN_C)) == ()


def test_a_node_that_is_down_is_no_break(quick_store: Store, catalog: Catalog) -> None:
    """It is asked again."""

    class _Down(FakeReader):
        async def vault_state(self, vault: bytes, token: bytes, block: BlockRef) -> VaultState:
            raise RpcUnavailableError(chain_id=CHAIN_A, method="eth_call", reason="reset")

    locked(quick_store, catalog)

    with pytest.raises(RpcUnavailableError):
        compared(quick_store, catalog, _Down())
    assert open_breaks(quick_store) == ()

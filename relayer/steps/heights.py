"""How far each chain was final and booked when a decision was taken; kept with the decision."""

from collections.abc import Mapping
from typing import Final

from chains.types import ChainId
from relayer.steps.catalog import Catalog
from relayer.store.unit_of_work import UnitOfWork

PREFIX: Final = "final_height."


def final_heights(uow: UnitOfWork, catalog: Catalog) -> dict[ChainId, int]:
    """
    Return the newest stored final height of every chain, 0 where there is none.

    A halted chain is left out: nothing is decided on what it says, and others go on.
    """
    heights = {}
    halted = {halt.chain_id for halt in uow.chains.halts()}
    for chain_id in catalog.chain_ids:
        if chain_id in halted:
            continue
        finalized = uow.chains.cursor(chain_id).finalized
        heights[chain_id] = 0 if finalized is None else finalized.height
    return heights


def numbers_of_heights(heights: Mapping[ChainId, int]) -> dict[str, str]:
    """Return heights as figures of a decision."""
    return {PREFIX + chain_id: str(height) for chain_id, height in heights.items()}


def heights_of_numbers(numbers: Mapping[str, str], catalog: Catalog) -> dict[ChainId, int] | None:
    """Return the heights among a decision's figures, None where it has none."""
    found = {
        chain_id: int(numbers[PREFIX + chain_id])
        for chain_id in catalog.chain_ids
        if PREFIX + chain_id in numbers
    }
    return found or None

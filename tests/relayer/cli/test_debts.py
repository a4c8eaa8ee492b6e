"""Debts of the ledger beside debts of the chain."""

import asyncio
from dataclasses import dataclass, replace
from typing import cast

import pytest

from chains.port import ChainReader
from chains.types import BlockRef, ChainId
from relayer.cli.debts import DebtComparison, compare_debts
from relayer.errors import NotYetError
from relayer.money import AssetId
from relayer.wiring import catalog_of
from tests.relayer.cli.samples import ACCOUNT, Deployment

BLOCK = BlockRef(7, bytes(32))
EVEN = DebtComparison(
    chain_id=ChainId("eip155:1"),
    protocol="lendco",
    account=ACCOUNT,
    asset_id=AssetId("USDC"),
    block=BLOCK,
    ledger_units=100,
    chain_units=101,
    ledger_scaled=99,
    chain_scaled=99,
)


@dataclass(frozen=True)
class OfChain:
    """A reader of which only the chain is asked."""

    chain_id: ChainId


def test_interest_since_the_last_event_is_no_difference() -> None:
    """Scaled debts are equal: the chain's units may be ahead by interest."""
    assert EVEN.is_equal


@pytest.mark.parametrize(
    "different",
    [
        replace(EVEN, chain_scaled=98),
        replace(EVEN, ledger_scaled=0, chain_scaled=0),
        replace(EVEN, ledger_scaled=0, chain_scaled=0, chain_units=0),
        replace(EVEN, ledger_scaled=0, chain_scaled=0, ledger_units=0),
    ],
)
def test_another_scaled_debt_or_a_rest_after_the_end_is_a_difference(
    different: DebtComparison,
) -> None:
    """A debt that ended must be zero on both sides, to the unit."""
    assert not different.is_equal


def test_an_ended_debt_is_equal_at_zero() -> None:
    """Nothing on either side."""
    assert replace(EVEN, ledger_units=0, chain_units=0, ledger_scaled=0, chain_scaled=0).is_equal


def test_units_are_texts_in_json() -> None:
    """Machines read amounts of any size."""
    value = EVEN.value(6)

    assert value["ledger_units"] == "100"
    assert value["scale"] == 6
    assert value["is_equal"] is True


def test_a_chain_without_a_final_block_has_no_answer_yet(deployment: Deployment) -> None:
    """Nothing was read of the chain: ask again later, instead of calling it equal."""
    catalog = catalog_of(deployment.settings)
    reader = cast("ChainReader", OfChain(catalog.credit_lines[0].chain_id))

    with pytest.raises(NotYetError, match="chain_unread"):
        asyncio.run(compare_debts(deployment.store, catalog, reader))


def test_a_chain_without_credit_lines_has_no_debts(deployment: Deployment) -> None:
    """Only chains with credit lines are asked."""
    catalog = catalog_of(deployment.settings)
    lines = {line.chain_id for line in catalog.credit_lines}
    other = next(chain_id for chain_id in catalog.chain_ids if chain_id not in lines)

    found = asyncio.run(
        compare_debts(deployment.store, catalog, cast("ChainReader", OfChain(other)))
    )

    assert found == ()

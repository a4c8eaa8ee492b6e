"""The custody command: the verdict, and its exit status."""

from dataclasses import replace

import pytest

from chains.base58 import base58_of
from chains.types import BlockRef, ChainId
from relayer.cli.custody import custody_answer
from relayer.money import AssetId
from relayer.steps.compare import Custody
from tests.relayer.cli.test_debts import EVEN

SCALES = {"WETH": 18, "USDC": 6}
UNITS = 1_500_000_000_000_000_000
CUSTODY = Custody(
    chain_id=ChainId("eip155:1"),
    asset_id=AssetId("WETH"),
    vault=bytes(32),
    block=BlockRef(7, bytes(32)),
    ledger_units=UNITS,
    held_units=UNITS,
    balance_units=UNITS,
    ledger_locks=1,
    vault_locks=1,
)


def test_equality_everywhere_is_status_0() -> None:
    """Custody and debts agree: one line says how many of how many."""
    made = custody_answer([CUSTODY], [EVEN], SCALES)

    assert made.exit_code == 0
    assert made.value["summary"] == "ledger equals chain: 1 of 1 custody accounts, to the unit"
    assert made.value["debts_summary"] == "ledger debt equals chain debt: 1 of 1 debts, to the unit"


def test_a_donation_is_shown_and_is_no_difference() -> None:
    """The vault has more than it counts: a surplus, owed to nobody."""
    made = custody_answer([replace(CUSTODY, balance_units=UNITS + 5)], [], SCALES)

    accounts = made.value["accounts"]
    assert made.exit_code == 0
    assert isinstance(accounts, list)
    assert accounts[0]["surplus_units"] == "5"


def test_a_vault_on_solana_is_spelled_as_there() -> None:
    """Its address and the block's hash in base 58; on an EVM chain as hex."""
    solana = replace(CUSTODY, chain_id=ChainId("solana:x"), vault=b"\x05" * 32)

    made = custody_answer([CUSTODY, solana], [], SCALES)

    accounts = made.value["accounts"]
    assert isinstance(accounts, list)
    assert [found["vault"] for found in accounts] == ["0x" + "00" * 32, base58_of(b"\x05" * 32)]
    assert [found["block_hash"] for found in accounts] == ["0x" + "00" * 32, "1" * 32]


@pytest.mark.parametrize(
    "unequal",
    [
        replace(CUSTODY, ledger_units=UNITS + 1),
        replace(CUSTODY, balance_units=UNITS - 1),
        replace(CUSTODY, vault_locks=2),
    ],
)
def test_one_unequal_account_is_status_2(unequal: Custody) -> None:
    """One unit, or one lock, is enough."""
    made = custody_answer([CUSTODY, unequal], [], SCALES)

    assert made.exit_code == 2
    assert made.value["equal"] == 1


def test_an_unequal_debt_is_status_2() -> None:
    """Custody alone does not make it right."""
    made = custody_answer([CUSTODY], [replace(EVEN, chain_scaled=98)], SCALES)

    assert made.exit_code == 2
    assert made.value["debts_equal"] == 0


def test_nothing_to_compare_is_status_2() -> None:
    """No account at all proves nothing."""
    assert custody_answer([], [], SCALES).exit_code == 2

"""The tables of docs/solana-vault.md say what the program costs now."""

import re
from pathlib import Path
from typing import Final

import pytest

from chains.attestation import GUARDIANS_MAX, default_threshold
from tests.contracts_solana.runtime import PACKET_BYTES, PacketError
from tests.contracts_solana.steps import STEPS
from tests.contracts_solana.test_limits import (
    LEGACY_SIGNATURES,
    TABLE_SIGNATURES,
    WHOLE_TABLE_SIGNATURES,
    person_keys,
    release,
    table_of,
    vault_keys,
    world_with,
)

PAGE: Final = (Path(__file__).parents[2] / "docs" / "solana-vault.md").read_text(encoding="utf-8")
SPREAD_UNITS: Final = 1_500  # one step in the search of an address
STEP_OF_ROW: Final = {
    "make a vault": ("initialising",),
    "list a token": ("listing",),
    "seal": ("sealing",),
    "lock": ("locking",),
    "release, seize": ("releasing",),
    "pause a token / all": ("pausing", "pausing_all"),
    "capacity (lists a token)": ("setting_capacity",),
    "window / exit delay": ("setting_window", "setting_exit_delay"),
    "stage a set": ("staging",),
    "rotate to a staged set": ("rotating",),
    "exit": ("exiting",),
    "exit by signature": ("exiting_signed",),
}
INSTRUCTION_ROW: Final = re.compile(r"^\| \d \| (.+?) \| .+? \| (.+?) \| (.+?) \| (.+?) \|$", re.M)
SIGNATURES_ROW: Final = re.compile(
    r"^\| (\d+) \| (no|[\d,]+) \| (no|[\d,]+) \| ([\d,]+) \| ([\d,]+) \|$", re.M
)


def numbers(text: str) -> list[int | None]:
    """Return the numbers of a cell; None stands for no."""
    parts = text.split(" / ")
    return [None if part == "no" else int(part.replace(",", "")) for part in parts]


def instruction_rows() -> dict[str, tuple[list[int | None], ...]]:
    """Return accounts, bytes and units of each row, by what it does."""
    return {name: tuple(map(numbers, cells)) for name, *cells in INSTRUCTION_ROW.findall(PAGE)}


def signature_rows() -> dict[int, list[int | None]]:
    """Return the bytes of three shapes and the units, by the number of signatures."""
    return {
        int(count): [number for cell in cells for number in numbers(cell)]
        for count, *cells in SIGNATURES_ROW.findall(PAGE)
    }


def bytes_of(signers: int, shape: int) -> tuple[int | None, int]:
    """Return the bytes of a release where it fits, and its units; 0 where it does not."""
    world = world_with(signers)
    keys = ((), vault_keys(world), (*vault_keys(world), *person_keys(world)))[shape]
    tables = (table_of(world, *keys),) if keys else ()
    try:
        sent = release(world, *tables)
    except PacketError:
        return None, 0
    return sent.size_bytes, sent.compute_units


def test_every_instruction_has_a_row() -> None:
    """And no row is of something else."""
    named = {step for steps in STEP_OF_ROW.values() for step in steps}

    assert set(instruction_rows()) == set(STEP_OF_ROW)
    assert named | {"locking_again", "changing_capacity"} == set(STEPS)


@pytest.mark.parametrize("row", STEP_OF_ROW)
def test_an_instruction_costs_what_the_table_says(row: str) -> None:
    """Accounts and bytes exactly, units within one step of a search."""
    accounts, sizes, units = instruction_rows()[row]

    for place, name in enumerate(STEP_OF_ROW[row]):
        step = STEPS[name]()
        sent = step.world.runtime.send(step.instruction, signers=step.signers)
        assert accounts[place] == len(step.instruction.accounts)
        assert sizes[place] == sent.size_bytes
        assert abs((units[place] or 0) - sent.compute_units) <= SPREAD_UNITS


@pytest.mark.parametrize("signers", [1, 3, 5, 7, 8, 9, 12, 13])
def test_a_release_costs_what_the_table_says(signers: int) -> None:
    """In each of the three shapes; where it says no, it does not fit."""
    *sizes, units = signature_rows()[signers]

    found = [bytes_of(signers, shape) for shape in range(3)]

    assert sizes == [size for size, _ in found]
    assert abs((units or 0) - max(cost for _, cost in found)) <= SPREAD_UNITS


def test_the_rows_are_those_that_are_measured() -> None:
    """None is left out."""
    assert list(signature_rows()) == [1, 3, 5, 7, 8, 9, 12, 13]
    assert f"{PACKET_BYTES:,} bytes" in PAGE


def test_the_ceilings_are_those_of_the_sizes() -> None:
    """A set of so many members has a quorum that fits, and one more does not."""
    words = " ".join(PAGE.split())
    ceilings = {11: LEGACY_SIGNATURES, 17: TABLE_SIGNATURES}

    for members, quorum in ceilings.items():
        assert f"up to {members}" in words
        assert f"(quorum {quorum})" in words
        assert default_threshold(members) == quorum < default_threshold(members + 1)
    assert default_threshold(GUARDIANS_MAX) == WHOLE_TABLE_SIGNATURES
    assert f"{WHOLE_TABLE_SIGNATURES} of {GUARDIANS_MAX}" in words

"""The committed program of version 0 does the same in a bank of 1.18 as in the runtime of 4.1."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from chains.solana.vault_errors import VaultProgramError as E
from chains.solana.vault_layout import decode_asset, decode_guardian_set, decode_vault
from tests.contracts_solana.scenario import (
    AT,
    LOCKED,
    NEXT_SET,
    RELEASED,
    SOURCE,
    TOKEN,
    UNITS,
    VAULT,
    VERSION_THREE,
    VERSION_ZERO,
    WALLET,
    deployment,
    program_bytes,
    run_in_litesvm,
    scenario,
)

ROOT = Path(__file__).parents[2]
BANK_PYTHON = ROOT / ".venv-bankrun" / "bin" / "python"
BANK_SECONDS_MAX = 120
INSUFFICIENT_FUNDS = 1  # of the token program
TEXT_AT = 64 + 3 * 56  # behind the headers of a program of version 0
LOCKED_FOR_EVM_KEY = 700
# What the token program and the system program of the older release cost more.
OLDER_UNITS_MAX = 7_000
REFUSALS: dict[str, int] = {
    "make it again": E.ALREADY_INITIALISED,
    "lock before the seal": E.NOT_SEALED,
    "seal while it may be replaced": E.PROGRAM_NOT_FINAL,
    "lock more than there is": INSUFFICIENT_FUNDS,
    "release again": E.ALREADY_EXECUTED,
    "one signature too few": E.QUORUM_MISSING,
    "one signature twice": E.SIGNERS_NOT_ASCENDING,
    "signatures in another order": E.SIGNERS_NOT_ASCENDING,
    "a high s": E.SIGNATURE_MALFORMED,
    "a v of 29": E.SIGNATURE_MALFORMED,
    "a signature of an outsider": E.NOT_A_MEMBER,
    "a signature of another message": E.NOT_A_MEMBER,
    "a forged signature": E.NOT_A_MEMBER,
    "another amount": E.NOT_A_MEMBER,
    "too late": E.EXPIRED,
    "rotate again": E.NOT_CURRENT_SET,
    "the old set when it is outdated": E.SET_OUTDATED,
    "exit too early": E.EXIT_TOO_EARLY,
    "exit by a stranger's signature": E.NOT_OPENER,
}

Effects = list[dict[str, Any]]


def run_in_bank(made: dict[str, Any]) -> Effects:
    """Return the effects of a scenario in the other runtime, which has its own environment."""
    if not BANK_PYTHON.exists():
        pytest.skip("the second runtime is not installed; run: make contracts-solana-second")
    done = subprocess.run(
        [BANK_PYTHON, "-m", "tests.contracts_solana.bank_1_18"],
        cwd=ROOT,
        input=json.dumps(made),
        env=os.environ | {"RUST_LOG": "off"},
        capture_output=True,
        text=True,
        timeout=BANK_SECONDS_MAX,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    effects: Effects = json.loads(done.stdout)
    return effects


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    """The life of a vault."""
    return scenario()


@pytest.fixture(scope="module")
def known(made: dict[str, Any]) -> Effects:
    """Its effects in the runtime that all other tests use."""
    return run_in_litesvm(made)


@pytest.fixture(scope="module")
def second(made: dict[str, Any]) -> Effects:
    """Its effects in the other one."""
    return run_in_bank(made)


def by_name(made: dict[str, Any], effects: Effects) -> dict[str, dict[str, Any]]:
    """Return the effects by the names of their steps."""
    return {step["name"]: effect for step, effect in zip(made["steps"], effects, strict=True)}


def test_what_is_right_passes_and_what_is_wrong_is_refused_by_number(
    made: dict[str, Any], known: Effects
) -> None:
    """Every step of the scenario is for what its name says."""
    effects = by_name(made, known)

    assert {name: effect["code"] for name, effect in effects.items() if effect["error"]} == REFUSALS


def test_the_scenario_moves_what_it_says(made: dict[str, Any], known: Effects) -> None:
    """So equal effects are not two times nothing."""
    last = dict(zip(made["watched"], known[-1]["accounts"], strict=True))
    content = {key: bytes.fromhex(found[1]) for key, found in last.items() if found}
    units = {
        key: int.from_bytes(content[str(key)][64:72], "little") for key in (WALLET, SOURCE.pubkey())
    }

    vault = decode_vault(content[str(VAULT)])
    assert vault.guardian_set_index == NEXT_SET.index
    assert vault.is_sealed
    assert decode_asset(content[str(AT.asset(TOKEN.mint))]).held_units == 0
    assert decode_guardian_set(content[str(AT.guardian_set(1))]).members == NEXT_SET.members
    assert units[WALLET] == LOCKED + LOCKED_FOR_EVM_KEY
    assert units[SOURCE.pubkey()] == UNITS - units[WALLET]
    released = by_name(made, known)["seize"]["accounts"][made["watched"].index(str(WALLET))]
    assert int.from_bytes(bytes.fromhex(released[1])[64:72], "little") == 2 * RELEASED


def test_both_runtimes_take_and_refuse_the_same(
    made: dict[str, Any], known: Effects, second: Effects
) -> None:
    """Step for step, by the same number."""
    codes = [{name: effect["code"] for name, effect in by_name(made, each).items()}
             for each in (known, second)]  # fmt: skip
    errors = [{name: bool(effect["error"]) for name, effect in by_name(made, each).items()}
              for each in (known, second)]  # fmt: skip

    assert codes[0] == codes[1]
    assert errors[0] == errors[1]


def test_both_runtimes_leave_the_same_accounts(
    made: dict[str, Any], known: Effects, second: Effects
) -> None:
    """Owner and every byte of each account, after each step."""
    for step, left, right in zip(made["steps"], known, second, strict=True):
        for key, one, other in zip(
            made["watched"], left["accounts"], right["accounts"], strict=True
        ):
            assert one == other, (step["name"], key)


def test_the_older_runtime_costs_little_more(
    made: dict[str, Any], known: Effects, second: Effects
) -> None:
    """The program itself costs the same: a refusal before any call to others does to the unit."""
    costs = {
        step["name"]: (left["units"], right["units"])
        for step, left, right in zip(made["steps"], known, second, strict=True)
    }

    for name, (known_units, second_units) in costs.items():
        assert 0 <= second_units - known_units <= OLDER_UNITS_MAX, name
        if name in REFUSALS and name != "lock more than there is":
            assert second_units == known_units, name


def test_the_bank_deploys_by_strict_rules() -> None:
    """It refuses the version that came later, and a program that was cut or altered."""
    right = program_bytes(VERSION_ZERO)
    broken = {
        "version 3": program_bytes(VERSION_THREE),
        "cut": right[: len(right) // 2],
        "no program": b"\x7fELF" + bytes(200),
        "an unknown instruction": right[:TEXT_AT] + b"\x06" + right[TEXT_AT + 1 :],
    }

    assert not run_in_bank(deployment(right))[-1]["error"]
    for name, elf in broken.items():
        assert run_in_bank(deployment(elf))[-1]["error"], name

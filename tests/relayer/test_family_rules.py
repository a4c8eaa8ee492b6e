"""What a configuration says of a chain must fit the chain's family."""

import copy
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chains.types import word_of_text
from tests.relayer.test_settings import EXAMPLE, load, mistakes_of

SOLANA = "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp"
EVM_WORD = "0x1111111111111111111111111111111111111111"
Change = Callable[[dict[str, Any], dict[str, Any]], object]


@pytest.fixture
def example() -> dict[str, Any]:
    """Return the values of the example file."""
    return tomllib.loads(EXAMPLE.read_text())


def solana_of(values: dict[str, Any]) -> dict[str, Any]:
    """Return the section of the Solana chain."""
    (found,) = (chain for chain in values["chains"] if chain["chain_id"] == SOLANA)
    section: dict[str, Any] = found
    return section


def test_addresses_on_solana_may_be_written_either_way(
    example: dict[str, Any], tmp_path: Path
) -> None:
    """Base58 as wallets show them, or the same bytes as hex."""
    as_hex = copy.deepcopy(example)
    (vault,) = solana_of(as_hex)["vaults"]
    for name in ("address", "program"):
        vault[name] = "0x" + word_of_text(vault[name]).hex()

    assert load(as_hex, tmp_path).chain(SOLANA) == load(example, tmp_path).chain(SOLANA)


def test_slots_have_defaults_of_their_own(example: dict[str, Any], tmp_path: Path) -> None:
    """What the file says wins."""
    section = solana_of(example)
    del section["finalized_span_max"]
    section["reread_depth_blocks"] = 7

    chain = load(example, tmp_path).chain(SOLANA)

    assert (chain.finalized_span_max, chain.reread_depth_blocks) == (10_000, 7)
    assert load(example, tmp_path).chain("eip155:8453").finalized_span_max == 1_000


LINE = {"protocol": "x", "address": EVM_WORD, "token": EVM_WORD, "operator": EVM_WORD}
MISTAKES: dict[str, tuple[Change, str]] = {
    "no key to send with": (
        lambda values, _: values["sender"].pop("solana_key_file"),
        f"sender.solana_key_file: missing; {SOLANA} takes no EVM key",
    ),
    "a lookup table on an EVM chain": (
        lambda values, _: values["chains"][0].update(lookup_tables=[EVM_WORD]),
        "chains.eip155:1.lookup_tables: there are none beside Solana; leave them out",
    ),
    "an EVM address as a lookup table": (
        lambda _, chain: chain.update(lookup_tables=[EVM_WORD]),
        f"chains.{SOLANA}.lookup_tables",
    ),
    "a seizure that may offer less": (
        lambda values, _: values["sender"].update(solana_liquidation_fee_cap_micro_lamports=1),
        "solana_liquidation_fee_cap_micro_lamports must not be below",
    ),
    "no program": (
        lambda _, chain: chain["vaults"][0].pop("program"),
        f"chains.{SOLANA}.vaults.program: missing; name the program",
    ),
    "a program on an EVM chain": (
        lambda values, _: values["chains"][0]["vaults"][0].update(program="1" * 32),
        "chains.eip155:1.vaults.program: only a vault on Solana has one; leave it out",
    ),
    "no vault": (
        lambda _, chain: chain.pop("vaults"),
        f"chains.{SOLANA}.vaults: a Solana chain is read by its vault; add one",
    ),
    "a credit line": (
        lambda _, chain: chain.update(credit_lines=[LINE]),
        f"chains.{SOLANA}.credit_lines: there are none on Solana; put them on an EVM chain",
    ),
    "a feed": (
        lambda values, _: values["assets"][0]["feeds"].append(
            {"label": "f", "chain_id": SOLANA, "address": "1" * 32}
        ),
        f"feeds.f: {SOLANA} has no price feeds that are read; take a feed on an EVM chain",
    ),
    "an EVM address on Solana": (
        lambda _, chain: chain["vaults"][0].update(address=EVM_WORD),
        "is an EVM address; write an account of Solana in base58",
    ),
    "an account of Solana on an EVM chain": (
        lambda values, _: values["chains"][0]["vaults"][0].update(address="z" * 43),
        "is no EVM address; write 20 bytes as 0x-hex",
    ),
    "an account of Solana among an EVM chain's tokens": (
        lambda values, _: values["assets"][0]["tokens"][0].update(address="z" * 43),
        "assets.WETH.tokens.address",
    ),
    "a cluster by its name": (
        lambda _, chain: chain.update(chain_id="solana:mainnet"),
        "with the first 32 letters of its genesis hash",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_what_does_not_fit_the_family_is_named_with_its_remedy(
    name: str, example: dict[str, Any], tmp_path: Path
) -> None:
    """Each with its field."""
    change, expected = MISTAKES[name]
    change(example, solana_of(example))

    assert expected in "; ".join(mistakes_of(example, tmp_path))

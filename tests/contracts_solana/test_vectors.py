"""The program computes what contracts/vectors/solana.json says: ids, digests, domain, accounts."""

import json
from typing import Any

import pytest
from solders.account import Account

from chains.attestation import Attestation
from chains.devnet.solana_vectors import (
    AT,
    CHAIN,
    CHAINS,
    EXIT,
    INITIALIZER,
    MINT,
    OPENER,
    PROGRAM_ID,
    SOLANA_VECTORS_PATH,
)
from chains.devnet.vectors import HUB, SET_ONE, SET_ZERO
from chains.message import MessageKind, decode_message
from chains.solana.vault_addresses import TOKEN_PROGRAM
from chains.solana.vault_instructions import (
    VaultLimits,
    execute,
    exit_by_signature,
    initialise,
    rotate_set,
    seal,
    stage_set,
)
from chains.solana.vault_layout import decode_executed
from tests.contracts_solana.runtime import ARTIFACTS, LAMPORTS, Runtime, mint_content
from tests.contracts_solana.world import World, bare_world

VECTORS = json.loads(SOLANA_VECTORS_PATH.read_text(encoding="utf-8"))
LIMITS = VaultLimits(
    overlap_seconds=3_600, exit_delay_seconds=86_400, listing_window_seconds=86_400
)


def raw(text: str) -> bytes:
    """Return the bytes of 0x-hex."""
    return bytes.fromhex(text.removeprefix("0x"))


def attestation_of(vector: dict[str, Any]) -> Attestation:
    """Return the attestation in the file."""
    signatures = tuple(raw(each) for each in vector["signatures"])
    return Attestation(raw(vector["id"]), vector["guardianSetIndex"], signatures)


def make(runtime: Runtime, chain_id: str) -> None:
    """Make the vault of the vectors on a chain."""
    runtime.fund(INITIALIZER.pubkey())
    making = initialise(
        PROGRAM_ID,
        INITIALIZER.pubkey(),
        lane=(raw_hub_key(), chain_id),
        limits=LIMITS,
        guardian_set=SET_ZERO,
    )
    runtime.send(making, signers=(INITIALIZER,))


def raw_hub_key() -> bytes:
    """Return the hub's key, which every message of the file begins with."""
    return raw(VECTORS["messages"][0]["bytes"])[2:34]


def vector_world(version: str = "v0") -> World:
    """Return the sealed vault of the vectors, and its mint."""
    world = bare_world()
    program = (ARTIFACTS / f"vault-{version}.so").read_bytes()
    world.runtime.svm.add_program(PROGRAM_ID, program)
    make(world.runtime, CHAIN)
    world.runtime.send(seal(AT, INITIALIZER.pubkey()), signers=(INITIALIZER,))
    world.runtime.svm.set_account(MINT, Account(LAMPORTS, mint_content(), TOKEN_PROGRAM))
    world.at, world.token, world.alice = AT, EXIT.token, OPENER
    world.source = world.runtime.make_token_account(
        "vectors", world.token, wallet=OPENER.pubkey(), units=10_000
    )
    world.runtime.open_wallet(OPENER.pubkey(), world.token)
    return world


@pytest.mark.parametrize("place", range(len(CHAINS)))
def test_the_program_computes_the_keys_of_chains(place: int) -> None:
    """From the first 32 letters of a genesis hash."""
    world = bare_world()
    world.at = AT
    vector = VECTORS["chains"][place]

    make(world.runtime, vector["chain"])

    assert world.vault.chain_key == raw(vector["key"])


def test_the_program_computes_the_domain() -> None:
    """And it is at the address that the file says."""
    world = vector_world()

    assert str(world.at.vault) == VECTORS["vault"]
    assert world.vault.domain_separator == raw(VECTORS["domainSeparator"])
    assert (VECTORS["hub"], VECTORS["programId"]) == (HUB, str(PROGRAM_ID))


@pytest.mark.parametrize("version", ["v0", "v3"])
def test_the_program_acts_on_every_message(version: str) -> None:
    """Each has the file's id and digest: its signatures are accepted, its mark is there."""
    world = vector_world(version)
    payer = world.runtime.payer.pubkey()
    world.runtime.send(stage_set(AT, payer, guardian_set=SET_ONE))

    for vector in VECTORS["messages"]:
        message, attestation = decode_message(raw(vector["bytes"])), attestation_of(vector)
        if vector["name"] == "release":
            world.lock(3_000, account=raw(VECTORS["accounts"][0]["account"]))
        if message.kind is MessageKind.GUARDIAN_SET:
            delivery = rotate_set(
                AT, payer, message=message, attestation=attestation, guardian_set=SET_ONE
            )
        else:
            delivery = execute(
                AT, payer, message=message, attestation=attestation, token_program=TOKEN_PROGRAM
            )
        world.runtime.send(delivery)
        mark = decode_executed(world.runtime.content(AT.executed(raw(vector["id"]))))
        assert mark.message_id == raw(vector["id"])

    assert world.wallet_units(OPENER.pubkey()) == 3_000
    assert world.current_set == SET_ONE


def test_the_program_takes_the_exit() -> None:
    """An EVM key's signature over the digest of the file."""
    world = vector_world()
    capacity = next(each for each in VECTORS["messages"] if each["name"] == "capacity")
    world.runtime.send(
        execute(
            AT,
            world.runtime.payer.pubkey(),
            message=decode_message(raw(capacity["bytes"])),
            attestation=attestation_of(capacity),
            token_program=TOKEN_PROGRAM,
        )
    )
    vector = VECTORS["exit"]
    world.lock(700, account=raw(vector["account"]))
    world.runtime.set_time(world.runtime.now + LIMITS.exit_delay_seconds + 1)

    world.runtime.send(
        exit_by_signature(
            AT,
            EXIT,
            deadline_seconds=int(vector["deadline"]),
            signature=raw(vector["signature"]),
        )
    )

    assert world.wallet_units(OPENER.pubkey()) == 700

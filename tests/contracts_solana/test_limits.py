"""What fits into one transaction, and what it costs: the figures of docs/solana-vault.md."""

import struct

import pytest
from solders.account import Account
from solders.address_lookup_table_account import AddressLookupTableAccount
from solders.pubkey import Pubkey

from chains.devnet.actors import guardian_keys, guardian_set_of
from chains.message import MessageKind
from chains.solana.vault_addresses import SYSTEM_PROGRAM, associated_token_account
from chains.solana.vault_instructions import stage_set
from tests.contracts_solana.runtime import LAMPORTS, PacketError, Sent, key_named
from tests.contracts_solana.world import World, open_world

TABLE_PROGRAM = Pubkey.from_string("AddressLookupTab1e1111111111111111111111111")
LEGACY_SIGNATURES = 8
TABLE_SIGNATURES = 12  # with the accounts of the vault and the token in a table
WHOLE_TABLE_SIGNATURES = 13  # with those of the position and its recipient too
PER_SIGNATURE_UNITS = 26_500
OTHER_UNITS = 40_000


def world_with(signers: int, members: int = 0) -> World:
    """Return a world whose threshold is a number of signers, of so many members."""
    world = open_world()
    world.lock(500_000)
    keys = guardian_keys(max(signers, members), seed=f"limits:{signers}")
    world.known = (*world.known, *keys)
    world.rotate(guardian_set_of(keys, threshold=signers, index=1))
    return world


def table_of(world: World, *keys: Pubkey) -> AddressLookupTableAccount:
    """Return a lookup table that is on the chain, with some addresses."""
    where = key_named("table").pubkey()
    head = struct.pack("<IQQBB32sH", 1, 2**64 - 1, 0, 0, 1, bytes(32), 0)
    content = head + b"".join(bytes(key) for key in keys)
    world.runtime.svm.set_account(where, Account(LAMPORTS, content, TABLE_PROGRAM))
    world.runtime.svm.warp_to_slot(world.runtime.svm.get_clock().slot + 2)
    world.runtime.set_time(world.runtime.now)
    return AddressLookupTableAccount(where, list(keys))


def vault_keys(world: World) -> tuple[Pubkey, ...]:
    """Return what every payment of a token has in common."""
    at, mint = world.at, world.token.mint
    return (
        at.vault,
        at.guardian_set(1),
        SYSTEM_PROGRAM,
        at.asset(mint),
        mint,
        at.custody(mint),
        at.authority,
        world.token.program,
        at.events,
    )


def person_keys(world: World) -> tuple[Pubkey, ...]:
    """Return what payments of one position to one wallet have in common."""
    wallet, token = world.alice.pubkey(), world.token
    return (
        world.at.position(account=world.account, mint=token.mint),
        associated_token_account(wallet=wallet, mint=token.mint, token_program=token.program),
    )


def release(world: World, *tables: AddressLookupTableAccount) -> Sent:
    """Pay alice with an attestation of the current set."""
    message = world.message(MessageKind.RELEASE)
    delivery = world.execution(message, world.attest(message, world.current_set))
    return world.runtime.send(delivery, tables=tables)


def test_a_legacy_transaction_takes_eight_signatures() -> None:
    """And not nine."""
    sent = release(world_with(LEGACY_SIGNATURES))

    assert sent.size_bytes + 65 > 1_232
    with pytest.raises(PacketError, match="do not fit"):
        release(world_with(LEGACY_SIGNATURES + 1))


def test_a_table_of_the_vault_takes_twelve_signatures() -> None:
    """And not thirteen."""
    world = world_with(TABLE_SIGNATURES)
    sent = release(world, table_of(world, *vault_keys(world)))

    assert world.wallet_units(world.alice.pubkey()) == 1_000
    assert sent.size_bytes + 65 > 1_232


def test_a_table_with_the_position_takes_thirteen_of_nineteen() -> None:
    """The quorum of the largest set pays in one transaction."""
    world = world_with(WHOLE_TABLE_SIGNATURES, members=19)

    release(world, table_of(world, *vault_keys(world), *person_keys(world)))

    assert world.wallet_units(world.alice.pubkey()) == 1_000


def test_a_rotation_by_thirteen_to_nineteen_fits() -> None:
    """Staged first; then named by its hash, with its accounts in a table."""
    world = world_with(WHOLE_TABLE_SIGNATURES, members=19)
    keys = guardian_keys(19, seed="next")
    next_set = guardian_set_of(keys, threshold=13, index=2)
    payer = world.runtime.payer.pubkey()
    world.runtime.send(stage_set(world.at, payer, guardian_set=next_set))
    at = world.at
    staged = at.staged_set(index=2, threshold=13, members=next_set.members)
    table = table_of(
        world, at.vault, at.guardian_set(1), SYSTEM_PROGRAM, staged, at.guardian_set(2), at.events
    )

    world.runtime.send(world.rotation(next_set)[1], tables=(table,))

    assert world.current_set == next_set


def test_every_kind_of_message_fits_with_a_table() -> None:
    """Pauses and parameters have fewer accounts than payments."""
    world = world_with(WHOLE_TABLE_SIGNATURES, members=19)
    table = table_of(world, *vault_keys(world))
    for key, kind in (
        (b"", MessageKind.PAUSE),
        (b"outflow.capacity", MessageKind.PARAMETER),
        (b"outflow.window", MessageKind.PARAMETER),
    ):
        message = world.message(kind, recipient=key.ljust(32, b"\0"), amount_units=2)
        attestation = world.attest(message, world.current_set)
        world.runtime.send(world.execution(message, attestation), tables=(table,))

    assert (world.asset.pause_flags, world.asset.window_seconds) == (2, 2)


@pytest.mark.parametrize("signers", [1, 5, 8, 13])
def test_compute_units_grow_with_the_signatures(signers: int) -> None:
    """A signature costs some 25,000 units, the rest of a payment less than 40,000."""
    world = world_with(signers)
    table = table_of(world, *vault_keys(world), *person_keys(world))

    sent = release(world, table)

    assert sent.compute_units < OTHER_UNITS + signers * PER_SIGNATURE_UNITS

"""The owners' way out when the guardians are silent."""

from dataclasses import replace

import pytest
from eth_hash.auto import keccak
from solders.pubkey import Pubkey

from chains.command import OpenAccount, SignedCommand, account_id
from chains.devnet.actors import DevKey, dev_key, dev_wallet
from chains.devnet.solana_vectors import CHAIN, PROGRAM_ID
from chains.message import MessageKind
from chains.solana.vault_addresses import VaultAddresses
from chains.solana.vault_errors import VaultProgramError as E
from chains.solana.vault_events import VaultEventKind
from chains.solana.vault_exit import exit_digest
from chains.solana.vault_instructions import Exit, exit_by_opener, exit_by_signature
from tests.contracts_solana.runtime import Sent, key_named
from tests.contracts_solana.world import HUB, LIMITS, NO_WORD, World, open_world, refused

OPENER = dev_key(keccak(b"opener"))
DEADLINE = 2_000_000_000


@pytest.fixture
def world() -> World:
    """A vault with 500 units of alice's and 700 of an EVM key's, at the first second of exits."""
    found = open_world()
    found.lock(500)
    found.lock(700, account=account_id(opener=OPENER.address, salt=NO_WORD))
    found.runtime.set_time(found.runtime.now + LIMITS.exit_delay_seconds + 1)
    return found


def leave(world: World, leaving: Exit | None = None) -> Sent:
    """Let alice exit."""
    chosen = leaving or world.exit_of(opener=bytes(world.alice.pubkey()))
    exit_ = exit_by_opener(world.at, world.alice.pubkey(), chosen)
    return world.runtime.send(exit_, signers=(world.alice,))


def signature_of(
    world: World, leaving: Exit, *, key: DevKey = OPENER, vault: Pubkey | None = None
) -> bytes:
    """Return what a secp256k1 opener signs."""
    at = VaultAddresses(PROGRAM_ID, vault or world.at.vault)
    return key.sign(exit_digest(at, leaving, chain_id=CHAIN, deadline_seconds=DEADLINE))


def leave_signed(
    world: World, leaving: Exit, signature: bytes, *, deadline_seconds: int = DEADLINE
) -> Sent:
    """Deliver a signed exit; the payer is anyone."""
    return world.runtime.send(
        exit_by_signature(world.at, leaving, deadline_seconds=deadline_seconds, signature=signature)
    )


def test_an_opener_takes_everything(world: World) -> None:
    """The units leave books and custody alike, and the event names owner and recipient."""
    sent = leave(world)

    (event,) = sent.events
    alice = bytes(world.alice.pubkey())
    assert event.kind is VaultEventKind.COLLATERAL_EXITED
    assert event.words == {
        "account": world.account,
        "token": bytes(world.token.mint),
        "owner": alice,
        "recipient": alice,
    }
    assert event.numbers == {"units": 500, "held_after_units": 700}
    assert world.wallet_units(world.alice.pubkey()) == 500
    assert world.units_of(world.account) == 0
    assert world.custody_units == world.asset.held_units == 700


def test_who_opened_an_account_with_a_wallet_leaves_with_it() -> None:
    """The account of the signed command is the one that the program derives from its signer."""
    wallet = dev_wallet(keccak(b"opener:wallet"))
    opening = OpenAccount(opener=wallet.address, salt=keccak(b"salt"))
    proof = wallet.sign_command(opening, HUB)
    assert SignedCommand(opening, (proof,)).signers(HUB) == (wallet.address,)
    world = open_world()
    world.lock(900, account=opening.account)
    world.runtime.set_time(world.runtime.now + LIMITS.exit_delay_seconds + 1)

    leaving = Exit(opening.account, opening.salt, world.token, world.alice.pubkey())
    exit_ = exit_by_opener(world.at, wallet.keypair.pubkey(), leaving)
    sent = world.runtime.send(exit_, signers=(wallet.keypair,))

    assert sent.events[0].words["owner"] == wallet.address
    assert world.wallet_units(world.alice.pubkey()) == 900


def test_one_second_earlier_is_too_early(world: World) -> None:
    """The delay must have passed, not only been reached."""
    world.runtime.set_time(world.runtime.now - 1)

    with refused(E.EXIT_TOO_EARLY):
        leave(world)


def test_any_accepted_message_ends_the_silence(world: World) -> None:
    """Then the delay begins anew."""
    world.execute(world.message(MessageKind.PAUSE, amount_units=0))

    with refused(E.EXIT_TOO_EARLY):
        leave(world)


def test_neither_pause_nor_delisting_holds_an_owner_up(world: World) -> None:
    """The way out is not the guardians'."""
    capacity = b"outflow.capacity".ljust(32, b"\0")
    world.execute(world.message(MessageKind.PAUSE, amount_units=3))
    world.execute(world.message(MessageKind.PARAMETER, recipient=capacity, amount_units=0))
    world.runtime.set_time(world.runtime.now + LIMITS.exit_delay_seconds + 1)

    leave(world)

    assert world.wallet_units(world.alice.pubkey()) == 500


def test_nothing_is_left_for_a_second_exit(world: World) -> None:
    """It is refused."""
    leave(world)

    with refused(E.AMOUNT_ZERO):
        leave(world)


def test_only_the_opener_leaves(world: World) -> None:
    """Another key, or another salt, is another account."""
    other = account_id(opener=OPENER.address, salt=NO_WORD)

    with refused(E.NOT_OPENER):
        leave(world, replace(world.exit_of(opener=bytes(world.alice.pubkey())), account=other))
    with refused(E.NOT_OPENER):
        leave(world, replace(world.exit_of(opener=bytes(world.alice.pubkey())), salt=b"\1" * 32))


def test_an_evm_key_exits_by_signature(world: World) -> None:
    """It signs account, token, recipient and deadline in this vault's domain."""
    leaving = world.exit_of(opener=OPENER.address)

    sent = leave_signed(world, leaving, signature_of(world, leaving))

    assert sent.events[0].words["owner"] == OPENER.address
    assert world.wallet_units(world.alice.pubkey()) == 700
    assert world.units_of(leaving.account) == 0


def test_a_signed_exit_says_where_to(world: World) -> None:
    """Another recipient, another deadline, another vault: nobody who opened the account signed."""
    leaving = world.exit_of(opener=OPENER.address)
    thief = key_named("thief").pubkey()
    world.runtime.open_wallet(thief, world.token)
    good = signature_of(world, leaving)

    with refused(E.NOT_OPENER):
        leave_signed(world, replace(leaving, recipient=thief), good)
    with refused(E.NOT_OPENER):
        leave_signed(world, leaving, good, deadline_seconds=DEADLINE + 1)
    with refused(E.NOT_OPENER):
        leave_signed(world, leaving, signature_of(world, leaving, vault=world.at.authority))
    with refused(E.NOT_OPENER):
        stranger = dev_key(keccak(b"stranger"))
        leave_signed(world, leaving, signature_of(world, leaving, key=stranger))


def test_a_signed_exit_is_low_s_and_whole(world: World) -> None:
    """One encoding of a signature is taken."""
    leaving = world.exit_of(opener=OPENER.address)
    good = signature_of(world, leaving)

    with refused(E.SIGNATURE_MALFORMED):
        leave_signed(world, leaving, good[:64] + b"\0")
    with refused(E.INSTRUCTION_LENGTH):
        leave_signed(world, leaving, good[:64])


def test_a_signed_exit_runs_out(world: World) -> None:
    """At its deadline it is taken, a second later not."""
    leaving = world.exit_of(opener=OPENER.address)
    good = signature_of(world, leaving)

    world.runtime.set_time(DEADLINE + 1)
    with refused(E.EXPIRED):
        leave_signed(world, leaving, good)
    world.runtime.set_time(DEADLINE)
    leave_signed(world, leaving, good)


def test_an_exit_does_not_pay_the_vault(world: World) -> None:
    """Recipients that lose the payment are refused here too."""
    authority = world.at.authority
    world.runtime.open_wallet(authority, world.token)
    leaving = replace(world.exit_of(opener=bytes(world.alice.pubkey())), recipient=authority)

    with refused(E.RECIPIENT_INVALID):
        leave(world, leaving)

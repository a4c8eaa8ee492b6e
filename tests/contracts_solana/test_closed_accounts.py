"""Accounts that are frozen, closed, opened again or filled from outside, while the vault lives."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.pubkey import Pubkey

from chains.message import MessageKind
from chains.solana.vault_addresses import TOKEN_PROGRAM, associated_token_account
from chains.solana.vault_errors import VaultProgramError as E
from tests.contracts_solana.runtime import RefusedError, key_named
from tests.contracts_solana.test_exits import leave
from tests.contracts_solana.world import LIMITS, World, open_world, refused

STATE_AT = 108
INITIALISED, FROZEN = 1, 2
ACCOUNT_FROZEN = 17  # of the token program
TRANSFER, APPROVE, SET_AUTHORITY, CLOSE = 3, 4, 6, 9
OWNER, CLOSE_AUTHORITY = 2, 3


@pytest.fixture
def world() -> World:
    """A vault with 5,000 units of alice's."""
    found = open_world()
    found.lock(5_000)
    return found


def token_instruction(content: bytes, owner: Pubkey, *writable: Pubkey) -> Instruction:
    """Return an instruction of the token program, signed by an owner."""
    metas = [AccountMeta(key, is_signer=False, is_writable=True) for key in writable]
    return Instruction(
        TOKEN_PROGRAM, content, [*metas, AccountMeta(owner, is_signer=True, is_writable=False)]
    )


def set_state(world: World, account: Pubkey, state: int) -> None:
    """Freeze or thaw a token account as its mint's authority does."""
    content = bytearray(world.runtime.content(account))
    content[STATE_AT] = state
    world.runtime.tamper(account, bytes(content))


def wallet_of(world: World) -> Pubkey:
    """Return the token account that alice is paid at."""
    return associated_token_account(
        wallet=world.alice.pubkey(), mint=world.token.mint, token_program=TOKEN_PROGRAM
    )


@contextmanager
def refused_as_frozen() -> Iterator[None]:
    """Expect the token program to refuse because of a frozen account."""
    with pytest.raises(RefusedError, match=f"InstructionErrorCustom.{ACCOUNT_FROZEN}"):
        yield


def test_a_frozen_recipient_is_paid_when_it_is_thawed(world: World) -> None:
    """The refusal takes nothing: neither the message nor the window nor units."""
    message = world.message(MessageKind.RELEASE)
    set_state(world, wallet_of(world), FROZEN)
    with refused_as_frozen():
        world.execute(message)
    assert world.units_of(world.account) == world.custody_units == 5_000

    set_state(world, wallet_of(world), INITIALISED)
    world.execute(message)

    assert world.wallet_units(world.alice.pubkey()) == 1_000
    assert world.units_of(world.account) == world.custody_units == 4_000


def test_a_recipient_that_was_closed_and_opened_again_is_paid(world: World) -> None:
    """It is at the same address, which is all that the message binds."""
    message = world.message(MessageKind.RELEASE)
    alice = world.alice.pubkey()
    closing = token_instruction(bytes((CLOSE,)), alice, wallet_of(world), alice)
    world.runtime.send(closing, signers=(world.alice,))
    with refused(E.TOKEN_ACCOUNT):
        world.execute(message)

    world.runtime.open_wallet(alice, world.token)
    world.execute(message)

    assert world.wallet_units(alice) == 1_000


def test_a_frozen_custody_holds_up_locks_payments_and_exits_alike(world: World) -> None:
    """As an issuer can everywhere; nothing is written, and all goes on when it is thawed."""
    custody = world.at.custody(world.token.mint)
    message = world.message(MessageKind.RELEASE, expiry_seconds=2**62)
    set_state(world, custody, FROZEN)
    with refused_as_frozen():
        world.lock(1)
    with refused_as_frozen():
        world.execute(message)
    before = world.runtime.now
    world.runtime.set_time(before + LIMITS.exit_delay_seconds + 1)
    with refused_as_frozen():
        leave(world)
    assert (world.vault.lock_count, world.asset.held_units) == (1, 5_000)

    set_state(world, custody, INITIALISED)
    leave(world)

    assert world.wallet_units(world.alice.pubkey()) == 5_000


@pytest.mark.parametrize("is_initializer", [True, False])
def test_nobody_closes_empties_or_takes_the_custody(world: World, *, is_initializer: bool) -> None:
    """Its owner is an address that only the program signs for, and it has no other authority."""
    somebody: Keypair = world.initializer if is_initializer else world.alice
    custody, key = world.at.custody(world.token.mint), somebody.pubkey()
    attempts = [
        token_instruction(bytes((CLOSE,)), key, custody, key),
        token_instruction(
            bytes((TRANSFER,)) + (1).to_bytes(8, "little"), key, custody, wallet_of(world)
        ),
        *(
            token_instruction(bytes((SET_AUTHORITY, kind, 1)) + bytes(key), key, custody)
            for kind in (OWNER, CLOSE_AUTHORITY)
        ),
    ]

    for attempt in attempts:
        with pytest.raises(RefusedError):
            world.runtime.send(attempt, signers=(somebody,))
    assert world.custody_units == 5_000


def test_tokens_sent_past_the_vault_are_nobodys(world: World) -> None:
    """Neither a lock nor a payment counts them; custody covers what is owed and more."""
    alice = world.alice.pubkey()
    gift = bytes((TRANSFER,)) + (77).to_bytes(8, "little")
    custody = world.at.custody(world.token.mint)
    world.runtime.send(
        token_instruction(gift, alice, world.source, custody), signers=(world.alice,)
    )

    sent = world.lock(10)
    assert sent.events[0].numbers["units"] == 10
    with refused(E.INSUFFICIENT):
        world.execute(world.message(MessageKind.RELEASE, amount_units=5_011))
    world.runtime.set_time(world.runtime.now + LIMITS.exit_delay_seconds + 1)
    leave(world)

    assert world.wallet_units(alice) == 5_010
    assert (world.custody_units, world.asset.held_units) == (77, 0)


def test_a_delegate_locks_what_it_may_spend(world: World) -> None:
    """The depositor is who signs; the token program asks for his part only."""
    bob = key_named("bob")
    approve = bytes((APPROVE,)) + (300).to_bytes(8, "little")
    metas = [
        AccountMeta(world.source, is_signer=False, is_writable=True),
        AccountMeta(bob.pubkey(), is_signer=False, is_writable=False),
        AccountMeta(world.alice.pubkey(), is_signer=True, is_writable=False),
    ]
    world.runtime.send(Instruction(TOKEN_PROGRAM, approve, metas), signers=(world.alice,))
    account = world.account
    world.alice = bob

    sent = world.lock(300, account=account)
    with pytest.raises(RefusedError):
        world.lock(1, account=account)

    assert sent.events[0].words["depositor"] == bytes(bob.pubkey())
    assert world.units_of(account) == 5_300

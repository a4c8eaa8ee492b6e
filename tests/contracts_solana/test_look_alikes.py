"""Accounts that look right and belong to something else; nothing of another vault counts."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from eth_hash.auto import keccak
from solders.instruction import AccountMeta, Instruction

from chains.devnet.solana_vectors import PROGRAM_ID
from chains.message import MessageKind
from chains.solana.vault_addresses import TOKEN_2022_PROGRAM
from chains.solana.vault_errors import VaultProgramError as E
from chains.solana.vault_instructions import CAPACITY as CAPACITY_KEY
from chains.solana.vault_instructions import (
    seal,
)
from tests.contracts_solana.runtime import RefusedError, key_named
from tests.contracts_solana.steps import (
    Step,
    exiting,
    filled_world,
    locking,
    locking_again,
    releasing,
    rotating,
    with_meta,
)
from tests.contracts_solana.world import (
    World,
    bare_world,
    listing_of,
    making_of,
    refused,
)

TYPE, NEXT_VERSION = b"asset\0\0\1", b"vault\0\0\2"
TAG = E.ACCOUNT_WRONG_TAG
LOOK_ALIKES: dict[str, tuple[int, Callable[[bytes], bytes], E]] = {
    "vault of another length": (1, lambda content: content + b"\0", E.ACCOUNT_WRONG_LENGTH),
    "vault of another type": (1, lambda content: TYPE + content[8:], TAG),
    "vault of another version": (1, lambda content: NEXT_VERSION + content[8:], TAG),
    "set of another vault": (2, lambda content: content[:8] + b"\1" * 32 + content[40:],
                             E.ACCOUNT_OTHER_VAULT),
    "set that is staged": (2, lambda content: b"staged\0\1" + content[8:], TAG),
    "asset of another vault": (5, lambda content: content[:8] + b"\1" * 32 + content[40:],
                               E.ACCOUNT_OTHER_VAULT),
    "asset of another mint": (5, lambda content: content[:40] + b"\1" * 32 + content[72:],
                              E.ACCOUNT_OTHER_MINT),
    "position of another vault": (8, lambda content: content[:8] + b"\1" * 32 + content[40:],
                                  E.ACCOUNT_OTHER_VAULT),
    "position of another mint": (8, lambda content: content[:72] + b"\1" * 32 + content[104:],
                                 E.ACCOUNT_OTHER_MINT),
    "destination of another mint": (9, lambda content: b"\1" * 32 + content[32:],
                                    E.ACCOUNT_OTHER_MINT),
    "destination that is no account": (9, lambda content: content[:-1], E.TOKEN_ACCOUNT),
    "destination that is not open": (9, lambda content: content[:108] + b"\0" + content[109:],
                                     E.TOKEN_ACCOUNT),
}  # fmt: skip


@pytest.mark.parametrize("name", LOOK_ALIKES)
def test_an_account_of_ours_must_be_the_one_it_stands_for(name: str) -> None:
    """Even one that this program owns is of one type, one vault and one mint."""
    step = releasing()
    place, change, code = LOOK_ALIKES[name]
    key = step.instruction.accounts[place].pubkey
    step.world.runtime.tamper(key, change(step.world.runtime.content(key)))

    with refused(code):
        step.send()


@pytest.mark.parametrize("place", [1, 8])
def test_an_account_of_another_program_is_refused(place: int) -> None:
    """The right bytes at an account that somebody else's program writes."""
    step = releasing()
    meta = step.instruction.accounts[place]
    fake = key_named("fake").pubkey()
    owner = key_named("other program").pubkey()
    step.world.runtime.tamper(fake, step.world.runtime.content(meta.pubkey), owner)
    changed = AccountMeta(fake, is_signer=False, is_writable=True)

    with refused(E.ACCOUNT_WRONG_OWNER):
        step.send(with_meta(step.instruction, place, changed))


def test_a_set_staged_for_another_vault_is_refused() -> None:
    """Even with the members that were signed for this one."""
    step = rotating()
    staged = step.instruction.accounts[5].pubkey
    content = step.world.runtime.content(staged)
    step.world.runtime.tamper(staged, content[:8] + b"\1" * 32 + content[40:])

    with refused(E.ACCOUNT_OTHER_VAULT):
        step.send()


def test_an_address_that_another_program_owns_is_not_made() -> None:
    """Nobody can own one, and if somebody did, nothing would be written there."""
    step = locking()
    position = step.instruction.accounts[6].pubkey
    owner = key_named("other program").pubkey()
    step.world.runtime.tamper(position, b"", owner)

    with refused(E.ACCOUNT_WRONG_OWNER):
        step.send()


def second_vault(world: World) -> World:
    """Return a second vault of the same program, hub and guardians, on the same chain."""
    other = bare_world(label="second")
    other.runtime = world.runtime
    other.runtime.fund(other.initializer.pubkey())
    for each in (making_of(other), listing_of(other), seal(other.at, other.initializer.pubkey())):
        world.runtime.send(each, signers=(other.initializer,))
    other.source = world.source
    other.lock(50_000)
    return other


def test_nothing_of_another_vault_is_taken() -> None:
    """Same program, same hub, same guardians: each account of the second vault is refused here."""
    world = filled_world()
    other = second_vault(world)
    message = world.message(MessageKind.RELEASE)
    delivery = world.execution(message)
    foreign = other.execution(replace(message, vault=bytes(other.at.vault)))

    for place, meta in enumerate(foreign.accounts):
        if meta.pubkey != delivery.accounts[place].pubkey:
            with pytest.raises(RefusedError) as found:
                world.runtime.send(with_meta(delivery, place, meta))
            assert found.value.code in {
                E.ACCOUNT_OTHER_VAULT, E.ACCOUNT_WRONG_KEY,
            }, place  # fmt: skip


@pytest.mark.parametrize("place", [5, 7])
def test_a_capacity_is_set_where_the_mint_says(place: int) -> None:
    """The asset, or the custody account, of another token of the vault is refused."""
    world = filled_world()
    first = world.token
    world.token = world.runtime.make_mint("second")
    world.execute(world.message(MessageKind.PARAMETER, recipient=CAPACITY_KEY))
    of_second = world.execution(world.message(MessageKind.PARAMETER, recipient=CAPACITY_KEY))
    world.token = first
    of_first = world.execution(world.message(MessageKind.PARAMETER, recipient=CAPACITY_KEY))

    with refused(E.ACCOUNT_WRONG_KEY):
        world.runtime.send(with_meta(of_first, place, of_second.accounts[place]))


@pytest.mark.parametrize(("make", "place"), [(locking, 8), (releasing, 11), (exiting, 7)])
def test_the_token_program_is_the_listed_one(make: Callable[[], Step], place: int) -> None:
    """The other token program, and one that nobody knows, are refused before they are called."""
    step = make()
    for key in (TOKEN_2022_PROGRAM, key_named("other").pubkey()):
        other = AccountMeta(key, is_signer=False, is_writable=False)
        with refused(E.ACCOUNT_WRONG_KEY):
            step.send(with_meta(step.instruction, place, other))


@pytest.mark.parametrize(("make", "place"), [(locking, 4), (releasing, 6), (exiting, 2)])
def test_the_mint_is_the_assets(make: Callable[[], Step], place: int) -> None:
    """Another mint is refused before the token program is called."""
    step = make()
    other = step.world.runtime.make_mint("another").mint
    changed = AccountMeta(other, is_signer=False, is_writable=False)

    with refused(E.ACCOUNT_OTHER_MINT):
        step.send(with_meta(step.instruction, place, changed))


def test_a_lock_credits_the_account_it_names() -> None:
    """Not the position of another one."""
    world = filled_world()
    bob = keccak(b"account:bob")
    world.lock(10, account=bob)
    position = world.at.position(account=bob, mint=world.token.mint)
    changed = AccountMeta(position, is_signer=False, is_writable=True)

    with refused(E.ACCOUNT_WRONG_KEY):
        world.runtime.send(
            with_meta(world.lock_instruction(10), 6, changed), signers=(world.alice,)
        )


@pytest.mark.parametrize("length", [2, 30, 61])
def test_a_message_is_whole(length: int) -> None:
    """Fields that are not there are not read."""
    step = releasing()
    content = bytes(step.instruction.data)[:length]

    with refused(E.INSTRUCTION_LENGTH):
        step.send(Instruction(PROGRAM_ID, content, step.instruction.accounts))


def test_the_source_of_a_lock_is_a_token_account() -> None:
    """Not a part of one."""
    step = locking()
    source = step.instruction.accounts[7].pubkey
    step.world.runtime.tamper(source, step.world.runtime.content(source)[:164])

    with refused(E.TOKEN_ACCOUNT):
        step.send()


def test_the_source_of_a_lock_belongs_to_the_token_program() -> None:
    """The same bytes of another program are nobody's tokens."""
    step = locking()
    source = step.instruction.accounts[7].pubkey
    content = step.world.runtime.content(source)
    step.world.runtime.tamper(source, content, owner=key_named("other program").pubkey())

    with refused(E.TOKEN_ACCOUNT):
        step.send()


def test_the_source_of_a_lock_is_of_the_mint() -> None:
    """Another token is not taken for this one."""
    step = locking()
    source = step.instruction.accounts[7].pubkey
    content = step.world.runtime.content(source)
    step.world.runtime.tamper(source, b"\1" * 32 + content[32:])

    with refused(E.ACCOUNT_OTHER_MINT):
        step.send()


def test_who_pays_for_a_lock_signs() -> None:
    """Also where there is nothing to pay for, because the position is there."""
    step = locking_again()
    other = AccountMeta(key_named("other").pubkey(), is_signer=False, is_writable=True)

    with refused(E.ACCOUNT_NOT_SIGNER):
        step.send(with_meta(step.instruction, 0, other))


def test_a_pause_of_one_vault_leaves_another_vault_alone() -> None:
    """The same token's asset of the second vault is refused."""
    world = filled_world()
    other = second_vault(world)
    delivery = world.execution(world.message(MessageKind.PAUSE, amount_units=3))
    foreign = AccountMeta(other.at.asset(world.token.mint), is_signer=False, is_writable=True)

    with refused(E.ACCOUNT_OTHER_VAULT):
        world.runtime.send(with_meta(delivery, 5, foreign))


def test_what_guardians_signed_for_one_vault_does_not_pay_from_another() -> None:
    """Neither as it was signed nor as the other vault's message."""
    world = filled_world()
    other = second_vault(world)
    message = world.message(MessageKind.RELEASE)
    moved = replace(message, vault=bytes(other.at.vault))

    with refused(E.NOT_A_MEMBER):
        other.execute(moved, world.attest(message))
    with refused(E.ACCOUNT_WRONG_KEY):
        world.runtime.send(
            with_meta(
                world.execution(message),
                3,
                AccountMeta(
                    other.at.executed(message.message_id), is_signer=False, is_writable=True
                ),
            )
        )


@pytest.mark.parametrize("field", ["nonce", "amount_units", "expiry_seconds", "epoch", "evidence"])
def test_every_field_in_the_input_is_signed(field: str) -> None:
    """One more, or another hash, is another message."""
    world = filled_world()
    message = world.message(MessageKind.RELEASE)
    value = keccak(b"other") if field == "evidence" else getattr(message, field) + 1
    changes: dict[str, Any] = {field: value}

    with refused(E.NOT_A_MEMBER):
        world.execute(replace(message, **changes), world.attest(message))


def test_a_position_pays_its_own_account_only() -> None:
    """The account is read from the position, so another position is another message."""
    world = filled_world()
    bob = keccak(b"account:bob")
    world.lock(50_000, account=bob)
    message = world.message(MessageKind.RELEASE)

    with refused(E.NOT_A_MEMBER):
        world.execute(replace(message, account=bob), world.attest(message))

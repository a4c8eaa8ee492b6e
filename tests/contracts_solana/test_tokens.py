"""SPL Token, Token-2022 and wrapped SOL: what is taken, what is refused, what is credited."""

import struct
from dataclasses import replace

import pytest
from solders.account import Account
from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

from chains.message import MessageKind
from chains.solana.vault_addresses import TOKEN_2022_PROGRAM, TOKEN_PROGRAM
from chains.solana.vault_errors import VaultProgramError as E
from chains.solana.vault_instructions import CAPACITY as CAPACITY_KEY
from chains.solana.vault_instructions import Token
from tests.contracts_solana.runtime import (
    LAMPORTS,
    NATIVE_MINT,
    extension,
    key_named,
    mint_content,
    token_account_content,
    transfer_fee,
)
from tests.contracts_solana.world import (
    World,
    bare_world,
    listing_of,
    making_of,
    open_world,
    refused,
)

METADATA_POINTER, METADATA = 18, 19
# Type of the extension and the length of its content in a mint, from Token-2022.
REFUSED_EXTENSIONS = {
    "mint close authority": (3, 32),
    "confidential transfer": (4, 65),
    "default account state": (6, 1),
    "non-transferable": (9, 0),
    "interest bearing": (10, 52),
    "permanent delegate": (12, 32),
    "transfer hook": (14, 64),
    "confidential transfer fee": (16, 129),
    "group pointer": (20, 64),
    "group": (21, 80),
    "member pointer": (22, 64),
    "member": (23, 72),
    "confidential mint burn": (24, 196),
    "scaled amount": (25, 56),
    "pausable": (26, 33),
    "one that is not known yet": (999, 7),
}
METADATA_CONTENT = bytes(64) + b"".join(struct.pack("<I", 1) + b"x" for _ in range(3)) + bytes(4)
TAKEN = (
    transfer_fee(100)
    + extension(METADATA_POINTER, bytes(64))
    + extension(METADATA, METADATA_CONTENT)
)


def made_world() -> World:
    """Return a world whose vault is made and not sealed."""
    world = bare_world()
    world.runtime.send(making_of(world), signers=(world.initializer,))
    return world


def list_(world: World, token: Token) -> None:
    """List a token."""
    world.runtime.send(listing_of(world, token), signers=(world.initializer,))


def listed_by_message(world: World, token: Token, capacity: int) -> None:
    """List a token after the seal, and open alice's wallet for it."""
    world.token = token
    message = world.message(
        MessageKind.PARAMETER,
        recipient=CAPACITY_KEY,
        amount_units=capacity,
        token=bytes(token.mint),
    )
    world.execute(message)
    world.runtime.open_wallet(world.alice.pubkey(), token)


@pytest.mark.parametrize("name", REFUSED_EXTENSIONS)
@pytest.mark.parametrize("is_behind_others", [False, True])
def test_a_mint_with_power_over_the_custody_is_refused(name: str, is_behind_others: bool) -> None:
    """Whoever may take, stop, hide or shut the vault's tokens is found at the listing."""
    world = made_world()
    kind, length = REFUSED_EXTENSIONS[name]
    extra = (TAKEN if is_behind_others else b"") + extension(kind, bytes(length))
    token = world.runtime.make_mint(name, program=TOKEN_2022_PROGRAM, extra=extra)

    with refused(E.MINT_EXTENSION):
        list_(world, token)


def test_a_message_lists_no_such_mint_either() -> None:
    """The guardians' quorum cannot take what the initializer could not."""
    world = open_world()
    extra = extension(12, bytes(32))
    world.token = world.runtime.make_mint("x", program=TOKEN_2022_PROGRAM, extra=extra)

    with refused(E.MINT_EXTENSION):
        world.execute(world.message(MessageKind.PARAMETER, recipient=CAPACITY_KEY))


def test_extensions_without_an_end_are_refused() -> None:
    """More of them than any mint has."""
    world = made_world()
    extra = extension(METADATA_POINTER, b"") * 33
    token = world.runtime.make_mint("long", program=TOKEN_2022_PROGRAM, extra=extra)

    with refused(E.MINT_EXTENSION):
        list_(world, token)


@pytest.mark.parametrize("program", [TOKEN_PROGRAM, TOKEN_2022_PROGRAM])
def test_a_plain_mint_of_either_program_is_taken(program: Pubkey) -> None:
    """Lock and release move what they say."""
    world = open_world()
    token = world.runtime.make_mint("plain", program=program)
    listed_by_message(world, token, 1_000)
    world.source = world.runtime.make_token_account(
        "plain", token, wallet=world.alice.pubkey(), units=900
    )

    world.lock(900)
    world.execute(world.message(MessageKind.RELEASE, amount_units=300))

    assert (world.custody_units, world.asset.held_units) == (600, 600)
    assert world.wallet_units(world.alice.pubkey()) == 300


def test_a_token_with_a_fee_is_credited_by_what_arrives() -> None:
    """1 % stays behind on the way in; on the way out the recipient bears it."""
    world = open_world()
    token = world.runtime.make_mint("fee", program=TOKEN_2022_PROGRAM, extra=TAKEN)
    listed_by_message(world, token, 10**6)
    world.source = world.runtime.make_token_account(
        "fee", token, wallet=world.alice.pubkey(), units=10_000, has_fees=True
    )

    sent = world.lock(10_000)
    world.execute(world.message(MessageKind.RELEASE, amount_units=5_000))

    assert sent.events[0].numbers["units"] == 9_900
    assert world.units_of(world.account) == 4_900
    assert world.custody_units == world.asset.held_units == 4_900
    assert world.wallet_units(world.alice.pubkey()) == 4_950


def test_a_token_that_arrives_as_nothing_is_not_locked() -> None:
    """A fee of everything leaves no claim."""
    world = open_world()
    extra = transfer_fee(10_000)
    token = world.runtime.make_mint("all", program=TOKEN_2022_PROGRAM, extra=extra)
    listed_by_message(world, token, 10**6)
    world.source = world.runtime.make_token_account(
        "all", token, wallet=world.alice.pubkey(), units=100, has_fees=True
    )

    with refused(E.AMOUNT_ZERO):
        world.lock(100)


def test_wrapped_sol_is_a_token_like_others() -> None:
    """Lamports that are sent to the custody account, and counted there, are nobody's claim."""
    world = open_world()
    runtime = world.runtime
    runtime.svm.set_account(NATIVE_MINT, Account(LAMPORTS, mint_content(), TOKEN_PROGRAM))
    token = Token(NATIVE_MINT, TOKEN_PROGRAM)
    listed_by_message(world, token, 10**9)
    alice = world.alice.pubkey()
    world.source = runtime.make_token_account("sol", token, wallet=alice, units=10**9)

    world.lock(10**9)
    custody = world.at.custody(token.mint)
    runtime.fund(custody, 12_345)
    runtime.send(sync_native(custody))
    world.execute(world.message(MessageKind.RELEASE, amount_units=10**9))

    assert world.wallet_units(alice) == 10**9
    assert (world.asset.held_units, world.custody_units) == (0, 12_345)


def sync_native(account: Pubkey) -> Instruction:
    """Return the instruction that counts lamports as tokens."""
    return Instruction(
        TOKEN_PROGRAM, b"\x11", [AccountMeta(account, is_signer=False, is_writable=True)]
    )


def test_a_program_that_is_no_token_program_is_refused() -> None:
    """Only the two that are known."""
    world = made_world()
    mint = world.runtime.make_mint("strange", program=key_named("strange program").pubkey())

    with refused(E.TOKEN_PROGRAM):
        list_(world, mint)


def test_a_mint_is_listed_under_its_own_program() -> None:
    """A mint of SPL Token is none of Token-2022."""
    world = made_world()

    with refused(E.TOKEN_PROGRAM):
        list_(world, replace(world.token, program=TOKEN_2022_PROGRAM))


@pytest.mark.parametrize(
    ("program", "content"),
    [
        (TOKEN_PROGRAM, b""),
        (TOKEN_PROGRAM, mint_content()[:81]),
        (TOKEN_PROGRAM, mint_content()[:45] + b"\0" + mint_content()[46:]),
        (TOKEN_PROGRAM, mint_content(extension(METADATA_POINTER, bytes(64)))),
        (TOKEN_PROGRAM, token_account_content(NATIVE_MINT, NATIVE_MINT, 1)),
        (TOKEN_2022_PROGRAM, mint_content() + bytes(20)),
        (TOKEN_2022_PROGRAM, mint_content().ljust(165, b"\0") + b"\x02"),
    ],
)
def test_what_is_no_mint_is_refused(program: Pubkey, content: bytes) -> None:
    """Nothing, half of one, one that is not initialised, another form, a token account."""
    world = made_world()
    token = replace(world.token, program=program)
    world.runtime.tamper(token.mint, content, program)

    with refused(E.MINT_INVALID):
        list_(world, token)

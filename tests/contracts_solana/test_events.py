"""No other program can print an event of the vault."""

import pytest
from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

from chains.devnet.solana_vectors import PROGRAM_ID
from chains.errors import MessageFormatError
from chains.solana.vault_errors import VaultProgramError as E
from chains.solana.vault_events import EVENT_TAG, VaultEventKind, decode_event
from tests.contracts_solana.runtime import ARTIFACTS, RefusedError, key_named
from tests.contracts_solana.world import World, open_world, refused

FORGER = key_named("forger").pubkey()


@pytest.fixture
def world() -> World:
    """A sealed vault, and a program that wants to speak in its name."""
    found = open_world()
    found.runtime.svm.add_program(FORGER, (ARTIFACTS / "forger-v0.so").read_bytes())
    return found


def event_content(world: World) -> bytes:
    """Return a lock of a million that never was."""
    words = bytes(world.at.vault), (1).to_bytes(8, "big"), world.account
    rest = bytes(world.token.mint), bytes(32), (10**6).to_bytes(8, "big") * 2
    return EVENT_TAG + b"\x01" + b"".join(words + rest)


def forged(world: World, authority: Pubkey, *, is_signed: bool, bump: int = 255) -> Instruction:
    """Return a call of the forger."""
    metas = [
        AccountMeta(authority, is_signer=False, is_writable=False),
        AccountMeta(PROGRAM_ID, is_signer=False, is_writable=False),
    ]
    content = bytes((is_signed, bump)) + event_content(world)
    return Instruction(FORGER, content, metas)


def test_the_forged_event_is_well_formed(world: World) -> None:
    """Only who prints it makes the difference."""
    event = decode_event(event_content(world))

    assert event is not None
    assert event.kind is VaultEventKind.COLLATERAL_LOCKED
    assert event.numbers["units"] == 10**6


def test_another_program_cannot_sign_for_the_events_authority(world: World) -> None:
    """Without the signature the vault refuses, and with it the runtime does."""
    with refused(E.EVENT_NOT_SIGNED):
        world.runtime.send(forged(world, world.at.events, is_signed=False))
    with pytest.raises(RefusedError) as found:
        bump = Pubkey.find_program_address([b"events"], FORGER)[1]
        world.runtime.send(forged(world, world.at.events, is_signed=True, bump=bump))
    assert "MissingRequiredSignature" in found.value.text or "Privilege" in found.value.text
    assert found.value.code is None


def test_an_authority_of_another_program_prints_nothing(world: World) -> None:
    """The same seeds under another program are another address."""
    own, bump = Pubkey.find_program_address([b"events"], FORGER)

    with refused(E.ACCOUNT_WRONG_KEY):
        world.runtime.send(forged(world, own, is_signed=True, bump=bump))


def test_nobody_prints_an_event_from_outside(world: World) -> None:
    """Neither unsigned nor with a key of one's own."""
    someone = key_named("someone")
    for authority, is_signer, code in (
        (world.at.events, False, E.EVENT_NOT_SIGNED),
        (someone.pubkey(), True, E.ACCOUNT_WRONG_KEY),
    ):
        metas = [AccountMeta(authority, is_signer=is_signer, is_writable=False)]
        signers = (someone,) if is_signer else ()
        with refused(code):
            world.runtime.send(
                Instruction(PROGRAM_ID, event_content(world), metas), signers=signers
            )


def test_an_event_takes_one_account(world: World) -> None:
    """More are refused."""
    metas = [
        AccountMeta(key, is_signer=False, is_writable=False)
        for key in (world.at.events, world.at.vault)
    ]

    with refused(E.ACCOUNT_COUNT):
        world.runtime.send(Instruction(PROGRAM_ID, event_content(world), metas))


def test_what_is_no_event_is_told_from_a_broken_one(world: World) -> None:
    """Other instructions are passed over; a broken event is an error, not a gap."""
    content = event_content(world)

    assert decode_event(b"\x03" + bytes(40)) is None
    for broken in (content[:-1], content + b"\0", EVENT_TAG + b"\x63" + content[9:], content[:20]):
        with pytest.raises(MessageFormatError):
            decode_event(broken)

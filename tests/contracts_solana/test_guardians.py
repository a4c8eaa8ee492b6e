"""Who signed: the broken attestations that all languages read, and rotations."""

from dataclasses import replace

import pytest
from solders.instruction import Instruction

from chains.attestation import Attestation, GuardianSet
from chains.devnet.actors import guardian_keys, guardian_set_of
from chains.devnet.refused_vectors import (
    MEMBERS,
    SET,
    Scene,
    good_attestation,
    refused_vectors,
)
from chains.devnet.solana_vectors import CHAIN, PROGRAM_ID
from chains.message import Message, MessageKind
from chains.solana.vault_addresses import VaultAddresses
from chains.solana.vault_errors import VaultProgramError as E
from chains.solana.vault_events import VaultEventKind
from chains.solana.vault_instructions import rotate_set, stage_set
from chains.solana.vault_layout import decode_guardian_set
from tests.contracts_solana.world import LIMITS, World, open_world, refused

# The contracts' error of a vector to the program's number.
CODES = {
    "GuardianSetQuorumMissing(uint256,uint8)": E.QUORUM_MISSING,
    "GuardianSetSignersNotAscending(uint256,address,address)": E.SIGNERS_NOT_ASCENDING,
    "GuardianSetNotAMember(address,uint32)": E.NOT_A_MEMBER,
    "GuardianSetSignatureLength(uint256,uint256)": E.SIGNATURE_LENGTH,
    "GuardianSetUnknown(uint32,uint32)": E.SET_UNKNOWN,
    "GuardianSetSignatureMalformed(uint256)": E.SIGNATURE_MALFORMED,
}
# The program takes signatures as one string, so an empty one among them is one too few.
OWN_CODES = {"without bytes": E.QUORUM_MISSING}
VECTORS = refused_vectors()
PLACE = Scene()


@pytest.fixture(scope="module")
def world() -> World:
    """A vault of the set that the broken attestations are for; refusals leave it as it is."""
    found = open_world(keys=MEMBERS)
    found.lock(500_000)
    return found


@pytest.fixture(scope="module")
def message(world: World) -> Message:
    """The release that was signed."""
    return world.message(MessageKind.RELEASE)


def delivered(name: str, message: Message) -> Message:
    """Return the message that is delivered with a broken attestation."""
    changes = {
        "an altered byte of the message": {"evidence": b"\1" + message.evidence[1:]},
        "another epoch": {"epoch": message.epoch + 1},
        "another expiry": {"expiry_seconds": message.expiry_seconds + 1},
    }
    return replace(message, **changes.get(name, {}))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", VECTORS)
def test_r17_every_refused_vector_is_refused_with_its_error(
    world: World, message: Message, name: str
) -> None:
    """What Python and the EVM contracts refuse is refused here, for the same reason."""
    vector = refused_vectors(Scene(CHAIN, message))[name]

    with refused(OWN_CODES.get(name, CODES[vector.error])):
        world.execute(delivered(name, message), vector.attestation)


def test_the_unchanged_attestation_is_accepted() -> None:
    """What all vectors are changed from pays."""
    world = open_world(keys=MEMBERS)
    world.lock(500_000)
    message = world.message(MessageKind.RELEASE)

    world.execute(message, good_attestation(Scene(CHAIN, message)))

    assert world.wallet_units(world.alice.pubkey()) == 1_000
    assert len(VECTORS) == 28


def test_more_signatures_than_needed_are_taken() -> None:
    """All members may sign."""
    world = open_world(keys=MEMBERS)
    world.lock(500_000)
    message = world.message(MessageKind.RELEASE)
    signatures = tuple(key.sign(world.digest(message)) for key in MEMBERS)

    world.execute(message, Attestation(message.message_id, 0, signatures))

    assert world.wallet_units(world.alice.pubkey()) == 1_000
    assert world.guardian_set == SET


def next_set_of(world: World, *, index: int = 1, count: int = 5) -> GuardianSet:
    """Return a set of other guardians, and let the world sign with all it knows."""
    keys = guardian_keys(count, seed=f"next:{index}")
    world.known = (*world.known, *keys)
    return guardian_set_of(keys, threshold=count // 2 + 1, index=index)


def test_a_rotation_makes_the_next_set_current() -> None:
    """The one before stays valid for the overlap; the event names the new members."""
    world = open_world()
    next_set = next_set_of(world)

    sent = world.rotate(next_set)

    stored = decode_guardian_set(world.runtime.content(world.at.guardian_set(1)))
    assert (stored.index, stored.threshold, stored.members) == (1, 3, next_set.members)
    assert stored.valid_until == 2**64 - 1
    until = world.runtime.now + LIMITS.overlap_seconds
    before = decode_guardian_set(world.runtime.content(world.at.guardian_set(0)))
    assert before.valid_until == until
    assert world.vault.guardian_set_index == 1
    (event,) = sent.events
    assert event.kind is VaultEventKind.GUARDIAN_SET_ROTATED
    assert (event.numbers["index"], event.numbers["previous_valid_until"]) == (1, until)
    assert event.members == tuple(word[12:] for word in next_set.members)


def test_a_replaced_set_pays_until_its_overlap_is_over() -> None:
    """It pays, but nothing that stays may rest on its word."""
    world = open_world()
    world.lock(500_000)
    old = world.guardian_set
    next_set = next_set_of(world)
    world.rotate(next_set)
    pause = world.message(MessageKind.PAUSE, amount_units=3)
    late = world.message(MessageKind.RELEASE, expiry_seconds=world.runtime.now + 10_000)

    with refused(E.NOT_CURRENT_SET):
        world.execute(pause, world.attest(pause, old))
    world.runtime.set_time(world.runtime.now + LIMITS.overlap_seconds)
    payment = world.message(MessageKind.RELEASE)
    world.execute(payment, world.attest(payment, old))
    world.runtime.set_time(world.runtime.now + 1)
    with refused(E.SET_OUTDATED):
        world.execute(late, world.attest(late, old))
    world.execute(late, world.attest(late, next_set))


@pytest.mark.parametrize("kind", [MessageKind.PAUSE, MessageKind.PARAMETER])
def test_only_the_current_set_changes_what_stays(kind: MessageKind) -> None:
    """Pauses and parameters."""
    world = open_world()
    old = world.guardian_set
    world.rotate(next_set_of(world))
    key = b"outflow.window".ljust(32, b"\0") if kind is MessageKind.PARAMETER else bytes(32)
    message = world.message(kind, amount_units=2, recipient=key)

    with refused(E.NOT_CURRENT_SET):
        world.execute(message, world.attest(message, old))


def test_a_replaced_set_does_not_rotate() -> None:
    """Two sets must not race for the next index."""
    world = open_world()
    old = world.guardian_set
    world.rotate(next_set_of(world))
    second = next_set_of(world, index=2)
    payer = world.runtime.payer.pubkey()
    world.runtime.send(stage_set(world.at, payer, guardian_set=second))
    message, _ = world.rotation(second)
    attestation = world.attest(message, old)
    delivery = rotate_set(
        world.at, payer, message=message, attestation=attestation, guardian_set=second
    )

    with refused(E.NOT_CURRENT_SET):
        world.runtime.send(delivery)


def test_rotations_follow_each_other() -> None:
    """Set 2 comes after set 1, signed by set 1."""
    world = open_world()

    first = next_set_of(world)
    world.rotate(first)
    second = next_set_of(world, index=2, count=19)
    world.rotate(second)

    assert world.vault.guardian_set_index == 2
    stored = decode_guardian_set(world.runtime.content(world.at.guardian_set(2)))
    assert stored.members == second.members


@pytest.mark.parametrize("index", [2, 3])
def test_a_rotation_names_the_index_after_the_current(index: int) -> None:
    """No index is left out and none is written again."""
    world = open_world()
    wrong = next_set_of(world, index=index)

    with refused(E.WRONG_SET_INDEX):
        world.rotate(wrong)


@pytest.mark.parametrize(("staged", "named"), [(1, 2), (2, 1)])
def test_the_index_of_a_rotation_is_the_staged_ones(staged: int, named: int) -> None:
    """The amount in the message and the staged set say the same, whatever a quorum signed."""
    world = open_world()
    next_set = next_set_of(world, index=staged)
    payer = world.runtime.payer.pubkey()
    world.runtime.send(stage_set(world.at, payer, guardian_set=next_set))

    with refused(E.WRONG_SET_INDEX):
        world.runtime.send(world.rotation(next_set, changes={"amount_units": named})[1])


def test_a_staged_set_that_nobody_signed_stays_staged() -> None:
    """Anyone may stage; a quorum's message names one by its hash."""
    world = open_world()
    signed, other = next_set_of(world), next_set_of(world, count=7)
    payer = world.runtime.payer.pubkey()
    world.runtime.send(stage_set(world.at, payer, guardian_set=other))
    message, _ = world.rotation(signed)
    delivery = rotate_set(
        world.at,
        payer,
        message=message,
        attestation=world.attest(message),
        guardian_set=other,
    )

    with refused(E.ACCOUNT_WRONG_KEY):  # the message it would be has another id
        world.runtime.send(delivery)


def test_a_set_is_staged_once() -> None:
    """What waits is not written again."""
    world = open_world()
    staging = stage_set(world.at, world.runtime.payer.pubkey(), guardian_set=next_set_of(world))
    world.runtime.send(staging)

    with refused(E.ALREADY_INITIALISED):
        world.runtime.send(staging)


def test_a_rotation_is_of_its_kind() -> None:
    """A payment does not rotate."""
    world = open_world()
    next_set = next_set_of(world)
    payer = world.runtime.payer.pubkey()
    world.runtime.send(stage_set(world.at, payer, guardian_set=next_set))
    message = world.message(MessageKind.PAUSE, amount_units=1)
    delivery = rotate_set(
        world.at,
        payer,
        message=message,
        attestation=world.attest(message),
        guardian_set=next_set,
    )

    with refused(E.WRONG_KIND):
        world.runtime.send(delivery)


def test_a_set_is_staged_for_a_vault_only() -> None:
    """Not for a wallet, nor for another account of this program."""
    world = open_world()
    payer, next_set = world.runtime.payer.pubkey(), next_set_of(world)
    places = {
        world.alice.pubkey(): E.ACCOUNT_WRONG_OWNER,
        world.at.guardian_set(0): E.ACCOUNT_WRONG_LENGTH,
        world.at.asset(world.token.mint): E.ACCOUNT_WRONG_LENGTH,
    }

    for key, code in places.items():
        at = VaultAddresses(PROGRAM_ID, key)
        with refused(code):
            world.runtime.send(stage_set(at, payer, guardian_set=next_set))


@pytest.mark.parametrize(
    ("threshold", "members", "code"),
    [
        (2, 4, E.SET_THRESHOLD),
        (5, 4, E.SET_THRESHOLD),
        (0, 0, E.SET_SIZE),
        (11, 20, E.SET_SIZE),
    ],
)
def test_no_set_is_staged_that_could_not_be_made(threshold: int, members: int, code: E) -> None:
    """Its hash might be signed by mistake, so it is refused where it is written down."""
    world = open_world()
    step = stage_set(world.at, world.runtime.payer.pubkey(), guardian_set=next_set_of(world))
    words = b"".join((place + 1).to_bytes(20, "big") for place in range(members))
    content = bytes(step.data)[:5] + bytes((threshold, members)) + words

    with refused(code):
        world.runtime.send(Instruction(PROGRAM_ID, content, step.accounts))
    with refused(E.MEMBERS_NOT_ASCENDING):
        twice = bytes(step.data)[:5] + bytes((2, 2)) + bytes(19) + b"\1" + bytes(19) + b"\1"
        world.runtime.send(Instruction(PROGRAM_ID, twice, step.accounts))

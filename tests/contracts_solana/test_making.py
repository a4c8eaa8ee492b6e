"""Making, listing and sealing a vault."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from eth_hash.auto import keccak
from solders.account import Account
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.pubkey import Pubkey
from solders.rent import Rent

from chains.attestation import domain_separator
from chains.devnet.solana_vectors import CHAIN, PROGRAM_ID
from chains.message import MessageKind
from chains.solana.vault_addresses import SYSTEM_PROGRAM, program_content
from chains.solana.vault_errors import VaultProgramError as E
from chains.solana.vault_events import VaultEventKind
from chains.solana.vault_instructions import initialise, seal
from chains.solana.vault_layout import decode_guardian_set
from chains.types import chain_key
from tests.contracts_solana.runtime import ARTIFACTS, BEGIN_SECONDS, key_named
from tests.contracts_solana.world import (
    CAPACITY,
    HUB,
    LIMITS,
    World,
    bare_world,
    listing_of,
    making_of,
    open_world,
    refused,
)

FINAL_LOADER = Pubkey.from_string("BPFLoader2111111111111111111111111111111111")


def making_with(world: World, **changes: int) -> Instruction:
    """Return the making of a vault with other limits."""
    return initialise(
        PROGRAM_ID,
        world.initializer.pubkey(),
        lane=(chain_key(HUB), CHAIN),
        limits=replace(LIMITS, **changes),
        guardian_set=world.guardian_set,
    )


def with_set(instruction: Instruction, threshold: int, members: list[bytes]) -> Instruction:
    """Return the making of a vault with another set, right or not."""
    head = bytes(instruction.data)[:89]
    content = head + bytes((threshold, len(members))) + b"".join(members)
    return Instruction(PROGRAM_ID, content, instruction.accounts)


def sealing_of(world: World) -> Instruction:
    """Return the sealing of a world's vault."""
    return seal(world.at, world.initializer.pubkey())


def make(world: World, instruction: Instruction | None = None) -> None:
    """Make a vault."""
    world.runtime.send(instruction or making_of(world), signers=(world.initializer,))


def test_a_vault_begins_with_what_it_was_given() -> None:
    """Hub, chain, domain, limits and set 0 are stored, and told in events."""
    world = bare_world()

    sent = world.runtime.send(making_of(world), signers=(world.initializer,))

    state = world.vault
    assert (state.hub_key, state.chain_key) == (chain_key(HUB), chain_key(CHAIN))
    assert state.initializer == bytes(world.initializer.pubkey())
    assert state.domain_separator == domain_separator(CHAIN, bytes(world.at.vault))
    assert (state.overlap_seconds, state.exit_delay_seconds, state.listing_window_seconds) == (
        LIMITS.overlap_seconds,
        LIMITS.exit_delay_seconds,
        LIMITS.listing_window_seconds,
    )
    assert (state.last_attested_at, state.lock_count, state.is_sealed) == (BEGIN_SECONDS, 0, False)
    stored = decode_guardian_set(world.runtime.content(world.at.guardian_set(0)))
    assert stored.members == world.guardian_set.members
    assert (stored.threshold, stored.valid_until) == (world.guardian_set.threshold, 2**64 - 1)
    assert [event.kind for event in sent.events] == [
        VaultEventKind.GUARDIAN_SET_ROTATED,
        VaultEventKind.EXIT_DELAY_CHANGED,
    ]
    assert sent.events[0].members == tuple(word[12:] for word in world.guardian_set.members)


def test_a_vault_is_made_once() -> None:
    """The second making is refused and changes nothing."""
    world = bare_world()
    make(world)

    with refused(E.ALREADY_INITIALISED):
        make(world)


def test_a_vault_of_another_initializer_is_another_vault() -> None:
    """Who copies the making gets an address of their own; nobody is in front of anybody."""
    world, thief = bare_world(), bare_world(label="thief")

    make(world)
    stolen = [making_of(thief).accounts[0], *making_of(world).accounts[1:]]

    assert world.at.vault != thief.at.vault
    with refused(E.ACCOUNT_WRONG_KEY):
        world.runtime.fund(thief.initializer.pubkey())
        world.runtime.send(
            Instruction(PROGRAM_ID, making_of(world).data, stolen), signers=(thief.initializer,)
        )


@pytest.mark.parametrize("reference", ["0" * 32, "l" * 32, "I" * 32, "O" * 32, "-" * 32])
def test_a_chain_is_named_in_base58(reference: str) -> None:
    """A letter that no genesis hash has is refused."""
    world = bare_world()
    good = making_of(world)
    content = bytes(good.data)[:33] + reference.encode() + bytes(good.data)[65:]

    with refused(E.CHAIN_REFERENCE):
        make(world, Instruction(PROGRAM_ID, content, good.accounts))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"overlap_seconds": 30 * 86_400 + 1}, E.OVERLAP_TOO_LONG),
        ({"exit_delay_seconds": 0}, E.PARAMETER_RANGE),
        ({"exit_delay_seconds": 90 * 86_400 + 1}, E.PARAMETER_RANGE),
        ({"listing_window_seconds": 0}, E.PARAMETER_RANGE),
        ({"listing_window_seconds": 30 * 86_400 + 1}, E.PARAMETER_RANGE),
    ],
)
def test_limits_have_bounds(changes: dict[str, int], code: E) -> None:
    """The bounds are those of the EVM vault; at the bound it is still made."""
    world = bare_world()
    with refused(code):
        make(world, making_with(world, **changes))

    make(world, making_with(world, overlap_seconds=30 * 86_400, exit_delay_seconds=90 * 86_400))


@pytest.mark.parametrize(
    ("threshold", "count", "code"),
    [
        (1, 0, E.SET_SIZE),
        (11, 20, E.SET_SIZE),
        (2, 4, E.SET_THRESHOLD),
        (5, 4, E.SET_THRESHOLD),
        (0, 1, E.SET_THRESHOLD),
    ],
)
def test_a_set_has_a_size_and_a_majority(threshold: int, count: int, code: E) -> None:
    """Two quorums must meet, and 19 is the most."""
    world = bare_world()
    members = [number.to_bytes(20, "big") for number in range(1, count + 1)]

    with refused(code):
        make(world, with_set(making_of(world), threshold, members))


@pytest.mark.parametrize("numbers", [(0, 1), (2, 1), (1, 1), (1, 3, 2)])
def test_members_ascend_and_are_somebody(numbers: tuple[int, ...]) -> None:
    """Zero, a member twice and another order are refused."""
    world = bare_world()
    members = [number.to_bytes(20, "big") for number in numbers]

    with refused(E.MEMBERS_NOT_ASCENDING):
        make(world, with_set(making_of(world), len(members), members))


@pytest.mark.parametrize("lamports", [1, 10**6, 10**10])
def test_lamports_sent_to_an_address_before_do_not_stop_anything(lamports: int) -> None:
    """Every account the program makes may hold lamports already, fewer or more than it needs."""
    world = bare_world()
    message = world.message(MessageKind.RELEASE)
    at, mint = world.at, world.token.mint
    made = [
        at.vault,
        at.guardian_set(0),
        at.asset(mint),
        at.custody(mint),
        at.position(account=world.account, mint=mint),
        at.executed(message.message_id),
    ]
    for key in made:
        world.runtime.svm.set_account(key, Account(lamports, b"", SYSTEM_PROGRAM))
    make(world)
    for step in (listing_of(world), seal(at, world.initializer.pubkey())):
        world.runtime.send(step, signers=(world.initializer,))
    world.runtime.open_wallet(world.alice.pubkey(), world.token)

    world.lock(5_000)
    world.execute(message)

    for key in made:
        found = world.runtime.svm.get_account(key)
        assert found is not None
        rent = world.runtime.svm.minimum_balance_for_rent_exemption(len(found.data))
        assert found.lamports == max(rent, lamports)


@pytest.mark.parametrize(
    ("per_byte", "threshold", "is_taken"), [(6_960, 1.0, True), (3_480, 2.0, True), (1, 3.0, False)]
)
def test_rent_is_read_whole(per_byte: int, threshold: float, is_taken: bool) -> None:
    """Exemption thresholds of 1 and 2 years are whole numbers; another one is refused."""
    world = bare_world()
    world.runtime.svm.set_rent(Rent(per_byte, threshold))

    if is_taken:
        make(world)
        found = world.runtime.svm.get_account(world.at.vault)
        assert found is not None
        assert found.lamports == (216 + 128) * 6_960
    else:
        with refused(E.RENT):
            make(world)


def test_a_clock_before_1970_is_refused() -> None:
    """Times are counted up from zero."""
    world = bare_world()
    world.runtime.set_time(-1)

    with refused(E.CLOCK):
        make(world)


def test_a_token_is_listed_by_the_initializer() -> None:
    """It has its capacity, the window every token starts with, and an empty custody account."""
    world = bare_world()
    make(world)

    sent = world.runtime.send(listing_of(world), signers=(world.initializer,))

    asset = world.asset
    assert (asset.mint, asset.decimals) == (bytes(world.token.mint), 6)
    assert (asset.capacity_units, asset.window_seconds) == (CAPACITY, 24_000)
    assert asset.custody == bytes(world.at.custody(world.token.mint))
    assert world.custody_units == 0
    custody = world.runtime.content(world.at.custody(world.token.mint))
    assert Pubkey(custody[32:64]) == world.at.authority
    assert [event.numbers for event in sent.events] == [{"seconds": 24_000}, {"units": CAPACITY}]


def test_a_token_is_listed_once() -> None:
    """A second listing would start its window again."""
    world = bare_world()
    make(world)
    world.runtime.send(listing_of(world), signers=(world.initializer,))

    with refused(E.TOKEN_TWICE):
        world.runtime.send(listing_of(world), signers=(world.initializer,))


def as_signed_by(world: World, instruction: Instruction, stranger: Keypair) -> Instruction:
    """Return an instruction whose first account is a stranger."""
    metas = instruction.accounts
    first = type(metas[0])(stranger.pubkey(), is_signer=True, is_writable=metas[0].is_writable)
    return Instruction(PROGRAM_ID, instruction.data, [first, *metas[1:]])


def test_only_the_initializer_lists_and_seals() -> None:
    """Another key is refused, and the initializer's key without its signature."""
    world = bare_world()
    make(world)
    stranger = key_named("stranger")
    world.runtime.fund(stranger.pubkey())

    for step in (listing_of(world), sealing_of(world)):
        with refused(E.NOT_INITIALIZER):
            world.runtime.send(as_signed_by(world, step, stranger), signers=(stranger,))


@pytest.mark.parametrize("make_step", [listing_of, sealing_of])
def test_only_a_vault_is_listed_in_and_sealed(make_step: Callable[[World], Instruction]) -> None:
    """Neither a wallet nor another account of this program is taken for one."""
    world = bare_world()
    make(world)
    places = {
        world.alice.pubkey(): E.ACCOUNT_WRONG_OWNER,
        world.at.guardian_set(0): E.ACCOUNT_WRONG_LENGTH,
    }

    for key, code in places.items():
        metas = make_step(world).accounts
        metas[1] = AccountMeta(key, is_signer=False, is_writable=metas[1].is_writable)
        with refused(code):
            step = Instruction(PROGRAM_ID, make_step(world).data, metas)
            world.runtime.send(step, signers=(world.initializer,))


def test_after_the_seal_the_initializer_can_do_nothing() -> None:
    """No listing, no second seal."""
    world = open_world()
    other = world.runtime.make_mint("other")

    for step in (listing_of(world, other), sealing_of(world)):
        with refused(E.SEALED):
            world.runtime.send(step, signers=(world.initializer,))


@pytest.mark.parametrize("change", ["authority", "type", "cut"])
def test_a_program_that_somebody_may_replace_is_not_sealed(change: str) -> None:
    """Who may replace the program owns every vault of it; the loader says who may."""
    world = bare_world()
    make(world)
    where = program_content(PROGRAM_ID)
    content = world.runtime.content(where)
    altered = {
        "authority": content[:12] + b"\1" + content[13:],
        "type": b"\1" + content[1:],
        "cut": content[:44],
    }[change]
    world.runtime.tamper(where, altered)

    with refused(E.PROGRAM_NOT_FINAL):
        world.runtime.send(sealing_of(world), signers=(world.initializer,))

    assert not world.vault.is_sealed


def test_a_program_is_not_sealed_whose_own_account_is_another() -> None:
    """It must be what the loader writes, to the byte: a type and where its content is."""
    world = bare_world()
    make(world)
    found = world.runtime.svm.get_account(PROGRAM_ID)
    assert found is not None
    longer = Account(found.lamports, bytes(found.data) + b"\0", found.owner, executable=True)
    world.runtime.svm.set_account(PROGRAM_ID, longer)

    with refused(E.PROGRAM_NOT_FINAL):
        world.runtime.send(sealing_of(world), signers=(world.initializer,))


def test_a_program_of_another_loader_is_not_sealed() -> None:
    """Nobody may replace it, but nothing that the vault can read says so."""
    world = bare_world()
    elf = (ARTIFACTS / "vault-v0.so").read_bytes()
    world.runtime.svm.add_program_with_loader(PROGRAM_ID, elf, FINAL_LOADER)
    make(world)

    with refused(E.PROGRAM_NOT_FINAL):
        world.runtime.send(sealing_of(world), signers=(world.initializer,))


def test_before_the_seal_nothing_moves() -> None:
    """Neither lock nor message is taken while somebody's key still counts."""
    world = bare_world()
    make(world)
    world.runtime.send(listing_of(world), signers=(world.initializer,))
    world.runtime.open_wallet(world.alice.pubkey(), world.token)
    next_set = replace(world.guardian_set, index=1)

    with refused(E.NOT_SEALED):
        world.lock(100)
    with refused(E.NOT_SEALED):
        world.execute(world.message(MessageKind.PAUSE, token=bytes(32), amount_units=1))
    with refused(E.NOT_SEALED):
        world.rotate(next_set)


def test_two_vaults_of_one_hub_differ_in_their_domain() -> None:
    """What guardians sign for one is nothing to the other."""
    first = domain_separator(CHAIN, bytes(bare_world().at.vault))
    second = domain_separator(CHAIN, bytes(bare_world(label="second").at.vault))

    assert first != second
    assert first != domain_separator(CHAIN, keccak(b"vault"))

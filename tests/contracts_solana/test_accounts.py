"""
Every instruction with every account changed in every way: nothing of it passes.

The sweep takes each instruction of a working vault, makes one account of it another one, and
expects a refusal; whatever the program would forget to check stands here as a transaction that
succeeds.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from eth_hash.auto import keccak
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair

from chains.command import account_id
from chains.devnet.solana_vectors import PROGRAM_ID
from chains.message import MessageKind
from chains.solana.vault_errors import VaultProgramError as E
from chains.solana.vault_instructions import CAPACITY as CAPACITY_KEY
from chains.solana.vault_instructions import (
    EXIT_DELAY,
    WINDOW,
    Tag,
    exit_by_opener,
    exit_by_signature,
    seal,
    stage_set,
)
from tests.contracts_solana.runtime import RefusedError, key_named
from tests.contracts_solana.test_exits import DEADLINE, OPENER, signature_of
from tests.contracts_solana.test_guardians import next_set_of
from tests.contracts_solana.world import (
    LIMITS,
    NO_WORD,
    World,
    bare_world,
    listing_of,
    making_of,
    open_world,
    refused,
)

SOURCE_PLACE = 7


@dataclass(frozen=True, slots=True)
class Step:
    """An instruction that works, and who signs it."""

    world: World
    instruction: Instruction
    signers: tuple[Keypair, ...] = ()

    def send(self, instruction: Instruction | None = None) -> None:
        """Send it, or one made from it."""
        self.world.runtime.send(instruction or self.instruction, signers=self.signers)


def filled_world() -> World:
    """Return a sealed vault with units of alice's and of an EVM key's."""
    world = open_world()
    world.lock(50_000)
    world.lock(700, account=account_id(opener=OPENER.address, salt=NO_WORD))
    return world


def silent_world() -> World:
    """Return the same when the guardians were silent."""
    world = filled_world()
    world.runtime.set_time(world.runtime.now + LIMITS.exit_delay_seconds + 1)
    return world


def initialising() -> Step:
    """Make a vault."""
    world = bare_world()
    return Step(world, making_of(world), (world.initializer,))


def listing() -> Step:
    """List a token."""
    world = bare_world()
    world.runtime.send(making_of(world), signers=(world.initializer,))
    return Step(world, listing_of(world), (world.initializer,))


def sealing() -> Step:
    """Seal a vault."""
    world = bare_world()
    world.runtime.send(making_of(world), signers=(world.initializer,))
    return Step(world, seal(world.at, world.initializer.pubkey()), (world.initializer,))


def locking() -> Step:
    """Lock for an account that has no position yet."""
    world = filled_world()
    return Step(world, world.lock_instruction(10, keccak(b"account:new")), (world.alice,))


def releasing() -> Step:
    """Pay alice."""
    world = filled_world()
    return Step(world, world.execution(world.message(MessageKind.RELEASE)))


def pausing() -> Step:
    """Pause a token."""
    world = filled_world()
    return Step(world, world.execution(world.message(MessageKind.PAUSE, amount_units=3)))


def pausing_all() -> Step:
    """Pause every token."""
    world = filled_world()
    message = world.message(MessageKind.PAUSE, amount_units=3, token=NO_WORD)
    return Step(world, world.execution(message))


def setting_capacity() -> Step:
    """List a token by message."""
    world = filled_world()
    world.token = world.runtime.make_mint("by message")
    message = world.message(MessageKind.PARAMETER, recipient=CAPACITY_KEY)
    return Step(world, world.execution(message))


def setting_window() -> Step:
    """Change a window."""
    world = filled_world()
    message = world.message(MessageKind.PARAMETER, recipient=WINDOW)
    return Step(world, world.execution(message))


def setting_exit_delay() -> Step:
    """Change the exit delay."""
    world = filled_world()
    message = world.message(MessageKind.PARAMETER, recipient=EXIT_DELAY, token=NO_WORD)
    return Step(world, world.execution(message))


def staging() -> Step:
    """Stage a set."""
    world = filled_world()
    payer = world.runtime.payer.pubkey()
    return Step(world, stage_set(world.at, payer, guardian_set=next_set_of(world)))


def rotating() -> Step:
    """Make a staged set current."""
    world = filled_world()
    next_set = next_set_of(world)
    payer = world.runtime.payer.pubkey()
    world.runtime.send(stage_set(world.at, payer, guardian_set=next_set))
    return Step(world, world.rotation(next_set)[1])


def exiting() -> Step:
    """Let alice exit."""
    world = silent_world()
    leaving = world.exit_of(opener=bytes(world.alice.pubkey()))
    exit_ = exit_by_opener(world.at, world.alice.pubkey(), leaving)
    return Step(world, exit_, (world.alice,))


def exiting_signed() -> Step:
    """Let an EVM key exit."""
    world = silent_world()
    leaving = world.exit_of(opener=OPENER.address)
    exit_ = exit_by_signature(
        world.at,
        leaving,
        deadline_seconds=DEADLINE,
        signature=signature_of(world, leaving),
    )
    return Step(world, exit_)


STEPS: dict[str, Callable[[], Step]] = {
    make.__name__: make
    for make in (
        initialising, listing, sealing, locking, releasing, pausing, pausing_all, setting_capacity,
        setting_window, setting_exit_delay, staging, rotating, exiting, exiting_signed,
    )
}  # fmt: skip


@pytest.fixture(params=STEPS)
def step(request: pytest.FixtureRequest) -> Step:
    """One instruction that works."""
    return STEPS[request.param]()


def with_meta(instruction: Instruction, place: int, meta: AccountMeta) -> Instruction:
    """Return an instruction with another account at a place."""
    metas = list(instruction.accounts)
    metas[place] = meta
    return Instruction(PROGRAM_ID, instruction.data, metas)


def is_refused(step: Step, instruction: Instruction) -> bool:
    """Return whether a changed instruction fails."""
    try:
        step.send(instruction)
    except RefusedError:
        return True
    return False


def test_the_step_works(step: Step) -> None:
    """Unchanged it does; so what follows is refused for its change."""
    step.send()


def test_no_account_may_be_another_one(step: Step) -> None:
    """
    An account of another program with the same bytes, and a copy of the right one, at every place.

    Copies of the program's own accounts are left out: it makes one at one address only. So are
    copies of a lock's source: a depositor may have several.
    """
    runtime = step.world.runtime
    for place, meta in enumerate(step.instruction.accounts):
        if place == 0 and meta.is_signer and meta.pubkey == runtime.payer.pubkey():
            continue  # anyone may pay
        found = runtime.svm.get_account(meta.pubkey)
        copy = key_named(f"copy:{place}").pubkey()
        stranger = key_named(f"stranger:{place}").pubkey()
        if found is not None:
            runtime.tamper(stranger, found.data, key_named("program").pubkey())
        is_source = step.instruction.data[0] == Tag.LOCK and place == SOURCE_PLACE
        if found is not None and found.owner != PROGRAM_ID and not is_source:
            runtime.svm.set_account(copy, found)
        for key in (copy, stranger):
            changed = AccountMeta(key, is_signer=False, is_writable=meta.is_writable)
            assert is_refused(step, with_meta(step.instruction, place, changed)), place


def test_accounts_that_sign_or_are_written_must_say_so(step: Step) -> None:
    """Each flag that the instruction has is needed."""
    fee_payer = step.world.runtime.payer.pubkey()
    for place, meta in enumerate(step.instruction.accounts):
        if meta.pubkey == fee_payer:
            continue  # the fee payer signs and is written in any case
        if meta.is_signer:
            changed = AccountMeta(meta.pubkey, is_signer=False, is_writable=meta.is_writable)
            instruction = with_meta(step.instruction, place, changed)
            with refused(E.ACCOUNT_NOT_SIGNER):
                step.send(instruction)
        if meta.is_writable:
            changed = AccountMeta(meta.pubkey, is_signer=meta.is_signer, is_writable=False)
            with refused(E.ACCOUNT_NOT_WRITABLE):
                step.send(with_meta(step.instruction, place, changed))


def test_no_two_accounts_may_change_places(step: Step) -> None:
    """Their order is their meaning."""
    metas = step.instruction.accounts
    for left in range(len(metas)):
        for right in range(left + 1, len(metas)):
            if step.instruction.data[0] == Tag.LOCK and (left, right) == (0, 1):
                continue  # payer and depositor both sign; the token program tells them apart
            swapped = list(metas)
            swapped[left], swapped[right] = swapped[right], swapped[left]
            changed = Instruction(PROGRAM_ID, step.instruction.data, swapped)
            assert is_refused(step, changed), (left, right)


def test_no_account_may_stand_twice(step: Step) -> None:
    """One account at two places, whichever."""
    metas = step.instruction.accounts
    for place, meta in enumerate(metas):
        for other in range(len(metas)):
            is_lock_payer = step.instruction.data[0] == Tag.LOCK and {place, other} == {0, 1}
            if other != place and not is_lock_payer:
                with refused(E.ACCOUNT_DUPLICATE):
                    step.send(with_meta(step.instruction, other, meta))


def test_no_account_may_be_missing_or_added(step: Step) -> None:
    """The number is fixed; a pause knows two numbers, and they mean different messages."""
    metas = step.instruction.accounts
    extra = AccountMeta(key_named("extra").pubkey(), is_signer=False, is_writable=True)
    for place in range(len(metas)):
        shorter = Instruction(
            PROGRAM_ID, step.instruction.data, [*metas[:place], *metas[place + 1 :]]
        )
        longer = Instruction(
            PROGRAM_ID, step.instruction.data, [*metas[:place], extra, *metas[place:]]
        )
        assert is_refused(step, shorter), place
        assert is_refused(step, longer), place
    many = [
        AccountMeta(key_named(f"many:{number}").pubkey(), is_signer=False, is_writable=False)
        for number in range(17)
    ]
    with refused(E.ACCOUNT_COUNT):
        step.send(Instruction(PROGRAM_ID, step.instruction.data, many))
    with refused(E.ACCOUNT_COUNT):
        step.send(Instruction(PROGRAM_ID, step.instruction.data, metas[:1]))


def test_no_byte_of_the_input_may_be_missing_or_added(step: Step) -> None:
    """Cut anywhere, or with one byte more, it is refused."""
    content = bytes(step.instruction.data)
    for length in (*range(1, len(content)), len(content) + 1):
        cut = (content + b"\0")[:length]
        changed = Instruction(PROGRAM_ID, cut, step.instruction.accounts)
        assert is_refused(step, changed), length


def test_an_unknown_or_empty_instruction_is_refused() -> None:
    """The first byte must name one."""
    world = open_world()

    for tag in (9, 81, 83, 255):
        with refused(E.INSTRUCTION_UNKNOWN):
            world.runtime.send(Instruction(PROGRAM_ID, bytes((tag,)), []))
    with refused(E.INSTRUCTION_LENGTH):
        world.runtime.send(Instruction(PROGRAM_ID, b"", []))


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

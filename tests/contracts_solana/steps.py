"""Every instruction of a vault, each in a world where it works."""

from collections.abc import Callable
from dataclasses import dataclass

from eth_hash.auto import keccak
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair

from chains.command import account_id
from chains.devnet.solana_vectors import PROGRAM_ID
from chains.message import MessageKind
from chains.solana.vault_instructions import CAPACITY as CAPACITY_KEY
from chains.solana.vault_instructions import (
    EXIT_DELAY,
    WINDOW,
    exit_by_opener,
    exit_by_signature,
    seal,
    stage_set,
)
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
)


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


def locking_again() -> Step:
    """Lock for an account that has a position."""
    world = filled_world()
    return Step(world, world.lock_instruction(10), (world.alice,))


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


def changing_capacity() -> Step:
    """Change the capacity of a token that is listed."""
    world = filled_world()
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
        initialising, listing, sealing, locking, locking_again, releasing, pausing,
        pausing_all, setting_capacity, changing_capacity,
        setting_window, setting_exit_delay, staging, rotating, exiting, exiting_signed,
    )
}  # fmt: skip


def with_meta(instruction: Instruction, place: int, meta: AccountMeta) -> Instruction:
    """Return an instruction with another account at a place."""
    metas = list(instruction.accounts)
    metas[place] = meta
    return Instruction(PROGRAM_ID, instruction.data, metas)

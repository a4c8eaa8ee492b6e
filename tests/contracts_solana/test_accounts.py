"""
Every instruction with every account changed in every way: nothing of it passes.

The sweep takes each instruction of a working vault, makes one account of it another one, and
expects a refusal; whatever the program would forget to check stands here as a transaction that
succeeds.
"""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from solders.instruction import AccountMeta, Instruction

from chains.devnet.solana_vectors import PROGRAM_ID
from chains.solana.vault_addresses import SYSTEM_PROGRAM
from chains.solana.vault_errors import VaultProgramError as E
from chains.solana.vault_instructions import (
    Tag,
)
from tests.contracts_solana.runtime import RefusedError, key_named
from tests.contracts_solana.steps import STEPS, Step, with_meta
from tests.contracts_solana.world import (
    open_world,
    refused,
)

SOURCE_PLACE = 7


@pytest.fixture(params=STEPS)
def step(request: pytest.FixtureRequest) -> Step:
    """One instruction that works."""
    return STEPS[request.param]()


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


def test_events_need_their_authority_and_this_program(step: Step) -> None:
    """The last two accounts, each replaced; sealing and staging print nothing."""
    metas = step.instruction.accounts
    if metas[-1].pubkey != PROGRAM_ID:
        assert step.instruction.data[0] in (Tag.SEAL, Tag.STAGE_SET)
        return
    for place in (len(metas) - 2, len(metas) - 1):
        other = AccountMeta(key_named("other").pubkey(), is_signer=False, is_writable=False)
        with refused(E.ACCOUNT_WRONG_KEY):
            step.send(with_meta(step.instruction, place, other))


def test_the_system_program_is_the_one(step: Step) -> None:
    """Where accounts are made, nothing else stands in its place."""
    for place, meta in enumerate(step.instruction.accounts):
        if meta.pubkey == SYSTEM_PROGRAM:
            other = AccountMeta(key_named("other").pubkey(), is_signer=False, is_writable=False)
            with refused(E.ACCOUNT_WRONG_KEY):
                step.send(with_meta(step.instruction, place, other))


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


@given(chooser=st.randoms(use_true_random=False), name=st.sampled_from(sorted(STEPS)))
@settings(max_examples=60)
def test_no_input_makes_the_program_crash(chooser: Random, name: str) -> None:
    """Altered bytes are refused with a number or do what they say; nothing runs out of bounds."""
    step = STEPS[name]()
    for _ in range(8):
        content = bytearray(step.instruction.data)
        for _ in range(chooser.randint(1, 4)):
            content[chooser.randrange(len(content))] = chooser.randrange(256)
        metas = step.instruction.accounts[: chooser.randint(0, 16)]
        try:
            step.send(Instruction(PROGRAM_ID, bytes(content), metas))
        except RefusedError as refusal:
            text = refusal.text
        else:
            text = ""
        assert "FailedToComplete" not in text, text

"""States pinned to a block, taken back from the newest ones."""

from typing import Any

import pytest

from chains.attestation import GuardianSet, default_threshold
from chains.devnet.actors import attest, guardian_set_of
from chains.devnet.proxy import FaultProxy, Lie, Rule, on
from chains.errors import BlockGoneError, RpcAnswerError, RpcContradictionError
from chains.line import http
from chains.message import MessageKind, guardian_set_hash
from chains.port import VaultState
from chains.solana.reader import SolanaReader
from chains.solana.states import TAKE_BACK_BLOCKS_MAX
from chains.solana.vault_instructions import rotate_set, stage_set
from chains.types import BlockRef
from tests.chains.solana.scenes import (
    ACCOUNT,
    ALICE,
    GUARDIANS,
    KEYS,
    NO_WORD,
    OTHER_ACCOUNT,
    Scene,
)

UNKNOWN_MESSAGE = b"\x07" * 32


def block_now(world: Scene) -> BlockRef:
    """Return the block of the open slot, once it is confirmed."""
    slot = world.net.slot
    world.net.advance(2)
    block = world.net.ledger.block_of(slot)
    assert block is not None
    return BlockRef(slot, block.block_hash)


def state_at(world: Scene, block: BlockRef, mint: int = 0, url: str | None = None) -> VaultState:
    """Return what the reader says about a token at a block."""
    token = bytes(world.mints[mint])
    return world.ask(lambda reader: reader.vault_state(world.vault, token, block), url)


def units_at(world: Scene, block: BlockRef, account: bytes = ACCOUNT) -> int:
    """Return what the reader says about an account at a block."""
    token = bytes(world.mints[0])
    return world.ask(lambda reader: reader.collateral_units(world.vault, account, token, block))


def test_r11_a_state_is_that_of_the_asked_block(world: Scene) -> None:
    """Whatever happened since: locks, payments, gifts, other tokens, other accounts."""
    world.lock(1_000)
    block = block_now(world)
    world.lock(50)
    world.lock(7, account=OTHER_ACCOUNT)
    world.net.advance()
    world.lock(9, mint=1)
    world.release(300)
    world.donate(5)
    world.net.advance(3)

    for _ in range(2):  # near the head, and when all is final
        state = state_at(world, block)
        assert (state.held_units, state.balance_units, state.lock_count) == (1_000, 1_000, 1)
        assert state.outflow_available_units == 10**9
        assert not state.is_lock_paused
        assert units_at(world, block) == 1_000
        assert units_at(world, block, OTHER_ACCOUNT) == 0
        assert state_at(world, block, 1).held_units == 0
        world.finalize()
    now = state_at(world, block_now(world))
    assert (now.held_units, now.balance_units, now.lock_count) == (757, 762, 4)
    assert now.outflow_available_units == 10**9 - 300


def test_a_token_that_is_not_listed_has_no_state(world: Scene) -> None:
    """Nothing is held of it."""
    other = world.net.create_mint(decimals=6)
    block = block_now(world)

    state = world.ask(lambda reader: reader.vault_state(world.vault, bytes(other), block))

    assert (state.held_units, state.balance_units, state.outflow_available_units) == (0, 0, 0)


def test_a_block_of_another_branch_has_no_state(world: Scene) -> None:
    """Its hash is asked, not only its slot."""
    block = block_now(world)

    for read in (state_at, units_at):
        with pytest.raises(BlockGoneError):
            read(world, BlockRef(block.height, bytes(32)))


def test_a_block_above_the_head_has_no_state(world: Scene) -> None:
    """The node has not got so far."""
    with pytest.raises(BlockGoneError):
        state_at(world, BlockRef(world.net.slot + 5, bytes(32)))


def test_too_much_since_is_refused(world: Scene) -> None:
    """Reading a state must not read a history."""
    block = block_now(world)
    for _ in range(TAKE_BACK_BLOCKS_MAX + 1):
        world.lock(1)
        world.net.advance()
    world.finalize()

    with pytest.raises(BlockGoneError, match="blocks with events since"):
        state_at(world, block)


def test_r11_is_executed_says_what_was_true_at_the_block(world: Scene) -> None:
    """Before, in the very block, and after; slots within one second are told apart."""
    world.lock(1_000)
    before = block_now(world)
    message = world.release(10)
    after = block_now(world)
    later = block_now(world)

    def executed(block: BlockRef | None, message_id: bytes = message.message_id) -> bool:
        return world.ask(lambda reader: reader.is_executed(world.vault, message_id, block))

    assert [executed(block) for block in (before, after, later, None)] == [False, True, True, True]
    assert not executed(None, UNKNOWN_MESSAGE)
    assert not executed(later, UNKNOWN_MESSAGE)


def test_within_one_second_the_events_decide(world: Scene) -> None:
    """Two blocks in a row often have the same time."""
    world.lock(1_000)
    world.net.advance()
    while world.net.options.time_of(world.net.slot) != world.net.options.time_of(
        world.net.slot + 1
    ):
        world.net.advance()
    slot = world.net.slot
    world.net.advance()
    message = world.release(10)
    world.net.advance(2)
    blocks = [world.net.ledger.block_of(at) for at in (slot, slot + 1)]
    refs = [BlockRef(one.slot, one.block_hash) for one in blocks if one is not None]

    async def asked(reader: SolanaReader) -> list[bool]:
        return [await reader.is_executed(world.vault, message.message_id, ref) for ref in refs]

    assert world.ask(asked) == [False, True]


def test_the_guardian_set_is_that_of_the_block(world: Scene) -> None:
    """With and without a block."""
    block = block_now(world)

    assert world.ask(lambda reader: reader.guardian_set(world.vault, block)) == GUARDIANS
    assert world.ask(lambda reader: reader.guardian_set(world.vault, None)) == GUARDIANS


def test_a_vault_that_is_not_there_is_a_wrong_setting(world: Scene) -> None:
    """The error names what to check."""
    reader_of = SolanaReader.vault_state
    watched = type(world.watched)(bytes(world.at.program_id), b"\x05" * 32, ())
    block = block_now(world)

    with pytest.raises(RpcAnswerError, match="check the configured address"):
        world.ask(
            lambda reader: reader_of(reader, b"\x05" * 32, bytes(world.mints[0]), block),
            watched=watched,
        )


def test_r11_states_that_do_not_fit_the_events_are_refused(world: Scene) -> None:
    """A node that shows older accounts than it says, or other units."""
    block = block_now(world)
    old = world.net.ask(
        "getMultipleAccounts",
        [
            str(world.at.vault),
            str(world.at.asset(world.mints[0])),
            str(world.at.custody(world.mints[0])),
        ],
        {"encoding": "base64", "commitment": "confirmed"},
    )
    world.lock(1_000)
    world.net.advance(2)

    def lie(context: dict[str, Any]) -> Rule:
        return on(
            "getMultipleAccounts", Lie(lambda now: old | {"context": now["context"] | context})
        )

    with FaultProxy(world.net.url, lie({})) as proxy:
        with pytest.raises(RpcContradictionError):
            state_at(world, block, url=proxy.rpc_url)
        proxy.rules = [lie({"slot": block.height - 1})]
        with pytest.raises(RpcAnswerError, match="at least"):
            state_at(world, block, url=proxy.rpc_url)


def test_r11_a_set_that_was_replaced_since_was_current_then(world: Scene) -> None:
    """A rotation after the block is taken back; the newest set is the new one."""
    next_set = guardian_set_of(KEYS, threshold=default_threshold(len(KEYS)), index=1)
    block = block_now(world)
    rotate(world, next_set)
    after = block_now(world)

    def current(at: BlockRef | None) -> GuardianSet:
        return world.ask(lambda reader: reader.guardian_set(world.vault, at))

    assert [current(at) for at in (block, after, None)] == [GUARDIANS, next_set, next_set]


def rotate(world: Scene, next_set: GuardianSet) -> None:
    """Make a set the current one, by a message that the current one signed."""
    token = guardian_set_hash(
        index=next_set.index, threshold=next_set.threshold, members=next_set.members
    )
    message = world.message(
        MessageKind.GUARDIAN_SET,
        token=token,
        amount_units=next_set.index,
        account=NO_WORD,
        recipient=NO_WORD,
    )
    payer = ALICE.pubkey()
    attestation = attest(message, chain_id=world.net.chain_id, guardian_set=GUARDIANS, keys=KEYS)
    world.send(stage_set(world.at, payer, guardian_set=next_set))
    world.send(
        rotate_set(world.at, payer, message=message, attestation=attestation, guardian_set=next_set)
    )


def test_r11_limits_that_changed_since_are_not_told(world: Scene) -> None:
    """What an account held is; what might have left is not known any more."""
    world.lock(40)
    block = block_now(world)
    world.deliver(
        world.message(MessageKind.PAUSE, account=NO_WORD, recipient=NO_WORD, amount_units=3)
    )
    now = block_now(world)

    with pytest.raises(BlockGoneError, match="settings were changed"):
        state_at(world, block)
    assert units_at(world, block) == 40
    paused = state_at(world, now)
    assert paused.is_lock_paused
    assert paused.is_outflow_paused


def test_lamports_at_the_address_of_a_position_are_no_position(world: Scene) -> None:
    """Anybody may send some; the account holds nothing of the token."""
    position = world.at.position(account=OTHER_ACCOUNT, mint=world.mints[0])
    world.net.airdrop(position, 10**9)
    message_id = b"\x03" * 32
    world.net.airdrop(world.at.executed(message_id), 10**9)
    block = block_now(world)

    assert units_at(world, block, OTHER_ACCOUNT) == 0
    assert not world.ask(lambda reader: reader.is_executed(world.vault, message_id, block))


def test_accounts_that_are_too_large_are_refused(
    world: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By an error that callers know."""
    block = block_now(world)
    monkeypatch.setattr(http, "ANSWER_BYTES_MAX", 1_000)

    with pytest.raises(RpcAnswerError, match="too large"):
        state_at(world, block)

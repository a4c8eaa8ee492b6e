"""A state that is taken back to a block is the one that was really there."""

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chains.errors import BlockGoneError
from chains.solana.reader import SolanaReader
from chains.solana.vault_layout import decode_asset, decode_position, decode_vault
from chains.types import BlockRef
from tests.chains.solana.scenes import ACCOUNT, OTHER_ACCOUNT, Scene, scene

UNITS = st.integers(1, 10**6)
MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("lock"), UNITS),
        st.tuples(st.just("lock for another"), UNITS),
        st.tuples(st.just("lock another token"), UNITS),
        st.tuples(st.just("two locks"), UNITS),
        st.tuples(st.just("release"), st.integers(1, 1_000)),
        st.tuples(st.just("donate"), UNITS),
        st.tuples(st.just("fail"), UNITS),
        st.tuples(st.just("advance"), st.integers(1, 3)),
        st.tuples(st.just("skip"), st.integers(1, 3)),
        st.tuples(st.just("roll back"), st.integers(1, 3)),
        st.tuples(st.just("finalize"), st.just(0)),
    ),
    min_size=3,
    max_size=14,
)


@dataclass(frozen=True, slots=True)
class Truth:
    """What the accounts of a vault held in a block, and whether a message had been executed."""

    held_units: int
    balance_units: int
    lock_count: int
    units: int
    other_units: int
    executed: frozenset[bytes]


@dataclass(slots=True)
class Played:
    """A vault with its past."""

    world: Scene
    released: list[bytes]

    def play(self, name: str, number: int) -> None:
        """Make one move."""
        world = self.world
        match name:
            case "lock":
                world.lock(number)
            case "lock for another":
                world.lock(number, account=OTHER_ACCOUNT)
            case "lock another token":
                world.lock(number, mint=1)
            case "two locks":
                world.send(world.lock_of(number), world.lock_of(number, account=OTHER_ACCOUNT))
            case "release":
                world.lock(number)
                self.released.append(world.release(number).message_id)
            case "donate":
                world.donate(number)
            case "fail":
                world.send(world.lock_of(10**13 + number), is_failing=True)
            case "advance":
                world.net.advance(number)
            case "skip":
                world.net.skip(number)
            case "roll back":
                self._roll_back(number)
            case _:
                world.finalize()

    def _roll_back(self, slots: int) -> None:
        final = int(self.world.net.ask("getSlot", {"commitment": "finalized"}))
        if self.world.net.slot - slots > final + slots:
            self.world.net.rollback(slots, is_refilling=True)

    def truth(self) -> Truth:
        """Return what is true in the open block, past the reader."""
        world = self.world

        def content(key: object) -> bytes:
            account = world.net.ledger.bank.newest(key)  # type: ignore[arg-type]
            return b"" if account is None else account.data

        def units(account: bytes) -> int:
            raw = content(world.at.position(account=account, mint=world.mints[0]))
            return decode_position(raw).units if raw else 0

        custody = content(world.at.custody(world.mints[0]))
        return Truth(
            held_units=decode_asset(content(world.at.asset(world.mints[0]))).held_units,
            balance_units=int.from_bytes(custody[64:72], "little"),
            lock_count=decode_vault(content(world.at.vault)).lock_count,
            units=units(ACCOUNT),
            other_units=units(OTHER_ACCOUNT),
            executed=frozenset(
                message_id for message_id in self.released if content(world.at.executed(message_id))
            ),
        )


async def told(reader: SolanaReader, played: Played, block: BlockRef) -> Truth:
    """Return what the reader says of a block."""
    vault, mint = played.world.vault, bytes(played.world.mints[0])
    state = await reader.vault_state(vault, mint, block)
    executed = [
        message_id
        for message_id in dict.fromkeys(played.released)
        if await reader.is_executed(vault, message_id, block)
    ]
    return Truth(
        held_units=state.held_units,
        balance_units=state.balance_units,
        lock_count=state.lock_count,
        units=await reader.collateral_units(vault, ACCOUNT, mint, block),
        other_units=await reader.collateral_units(vault, OTHER_ACCOUNT, mint, block),
        executed=frozenset(executed),
    )


@settings(max_examples=25, deadline=None)
@given(before=MOVES, after=MOVES)
def test_r11_a_state_taken_back_is_the_one_that_was_there(
    before: list[tuple[str, int]], after: list[tuple[str, int]]
) -> None:
    """After any moves, for the block between them; a block that was rolled back has no state."""
    with scene(finalized_lag_slots=8) as world:
        played = Played(world, [])
        for name, number in before:
            played.play(name, number)
        slot, truth = world.net.slot, played.truth()
        world.net.advance()
        closed = world.net.ledger.block_of(slot)
        assert closed is not None
        block = BlockRef(slot, closed.block_hash)
        for name, number in after:
            played.play(name, number)
        world.net.advance(4)
        now = world.net.ledger.block_of(slot)
        if now is None or now.block_hash != block.block_hash:
            with pytest.raises(BlockGoneError):
                world.ask(lambda reader: told(reader, played, block))
            return

        found = world.ask(lambda reader: told(reader, played, block))

        assert found == truth

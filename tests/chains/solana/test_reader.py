"""The reader against the local cluster, over real HTTP."""

from functools import partial

import pytest

from chains.errors import BlockGoneError, NoSuchReadError, WrongChainError
from chains.events import CollateralLocked, CollateralReleased
from chains.port import ContractCall
from chains.solana.reader import SolanaReader
from chains.types import BlockHeader, BlockRef, ChainId
from tests.chains.solana.scenes import ACCOUNT, ALICE, Ask, Scene, scene


def test_r11_a_lock_and_a_release_are_read_with_all_their_fields(world: Scene) -> None:
    """From the block that holds them, with its hash and their place in it."""
    first = world.slot_of(world.lock(1_000))
    world.net.advance()
    message = world.release(400)
    last = world.finalize()

    read = world.ask(lambda reader: reader.events_in_range(first, last))

    assert read.malformed == ()
    lock, release = read.events
    assert isinstance(lock, CollateralLocked)
    assert (lock.lock_id, lock.units, lock.held_after_units) == (1, 1_000, 1_000)
    assert (lock.account, lock.token) == (ACCOUNT, bytes(world.mints[0]))
    assert lock.depositor == bytes(ALICE.pubkey())
    assert lock.position.contract == world.vault
    assert len(lock.position.tx_hash) == 64
    assert lock.position.block.height == first
    block = world.net.ledger.block_of(first)
    assert block is not None
    assert lock.position.block.block_hash == block.block_hash
    assert isinstance(release, CollateralReleased)
    assert (release.message_id, release.units) == (message.message_id, 400)
    assert release.held_after_units == 600


def test_identity_is_the_genesis_hash(world: Scene) -> None:
    """The chain is named by its first 32 letters."""
    identity = world.ask(lambda reader: reader.identity())

    assert f"solana:{identity.chain_reference}" == world.net.chain_id
    assert identity.genesis == BlockRef(0, world.net.ledger.genesis_hash)


def test_a_node_of_another_cluster_is_refused(world: Scene) -> None:
    """The reference must match."""
    other = ChainId("solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp")
    reader = SolanaReader(other, world.net.url, watched=world.watched)

    with pytest.raises(WrongChainError, match="genesis hash"):
        world.ask(lambda _: reader.identity())


def test_a_chain_without_a_genesis_hash_in_its_name_is_refused(world: Scene) -> None:
    """The name must be usable before anything is asked."""
    with pytest.raises(ValueError, match="first 32 letters"):
        SolanaReader(ChainId("eip155:1"), "http://127.0.0.1:1", watched=world.watched)


def test_heads_are_confirmed_and_finalized(world: Scene) -> None:
    """What is only processed is not shown."""
    world.net.advance(40)

    heads = world.ask(lambda reader: reader.heads())

    assert heads.latest.block.height == world.net.slot - 1
    assert heads.finalized.block.height == world.net.slot - 31
    assert heads.latest.timestamp_seconds == world.net.options.time_of(world.net.slot - 1)


def test_a_slot_without_a_block_has_the_header_before_it(world: Scene) -> None:
    """Near the head and far below it."""
    before = world.net.slot
    after = world.net.skip(3)
    world.net.advance(2)

    async def asked(reader: SolanaReader) -> list[BlockHeader]:
        return [await reader.header_at(height) for height in range(before, after + 1)]

    near = world.ask(asked)
    world.net.advance(40)
    far = world.ask(asked)

    assert near == far
    assert [header.block.height for header in near] == [before] * 4 + [after]
    assert near[-1].parent_hash == near[0].block.block_hash


def test_a_height_above_the_head_is_not_there(world: Scene) -> None:
    """Nor is the block that is only processed."""
    for height in (world.net.slot, world.net.slot + 1_000):
        with pytest.raises(BlockGoneError):
            world.ask(partial(SolanaReader.header_at, height=height))


def test_a_header_is_found_by_its_hash(world: Scene) -> None:
    """One that was read before, and one near the head that was not; an unknown one is gone."""
    world.net.advance(50)

    async def asked(reader: SolanaReader) -> None:
        old = await reader.header_at(3)
        assert await reader.header_of(old.block.block_hash) == old
        block = world.net.ledger.block_of(world.net.slot - 20)
        assert block is not None
        assert (await reader.header_of(block.block_hash)).block.height == block.slot
        with pytest.raises(BlockGoneError):
            await reader.header_of(bytes(32))

    world.ask(asked)


def test_events_of_a_block_are_asked_by_slot_and_hash(world: Scene) -> None:
    """A block of another branch at the same slot is gone, with events and without."""
    slot = world.slot_of(world.lock(10))
    world.net.advance(2)

    async def asked(reader: SolanaReader) -> None:
        header = await reader.header_at(slot)
        read = await reader.events_in_block(header.block)
        assert [event.position.block for event in read.events] == [header.block]
        empty = await reader.header_at(slot - 1)
        assert (await reader.events_in_block(empty.block)).events == ()
        for height in (slot, slot - 1):
            with pytest.raises(BlockGoneError):
                await reader.events_in_block(BlockRef(height, bytes(32)))

    world.ask(asked)


def test_r11_a_branch_that_is_left_takes_its_events_along(world: Scene) -> None:
    """The block of before is gone, and the new one at its slot is empty."""
    slot = world.slot_of(world.lock(10))
    world.net.advance(2)

    async def header(reader: SolanaReader) -> BlockRef:
        return (await reader.header_at(slot)).block

    before = world.ask(header)
    world.net.rollback(3, is_refilling=True)
    world.net.advance(4)
    after = world.ask(header)

    assert before != after
    with pytest.raises(BlockGoneError):
        world.ask(lambda reader: reader.events_in_block(before))
    assert world.ask(lambda reader: reader.events_in_block(after)).events == ()


def test_a_range_above_what_is_final_is_refused(world: Scene) -> None:
    """It would be read as empty."""
    world.lock(10)
    world.net.advance(2)

    with pytest.raises(BlockGoneError):
        world.ask(lambda reader: reader.events_in_range(0, world.net.slot - 1))


def test_r11_a_node_whose_history_begins_later_is_refused() -> None:
    """It has forgotten the events, and lists none."""
    with scene(slots_kept=20) as world:
        first = world.slot_of(world.lock(10))
        world.net.advance(100)
        final = int(world.net.ask("getSlot", {"commitment": "finalized"}))

        with pytest.raises(BlockGoneError, match="history begins"):
            world.ask(lambda reader: reader.events_in_range(first, final))


def test_several_events_of_one_block_stand_in_its_order(world: Scene) -> None:
    """Two in one transaction, and one in the next."""
    world.send(world.lock_of(1), world.lock_of(2, 1))
    slot = world.slot_of(world.lock(3))
    last = world.finalize()

    read = world.ask(lambda reader: reader.events_in_range(slot, last))

    places = [event.position.log_index for event in read.events]
    locks = [event for event in read.events if isinstance(event, CollateralLocked)]
    assert [lock.units for lock in locks] == [1, 2, 3]
    assert places == sorted(set(places))
    assert places[0] >> 16 == places[1] >> 16 == (places[2] >> 16) - 1


def test_what_solana_does_not_have_is_refused_by_name(world: Scene) -> None:
    """Views, credit lines, and vaults that are not watched."""
    block = BlockRef(1, bytes(32))
    call = ContractCall(world.net.chain_id, world.vault, "held(address)", ())
    questions: tuple[Ask[object], ...] = (
        lambda reader: reader.view(call, None),
        lambda reader: reader.credit_line_state(bytes(32), block),
        lambda reader: reader.debt_units(bytes(32), bytes(32), block),
        lambda reader: reader.scaled_debt(bytes(32), bytes(32), block),
        lambda reader: reader.grant(bytes(32), bytes(32), block),
        lambda reader: reader.vault_state(bytes(32), bytes(32), block),
    )
    for question in questions:
        with pytest.raises(NoSuchReadError):
            world.ask(question)


def test_the_newest_block_costs_one_request(world: Scene) -> None:
    """A hint whether there is news."""
    newest = world.ask(lambda reader: reader.newest())

    block = world.net.ledger.block_of(world.net.slot - 1)
    assert block is not None
    assert newest == BlockRef(block.slot, block.block_hash)
    assert world.reader().nodes() == ()


def test_ranges_teach_the_span(world: Scene) -> None:
    """A quick answer doubles it, up to what the settings allow."""
    world.net.advance(100)

    async def asked(reader: SolanaReader) -> tuple[int, int]:
        before = reader.suggested_span
        await reader.events_in_range(0, before)
        return before, reader.suggested_span

    before, after = world.ask(asked, span_max=60)
    assert (before, after) == (50, 60)

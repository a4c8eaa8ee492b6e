"""The packs of this folder, replayed through the real readers and the observe step."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from chains.agreement.reader import AgreeingReader
from chains.devnet.anvil import find_anvil
from chains.devnet.packs import URL, Pack, read_pack
from chains.devnet.replay import ReplayNode
from chains.devnet.rpc import DevnetError
from chains.events import CollateralLocked, ObservedEvent
from chains.types import ChainId
from relayer.clock import FixedClock
from relayer.store.observed_rows import EventState
from relayer.store.unit_of_work import Store
from tests.databases import NOW, TestDatabases
from tests.packs.following import Follower
from tests.packs.make import FORGED_UNITS, make_disagreement, make_holes, make_reorg
from tests.packs.stories import (
    DISAGREEMENT,
    HOLES,
    PACKS,
    QUORUM,
    REORG,
    Sight,
    agreeing_reader,
    contracts_of,
    follow_turns,
    is_refused,
    look,
    reader_of,
)

SIZE_MAX = 200_000
ETHER = 10**18


@pytest.fixture
def store(databases: TestDatabases) -> Iterator[Store]:
    """An empty store on SQLite."""
    with databases.store("sqlite", FixedClock(NOW)) as made:
        yield made


@contextmanager
def replaying(pack: Pack) -> Iterator[tuple[ReplayNode, ...]]:
    """Serve every provider of a pack; whatever is asked must be in it."""
    with ExitStack() as running:
        nodes = tuple(
            running.enter_context(ReplayNode(pack, label)) for label in pack.header.providers
        )
        yield nodes
        assert [dict(node.unknown) for node in nodes] == [{} for _ in nodes]


def units_of(events: tuple[ObservedEvent, ...]) -> list[int]:
    """Return what was locked, in order."""
    return [event.units for event in events if isinstance(event, CollateralLocked)]


def test_the_packs_are_small_and_name_no_address() -> None:
    """Together below 200 kB; no URL of any kind inside."""
    assert sum(path.stat().st_size for path in PACKS) < SIZE_MAX
    for path in PACKS:
        for exchange in read_pack(path).exchanges:
            assert not URL.search(repr(exchange).encode())


def follow_reorg(store: Store, path: Path = REORG) -> tuple[Follower, list[ObservedEvent]]:
    """Replay the story with the reorg; return who followed and what the chain says in the end."""
    pack = read_pack(path)
    vault, _ = contracts_of(pack)
    with replaying(pack) as (node,):
        follower = Follower(store, reader_of(pack.header.chain_id, node.rpc_url, vault))
        canonical = asyncio.run(follow_turns(follower, lambda _turn: None))
    return follower, canonical


def test_r1_through_a_reorg_the_observed_events_are_those_of_the_chain(store: Store) -> None:
    """The locks of the dead branch are kept as orphaned; the living ones equal a fresh read."""
    follower, canonical = follow_reorg(store)

    alive = follower.seen(EventState.SEEN, EventState.FINAL)
    dead = follower.seen(EventState.ORPHANED)
    assert list(alive) == canonical
    assert units_of(alive) == [1 * ETHER, 2 * ETHER, 5 * ETHER, 6 * ETHER]
    assert units_of(dead) == [3 * ETHER, 4 * ETHER]
    assert follower.rewound > 0
    with store.read() as uow:
        assert not uow.chains.is_halted(follower.reader.chain_id)


def follow_three(store: Store, path: Path = DISAGREEMENT) -> tuple[Follower, AgreeingReader]:
    """Replay three providers of which one forges, and follow them."""
    pack = read_pack(path)
    vault, _ = contracts_of(pack)
    with replaying(pack) as nodes:
        urls = [node.rpc_url for node in nodes]
        together = agreeing_reader(pack.header.chain_id, urls, vault, quorum=QUORUM)
        follower = Follower(store, together)
        asyncio.run(follower.follow())
    return follower, together


def test_r5_a_forged_lock_of_one_provider_is_not_observed(store: Store) -> None:
    """Two honest ones outvote it; it is named as the one who dissents."""
    follower, together = follow_three(store)

    seen = follower.seen()
    assert len(seen) == 24
    assert FORGED_UNITS not in units_of(seen)
    assert together.dissents[1] > 0
    assert (together.dissents[0], together.dissents[2]) == (0, 0)


def test_the_forged_lock_is_in_the_pack() -> None:
    """Alone, the liar would be believed: the test above does not pass for want of a lie."""
    pack = read_pack(DISAGREEMENT)
    vault, _ = contracts_of(pack)

    async def alone(chain_id: ChainId, url: str) -> list[int]:
        reader = reader_of(chain_id, url, vault)
        final = (await reader.heads()).finalized.block.height
        read = await reader.events_in_range(0, final)
        await reader.close()
        return units_of(read.events)

    with replaying(pack) as nodes:
        told = [asyncio.run(alone(pack.header.chain_id, node.rpc_url)) for node in nodes]

    assert [FORGED_UNITS in units for units in told] == [False, True, False]


def test_r5_where_all_must_agree_nothing_is_observed(store: Store) -> None:
    """A disagreement stops the reading; not one event is stored."""
    pack = read_pack(DISAGREEMENT)
    vault, _ = contracts_of(pack)

    async def refused(urls: list[str]) -> bool:
        strict = agreeing_reader(pack.header.chain_id, urls, vault, quorum=len(urls))
        final = (await strict.heads()).finalized.block.height
        return await is_refused(strict, final)

    with replaying(pack) as nodes:
        assert asyncio.run(refused([node.rpc_url for node in nodes]))
    with store.read() as uow:
        assert uow.chains.cursor(pack.header.chain_id).head is None


def sights(path: Path = HOLES) -> tuple[Sight, Sight]:
    """Return what the honest and the holey provider say."""
    pack = read_pack(path)
    vault, token = contracts_of(pack)

    async def seen(node: ReplayNode) -> Sight:
        reader = reader_of(pack.header.chain_id, node.rpc_url, vault)
        sight = await look(reader, token, vault)
        await reader.close()
        return sight

    with replaying(pack) as (honest, holey):
        return asyncio.run(seen(honest)), asyncio.run(seen(holey))


def test_r3_holes_are_there_and_headers_and_the_vault_contradict_them() -> None:
    """A cut range looks complete: the vault's counter tells. A block's header tells of its logs."""
    honest, holey = sights()

    assert len(honest.ranged.events) == honest.state.lock_count == 24
    assert holey.state == honest.state
    assert set(holey.ranged.events) < set(honest.ranged.events)
    assert holey.ranged.malformed == ()
    contradicted = [place for place, read in enumerate(holey.single) if read is None]
    assert contradicted
    for place, (told, true) in enumerate(zip(holey.single, honest.single, strict=True)):
        assert told == (None if place in contradicted else true)


def test_no_quorum_of_two_takes_a_holey_answer() -> None:
    """The whole range is refused when both must say the same."""
    pack = read_pack(HOLES)
    vault, _ = contracts_of(pack)

    async def refused(urls: list[str]) -> bool:
        together = agreeing_reader(pack.header.chain_id, urls, vault, quorum=2)
        head = (await together.heads()).latest.block.height
        return await is_refused(together, head)

    with replaying(pack) as nodes:
        assert asyncio.run(refused([node.rpc_url for node in nodes]))


def test_packs_of_the_chain_in_memory_are_made_again(store: Store, tmp_path: Path) -> None:
    """The script that made them tells the same stories, to the hash."""
    make_holes(tmp_path / "holes.pack")
    make_disagreement(tmp_path / "disagreement.pack")

    assert sights(tmp_path / "holes.pack") == sights()
    seen = follow_three(store, tmp_path / "disagreement.pack")[0].seen()
    assert seen == sights()[0].ranged.events


@pytest.fixture
def anvil_binary() -> str:
    """The path of anvil; without it the test is skipped, or fails where all is required."""
    try:
        return str(find_anvil())
    except DevnetError as exc:
        pytest.skip(str(exc))


@pytest.mark.devnet
@pytest.mark.usefixtures("anvil_binary")
def test_the_reorg_is_recorded_again_with_the_same_outcome(store: Store, tmp_path: Path) -> None:
    """On a real node, from the script that made the pack."""
    path = tmp_path / "again.pack"
    make_reorg(path)

    follower, canonical = follow_reorg(store, path)

    assert list(follower.seen(EventState.SEEN, EventState.FINAL)) == canonical
    assert units_of(follower.seen(EventState.ORPHANED)) == [3 * ETHER, 4 * ETHER]

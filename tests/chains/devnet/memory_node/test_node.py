"""The node in memory, asked by the real client and reader."""

import asyncio

import httpx
import pytest

from chains.devnet.memory_node.chain import ChainOptions
from chains.devnet.memory_node.logs import Log, address_text
from chains.devnet.memory_node.methods import NodeLimits
from chains.devnet.memory_node.moves import Tx, donate, leave, release, say
from chains.devnet.memory_node.node import MemoryNode
from chains.devnet.rpc import DevnetError, DevnetRpc
from chains.errors import (
    BlockGoneError,
    CallRevertedError,
    RangeTooLargeError,
    RpcUnavailableError,
    WrongChainError,
)
from chains.events import CollateralExited, CollateralLocked, CollateralReleased
from chains.evm.reader import EvmReader
from chains.port import ContractCall, VaultState
from chains.types import ChainId
from tests.chains.devnet.scenes import (
    ACCOUNT,
    CHAIN,
    HOLDING,
    OWNER,
    TOKEN,
    VAULT,
    WATCHED,
    chain_with_locks,
    lock_tx,
    see,
    through,
    vault_chain,
)

MESSAGE = b"\x07" * 32


def test_locks_are_seen_by_range_and_by_block() -> None:
    """Both reads give the same events, with the vault's own numbers."""
    with MemoryNode(chain_with_locks(1, 0, 3)) as node:
        seen = through(node.rpc_url, see)

    assert seen.by_range == seen.by_block
    locks = [event for event in seen.by_range if isinstance(event, CollateralLocked)]
    assert [event.lock_id for event in locks] == [1, 2, 3, 4]
    assert [event.units for event in locks] == [10, 10, 11, 12]
    assert [event.held_after_units for event in locks] == [10, 20, 31, 43]
    assert [event.position.log_index for event in locks] == [1, 1, 3, 5]
    assert {event.account for event in locks} == {ACCOUNT}


def test_every_effect_of_a_vault_can_be_played() -> None:
    """A release and an exit follow a lock; the vault's numbers go down."""
    chain = chain_with_locks(1)
    chain.mine(Tx("release", (release(HOLDING, MESSAGE, OWNER, 4),)))
    block = chain.mine(Tx("exit", (leave(HOLDING, OWNER, OWNER, 6),)))

    async def ask(reader: EvmReader) -> bool:
        released, left = (await see(reader)).by_range[1:]
        assert isinstance(released, CollateralReleased)
        assert isinstance(left, CollateralExited)
        assert (released.held_after_units, left.held_after_units) == (6, 0)
        return await reader.is_executed(VAULT, MESSAGE, block)

    with MemoryNode(chain) as node:
        assert through(node.rpc_url, ask)


def test_a_vault_state_is_that_of_its_block() -> None:
    """Older blocks keep their answers; a gift is the token's alone."""
    chain = chain_with_locks(1)
    first = chain.head.block
    chain.mine(lock_tx("more", 7), Tx("gift", (donate(VAULT, TOKEN, OWNER, 3),)))
    second = chain.head.block

    async def ask(reader: EvmReader) -> tuple[VaultState, VaultState, int]:
        before = await reader.vault_state(VAULT, TOKEN, first)
        after = await reader.vault_state(VAULT, TOKEN, second)
        return before, after, await reader.collateral_units(VAULT, ACCOUNT, TOKEN, second)

    with MemoryNode(chain) as node:
        before, after, units = through(node.rpc_url, ask)

    assert (before.lock_count, before.held_units, before.balance_units) == (1, 10, 10)
    assert (after.lock_count, after.held_units, after.balance_units) == (2, 17, 20)
    assert not after.is_outflow_paused
    assert units == 17


def test_a_view_can_be_set_and_holds_from_its_block_on() -> None:
    """A pause is not there before it was set."""
    chain = chain_with_locks(1)
    before = chain.head.block
    after = chain.mine()
    chain.set_view(VAULT, "pauseFlags(address)", TOKEN, answer=(3).to_bytes(32, "big"))

    async def ask(reader: EvmReader) -> tuple[bool, bool]:
        old = await reader.vault_state(VAULT, TOKEN, before)
        new = await reader.vault_state(VAULT, TOKEN, after)
        return old.is_lock_paused, new.is_lock_paused

    with MemoryNode(chain) as node:
        assert through(node.rpc_url, ask) == (False, True)


def test_the_tags_follow_commands_or_lags() -> None:
    """Without a lag only a command makes a block final."""
    chain = vault_chain(ChainOptions(safe_lag=2))
    lagging = vault_chain(ChainOptions(finalized_lag=3))
    for each in (chain, lagging):
        each.mine_many(10)
    chain.finalize_to(4)

    with MemoryNode(chain) as node, MemoryNode(lagging) as other:
        heads = through(node.rpc_url, lambda reader: reader.heads())
        lagging_heads = through(other.rpc_url, lambda reader: reader.heads())
        safe = DevnetRpc(CHAIN, node.rpc_url).call("eth_getBlockByNumber", "safe", False)

    assert (heads.latest.block.height, heads.finalized.block.height) == (10, 4)
    assert int(safe["number"], 16) == 8
    assert lagging_heads.finalized.block.height == 7


def test_a_reorg_takes_blocks_events_and_views_away() -> None:
    """Same heights, other hashes; a transaction may move to another block."""
    chain = chain_with_locks(1, 1)
    chain.mine(lock_tx("moved", 100), lock_tx("dropped", 1_000))
    old = chain.head.block
    chain.reorg(1, [[], [lock_tx("moved", 100)]])
    new = chain.head.block

    async def ask(reader: EvmReader) -> list[int]:
        with pytest.raises(BlockGoneError):
            await reader.header_of(old.block_hash)
        with pytest.raises(BlockGoneError):
            await reader.events_in_block(old)
        with pytest.raises(BlockGoneError):
            await reader.vault_state(VAULT, TOKEN, old)
        assert (await reader.header_at(old.height)).block != old
        assert (await reader.vault_state(VAULT, TOKEN, new)).lock_count == 3
        seen = await see(reader)
        assert seen.by_range == seen.by_block
        return [event.units for event in seen.by_range if isinstance(event, CollateralLocked)]

    with MemoryNode(chain) as node:
        assert through(node.rpc_url, ask) == [10, 10, 100]
    assert (old.height, new.height) == (3, 4)


def test_headers_form_a_chain() -> None:
    """Each names the one before; times grow."""
    with MemoryNode(chain_with_locks(1, 2, 0, 1)) as node:

        async def ask(reader: EvmReader) -> None:
            for height in range(1, 5):
                header = await reader.header_at(height)
                parent = await reader.header_of(header.parent_hash)
                assert parent == await reader.header_at(height - 1)
                assert header.timestamp_seconds > parent.timestamp_seconds

        through(node.rpc_url, ask)


@pytest.mark.parametrize(
    "limits",
    [NodeLimits(range_blocks_max=2), NodeLimits(results_max=2, message="too many results")],
)
def test_a_limited_node_refuses_as_providers_do(limits: NodeLimits) -> None:
    """The reader learns to ask for less; a small range is answered."""
    with MemoryNode(chain_with_locks(1, 1, 1), limits=limits) as node:

        async def ask(reader: EvmReader) -> int:
            with pytest.raises(RangeTooLargeError):
                await reader.events_in_range(0, 3)
            return len((await reader.events_in_range(2, 3)).events)

        assert through(node.rpc_url, ask) == 2


def test_a_node_without_calls_by_hash_is_still_read() -> None:
    """The reader falls back to the height, between two looks at the header."""
    chain = chain_with_locks(2)
    with MemoryNode(chain, limits=NodeLimits(is_calling_by_hash=False)) as node:
        state = through(
            node.rpc_url, lambda reader: reader.vault_state(VAULT, TOKEN, chain.head.block)
        )

    assert state.lock_count == 2


def test_what_does_not_exist_is_told_apart() -> None:
    """A range beyond the head, a contract without code, a view that a contract does not have."""
    chain = chain_with_locks(1)
    unknown = ContractCall(CHAIN, OWNER, "lockCount()", ())
    missing = ContractCall(CHAIN, VAULT, "nothing()", ())

    async def ask(reader: EvmReader) -> bytes:
        with pytest.raises(BlockGoneError):
            await reader.events_in_range(0, 99)
        with pytest.raises(BlockGoneError):
            await reader.header_at(99)
        with pytest.raises(CallRevertedError):
            await reader.view(missing, None)
        return await reader.view(unknown, None)

    with MemoryNode(chain) as node:
        assert through(node.rpc_url, ask) == b""


def test_another_chain_number_is_noticed() -> None:
    """The node says which chain it is."""
    with (
        MemoryNode(vault_chain(ChainOptions(chain_number=5))) as node,
        pytest.raises(WrongChainError),
    ):
        through(node.rpc_url, lambda reader: reader.identity())


def test_a_log_of_any_shape_can_be_said() -> None:
    """A broken lock is reported as malformed and blocks nothing."""
    chain = chain_with_locks(1)
    good = chain.head.txs[0].logs[1]
    chain.mine(Tx("broken", (say(Log(address_text(VAULT), good.topics[:2], "0x")),)))

    with MemoryNode(chain) as node:
        read = through(node.rpc_url, lambda reader: reader.events_in_range(0, 2))

    assert (len(read.events), len(read.malformed)) == (1, 1)


def test_connections_are_kept_and_survive_a_restart() -> None:
    """One reader asks many times; while the node is away it is told so."""
    node = MemoryNode(chain_with_locks(1))
    node.start()

    async def ask() -> int:
        reader = EvmReader(CHAIN, node.rpc_url, watched=WATCHED)
        for _ in range(50):
            await reader.heads()
        node.stop()
        with pytest.raises(RpcUnavailableError):
            await reader.heads()
        node.start()
        height = (await reader.heads()).latest.block.height
        await reader.close()
        return height

    try:
        assert asyncio.run(ask()) == 1
    finally:
        node.stop()
    assert node.request_count == 102


def test_batches_and_bad_requests_have_answers() -> None:
    """A batch is answered in order; what is no request gets an error object."""
    batch = [
        {"jsonrpc": "2.0", "id": 7, "method": "eth_chainId", "params": []},
        {"jsonrpc": "2.0", "id": "x", "method": "eth_nothing", "params": []},
    ]
    with MemoryNode(vault_chain()) as node:
        answers = httpx.post(node.rpc_url, json=batch).json()
        broken = httpx.post(node.rpc_url, content=b"{").json()
        empty = httpx.post(node.rpc_url, json=[]).json()

    assert [(answer["id"], answer.get("result")) for answer in answers] == [
        (7, "0x7a69"),
        ("x", None),
    ]
    assert answers[1]["error"]["code"] == -32601
    assert broken["error"]["code"] == -32700
    assert empty["error"]["code"] == -32600


def test_a_process_is_steered_by_commands() -> None:
    """Locks, empty blocks, a reorg that moves a lock, and finality, over JSON-RPC."""
    first = {
        "name": "one",
        "vault": "0x" + VAULT[12:].hex(),
        "token": "0x" + TOKEN[12:].hex(),
        "account": "0x" + ACCOUNT.hex(),
        "depositor": "0x" + OWNER[12:].hex(),
        "units": "12",
    }
    with MemoryNode(vault_chain()) as node:
        rpc = DevnetRpc(ChainId("eip155:31337"), node.rpc_url)
        mined = rpc.call("memory_mine", [first])
        rpc.call("memory_blocks", 2)
        rpc.call("memory_reorg", 3, [[], [first]])
        rpc.call("memory_finalize", 1)
        heads = through(node.rpc_url, lambda reader: reader.heads())
        events = through(node.rpc_url, see).by_block
        with pytest.raises(DevnetError, match="memory_reorg"):
            rpc.call("memory_reorg", 99)
        with pytest.raises(DevnetError, match="a lock lacks token, account"):
            rpc.call("memory_mine", [{"name": "x", "vault": first["vault"], "units": "1"}])
        rpc.close()

    assert mined["height"] == 1
    assert (heads.latest.block.height, heads.finalized.block.height) == (3, 1)
    assert [event.position.block.height for event in events] == [2]

"""The chain in memory by itself."""

import pytest

from chains.devnet.memory_node.chain import ChainOptions, MemoryChain
from chains.devnet.memory_node.moves import Tx, release
from chains.devnet.memory_node.state import key_of
from chains.devnet.rpc import DevnetError
from tests.chains.devnet.scenes import (
    HOLDING,
    OWNER,
    VAULT,
    chain_with_locks,
    lock_tx,
    vault_chain,
)


def test_blocks_mined_twice_never_share_a_hash() -> None:
    """A reorg to the same contents is still another branch."""
    chain = chain_with_locks(1, 0)
    before = [block.block.block_hash for block in chain.blocks]

    chain.reorg(2, [[lock_tx("1.0", 10)], []])

    after = [block.block.block_hash for block in chain.blocks]
    assert before[0] == after[0]
    assert not set(before[1:]) & set(after[1:])


def test_a_chain_is_the_same_for_the_same_steps() -> None:
    """So that two nodes can serve one chain, and packs can be made again."""
    assert chain_with_locks(2, 1).blocks[2].block == chain_with_locks(2, 1).blocks[2].block


def test_chains_with_other_numbers_share_no_block() -> None:
    """A block hash names one chain."""
    other = MemoryChain(ChainOptions(chain_number=1))

    assert other.head.block != MemoryChain().head.block


def test_views_go_back_with_their_blocks() -> None:
    """After a reorg the vault counts on from the common block."""
    chain = chain_with_locks(1, 1, 1)

    chain.reorg(2)

    count = key_of(VAULT, "lockCount()")
    assert chain.views.number(count) == 1
    chain.mine(lock_tx("again"))
    assert chain.views.number(count) == 2
    assert chain.views.read(2, count) == (1).to_bytes(32, "big")


def test_finality_never_stands_above_the_head() -> None:
    """A reorg below what was final takes the tag with it."""
    chain = chain_with_locks(1, 1, 1)

    chain.roll_back(2)

    assert (chain.final_height, chain.safe_height, chain.height) == (1, 1, 1)


def test_a_transaction_stands_once() -> None:
    """Neither twice in a block nor again above it."""
    chain = vault_chain()
    chain.mine(lock_tx("a"))

    with pytest.raises(DevnetError, match="its own name"):
        chain.mine(lock_tx("a"))
    with pytest.raises(DevnetError, match="its own name"):
        chain.mine(lock_tx("b"), lock_tx("b"))


def test_nothing_impossible_is_done() -> None:
    """More blocks than there are, heights beyond the head, more than was locked."""
    chain = chain_with_locks(1)

    with pytest.raises(DevnetError, match="2 blocks"):
        chain.reorg(2)
    with pytest.raises(DevnetError, match=r"0\.\.1"):
        chain.finalize_to(2)
    with pytest.raises(ValueError, match="lock or mint"):
        chain.mine(Tx("too much", (release(HOLDING, bytes(32), OWNER, 11),)))

"""The node in memory against a real one: a reader cannot tell them apart."""

import asyncio
from typing import Any

from chains.devnet.actors import ALICE, DevKey
from chains.devnet.kit import WETH, DeployedChain, Devnet
from chains.devnet.memory_node.chain import MemoryChain
from chains.devnet.memory_node.moves import Holding, Tx, donate, lock
from chains.devnet.memory_node.node import MemoryNode
from chains.devnet.reorg import reorg
from chains.devnet.rpc import DevnetRpc
from chains.events import ObservedEvent, payload_of
from chains.evm.reader import EvmReader, Watched
from chains.types import BlockRef, ChainId
from tests.devnet.letters import account_named

ACCOUNT = account_named("twice")
CHAIN_ID = ChainId("eip155:31337")
Told = dict[str, Any]


def play_real(deployed: DeployedChain, vault: bytes, token: bytes) -> int:
    """Lock, mine, lock and give on a real chain, replacing a block; return the height before."""
    chain = deployed.chain
    start = chain.head().height
    chain.lock(ALICE, vault, ACCOUNT, token, 3 * WETH)
    chain.mine()
    chain.lock(ALICE, vault, ACCOUNT, token, 5 * WETH)
    reorg(chain, 1)
    chain.send(ALICE, token, "transfer(address,uint256)", vault, 7)
    chain.lock(ALICE, vault, ACCOUNT, token, 2 * WETH)
    return start


def play_in_memory(chain: MemoryChain, vault: bytes, token: bytes, sender: DevKey) -> int:
    """Do the same on a chain in memory."""
    holding, start = Holding(vault, token, ACCOUNT), chain.height
    chain.mine(Tx("first", (lock(holding, sender.address, 3 * WETH),)))
    chain.mine()
    chain.mine(Tx("gone", (lock(holding, sender.address, 5 * WETH),)))
    chain.reorg(1)
    chain.mine(Tx("gift", (donate(vault, token, sender.address, 7),)))
    chain.mine(Tx("second", (lock(holding, sender.address, 2 * WETH),)))
    return start


async def tale(url: str, *, vault: bytes, token: bytes, start: int) -> list[Told]:
    """Return what a reader sees of the blocks above a height, hashes and times left out."""
    reader = EvmReader(CHAIN_ID, url, watched=Watched(vaults=(vault,)))
    base = await reader.vault_state(vault, token, (await reader.header_at(start)).block)
    head = (await reader.heads()).latest.block
    told: list[Told] = []
    for height in range(start + 1, head.height + 1):
        header = await reader.header_at(height)
        assert header.parent_hash == (await reader.header_at(height - 1)).block.block_hash
        read = await reader.events_in_block(header.block)
        assert read == await reader.events_in_range(height, height)
        state = await reader.vault_state(vault, token, header.block)
        told.append(
            {
                "events": [plain(event, header.block, base.lock_count) for event in read.events],
                "held": state.held_units - base.held_units,
                "balance": state.balance_units - base.balance_units,
                "locks": state.lock_count - base.lock_count,
            }
        )
    await reader.close()
    return told


def plain(event: ObservedEvent, block: BlockRef, locks_before: int) -> Told:
    """Return an event without what must differ between two chains."""
    assert event.position.block == block
    payload = payload_of(event)
    number = int(payload.pop("lock_id")) - locks_before
    return payload | {"lock": number, "log_index": event.position.log_index}


def test_anvil_and_the_node_in_memory_tell_the_same_tale(devnet: Devnet) -> None:
    """Locks, an empty block, a reorg and a gift: events, views and log places are equal."""
    deployed = devnet.chain_a
    vault, token = deployed.vault, deployed.tokens["WETH"]
    assert vault is not None
    chain = MemoryChain()
    chain.views.contracts |= {vault, token}

    real_start = play_real(deployed, vault, token)
    memory_start = play_in_memory(chain, vault, token, ALICE)

    real = asyncio.run(tale(deployed.rpc_url, vault=vault, token=token, start=real_start))
    with MemoryNode(chain) as node:
        told = asyncio.run(tale(node.rpc_url, vault=vault, token=token, start=memory_start))
    assert real == told
    assert [len(block["events"]) for block in told] == [1, 0, 0, 0, 1]
    assert [block["locks"] for block in told] == [1, 1, 1, 1, 2]


def test_logs_receipts_and_blooms_are_those_of_a_real_node(devnet: Devnet) -> None:
    """The same lock has the same bloom, the same logs, and the fields that a real node gives."""
    deployed = devnet.chain_a
    vault, token = deployed.vault, deployed.tokens["WETH"]
    assert vault is not None
    receipt = deployed.chain.lock(ALICE, vault, ACCOUNT, token, WETH)
    real = _answers(deployed.rpc_url, receipt.tx_hash, receipt.block)
    locked = real["logs"][1]
    chain = MemoryChain()
    chain.set_view(vault, "lockCount()", answer=_word(int(locked["topics"][1], 16) - 1))
    held = int(locked["data"][-64:], 16) - WETH
    chain.set_view(vault, "held(address)", token, answer=_word(held))
    block = chain.mine(Tx("lock", (lock(Holding(vault, token, ACCOUNT), ALICE.address, WETH),)))

    with MemoryNode(chain) as node:
        made = _answers(node.rpc_url, chain.head.txs[0].tx_hash, block)

    for name in ("block", "receipt"):
        assert made[name]["logsBloom"] == real[name]["logsBloom"]
        assert not set(made[name]) - set(real[name]) - {"uncles"}
    same = ("address", "topics", "data", "logIndex", "transactionIndex", "removed")
    for ours, theirs in zip(made["logs"], real["logs"], strict=True):
        assert [ours[field] for field in same] == [theirs[field] for field in same]
        assert set(ours) == set(theirs)
    assert made["receipts"] == [made["receipt"]]
    assert made["receipt"]["logs"] == made["logs"]


def _word(number: int) -> bytes:
    return number.to_bytes(32, "big")


def _answers(url: str, tx_hash: bytes, block: BlockRef) -> dict[str, Any]:
    rpc = DevnetRpc(CHAIN_ID, url)
    block_hash = "0x" + block.block_hash.hex()
    try:
        return {
            "block": rpc.call("eth_getBlockByHash", block_hash, False),
            "receipt": rpc.call("eth_getTransactionReceipt", "0x" + tx_hash.hex()),
            "receipts": rpc.call("eth_getBlockReceipts", hex(block.height)),
            "logs": rpc.call("eth_getLogs", {"blockHash": block_hash}),
        }
    finally:
        rpc.close()

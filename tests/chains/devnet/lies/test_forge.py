"""A forged lock, told in every way in which a node can be asked."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import httpx
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chains.agreement.reader import AgreeingReader
from chains.devnet.exchange import RefusalError
from chains.devnet.lies.forge import Forge
from chains.devnet.lies.forgery import ForgedLock, Forgery
from chains.devnet.memory_node.chain import MemoryChain
from chains.devnet.memory_node.logs import (
    TRANSFER,
    address_text,
    bloom_bits,
    word_text,
)
from chains.devnet.memory_node.methods import NodeMethods
from chains.devnet.memory_node.moves import Holding
from chains.devnet.memory_node.node import MemoryNode
from chains.devnet.memory_node.state import key_of
from chains.devnet.proxy import FaultProxy
from chains.errors import RpcDisagreementError
from chains.events import CollateralLocked
from chains.evm.reader import EvmReader
from tests.chains.devnet.scenes import (
    ACCOUNT,
    CHAIN,
    HOLDING,
    OWNER,
    TOKEN,
    VAULT,
    WATCHED,
    agreeing,
    chain_with_locks,
    see,
    through,
)

COUNTS: Final = (2, 0, 1, 3)
FORGED: Final = ForgedLock("millions", 4, HOLDING, OWNER, 10**24)
FORGERY: Final = Forgery((FORGED,))


@st.composite
def forgeries(draw: st.DrawFn) -> Forgery:
    """Draw up to three forged locks on the blocks of a short chain."""
    heights = draw(st.lists(st.integers(0, len(COUNTS)), max_size=3))
    return Forgery(
        tuple(
            ForgedLock(
                f"lock {place}",
                height,
                Holding(VAULT, TOKEN, draw(st.sampled_from([ACCOUNT, b"\x05" * 32]))),
                OWNER,
                draw(st.integers(1, 10**30)),
                has_transfer=draw(st.booleans()),
            )
            for place, height in enumerate(heights)
        )
    )


class Liar:
    """A forging node without a line: what it answers, as a plain call."""

    def __init__(self, chain: MemoryChain, forgery: Forgery) -> None:
        self._node = NodeMethods(chain)
        self._forge = Forge(forgery)

    def __call__(self, method: str, *params: Any) -> Any:
        """Return an answer as the asker parses it."""
        return asyncio.run(self._forge.answer(method, list(params), self._ask))

    async def _ask(self, method: str, params: list[Any]) -> Any:
        return orjson.loads(orjson.dumps(await self._node.ask(method, params)))


def logs_by_hash(liar: Liar, block: dict[str, Any]) -> list[Any]:
    """Return the logs of a block, asked by its hash."""
    return list(liar("eth_getLogs", {"blockHash": block["hash"]}))


def logs_by_receipts(liar: Liar, block: dict[str, Any]) -> list[Any]:
    """Return the logs of a block, out of its receipts at once."""
    receipts = liar("eth_getBlockReceipts", block["number"])
    return [log for receipt in receipts for log in receipt["logs"]]


def logs_by_transactions(liar: Liar, block: dict[str, Any]) -> list[Any]:
    """Return the logs of a block, out of the receipt of each of its transactions."""
    found = []
    for tx_hash in block["transactions"]:
        assert liar("eth_getTransactionByHash", tx_hash)["blockHash"] == block["hash"]
        found += liar("eth_getTransactionReceipt", tx_hash)["logs"]
    return found


@given(forgeries())
@settings(max_examples=25)
def test_however_a_forging_node_is_asked_the_same_events_appear(forgery: Forgery) -> None:
    """Logs by range and by hash, receipts, transactions, blooms and the vault's views agree."""
    chain = chain_with_locks(*COUNTS)
    liar = Liar(chain, forgery)
    whole = liar("eth_getLogs", {"fromBlock": "earliest", "toBlock": "latest"})
    told: list[Any] = []

    for height in range(len(COUNTS) + 1):
        block = liar("eth_getBlockByNumber", hex(height), False)
        assert block == liar("eth_getBlockByHash", block["hash"], False)
        logs = logs_by_hash(liar, block)
        assert logs == logs_by_receipts(liar, block) == logs_by_transactions(liar, block)
        assert [int(log["logIndex"], 16) for log in logs] == list(range(len(logs)))
        full = liar("eth_getBlockByNumber", hex(height), True)["transactions"]
        assert [tx["hash"] for tx in full] == block["transactions"]
        told += logs
        check_bloom(int(block["logsBloom"], 16), logs)
        check_views(liar, height, told)

    assert whole == told
    locks = [log for log in told if log["address"] == address_text(VAULT)]
    assert [int(log["topics"][1], 16) for log in locks] == list(range(1, len(locks) + 1))
    forged = [lock for lock in forgery.locks if lock.height <= len(COUNTS)]
    assert len(told) == 2 * sum(COUNTS) + sum(1 + lock.has_transfer for lock in forged)


def check_bloom(bloom: int, logs: Sequence[dict[str, Any]]) -> None:
    """Check that a bloom says exactly what the logs say."""
    items = {item for log in logs for item in (log["address"], *log["topics"])}
    expected = 0
    for item in items:
        expected |= bloom_bits(item)
    assert bloom == expected


def check_views(liar: Liar, height: int, told: Sequence[dict[str, Any]]) -> None:
    """Check the vault's counter, its holding and the token's balance against the logs so far."""
    locks = [log for log in told if log["address"] == address_text(VAULT)]
    moved = [log for log in told if log["topics"][0] == TRANSFER]
    units = sum(int(log["data"][66:130], 16) for log in locks)

    def number(contract: bytes, function: str, *arguments: bytes) -> int:
        transaction = {
            "to": address_text(contract),
            "data": "0x" + key_of(contract, function, *arguments)[1].hex(),
        }
        return int(liar("eth_call", transaction, hex(height)), 16)

    assert number(VAULT, "lockCount()") == len(locks)
    assert number(VAULT, "held(address)", TOKEN) == units
    accounts = {log["topics"][2] for log in locks}
    assert units == sum(
        number(VAULT, "collateralOf(bytes32,address)", bytes.fromhex(text[2:]), TOKEN)
        for text in accounts
    )
    balance = number(TOKEN, "balanceOf(address)", VAULT)
    assert balance == sum(int(log["data"], 16) for log in moved)
    if locks and int(locks[-1]["blockNumber"], 16) == height:
        assert int(locks[-1]["data"][-64:], 16) == units


def test_a_reader_of_a_single_liar_believes_it() -> None:
    """By range, by block and by the vault's own counter; nothing contradicts."""
    chain = chain_with_locks(*COUNTS)
    with MemoryNode(chain) as node:
        with FaultProxy(node.rpc_url, layers=[Forge(FORGERY)]) as proxy:

            async def ask(reader: EvmReader) -> int:
                seen = await see(reader)
                assert seen.by_range == seen.by_block
                last = seen.by_range[-1]
                assert isinstance(last, CollateralLocked)
                assert (last.lock_id, last.units) == (7, 10**24)
                return (await reader.vault_state(VAULT, TOKEN, chain.head.block)).lock_count

            assert through(proxy.rpc_url, ask) == 7
            assert {"forged_log", "forged_view", "forged_block"} <= set(proxy.injected)
        assert len(through(node.rpc_url, see).by_range) == 6


@pytest.mark.parametrize("has_transfer", [True, False])
def test_a_forged_lock_comes_with_or_without_the_tokens_own_log(has_transfer: bool) -> None:
    """Only the receipt shows the difference."""
    lock = ForgedLock("one", 4, HOLDING, OWNER, 5, has_transfer=has_transfer)
    liar = Liar(chain_with_locks(*COUNTS), Forgery((lock,)))

    logs = liar("eth_getTransactionReceipt", lock.tx_hash)["logs"]

    speakers = [log["address"] for log in logs]
    assert speakers == [address_text(TOKEN)] * has_transfer + [address_text(VAULT)]


def test_a_lock_that_is_not_counted_is_contradicted_by_the_vault() -> None:
    """A clumsy liar forges logs and forgets the views."""
    lock = ForgedLock("clumsy", 4, HOLDING, OWNER, 5, is_counted=False)
    chain = chain_with_locks(*COUNTS)

    async def ask(reader: EvmReader) -> tuple[int, int]:
        events = (await see(reader)).by_range
        return len(events), (await reader.vault_state(VAULT, TOKEN, chain.head.block)).lock_count

    with (
        MemoryNode(chain) as node,
        FaultProxy(node.rpc_url, layers=[Forge(Forgery((lock,)))]) as proxy,
    ):
        assert through(proxy.rpc_url, ask) == (7, 6)


def test_colluding_liars_are_equal_to_the_byte() -> None:
    """Two nodes with one forgery answer every question with the same bytes."""
    questions: list[tuple[str, list[Any]]] = [
        ("eth_getLogs", [{"fromBlock": "0x0", "toBlock": "latest"}]),
        ("eth_getBlockByNumber", ["0x4", False]),
        ("eth_getBlockByNumber", ["latest", True]),
        ("eth_getBlockReceipts", ["0x4"]),
        ("eth_getTransactionReceipt", [FORGED.tx_hash]),
        ("eth_getTransactionByHash", [FORGED.tx_hash]),
        ("eth_call", [{"to": address_text(VAULT), "data": "0x9b10b6f5"}, "latest"]),
    ]
    batch = [
        {"jsonrpc": "2.0", "id": place, "method": method, "params": params}
        for place, (method, params) in enumerate(questions)
    ]
    with (
        MemoryNode(chain_with_locks(*COUNTS)) as node,
        MemoryNode(chain_with_locks(*COUNTS)) as another,
        FaultProxy(node.rpc_url, layers=[Forge(FORGERY)]) as first,
        FaultProxy(another.rpc_url, layers=[Forge(FORGERY)]) as second,
    ):
        one, other = (
            httpx.post(url, json=batch).content for url in (first.rpc_url, second.rpc_url)
        )
        honest = httpx.post(node.rpc_url, json=batch).content

    assert one == other
    assert one != honest


async def lock_ids(together: AgreeingReader) -> list[int]:
    """Return the lock ids that a quorum reads."""
    read = await together.events_in_range(0, len(COUNTS))
    return [event.lock_id for event in read.events if isinstance(event, CollateralLocked)]


def test_r5_one_liar_is_outvoted_and_two_stop_a_quorum_of_three() -> None:
    """With k = 3 of 3, two colluding liars and an honest node agree on nothing: no answer."""
    with (
        MemoryNode(chain_with_locks(*COUNTS)) as node,
        FaultProxy(node.rpc_url, layers=[Forge(FORGERY)]) as first,
        FaultProxy(node.rpc_url, layers=[Forge(FORGERY)]) as second,
    ):
        honest = agreeing([node.rpc_url, first.rpc_url, node.rpc_url], 2, lock_ids)
        with pytest.raises(RpcDisagreementError):
            agreeing([node.rpc_url, first.rpc_url, second.rpc_url], 3, lock_ids)

    assert honest == [1, 2, 3, 4, 5, 6]


def test_liars_who_tell_different_lies_help_nobody() -> None:
    """Two proxies that disagree with each other leave no quorum of two without the truth."""
    other = Forgery((ForgedLock("another", 4, HOLDING, OWNER, 1),))
    with (
        MemoryNode(chain_with_locks(*COUNTS)) as node,
        FaultProxy(node.rpc_url, layers=[Forge(FORGERY)]) as first,
        FaultProxy(node.rpc_url, layers=[Forge(other)]) as second,
        pytest.raises(RpcDisagreementError),
    ):
        agreeing([node.rpc_url, first.rpc_url, second.rpc_url], 2, lock_ids)


def test_what_is_not_asked_for_is_not_told() -> None:
    """Other contracts, other topics and other blocks stay as they are."""
    liar = Liar(chain_with_locks(*COUNTS), FORGERY)

    assert liar("eth_getLogs", {"fromBlock": "0x0", "toBlock": "0x3"})[-1]["blockNumber"] == "0x3"
    assert liar("eth_getLogs", {"fromBlock": "0x4", "address": "0x" + "11" * 20}) == []
    assert liar("eth_getLogs", {"fromBlock": "0x4", "topics": [word_text(1)]}) == []
    assert liar("eth_getTransactionReceipt", word_text(1)) is None
    with pytest.raises(RefusalError):
        liar("eth_getLogs", {"blockHash": word_text(1)})


def test_a_forged_block_that_is_not_there_yet_is_not_told() -> None:
    """Nothing is forged above the head."""
    liar = Liar(chain_with_locks(1), FORGERY)

    assert liar("eth_getTransactionReceipt", FORGED.tx_hash) is None
    assert len(liar("eth_getLogs", {"fromBlock": "0x0", "toBlock": "latest"})) == 2


def test_one_name_for_two_locks_is_refused() -> None:
    """They would share a transaction hash."""
    with pytest.raises(ValueError, match="one name"):
        Forgery((FORGED, FORGED))


def test_a_reader_asks_by_the_watched_contract_only() -> None:
    """The forged transfer of the token is in the receipt, not among the events."""
    assert WATCHED.contracts == (VAULT,)
    with (
        MemoryNode(chain_with_locks(*COUNTS)) as node,
        FaultProxy(node.rpc_url, layers=[Forge(FORGERY)]) as proxy,
    ):
        reader = EvmReader(CHAIN, proxy.rpc_url, watched=WATCHED)

        async def ask() -> int:
            read = await reader.events_in_range(4, 4)
            await reader.close()
            return len(read.events) + len(read.malformed)

        assert asyncio.run(ask()) == 4

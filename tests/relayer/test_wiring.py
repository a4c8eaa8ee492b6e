"""Which adapters the settings come to."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from chains.agreement.reader import AgreeingReader
from chains.errors import QuorumLostError, RpcDisagreementError
from chains.evm.abi import topic_of
from chains.evm.agreeing_sender import AgreeingSender
from chains.evm.fees import GWEI
from chains.evm.movement import TRANSFER_TOPIC
from chains.evm.reader import EvmReader
from chains.evm.wakeup import HeadWakeup
from chains.finality import ChainIdentity
from chains.key_files import KeyFileError
from chains.port import ChainReader, EventRead
from chains.sending import TransactionSender
from chains.solana.history import SolanaWatched
from chains.solana.reader import SolanaReader
from chains.solana.wakeup import VaultWakeup
from chains.types import ChainId, word_of_text
from relayer import wiring, wiring_senders
from relayer.sections import AccountantSettings, SenderSettings
from relayer.settings import Settings, load_settings
from relayer.steps.carrier import SendLimits
from tests.chains.evm.fake_node import FakeNode, serving
from tests.relayer.api.kit import VAULT_A, WETH_A, deployment_settings
from tests.simulated_chain import SimulatedChain

CHAIN = ChainId("eip155:31337")
SOLANA = ChainId("solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp")
EXAMPLE = Path(__file__).parents[2] / "deploy" / "relayer.example.toml"
TRUE_GENESIS = "0x" + "01" * 32
FALSE_GENESIS = "0x" + "02" * 32


LOCK_LOG = {
    "address": "0x" + VAULT_A[12:].hex(),
    "topics": [
        "0x" + topic_of("CollateralLocked(uint256,bytes32,address,address,uint256,uint256)").hex(),
        "0x" + (1).to_bytes(32, "big").hex(),
        "0x" + "04" * 32,
        "0x" + WETH_A.hex(),
    ],
    "data": "0x" + "00" * 12 + "06" * 20 + "00" * 31 + "07" + "00" * 31 + "08",
    "blockNumber": "0x9",
    "blockHash": "0x" + "01" * 32,
    "transactionHash": "0x" + "0c" * 32,
    "logIndex": "0x3",
}


@pytest.fixture
def nodes() -> Iterator[tuple[FakeNode, ...]]:
    """Three nodes of one chain that agree on its first block."""
    with ExitStack() as running:
        made = tuple(running.enter_context(serving(FakeNode())) for _ in range(3))
        for node in made:
            serve_genesis(node, TRUE_GENESIS)
        yield made


def serve_genesis(node: FakeNode, genesis_hash: str) -> None:
    """Let a node answer with this first block."""
    node.answers["eth_chainId"] = lambda _: hex(31337)
    node.answers["eth_getBlockByNumber"] = lambda _: {
        "number": "0x0",
        "hash": genesis_hash,
        "parentHash": "0x" + "00" * 32,
        "timestamp": "0x1",
    }


def serve_balance(node: FakeNode, units: int) -> None:
    """Let a node answer with this balance."""
    node.answers["eth_getBalance"] = lambda _: hex(units)


def settings_of(
    *rpc_urls: str, quorum: int | None = None, own: tuple[str, ...] = (), **others: Any
) -> Settings:
    """Return a deployment whose first chain has these nodes."""
    settings = deployment_settings()
    nodes = {"rpc_urls": rpc_urls, "rpc_quorum": quorum, "rpc_own": own}
    first = settings.chain(CHAIN).model_copy(update=nodes)
    chains = tuple(first if chain.id == CHAIN else chain for chain in settings.chains)
    return settings.model_copy(update={"chains": chains, **others})


def identity_of(reader: ChainReader) -> ChainIdentity:
    """Return what a reader takes for the chain."""

    async def asked() -> ChainIdentity:
        try:
            return await reader.identity()
        finally:
            await reader.close()

    return asyncio.run(asked())


def test_one_node_is_read_directly() -> None:
    """There is nobody to agree with."""
    assert isinstance(wiring.chain_reader(settings_of("http://127.0.0.1:1"), CHAIN), EvmReader)


def test_several_nodes_must_agree(nodes: tuple[FakeNode, ...]) -> None:
    """Two of three are believed, and the third changes nothing."""
    serve_genesis(nodes[0], FALSE_GENESIS)
    reader = wiring.chain_reader(settings_of(*(node.url for node in nodes)), CHAIN)

    found = identity_of(reader)

    assert isinstance(reader, AgreeingReader)
    assert "0x" + found.genesis.block_hash.hex() == TRUE_GENESIS
    assert all(node.asked("eth_chainId") for node in nodes)


def test_the_quorum_of_the_settings_is_the_readers(nodes: tuple[FakeNode, ...]) -> None:
    """With three of three, one other answer stops the reading."""
    serve_genesis(nodes[2], FALSE_GENESIS)
    reader = wiring.chain_reader(settings_of(*(node.url for node in nodes), quorum=3), CHAIN)

    with pytest.raises(RpcDisagreementError):
        identity_of(reader)


def test_r5_own_node_of_the_settings_is_the_readers(nodes: tuple[FakeNode, ...]) -> None:
    """Two strangers agree with each other, and the own node with neither."""
    serve_genesis(nodes[2], FALSE_GENESIS)
    urls = [node.url for node in nodes]

    identity_of(wiring.chain_reader(settings_of(*urls, own=("node-1",)), CHAIN))
    with pytest.raises(QuorumLostError, match=r"own node .*: node-3 \(dissented\)"):
        identity_of(wiring.chain_reader(settings_of(*urls, own=("node-3",)), CHAIN))


def test_each_node_can_be_asked_alone(nodes: tuple[FakeNode, ...]) -> None:
    """In the order of the settings."""
    serve_genesis(nodes[1], FALSE_GENESIS)
    readers = wiring.node_readers(settings_of(*(node.url for node in nodes)), CHAIN)

    found = ["0x" + identity_of(reader).genesis.block_hash.hex() for reader in readers]

    assert found == [TRUE_GENESIS, FALSE_GENESIS, TRUE_GENESIS]


def test_r3_the_second_reading_asks_each_node_alone_another_one_first(
    nodes: tuple[FakeNode, ...],
) -> None:
    """One node of several is enough to notice a hole; the quorum then decides."""
    serve_genesis(nodes[1], FALSE_GENESIS)
    settings = settings_of(*(node.url for node in nodes))
    reader = wiring.chain_reader(settings, CHAIN)
    store = wiring.unchecked_store(settings)

    backup = wiring.backup_of(settings, store, wiring.catalog_of(settings), reader)
    store.close()
    found = ["0x" + identity_of(second).genesis.block_hash.hex() for second in backup.seconds]

    assert found == [FALSE_GENESIS, TRUE_GENESIS, TRUE_GENESIS]
    assert backup.reader is reader
    assert (backup.limits.depth_blocks, backup.limits.age_seconds) == (100, 600)
    assert backup.limits.observe.is_movement_enforced


def test_a_watch_is_made_of_the_settings(nodes: tuple[FakeNode, ...]) -> None:
    """Each process that watches a chain gets the same, under a name of its own."""
    settings = settings_of(nodes[0].url)
    chain = settings.chain(CHAIN).model_copy(
        update={"poll_milliseconds": 250, "watch_lease_seconds": 7}
    )
    others = tuple(each for each in settings.chains if each.id != CHAIN)
    settings = settings.model_copy(update={"chains": (chain, *others)})
    parts = (wiring.unchecked_store(settings), wiring.catalog_of(settings))

    async def unused(_: object) -> None:
        raise AssertionError

    first, second = (
        wiring.watch_of(settings, parts, CHAIN, wait=unused, on_news=unused) for _ in range(2)
    )
    parts[0].close()

    assert (first.poll_seconds, first.lease_seconds) == (0.25, 7)
    assert first.limits == wiring.observe_limits(settings, CHAIN)
    assert first.backup is not None
    assert first.backup.reader is first.reader
    assert (first.reader.chain_id, first.pool) == (CHAIN, None)
    assert first.holder != second.holder


def test_r14_the_readers_look_for_the_movements_of_the_configured_tokens(
    nodes: tuple[FakeNode, ...],
) -> None:
    """Of their own chain, and nothing is enforced where the settings say so."""
    settings = settings_of(nodes[0].url, accountant=AccountantSettings(mode="log"))
    nodes[0].answers["eth_getLogs"] = lambda params: (
        [] if params[0]["topics"][0] == "0x" + TRANSFER_TOPIC.hex() else [LOCK_LOG]
    )
    (reader,) = wiring.node_readers(settings, CHAIN)

    async def asked() -> EventRead:
        try:
            return await reader.events_in_range(0, 9)
        finally:
            await reader.close()

    read = asyncio.run(asked())

    assert len(read.unproven) == 1
    assert not wiring.observe_limits(settings, CHAIN).is_movement_enforced


def test_the_first_node_sends(nodes: tuple[FakeNode, ...], tmp_path: Path) -> None:
    """The others only read."""


def sender_of(nodes: tuple[FakeNode, ...], tmp_path: Path) -> TransactionSender:
    """Return what sends through these nodes."""
    key_file = tmp_path / "key"
    key_file.write_text("07" * 32)
    key_file.chmod(0o600)
    return wiring_senders.transaction_sender(
        settings_of(*(node.url for node in nodes), sender=SenderSettings(key_file=key_file)), CHAIN
    )


def balance_of(sender: TransactionSender) -> int:
    """Return what the sender's key has."""

    async def asked() -> int:
        try:
            return await sender.balance_units()
        finally:
            await sender.close()

    return asyncio.run(asked())


def test_all_nodes_send(nodes: tuple[FakeNode, ...], tmp_path: Path) -> None:
    """What one of them says alone is not believed."""
    for node, units in zip(nodes, (5, 10**18, 7), strict=True):
        serve_balance(node, units)

    sender = sender_of(nodes, tmp_path)

    assert isinstance(sender, AgreeingSender)
    assert balance_of(sender) == 7
    assert [len(node.requests) for node in nodes] == [1, 1, 1]


def test_the_only_node_of_a_chain_sends(nodes: tuple[FakeNode, ...], tmp_path: Path) -> None:
    """There is nobody to agree with."""
    nodes[0].answers["eth_getBalance"] = lambda _: hex(5)

    assert balance_of(sender_of(nodes[:1], tmp_path)) == 5


def test_a_reader_of_ours_knows_its_nodes(nodes: tuple[FakeNode, ...]) -> None:
    """One node or several; of another reader nothing is known."""
    one = wiring.node_pool(wiring.chain_reader(settings_of(nodes[0].url), CHAIN))
    settings = settings_of(*(node.url for node in nodes))
    several = wiring.node_pool(wiring.chain_reader(settings, CHAIN))

    assert one is not None
    assert one.nodes() == ()
    assert several is not None
    assert [node.label for node in several.nodes()] == ["node-1", "node-2", "node-3"]
    assert wiring.node_pool(SimulatedChain(CHAIN)) is None


def test_a_key_that_others_may_read_stops_a_process_at_its_start(tmp_path: Path) -> None:
    """Not at the first message that is to be sent."""
    path = tmp_path / "sender.key"
    path.write_text("11" * 32)
    settings = deployment_settings().model_copy(update={"sender": SenderSettings(key_file=path)})

    path.chmod(0o600)
    wiring_senders.check_sender_key(settings)
    path.chmod(0o644)
    with pytest.raises(KeyFileError, match="chmod 600"):
        wiring_senders.check_sender_key(settings)


def test_seizures_have_a_higher_fee_cap_of_their_own(tmp_path: Path) -> None:
    """As set, or twice the ordinary one; a lower one is refused."""
    path = tmp_path / "sender.key"

    assert SenderSettings(key_file=path, fee_cap_gwei=70).urgent_cap_gwei == 140
    own = SenderSettings(key_file=path, fee_cap_gwei=70, liquidation_fee_cap_gwei=90)
    assert own.urgent_cap_gwei == 90
    with pytest.raises(ValueError, match="liquidation_fee_cap_gwei"):
        SenderSettings(key_file=path, fee_cap_gwei=70, liquidation_fee_cap_gwei=69)


def test_the_limits_of_a_key_come_from_the_settings(tmp_path: Path) -> None:
    """Patience belongs to the chain, the rest to the key; a low cap caps tips as well."""
    sender = SenderSettings(key_file=tmp_path / "k", lease_seconds=5, in_flight_max=3, queued_max=4)
    settings = deployment_settings().model_copy(update={"sender": sender})
    chain = settings.chains[0]

    limits = wiring_senders.send_limits(settings, chain.id)

    assert limits == SendLimits(5, chain.fee_bump_seconds, in_flight_max=3, queued_max=4)
    assert wiring_senders.fee_limits(2).priority_fee_wei_max == 2 * GWEI
    assert wiring_senders.fee_limits(500).max_fee_wei_max == 500 * GWEI


def test_a_chain_of_solana_is_read_as_one() -> None:
    """By its vault, its program and its mints; several nodes agree as elsewhere."""
    settings = load_settings(EXAMPLE)

    readers = wiring.node_readers(settings, SOLANA)

    assert len(readers) == 3
    for reader in readers:
        assert isinstance(reader, SolanaReader)
        assert reader.chain_id == SOLANA
        assert reader.watched == SolanaWatched(
            word_of_text("A4EhtzPrshoWnJ5cJEWFy6ZfWfbtjbXLecD4Zy5CAPJj"),
            word_of_text("Cj7Sm8YGX41j2BnqSmtv7xUuGyEM4CpcGqEZfiHejs9X"),
            (word_of_text("EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"),),
        )
    assert isinstance(wiring.chain_reader(settings, SOLANA), AgreeingReader)
    assert wiring.node_pool(readers[0]) is readers[0]
    assert isinstance(wiring.head_wakeup(settings, SOLANA), VaultWakeup)
    assert isinstance(wiring.head_wakeup(settings, ChainId("eip155:1")), HeadWakeup)
    assert wiring.head_wakeup(settings, ChainId("eip155:8453")) is None

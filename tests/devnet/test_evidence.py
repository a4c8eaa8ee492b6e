"""Blooms, receipts and token movements as a real node gives them."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from chains.devnet.actors import ALICE
from chains.devnet.kit import Devnet
from chains.devnet.proxy import FaultProxy, Lie, on
from chains.errors import RpcContradictionError
from chains.evm.bloom import BloomCounts
from chains.evm.reader import EvmReader, Watched
from chains.port import EventRead, Receipt
from chains.types import BlockRef, chain_key
from tests.devnet.letters import account_named
from tests.devnet.test_evm_reader import LOCKED, emitter_code, place_code

UNITS = 10_000
ARTIFACTS = {
    "TestToken": ("Plain", "PLN", 18),
    "NoReturnToken": ("Silent", "SLT", 6),
    "FeeOnTransferToken": ("Taxed", "TAX", 18, 125),
}


def reading(
    devnet: Devnet,
    watched: Watched,
    ask: Callable[[EvmReader], Coroutine[Any, Any, EventRead]],
    url: str | None = None,
) -> tuple[EventRead, BloomCounts]:
    """Return what a reader of chain A reads, and what its blooms came to."""

    async def asked() -> tuple[EventRead, BloomCounts]:
        chain_a = devnet.chain_a
        reader = EvmReader(chain_a.chain_id, url or chain_a.rpc_url, watched=watched)
        try:
            return await ask(reader), reader.bloom_counts
        finally:
            await reader.close()

    return asyncio.run(asked())


def both_ways(devnet: Devnet, watched: Watched, block: BlockRef) -> tuple[EventRead, EventRead]:
    """Return a block's events by its hash and by a range of its height."""
    by_hash, _ = reading(devnet, watched, lambda reader: reader.events_in_block(block))
    by_range, _ = reading(
        devnet, watched, lambda reader: reader.events_in_range(block.height, block.height)
    )
    return by_hash, by_range


@pytest.fixture(scope="module")
def tokens(devnet: Devnet) -> dict[str, bytes]:
    """A token of each kind on chain A, by artifact; Alice has some of each."""
    chain = devnet.chain_a.chain
    made = {name: chain.deploy(name, *arguments) for name, arguments in ARTIFACTS.items()}
    for token in made.values():
        chain.mint(token, ALICE.address, 100 * UNITS)
    return made


@pytest.fixture(scope="module")
def vault(devnet: Devnet, tokens: dict[str, bytes]) -> bytes:
    """A vault on chain A that takes all of them."""
    chain = devnet.chain_a.chain
    listed = list(tokens.values())
    members = devnet.guardian_set
    made = chain.deploy(
        "CollateralVault",
        chain_key(devnet.options.hub),
        list(members.members),
        members.threshold,
        devnet.options.overlap_seconds,
        devnet.options.exit_delay_seconds,
        listed,
        [10**24] * len(listed),
        devnet.options.window_seconds,
    )
    for token in listed:
        chain.approve(ALICE, token, made)
    return made


@pytest.mark.parametrize("name", list(ARTIFACTS))
def test_r14_each_kind_of_token_proves_its_locks(
    devnet: Devnet, tokens: dict[str, bytes], vault: bytes, name: str
) -> None:
    """Plain, without return values, and with a fee on each transfer; by receipt and by range."""
    watched = Watched(vaults=(vault,), tokens=tuple(tokens.values()))
    account = account_named(name)

    receipt = devnet.chain_a.chain.lock(ALICE, vault, account, tokens[name], UNITS)
    by_hash, by_range = both_ways(devnet, watched, receipt.block)

    (event,) = by_hash.events
    fee_units = 125 if name == "FeeOnTransferToken" else 0
    assert getattr(event, "units", None) == UNITS - fee_units
    assert by_hash == by_range == EventRead((event,), ())


def forged_lock(devnet: Devnet, vault: bytes, token: bytes) -> Receipt:
    """Let code in a vault's place announce a lock that moves nothing."""
    chain = devnet.chain_a.chain
    anvil = chain.anvil.rpc
    address = "0x" + vault[12:].hex()
    code = anvil.call("eth_getCode", address, "latest")
    topics = (LOCKED, (1).to_bytes(32, "big"), account_named("forged"), token)
    data = ALICE.address + (10**24).to_bytes(32, "big") * 2
    place_code(devnet, vault, emitter_code(topics, data))
    receipt = chain.send(ALICE, vault, "lock()")
    anvil.call("anvil_setCode", address, code)
    return receipt


def test_r14_a_forged_lock_has_no_movement(
    devnet: Devnet, tokens: dict[str, bytes], vault: bytes
) -> None:
    """The log is real, its tokens are not: receipts and ranges both say so."""
    watched = Watched(vaults=(vault,), tokens=tuple(tokens.values()))

    receipt = forged_lock(devnet, vault, tokens["TestToken"])
    by_hash, by_range = both_ways(devnet, watched, receipt.block)

    for read in (by_hash, by_range):
        (event,) = read.events
        assert list(read.unproven) == [event.position.event_id]
        assert "claims 1000000000000000000000000, 0 came in" in read.malformed[0].reason


def test_r3_a_nodes_blooms_agree_with_its_logs(
    devnet: Devnet, tokens: dict[str, bytes], vault: bytes
) -> None:
    """Of blocks with a lock and of empty ones; nothing is contradicted."""
    chain = devnet.chain_a.chain
    watched = Watched(vaults=(vault,))
    first = chain.head().height
    for number in range(5):
        chain.lock(ALICE, vault, account_named(f"bloom {number}"), tokens["TestToken"], 7)
        chain.mine(2)
    last = chain.head().height

    async def ask(reader: EvmReader) -> EventRead:
        read = EventRead((), ())
        for height in range(first + 1, last + 1):
            header = await reader.header_at(height)
            block = await reader.events_in_block(header.block)
            read = EventRead((*read.events, *block.events), ())
        return read

    read, counts = reading(devnet, watched, ask)

    assert len(read.events) == 5
    assert (counts.checked, counts.contradictions, counts.unchecked) == (15, 0, 0)


def test_r3_a_hidden_lock_contradicts_the_header(
    devnet: Devnet, tokens: dict[str, bytes], vault: bytes
) -> None:
    """A node that drops logs from its answer still has their bloom and their receipts."""
    chain = devnet.chain_a.chain
    watched = Watched(vaults=(vault,), tokens=tuple(tokens.values()))
    block = chain.lock(ALICE, vault, account_named("hidden"), tokens["TestToken"], 7).block
    hiding = on("eth_getLogs", Lie(lambda _: []))

    with FaultProxy(devnet.chain_a.rpc_url, hiding) as proxy, pytest.raises(RpcContradictionError):
        reading(devnet, watched, lambda reader: reader.events_in_block(block), proxy.rpc_url)

"""The reader on real chains."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from chains.attestation import GuardianSet
from chains.devnet.actors import ALICE
from chains.devnet.kit import WETH, Devnet
from chains.devnet.reorg import reorg, roll_back
from chains.errors import BlockGoneError, RpcUnavailableError, WrongChainError
from chains.events import CollateralLocked
from chains.evm.abi import encode_arguments, topic_of
from chains.evm.reader import EvmReader, Watched
from chains.port import EventRead
from chains.types import BlockRef, ChainId, word_of_evm_address
from tests.devnet.letters import account_named, reading

LOCKED = topic_of("CollateralLocked(uint256,bytes32,address,address,uint256,uint256)")


def lock(devnet: Devnet, label: str, units: int = WETH) -> BlockRef:
    """Lock WETH on chain A and return the block."""
    target = devnet.chain_a
    assert target.vault is not None
    receipt = target.chain.lock(
        ALICE, target.vault, account_named(label), target.tokens["WETH"], units
    )
    return receipt.block


def test_a_lock_is_seen_by_hash_and_by_range(devnet: Devnet) -> None:
    """Both reads give the same event."""
    block = lock(devnet, "seen", 3 * WETH)

    by_hash = reading(devnet.chain_a, lambda reader: reader.events_in_block(block))
    by_range = reading(
        devnet.chain_a, lambda reader: reader.events_in_range(block.height, block.height)
    )

    (event,) = by_hash.events
    assert isinstance(event, CollateralLocked)
    assert (event.units, event.depositor) == (3 * WETH, ALICE.address)
    assert event.account == account_named("seen")
    assert event.position.block == block
    assert by_range == by_hash


def test_a_range_holds_every_lock_once_in_order(devnet: Devnet) -> None:
    """Lock ids count up without a gap."""
    first = lock(devnet, "range")
    for _ in range(4):
        last = lock(devnet, "range")

    read = reading(devnet.chain_a, lambda reader: reader.events_in_range(first.height, last.height))

    ids = [event.lock_id for event in read.events if isinstance(event, CollateralLocked)]
    assert ids == list(range(ids[0], ids[0] + 5))
    assert read.malformed == ()


def test_empty_blocks_have_no_events(devnet: Devnet) -> None:
    """And are read like any other."""
    devnet.chain_a.chain.mine(3)
    head = devnet.chain_a.chain.head()

    by_hash = reading(devnet.chain_a, lambda reader: reader.events_in_block(head))
    by_range = reading(
        devnet.chain_a, lambda reader: reader.events_in_range(head.height - 2, head.height)
    )

    assert by_hash == by_range == EventRead((), ())


def test_headers_form_a_chain(devnet: Devnet) -> None:
    """By height and by hash, each the parent of the next."""
    devnet.chain_a.chain.mine(2)
    head = devnet.chain_a.chain.head()

    async def ask(reader: EvmReader) -> None:
        newest = await reader.header_at(head.height)
        parent = await reader.header_of(newest.parent_hash)
        assert newest.block == head
        assert parent == await reader.header_at(head.height - 1)
        assert (await reader.heads()).latest == newest

    reading(devnet.chain_a, ask)


def test_the_final_head_follows_two_epochs_behind(devnet: Devnet) -> None:
    """With one slot in an epoch: two blocks."""
    block = lock(devnet, "final")
    before = reading(devnet.chain_a, lambda reader: reader.heads())

    devnet.chain_a.chain.finalize()
    after = reading(devnet.chain_a, lambda reader: reader.heads())

    assert before.finalized.block.height == block.height - 2
    assert after.finalized.block == block


def test_a_height_above_the_head_is_gone(devnet: Devnet) -> None:
    """It does not exist yet."""
    height = devnet.chain_a.chain.head().height + 100

    with pytest.raises(BlockGoneError):
        reading(devnet.chain_a, lambda reader: reader.header_at(height))


def test_after_a_reorg_the_old_block_is_gone(devnet: Devnet) -> None:
    """Same heights, other hashes: header, logs and views of the old branch are refused."""
    chain_a = devnet.chain_a
    before = lock(devnet, "before the reorg")
    old = lock(devnet, "reorganised")
    vault, token = chain_a.vault, chain_a.tokens["WETH"]
    assert vault is not None

    new_head = reorg(chain_a.chain, 1)

    async def ask(reader: EvmReader) -> None:
        assert (await reader.header_at(old.height)).block.block_hash != old.block_hash
        assert (await reader.header_at(old.height)).parent_hash == before.block_hash
        with pytest.raises(BlockGoneError):
            await reader.header_of(old.block_hash)
        with pytest.raises(BlockGoneError):
            await reader.events_in_block(old)
        with pytest.raises(BlockGoneError):
            await reader.vault_state(vault, token, old)
        assert (await reader.events_in_block(new_head)).events == ()

    assert new_head.height == old.height
    reading(chain_a, ask)


def test_a_silent_roll_back_is_seen_by_the_height(devnet: Devnet) -> None:
    """Some nodes jump back without a word."""
    lock(devnet, "rolled back")
    old = devnet.chain_a.chain.head()

    new = roll_back(devnet.chain_a.chain, 1)

    assert new.height == old.height - 1
    with pytest.raises(BlockGoneError):
        reading(devnet.chain_a, lambda reader: reader.events_in_block(old))


def emitter_code(topics: tuple[bytes, ...], payload: bytes) -> str:
    """Return the code of a contract that emits one log whenever it is called."""
    code = b""
    for at in range(0, len(payload), 32):
        code += b"\x7f" + payload[at : at + 32].ljust(32, b"\0") + b"\x61"
        code += at.to_bytes(2, "big") + b"\x52"  # PUSH32 word PUSH2 at MSTORE
    for topic in reversed(topics):
        code += b"\x7f" + topic
    code += b"\x61" + len(payload).to_bytes(2, "big") + b"\x60\x00"  # PUSH2 length PUSH1 0
    return "0x" + (code + bytes((0xA0 + len(topics),)) + b"\x00").hex()


def place_code(devnet: Devnet, contract: bytes, code: str) -> None:
    """Put code at an address of chain A."""
    devnet.chain_a.chain.anvil.rpc.call("anvil_setCode", "0x" + contract[12:].hex(), code)


LOOK_ALIKE = (LOCKED, (99).to_bytes(32, "big"), b"\x04" * 32, word_of_evm_address(b"\x05" * 20))
LOOK_ALIKE_DATA = encode_arguments(
    ("address", "uint256", "uint256"), (ALICE.address, 10**24, 10**24)
)


def test_a_look_alike_of_another_contract_is_ignored(devnet: Devnet) -> None:
    """Only what stands at a watched address speaks."""
    impostor = word_of_evm_address(b"\xfa" * 20)
    place_code(devnet, impostor, emitter_code(LOOK_ALIKE, LOOK_ALIKE_DATA))

    block = devnet.chain_a.chain.send(ALICE, impostor, "lock()").block
    seen = reading(devnet.chain_a, lambda reader: reader.events_in_block(block))

    async def ask_impostor() -> int:
        watched = Watched(vaults=(impostor,))
        reader = EvmReader(devnet.chain_a.chain_id, devnet.chain_a.rpc_url, watched=watched)
        read = await reader.events_in_block(block)
        await reader.close()
        return len(read.events)

    assert (seen.events, seen.malformed) == ((), ())
    assert asyncio.run(ask_impostor()) == 1  # the log is there, for who watches it


def test_a_malformed_log_of_a_watched_contract_is_reported(devnet: Devnet) -> None:
    """A vault whose log lacks a word is shown, not guessed at."""
    broken = word_of_evm_address(b"\xfb" * 20)
    place_code(devnet, broken, emitter_code(LOOK_ALIKE, LOOK_ALIKE_DATA[:64]))

    receipt = devnet.chain_a.chain.send(ALICE, broken, "lock()")

    async def ask() -> tuple[int, str]:
        watched = Watched(vaults=(broken,))
        reader = EvmReader(devnet.chain_a.chain_id, devnet.chain_a.rpc_url, watched=watched)
        read = await reader.events_in_block(receipt.block)
        await reader.close()
        assert read.malformed[0].tx_hash == receipt.tx_hash
        return len(read.events), read.malformed[0].reason

    assert asyncio.run(ask()) == (0, "64 bytes of data, 96 are needed")


def test_a_node_of_another_chain_is_refused(devnet: Devnet) -> None:
    """The node of chain B is not that of chain A."""

    async def ask() -> None:
        reader = EvmReader(ChainId("eip155:1"), devnet.chain_b.rpc_url, watched=Watched())
        try:
            await reader.identity()
        finally:
            await reader.close()

    with pytest.raises(WrongChainError, match="31338"):
        asyncio.run(ask())


def test_the_identity_holds_number_and_genesis(devnet: Devnet) -> None:
    """It stays the same while the chain grows."""
    first = reading(devnet.chain_a, lambda reader: reader.identity())
    devnet.chain_a.chain.mine()
    second = reading(devnet.chain_a, lambda reader: reader.identity())

    assert first == second
    assert (first.chain_reference, first.genesis.height) == ("31337", 0)


def test_a_vault_state_is_that_of_its_block(devnet: Devnet) -> None:
    """A later lock does not show at the earlier block."""
    chain_a = devnet.chain_a
    vault, token = chain_a.vault, chain_a.tokens["WETH"]
    assert vault is not None
    first, second = lock(devnet, "pinned"), lock(devnet, "pinned")

    async def ask(reader: EvmReader) -> None:
        before = await reader.vault_state(vault, token, first)
        after = await reader.vault_state(vault, token, second)
        account = account_named("pinned")
        assert after.held_units - before.held_units == WETH
        assert after.balance_units - before.balance_units == WETH
        assert after.lock_count - before.lock_count == 1
        assert not after.is_outflow_paused
        assert not after.is_lock_paused
        assert await reader.collateral_units(vault, account, token, first) == WETH
        assert await reader.collateral_units(vault, account, token, second) == 2 * WETH

    reading(chain_a, ask)


def asking_guardian_set(
    contract: bytes,
) -> Callable[[EvmReader], Coroutine[Any, Any, GuardianSet]]:
    """Return a question about the current guardian set of a contract."""
    return lambda reader: reader.guardian_set(contract, None)


def test_the_guardian_set_is_read_from_the_chain(devnet: Devnet) -> None:
    """From a vault and from a credit line."""
    for target in devnet.chains:
        contract = target.vault or target.credit_line
        assert contract is not None
        assert reading(target, asking_guardian_set(contract)) == devnet.guardian_set


def test_a_node_that_is_killed_is_passing_trouble() -> None:
    """And the same reader goes on when it is back."""
    with Devnet() as devnet:
        target = devnet.chain_b
        anvil = target.chain.anvil

        async def ask() -> None:
            reader = target.reader()
            await reader.heads()
            anvil.kill()
            with pytest.raises(RpcUnavailableError):
                await reader.heads()
            anvil.start()
            assert (await reader.heads()).latest.block.height == 0
            await reader.close()

        asyncio.run(ask())

"""The relay step against a real fee market: a base fee that jumps, and one above the cap."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

from chains.attestation import attestation_digest
from chains.devnet.actors import ALICE, RELAYER
from chains.devnet.kit import WETH, Devnet
from chains.devnet.solana_kit import SolanaKit
from chains.evm.fees import GWEI
from chains.port import ChainReader
from relayer import wiring, wiring_senders
from relayer.cli.demo.world import Servers, build_world
from relayer.clock import FixedClock, UnixSeconds
from relayer.outbox.life import WaitReason
from relayer.outbox.message import OutboxMessage
from relayer.settings import Settings, load_settings
from relayer.steps.carrier import Carrier
from relayer.steps.confirm import Follower, confirm
from relayer.steps.fence import open_fence
from relayer.steps.mend import mend
from relayer.steps.relay import relay
from relayer.store.send_rows import SenderKey, SendState
from relayer.store.unit_of_work import Store
from tests.databases import NOW, TestDatabases
from tests.devnet.letters import EXPIRY_SECONDS, account_named, message_to
from tests.relayer.steps.sending_world import store_attested

BLOCK_SECONDS: Final = 12
BASE_WEI: Final = 20 * GWEI
INCLUSION_BLOCKS_MAX: Final = 5
MESSAGES: Final = 3
ONE_MORE: Final = MESSAGES


@dataclass
class Market:
    """A chain whose blocks and base fee the test makes, and one process that carries messages."""

    devnet: Devnet
    settings: Settings
    store: Store
    clock: FixedClock
    blocks: int = 0
    included: dict[bytes, int] = field(default_factory=dict)
    reasons: set[WaitReason] = field(default_factory=set)

    def __post_init__(self) -> None:
        chain_id = self.devnet.chain_a.chain_id
        self.catalog = wiring.catalog_of(self.settings)
        self.sender = wiring_senders.nonce_sender(self.settings, chain_id)
        self.key = SenderKey(chain_id, self.sender.address)

    def attested(self, count: int, label: str) -> list[bytes]:
        """Lock collateral, and store releases of it that two of three guardians have signed."""
        chain_a = self.devnet.chain_a
        assert chain_a.vault is not None
        made = []
        for number in range(count):
            account = account_named(f"{label} {number}")
            chain_a.chain.lock(ALICE, chain_a.vault, account, chain_a.tokens["WETH"], WETH)
            fields = {"account": account, "amount_units": WETH, "nonce": number + 1}
            message = message_to(self.devnet, chain_a, **fields)
            made.append(
                OutboxMessage(
                    message=message,
                    target_chain=chain_a.chain_id,
                    correlation_id=bytes(32),
                    hold_entry_id=bytes(31) + b"\x01",
                    command=None,
                    created_at=UnixSeconds(NOW),
                    deadline_at=UnixSeconds(EXPIRY_SECONDS),
                )
            )
        store_attested(self.store, self.catalog, made, self._signatures)
        return [message.message_id for message in made]

    def _signatures(self, message: OutboxMessage) -> dict[bytes, bytes]:
        digest = attestation_digest(
            chain_id=message.target_chain,
            contract=message.message.vault,
            message_id=message.message_id,
            guardian_set_index=self.devnet.guardian_set.index,
        )
        return {key.address: key.sign(digest) for key in self.devnet.options.guardians}

    def block(self, message_ids: list[bytes], base_wei: int) -> None:
        """Let the process do what is due, then make a block at a base fee, and look into it."""
        rpc = self.devnet.chain_a.chain.anvil.rpc
        asyncio.run(self._work(message_ids))
        rpc.call("anvil_setNextBlockBaseFeePerGas", hex(base_wei))
        self.devnet.chain_a.chain.mine()
        self.blocks += 1
        self.clock.move(BLOCK_SECONDS)
        asyncio.run(self._look(message_ids))

    async def _work(self, message_ids: list[bytes]) -> None:
        reader = wiring.chain_reader(self.settings, self.key.chain_id)
        carrier = Carrier(
            wiring_senders.nonce_sender(self.settings, self.key.chain_id),
            wiring_senders.bridge(self.settings, reader),
            "one",
            limits=wiring_senders.send_limits(self.settings, self.key.chain_id),
        )
        follower = Follower(reader, carrier.bridge, carrier.sender, self.catalog)
        try:
            await mend(self.store, self.catalog, carrier, fence=open_fence)
            for message_id in message_ids:
                await confirm(self.store, follower, message_id, fence=open_fence)
                outcome = await relay(
                    self.store, self.catalog, carrier, message_id, fence=open_fence
                )
                self.reasons.add(outcome.reason)
        finally:
            await reader.close()
            await carrier.sender.close()

    async def _look(self, message_ids: list[bytes]) -> None:
        reader: ChainReader = wiring.chain_reader(self.settings, self.key.chain_id)
        bridge = wiring_senders.bridge(self.settings, reader)
        try:
            for message_id in message_ids:
                with self.store.read() as uow:
                    stored = uow.outbox.get(message_id)
                assert stored is not None
                if await bridge.status(stored.message.message, None):
                    self.included.setdefault(message_id, self.blocks)
        finally:
            await reader.close()

    def fees_wei(self) -> list[int]:
        """Return the max fee of every attempt that was ever signed. [wei per gas]"""
        with self.store.read() as uow:
            attempts = uow.send_queue.attempts_from(self.key, 0)
        return [one.fee_max_wei for made in attempts.values() for one in made]

    def rows(self, message_ids: list[bytes]) -> list[tuple[int, SendState]]:
        """Return every nonce that was reserved for the messages, with its state."""
        with self.store.read() as uow:
            found = [row for one in message_ids for row in uow.nonces.rows_of_message(one)]
        return [(row.account_nonce, row.state) for row in found]

    def next_nonce(self) -> int:
        """Return the next nonce of the key, as the chain sees it."""
        text = self.devnet.chain_a.chain.anvil.rpc.call(
            "eth_getTransactionCount", "0x" + RELAYER.address[-20:].hex(), "latest"
        )
        return int(str(text), 16)


@pytest.fixture
def market(request: pytest.FixtureRequest, devnet: Devnet, tmp_path: Path) -> Iterator[Market]:
    """A market whose key may pay so many gwei per gas (the fixture's parameter)."""
    rpc, chain = devnet.chain_a.chain.anvil.rpc, devnet.chain_a.chain
    servers = Servers("sqlite:///unused.sqlite3", "memory://", "fees")
    with SolanaKit() as solana:  # only its names are needed here
        world = build_world(devnet, solana, tmp_path, servers)
    settings = load_settings(world.config)
    assert settings.sender is not None
    sender = settings.sender.model_copy(update={"fee_cap_gwei": request.param})
    databases, clock = TestDatabases(), FixedClock(NOW)
    with databases.store("sqlite", clock) as store:
        made = Market(devnet, settings.model_copy(update={"sender": sender}), store, clock)
        yield made
        rpc.call("anvil_setNextBlockBaseFeePerGas", hex(GWEI))
        chain.mine()
        rpc.call("evm_setAutomine", True)
    databases.close()


def begin(market: Market, label: str) -> list[bytes]:
    """Let the base fee be ordinary, send messages at it, and keep them out of its blocks."""
    rpc, chain = market.devnet.chain_a.chain.anvil.rpc, market.devnet.chain_a.chain
    message_ids = market.attested(MESSAGES + 1, label)
    rpc.call("evm_setAutomine", False)
    rpc.call("anvil_setNextBlockBaseFeePerGas", hex(BASE_WEI))
    chain.mine()
    return message_ids


def check_no_nonce_is_stuck(market: Market, message_ids: list[bytes], first_nonce: int) -> None:
    """Every nonce has landed once, in order, and the next message is in the next block."""
    sent, later = message_ids[:ONE_MORE], message_ids[ONE_MORE]
    market.devnet.chain_a.chain.finalize()
    base_wei = BASE_WEI
    before = market.blocks
    market.block([*sent, later], base_wei)

    assert market.included[later] == before + 1
    assert market.next_nonce() == first_nonce + MESSAGES + 1
    rows = market.rows(sent)
    assert [nonce for nonce, _ in rows] == list(range(first_nonce, first_nonce + MESSAGES))
    assert {state for _, state in rows} <= {SendState.MINED, SendState.FINAL}


@pytest.mark.parametrize("market", [500], indirect=True)
def test_r10_the_relay_step_follows_a_base_fee_ten_times_higher(market: Market) -> None:
    """Below its cap: the first message within five blocks, each further one a block later."""
    message_ids = begin(market, "spike")
    first_nonce = market.next_nonce()
    sent = message_ids[:ONE_MORE]

    while len(market.included) < MESSAGES and market.blocks < 3 * INCLUSION_BLOCKS_MAX:
        market.block(sent, 10 * BASE_WEI)

    blocks = [market.included.get(one) for one in sent]
    assert blocks[0] is not None
    assert 1 < blocks[0] <= INCLUSION_BLOCKS_MAX
    assert blocks == [blocks[0] + place for place in range(MESSAGES)]
    assert max(market.fees_wei()) <= 500 * GWEI
    check_no_nonce_is_stuck(market, message_ids, first_nonce)


@pytest.mark.parametrize("market", [100], indirect=True)
def test_r10_the_relay_step_waits_at_its_cap_until_the_price_allows(market: Market) -> None:
    """Twice the cap for twenty blocks: nothing above it is signed, and it says why it waits."""
    message_ids = begin(market, "cap")
    first_nonce = market.next_nonce()
    sent = message_ids[:ONE_MORE]

    for _ in range(4 * INCLUSION_BLOCKS_MAX):
        market.block(sent, 10 * BASE_WEI)
    waited = set(market.included)
    allowed_from = market.blocks
    while len(market.included) < MESSAGES and market.blocks < allowed_from + 15:
        market.block(sent, 3 * BASE_WEI)

    blocks = [market.included.get(one, 0) - allowed_from for one in sent]
    assert waited == set()
    assert WaitReason.FEE_ABOVE_CAP in market.reasons
    assert 1 <= blocks[0] <= INCLUSION_BLOCKS_MAX
    assert blocks == [blocks[0] + place for place in range(MESSAGES)]
    assert max(market.fees_wei()) <= 100 * GWEI
    check_no_nonce_is_stuck(market, message_ids, first_nonce)

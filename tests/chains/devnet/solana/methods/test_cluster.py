"""Methods about the node, slots, epochs and blockhashes, through the real client."""

import base64

import pytest
from solana.rpc.async_api import AsyncClient
from solana.rpc.commitment import Confirmed, Finalized, Processed
from solders.compute_budget import set_compute_unit_price
from solders.hash import Hash
from solders.message import Message, MessageV0, to_bytes_versioned
from solders.rpc.errors import NodeUnhealthyMessage
from solders.rpc.responses import GetHealthResp
from solders.system_program import TransferParams, transfer

from chains.devnet.exchange import RefusalError
from chains.devnet.solana.net import SolanaDevnet
from tests.chains.devnet.solana.scenes import (
    ANN,
    BEN,
    SHOP,
    block_hash,
    payment,
    refusal,
    sent,
    signed,
    through,
)

PAY = transfer(TransferParams(from_pubkey=ANN.pubkey(), to_pubkey=SHOP, lamports=5))


def test_the_node_says_who_it_is(net: SolanaDevnet) -> None:
    """Health, version, identity, genesis, peers, leaders."""

    async def ask(client: AsyncClient) -> None:
        identity = (await client.get_identity()).value.identity
        assert (await client.is_connected()) is True
        assert (await client.get_version()).value.solana_core == "4.1.0"
        assert (await client.get_genesis_hash()).value == Hash(net.ledger.genesis_hash)
        assert [one.pubkey for one in (await client.get_cluster_nodes()).value] == [identity]
        assert (await client.get_slot_leader()).value == identity
        schedule = (await client.get_leader_schedule()).value
        assert schedule is not None
        assert list(schedule) == [identity]

    through(net, ask)
    assert net.chain_id == "solana:" + str(Hash(net.ledger.genesis_hash))[:32]


def test_a_node_that_is_behind_says_so(net: SolanaDevnet) -> None:
    """Code -32005 with the number of slots."""
    net.faults.behind_slots = 7

    async def ask(client: AsyncClient) -> object:
        body = client._get_health_body()
        return await refusal(client._provider.make_request(body, GetHealthResp))

    with pytest.raises(RefusalError) as caught:
        net.ask("getHealth")
    assert caught.value.data == {"numSlotsBehind": 7}
    assert isinstance(through(net, ask), NodeUnhealthyMessage)


def test_slots_and_heights_are_those_of_their_level(net: SolanaDevnet) -> None:
    """Heights count blocks: 20 skipped slots make the difference."""
    net.skip(20)

    async def ask(client: AsyncClient) -> list[tuple[int, int]]:
        return [
            ((await client.get_slot(level)).value, (await client.get_block_height(level)).value)
            for level in (Processed, Confirmed, Finalized)
        ]

    assert through(net, ask) == [(62, 42), (41, 41), (31, 31)]


def test_an_epoch_has_8192_slots(net: SolanaDevnet) -> None:
    """The clock of programs agrees."""
    net.skip(8_192)

    async def ask(client: AsyncClient) -> None:
        shown = (await client.get_epoch_info(Processed)).value
        schedule = (await client.get_epoch_schedule()).value
        assert (shown.epoch, shown.slot_index) == divmod(net.slot, 8_192)
        assert (shown.slots_in_epoch, schedule.slots_per_epoch) == (8_192, 8_192)
        assert shown.transaction_count == 3

    through(net, ask)
    clock = net.ledger.bank.svm.get_clock()
    assert (clock.epoch, clock.epoch_start_timestamp) == (1, net.options.time_of(8_192))


def test_a_blockhash_is_valid_until_its_last_height(net: SolanaDevnet) -> None:
    """isBlockhashValid and lastValidBlockHeight say the same."""
    config = {"commitment": "processed"}
    latest = net.ask("getLatestBlockhash", config)["value"]
    net.advance(latest["lastValidBlockHeight"] - net.ledger.tip.height)

    shown = []
    for _ in range(2):
        shown.append(net.ask("isBlockhashValid", latest["blockhash"], config)["value"])
        net.advance()

    assert shown == [True, False]


def test_a_blockhash_is_not_valid_at_a_level_that_has_not_seen_it(net: SolanaDevnet) -> None:
    """The final level learns of it 31 slots later."""
    newest = str(block_hash(net))

    shown = [
        net.ask("isBlockhashValid", newest, {"commitment": level})["value"]
        for level in ("processed", "confirmed", "finalized")
    ]

    assert shown == [True, True, False]


@pytest.mark.parametrize("kind", [Message, MessageV0])
def test_a_fee_is_what_the_runtime_takes(net: SolanaDevnet, kind: type) -> None:
    """Signatures, and the price for compute units; none for an expired blockhash."""

    def message(recent: Hash) -> Message | MessageV0:
        instructions = [set_compute_unit_price(1_000_000), PAY]
        if kind is Message:
            return Message.new_with_blockhash(instructions, ANN.pubkey(), recent)
        return MessageV0.try_compile(ANN.pubkey(), instructions, [], recent)

    def fee(recent: Hash) -> object:
        text = base64.b64encode(to_bytes_versioned(message(recent))).decode()
        return net.ask("getFeeForMessage", text, {"commitment": "processed"})["value"]

    landed = net.pipeline.execute(signed(net, [set_compute_unit_price(1_000_000), PAY], ANN))
    assert landed is not None
    assert fee(block_hash(net)) == landed.fee_lamports > 5_000
    assert fee(Hash.default()) is None


def test_prioritization_fees_are_those_of_recent_blocks(net: SolanaDevnet) -> None:
    """The lowest of a block, of transactions that write all of the given accounts."""
    for price in (900, 300):
        sent(net, signed(net, [set_compute_unit_price(price), PAY], ANN))
    slot = net.slot
    net.advance()
    sent(net, payment(net, payer=BEN))
    net.advance()

    def fees(*keys: object) -> dict[int, int]:
        shown = net.ask("getRecentPrioritizationFees", list(map(str, keys)))
        return {one["slot"]: one["prioritizationFee"] for one in shown}

    assert fees()[slot] == fees(ANN.pubkey(), SHOP)[slot] == 300
    assert fees()[slot + 1] == fees(BEN.pubkey())[slot] == 0
    assert len(fees()) == min(150, len(net.ledger.blocks) - 1)


def test_transactions_are_counted_at_their_level(net: SolanaDevnet) -> None:
    """The three of the scene are final, the payment is not."""
    sent(net, payment(net))

    async def ask(client: AsyncClient) -> list[int]:
        return [
            (await client.get_transaction_count(level)).value for level in (Processed, Finalized)
        ]

    assert through(net, ask) == [4, 3]


def test_a_recent_block_has_a_depth(net: SolanaDevnet) -> None:
    """All stake has voted for it that many slots deep; of an old one nothing is told."""

    async def ask(client: AsyncClient) -> None:
        recent = (await client.get_block_commitment(net.slot - 3)).value
        old = (await client.get_block_commitment(1)).value
        assert recent is not None
        assert recent.commitment is not None
        assert [place for place, stake in enumerate(recent.commitment) if stake] == [3]
        assert old.commitment is None

    through(net, ask)


@pytest.mark.parametrize("given", ["AAAA", "gAA=", "", "A" * 2_000, 5, None])
def test_what_is_no_message_is_refused(net: SolanaDevnet, given: object) -> None:
    """Wrong parameters, whatever they are."""
    with pytest.raises(RefusalError) as caught:
        net.ask("getFeeForMessage", given)

    assert caught.value.code == -32602

"""Subscriptions, heard with the real websocket client."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from solana.rpc.commitment import Commitment, Confirmed, Finalized, Processed
from solana.rpc.jsonrpc import SolanaJsonRpcError
from solana.rpc.models import MemcmpOpts
from solana.rpc.websocket_api import SolanaWsClient
from solders.message import MessageV0
from solders.rpc.config import RpcBlockSubscribeFilterMentions, RpcTransactionLogsFilterMentions
from solders.system_program import TransferParams, transfer
from solders.transaction import VersionedTransaction
from solders.transaction_status import TransactionDetails
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from chains.devnet.solana.net import SolanaDevnet
from chains.devnet.solana.records import TOKEN_PROGRAM
from tests.chains.devnet.solana.scenes import (
    ANN,
    BEN,
    SHOP,
    SHOP_RENT,
    SOL,
    block_hash,
    heard,
    listening,
    payment,
    sent,
)

LAGS: Sequence[tuple[Commitment, int]] = [(Processed, 0), (Confirmed, 1), (Finalized, 31)]


async def before_next(client: SolanaWsClient, net: SolanaDevnet) -> list[Any]:
    """Open the next slot and return what was told before that one."""
    subscription = await client.slot_subscribe()
    net.advance()
    told = []
    while (one := await heard(client)).subscription != subscription.subscription_id:
        told.append(one)
    await client.unsubscribe(subscription)
    return told


@pytest.mark.parametrize(("level", "lag"), LAGS)
def test_logs_are_told_when_their_level_is_reached(
    net: SolanaDevnet, level: Commitment, lag: int
) -> None:
    """Not a slot earlier; failed transactions too."""

    async def listen(client: SolanaWsClient) -> None:
        await client.logs_subscribe(commitment=level)
        signature = sent(net, payment(net))
        failed = sent(net, payment(net, 200 * SOL))
        slot = net.slot
        for _ in range(lag):
            assert await before_next(client, net) == []
        told = [await heard(client), await heard(client)]
        assert [str(one.result.value.signature) for one in told] == [signature, failed]
        assert [one.result.context.slot for one in told] == [slot, slot]
        assert told[0].result.value.err is None
        assert told[1].result.value.err is not None
        assert any("insufficient" in line for line in told[1].result.value.logs)

    listening(net, listen)


def test_logs_are_told_to_those_who_asked_for_an_address(net: SolanaDevnet) -> None:
    """mentions takes one address."""

    async def listen(client: SolanaWsClient) -> None:
        mentions = RpcTransactionLogsFilterMentions(BEN.pubkey())
        await client.logs_subscribe(filter_=mentions, commitment=Processed)
        sent(net, payment(net))
        signature = sent(net, payment(net, payer=BEN))
        assert str((await heard(client)).result.value.signature) == signature

    listening(net, listen)


@pytest.mark.parametrize(("level", "lag"), LAGS)
def test_an_account_is_told_as_it_is_at_its_level(
    net: SolanaDevnet, level: Commitment, lag: int
) -> None:
    """Each change by itself, also where a level moves over several at once."""

    async def listen(client: SolanaWsClient) -> list[tuple[int, int]]:
        await client.account_subscribe(pubkey=SHOP, commitment=level, encoding="base64")
        for lamports in (1, 2):
            sent(net, payment(net, lamports))
            net.advance()
        net.advance(max(lag, 1))
        told = [await heard(client), await heard(client)]
        return [(one.result.context.slot, one.result.value.lamports) for one in told]

    assert listening(net, listen) == [(41, SHOP_RENT + 1), (42, SHOP_RENT + 3)]


def test_a_rollback_tells_of_the_accounts_that_it_changed_back(net: SolanaDevnet) -> None:
    """Whoever trusted processed learns that it was too early."""

    async def listen(client: SolanaWsClient) -> list[int]:
        await client.account_subscribe(pubkey=SHOP, commitment=Processed, encoding="base64")
        sent(net, payment(net, 5))
        net.rollback(1)
        return [(await heard(client)).result.value.lamports for _ in range(2)]

    assert listening(net, listen) == [SHOP_RENT + 5, SHOP_RENT]


def test_confirmed_slots_that_are_rolled_back_are_told_anew(net: SolanaDevnet) -> None:
    """What lands on the new fork is confirmed on its own, also what was confirmed before."""

    async def listen(client: SolanaWsClient) -> list[str]:
        await client.logs_subscribe(commitment=Confirmed)
        again = sent(net, payment(net, 1, recent=block_hash(net, "finalized")))
        net.advance()
        gone = sent(net, payment(net, 2))
        net.advance()
        assert net.rollback(3, is_including_again=True) == [gone]
        net.advance()
        told = [str((await heard(client)).result.value.signature) for _ in range(3)]
        assert told == [again, gone, again]
        return told

    listening(net, listen)


def test_a_block_with_a_version_that_was_not_asked_for_is_told_as_an_error(
    net: SolanaDevnet,
) -> None:
    """The subscription goes on."""

    async def listen(client: SolanaWsClient) -> None:
        await client.block_subscribe(commitment=Confirmed, encoding="base64")
        recent = block_hash(net)
        pay = transfer(TransferParams(from_pubkey=ANN.pubkey(), to_pubkey=SHOP, lamports=1))
        message = MessageV0.try_compile(ANN.pubkey(), [pay], [], recent)
        sent(net, VersionedTransaction(message, [ANN]))
        net.advance(2)
        first, second = await heard(client), await heard(client)
        assert (first.result.value.block, second.result.value.err) == (None, None)
        assert first.result.value.err is not None
        assert second.result.value.block is not None

    listening(net, listen)


def test_a_programs_accounts_are_told_through_filters(net: SolanaDevnet) -> None:
    """The account of the asked mint, and no other."""
    mint, other = net.create_mint(decimals=6), net.create_mint(decimals=6)

    async def listen(client: SolanaWsClient) -> None:
        await client.program_subscribe(
            program_id=TOKEN_PROGRAM,
            commitment=Processed,
            encoding="base64",
            filters=[165, MemcmpOpts(offset=0, bytes=str(mint))],
        )
        net.mint_to(other, ANN.pubkey(), 7)
        account = net.mint_to(mint, ANN.pubkey(), 7)
        told = (await heard(client)).result.value
        assert (told.pubkey, told.account.owner) == (account, TOKEN_PROGRAM)

    listening(net, listen)


@pytest.mark.parametrize(("level", "lag"), LAGS)
def test_a_signature_is_told_once(net: SolanaDevnet, level: Commitment, lag: int) -> None:
    """When its level is reached; at once if that was before."""
    tx, late = payment(net, 1), payment(net, 2)

    async def listen(client: SolanaWsClient) -> None:
        await client.signature_subscribe(signature=tx.signatures[0], commitment=level)
        sent(net, tx)
        slot = net.slot
        if lag:
            net.advance(lag)
        told = await heard(client)
        assert (told.result.context.slot, told.result.value.err) == (slot, None)

        sent(net, late)
        net.advance(40)
        await client.signature_subscribe(signature=late.signatures[0], commitment=level)
        assert (await heard(client)).result.value.err is None
        assert await before_next(client, net) == []

    listening(net, listen)


def test_a_signature_that_lands_again_is_not_told_again(net: SolanaDevnet) -> None:
    """Its subscription ended with the first time, whatever became of that fork."""
    tx = payment(net, recent=block_hash(net, "finalized"))

    async def listen(client: SolanaWsClient) -> None:
        await client.signature_subscribe(signature=tx.signatures[0], commitment=Processed)
        sent(net, tx)
        assert net.rollback(1, is_including_again=True) == []
        assert (await heard(client)).result.value.err is None
        assert await before_next(client, net) == []

    listening(net, listen)


def test_slots_and_roots_are_told_as_they_move(net: SolanaDevnet) -> None:
    """A slot with its parent and root; each new root by itself."""

    async def listen(client: SolanaWsClient) -> None:
        slots = await client.slot_subscribe()
        net.skip(2)
        told = (await heard(client)).result
        assert (told.slot, told.parent, told.root) == (44, 41, 10)
        await client.unsubscribe(slots)
        await client.root_subscribe()
        net.advance(2)
        assert [(await heard(client)).result for _ in range(2)] == [14, 15]

    listening(net, listen)


def test_blocks_are_told_with_their_transactions(net: SolanaDevnet) -> None:
    """Those that mention an address, with only what mentions it."""

    async def listen(client: SolanaWsClient) -> None:
        await client.block_subscribe(
            filter_=RpcBlockSubscribeFilterMentions(BEN.pubkey()),
            commitment=Confirmed,
            transaction_details=TransactionDetails.Signatures,
            encoding="base64",
        )
        sent(net, payment(net))
        net.advance()
        sent(net, payment(net))
        signature = sent(net, payment(net, payer=BEN))
        net.advance()
        told = (await heard(client)).result
        assert told.value.slot == told.context.slot == net.slot - 1
        assert list(map(str, told.value.block.signatures)) == [signature]

    listening(net, listen)


def test_held_confirmation_keeps_levels_where_they_are(net: SolanaDevnet) -> None:
    """Everything that was held comes in order once it goes on."""

    async def listen(client: SolanaWsClient) -> None:
        await client.logs_subscribe(commitment=Confirmed)
        net.hold_confirmation()
        signatures = []
        for lamports in (1, 2, 3):
            signatures.append(sent(net, payment(net, lamports)))
            net.advance()
        assert await before_next(client, net) == []
        net.resume_confirmation()
        net.advance()
        told = [str((await heard(client)).result.value.signature) for _ in range(3)]
        assert told == signatures

    listening(net, listen)


def test_nothing_is_told_after_unsubscribing(net: SolanaDevnet) -> None:
    """And one cannot unsubscribe twice."""

    async def listen(client: SolanaWsClient) -> None:
        subscription = await client.logs_subscribe(commitment=Processed)
        await client.unsubscribe(subscription)
        sent(net, payment(net))
        assert await before_next(client, net) == []

    listening(net, listen)


def test_a_topic_that_is_not_served_is_an_error_of_the_client(net: SolanaDevnet) -> None:
    """Its connection stays good."""

    async def listen(client: SolanaWsClient) -> None:
        with pytest.raises(SolanaJsonRpcError, match="voteSubscribe is not served by this devnet"):
            await client.vote_subscribe()
        with pytest.raises(SolanaJsonRpcError, match="not served by this devnet"):
            await client.account_subscribe(pubkey=SHOP, encoding="jsonParsed")
        await client.slot_subscribe()

    listening(net, listen)


HOSTILE = [
    ("{", -32700),
    ("[]", -32600),
    ('{"jsonrpc":"2.0","id":1,"method":"logsSubscribe","params":["some"]}', -32602),
    ('{"jsonrpc":"2.0","id":1,"method":"logsSubscribe","params":[{"mentions":[]}]}', -32602),
    ('{"jsonrpc":"2.0","id":1,"method":"accountSubscribe","params":[]}', -32602),
    ('{"jsonrpc":"2.0","id":1,"method":"blockSubscribe","params":["few"]}', -32602),
    ('{"jsonrpc":"2.0","id":1,"method":"logsUnsubscribe","params":[77]}', -32602),
    ('{"jsonrpc":"2.0","id":1,"method":"getSlot","params":[]}', -32601),
]


@pytest.mark.parametrize(("text", "code"), HOSTILE)
def test_hostile_texts_are_answered(net: SolanaDevnet, text: str, code: int) -> None:
    """As over HTTP, and the connection stays."""

    async def listen(_: SolanaWsClient) -> list[Any]:
        async with connect(net.ws_url) as line:
            await line.send(text)
            refused = json.loads(await line.recv())
            await line.send('{"jsonrpc":"2.0","id":2,"method":"slotSubscribe"}')
            return [refused["error"]["code"], json.loads(await line.recv())["id"]]

    assert listening(net, listen) == [code, 2]


def test_a_connection_has_a_bounded_number_of_subscriptions(net: SolanaDevnet) -> None:
    """The thousandth is taken, the next is not."""

    async def listen(_: SolanaWsClient) -> list[bool]:
        async with connect(net.ws_url) as line:
            shown = []
            for number in range(1_001):
                await line.send(f'{{"jsonrpc":"2.0","id":{number},"method":"rootSubscribe"}}')
                shown.append("result" in json.loads(await line.recv()))
            return shown

    assert listening(net, listen) == [True] * 1_000 + [False]


def test_a_cut_websocket_ends_without_a_word_and_another_can_be_opened(net: SolanaDevnet) -> None:
    """Its subscriptions are gone with it."""

    async def listen(client: SolanaWsClient) -> None:
        await client.logs_subscribe(commitment=Processed)
        net.cut_websockets()
        with pytest.raises(ConnectionClosed):
            await heard(client)
        async with SolanaWsClient(net.ws_url) as again:
            await again.slot_subscribe()
            sent(net, payment(net))
            net.advance()
            assert (await heard(again)).result.slot == net.slot

    listening(net, listen)

"""Methods about blocks, signatures and transactions, through the real client."""

import base64
from typing import Any

import pytest
from solana.rpc.async_api import AsyncClient
from solana.rpc.commitment import Confirmed
from solders.address_lookup_table_account import AddressLookupTableAccount
from solders.instruction import AccountMeta, Instruction
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.rpc.errors import (
    BlockNotAvailableMessage,
    LongTermStorageSlotSkippedMessage,
    SlotSkippedMessage,
    UnsupportedTransactionVersionMessage,
)
from solders.signature import Signature
from solders.system_program import TransferParams, transfer
from solders.transaction import VersionedTransaction
from solders.transaction_status import TransactionDetails

from chains.devnet.exchange import RefusalError
from chains.devnet.solana.mints import MEMO
from chains.devnet.solana.net import SolanaDevnet
from chains.devnet.solana.records import TOKEN_PROGRAM
from tests.chains.devnet.solana.scenes import (
    ANN,
    BEN,
    SHOP,
    SHOP_RENT,
    SOL,
    block_hash,
    lamports_of,
    payment,
    refusal,
    sent,
    signed,
    through,
)

ALT_PROGRAM = Pubkey.from_string("AddressLookupTab1e1111111111111111111111111")
FAR = Pubkey.from_bytes(bytes([88]) * 32)


def lookup_table(net: SolanaDevnet) -> AddressLookupTableAccount:
    """Make a lookup table with one address, by the program that keeps them."""
    slot = net.ledger.tip.parent_slot
    key, bump = Pubkey.find_program_address(
        [bytes(ANN.pubkey()), slot.to_bytes(8, "little")], ALT_PROGRAM
    )
    ann = AccountMeta(ANN.pubkey(), is_signer=True, is_writable=True)
    metas = [AccountMeta(key, is_signer=False, is_writable=True), ann, ann]
    metas.append(AccountMeta(Pubkey.default(), is_signer=False, is_writable=False))
    create = bytes(4) + slot.to_bytes(8, "little") + bytes([bump])
    extend = (2).to_bytes(4, "little") + (1).to_bytes(8, "little") + bytes(FAR)
    made = [Instruction(ALT_PROGRAM, content, metas) for content in (create, extend)]
    sent(net, signed(net, made, ANN))
    net.advance()
    return AddressLookupTableAccount(key=key, addresses=[FAR])


def sent_by_table(net: SolanaDevnet) -> str:
    """Pay an address that stands in a lookup table, and return the signature."""
    table = lookup_table(net)
    pay = transfer(TransferParams(from_pubkey=ANN.pubkey(), to_pubkey=FAR, lamports=SOL))
    message = MessageV0.try_compile(ANN.pubkey(), [pay], [table], block_hash(net))
    assert FAR not in message.account_keys
    return sent(net, VersionedTransaction(message, [ANN]))


def test_a_transaction_is_shown_with_its_effects(net: SolanaDevnet) -> None:
    """As JSON and as bytes: fee, balances, logs, units, time."""
    tx = payment(net)
    sent(net, tx)
    slot = net.slot
    net.advance()

    async def ask(client: AsyncClient) -> None:
        assert (await client.get_transaction(tx.signatures[0])).value is None  # not final yet
        shown = (await client.get_transaction(tx.signatures[0], "json", Confirmed)).value
        assert shown is not None
        assert (shown.slot, shown.block_time) == (slot, net.options.time_of(slot))
        meta = shown.transaction.meta
        assert meta is not None
        assert (meta.err, meta.fee, meta.compute_units_consumed) == (None, 5_000, 150)
        assert meta.pre_balances == [100 * SOL, SHOP_RENT, 1]
        assert meta.post_balances == [100 * SOL - SHOP_RENT - 5_000, 2 * SHOP_RENT, 1]
        assert meta.log_messages is not None
        assert meta.log_messages[-1].endswith("success")
        for encoding in ("base64", "base58"):
            raw = (await client.get_transaction(tx.signatures[0], encoding, Confirmed)).value
            assert raw is not None
            assert raw.transaction.transaction == tx

    through(net, ask)


def test_inner_instructions_and_token_balances_are_shown(net: SolanaDevnet) -> None:
    """An associated account is made by calls between programs."""
    mint = net.create_mint(decimals=6)
    net.mint_to(mint, ANN.pubkey(), 70)
    signature = net.ledger.tip.landed[-1].signature
    net.advance()

    shown = net.ask("getTransaction", signature, {"commitment": "confirmed"})

    meta = shown["meta"]
    assert [one["index"] for one in meta["innerInstructions"]] == [0]
    assert {one["stackHeight"] for one in meta["innerInstructions"][0]["instructions"]} == {2}
    assert meta["preTokenBalances"] == []
    (after,) = meta["postTokenBalances"]
    assert (after["mint"], after["owner"]) == (str(mint), str(ANN.pubkey()))
    assert after["uiTokenAmount"]["amount"] == "70"
    key = shown["transaction"]["message"]["accountKeys"][after["accountIndex"]]
    assert key != str(ANN.pubkey())


def test_what_a_program_gave_back_is_shown(net: SolanaDevnet) -> None:
    """The token program gives the size of an account, 165."""
    mint = net.create_mint(decimals=6)
    ask = Instruction(TOKEN_PROGRAM, b"\x15", [AccountMeta(mint, False, False)])
    signature = sent(net, signed(net, [ask], ANN))
    net.advance()

    shown = net.ask("getTransaction", signature, {"commitment": "confirmed"})["meta"]

    content = base64.b64encode((165).to_bytes(8, "little")).decode()
    assert shown["returnData"] == {"programId": str(TOKEN_PROGRAM), "data": [content, "base64"]}


def test_a_transaction_with_a_lookup_table_is_found_by_the_addresses_in_it(
    net: SolanaDevnet,
) -> None:
    """Loaded addresses are part of the history; whoever does not know the version is told so."""
    signature = Signature.from_string(sent_by_table(net))
    net.advance()

    async def ask(client: AsyncClient) -> None:
        listed = (await client.get_signatures_for_address(FAR, commitment=Confirmed)).value
        assert [one.signature for one in listed] == [signature]
        error = await refusal(client.get_transaction(signature, "json", Confirmed))
        assert isinstance(error, UnsupportedTransactionVersionMessage)
        shown = (await client.get_transaction(signature, "json", Confirmed, 0)).value
        assert shown is not None
        assert shown.transaction.version == 0
        meta = shown.transaction.meta
        assert meta is not None
        assert meta.loaded_addresses is not None
        assert meta.loaded_addresses.writable == [FAR]
        assert meta.post_balances[-1] == SOL

    through(net, ask)


def test_what_a_lookup_table_named_goes_back_with_its_slot(net: SolanaDevnet) -> None:
    """Loaded accounts have versions like the others."""
    sent_by_table(net)
    assert lamports_of(net, FAR) == SOL
    assert lamports_of(net, FAR, "confirmed") == 0

    net.rollback(1)

    assert lamports_of(net, FAR) == 0


def test_signatures_of_an_address_are_paged_newest_first(net: SolanaDevnet) -> None:
    """before and until are left out themselves; a limit cuts."""
    signatures = []
    for lamports in range(1, 6):
        signatures.append(Signature.from_string(sent(net, payment(net, lamports))))
        net.advance()
    newest = signatures[::-1]

    async def ask(client: AsyncClient) -> list[list[Signature]]:
        asked: list[dict[str, Any]] = [
            {"limit": 2},
            {"before": newest[1], "limit": 2},
            {"before": newest[1], "until": newest[4]},
            {"until": newest[2]},
        ]
        answers = [
            await client.get_signatures_for_address(SHOP, commitment=Confirmed, **one)
            for one in asked
        ]
        return [[one.signature for one in answer.value] for answer in answers]

    assert through(net, ask) == [newest[:2], newest[2:4], newest[2:4], newest[:2]]
    final = net.ask("getSignaturesForAddress", str(SHOP))
    assert [one["confirmationStatus"] for one in final] == ["finalized"]
    elsewhere = {"before": str(signatures[2]), "commitment": "confirmed"}
    of_ben = net.ask("getSignaturesForAddress", str(BEN.pubkey()), elsewhere)
    assert [one["slot"] for one in of_ben] == [1]  # his airdrop is older than that payment
    gone = {"before": str(Signature.default()), "commitment": "confirmed"}
    assert net.ask("getSignaturesForAddress", str(SHOP), gone) == []


def test_an_address_remembers_memos_and_failures(net: SolanaDevnet) -> None:
    """As a cluster writes them."""
    remark = Instruction(MEMO, b"hello", [AccountMeta(ANN.pubkey(), True, False)])
    sent(net, signed(net, [remark], ANN))
    sent(net, payment(net, 200 * SOL))
    net.advance()

    shown = net.ask("getSignaturesForAddress", str(ANN.pubkey()), {"commitment": "confirmed"})

    assert [(one["memo"], one["err"]) for one in shown[:2]] == [
        (None, {"InstructionError": [0, {"Custom": 1}]}), ("[5] hello", None),
    ]  # fmt: skip


def test_a_status_goes_through_the_levels(net: SolanaDevnet) -> None:
    """Confirmations count blocks until none are counted any more."""
    signature = sent(net, payment(net))
    shown = []
    for slots in (1, 30, 270):
        shown.append(net.ask("getSignatureStatuses", [signature])["value"][0])
        net.advance(slots)
    shown.append(net.ask("getSignatureStatuses", [signature])["value"][0])

    levels = [
        one and (one["confirmations"], one["confirmationStatus"], one["status"]) for one in shown
    ]
    ok = {"Ok": None}
    assert levels == [
        (0, "processed", ok), (1, "confirmed", ok), (None, "finalized", ok), None,
    ]  # fmt: skip
    searched = net.ask("getSignatureStatuses", [signature], {"searchTransactionHistory": True})
    assert searched["value"][0]["slot"] == 41


def test_a_block_holds_what_landed_in_it(net: SolanaDevnet) -> None:
    """Linked to its parent; as much of its transactions as was asked for."""
    tx = payment(net)
    sent(net, tx)
    slot = net.slot
    net.advance(40)

    async def ask(client: AsyncClient) -> None:
        block = (await client.get_block(slot)).value
        parent = (await client.get_block(slot - 1)).value
        assert block is not None
        assert parent is not None
        assert (block.parent_slot, block.previous_blockhash) == (slot - 1, parent.blockhash)
        assert block.block_height == slot
        assert block.transactions is not None
        assert block.transactions[0].transaction.signatures == [tx.signatures[0]]
        few = (
            await client.get_block(slot, transaction_details=TransactionDetails.Signatures)
        ).value
        assert few is not None
        assert (few.signatures, few.transactions) == ([tx.signatures[0]], None)
        assert (await client.get_block_time(slot)).value == net.options.time_of(slot)

    through(net, ask)
    accounts = net.ask("getBlock", slot, {"transactionDetails": "accounts"})["transactions"][0]
    assert [(key["signer"], key["writable"]) for key in accounts["transaction"]["accountKeys"]] == [
        (True, True),
        (False, True),
        (False, False),
    ]


def test_a_block_that_is_not_there_is_refused_for_its_reason(net: SolanaDevnet) -> None:
    """Not yet, skipped, skipped long ago, or not written yet."""
    skipped = net.slot + 1
    net.skip(1)
    net.advance(40)

    async def ask(client: AsyncClient) -> list[type]:
        errors = [
            await refusal(client.get_block(net.slot)),
            await refusal(client.get_block(net.slot - 1)),
            await refusal(client.get_block(skipped)),
        ]
        net.faults.skips_known_slots = 2
        errors.append(await refusal(client.get_block(skipped)))
        return list(map(type, errors))

    assert through(net, ask) == [
        BlockNotAvailableMessage, BlockNotAvailableMessage, SlotSkippedMessage,
        LongTermStorageSlotSkippedMessage,
    ]  # fmt: skip
    net.faults.history_lag_slots = 3
    with pytest.raises(RefusalError) as caught:
        net.ask("getBlock", net.slot - 2, {"commitment": "confirmed"})
    assert caught.value.code == -32014


def test_a_transaction_that_is_not_written_yet_is_not_shown(net: SolanaDevnet) -> None:
    """Its status is there before it, as on a node whose history lags."""
    signature = sent(net, payment(net))
    net.advance()
    net.faults.history_lag_slots = 2
    config = {"commitment": "confirmed"}

    assert net.ask("getSignatureStatuses", [signature])["value"][0] is not None
    assert net.ask("getTransaction", signature, config) is None
    net.advance()
    assert net.ask("getTransaction", signature, config) is not None


def test_a_block_that_is_no_longer_kept_says_from_where_on_they_are(net: SolanaDevnet) -> None:
    """Code -32001."""
    del net.ledger.blocks[:5]

    with pytest.raises(RefusalError, match="First available block: 5") as caught:
        net.ask("getBlock", 4)

    assert caught.value.code == -32001


def test_blocks_are_listed_without_skipped_slots(net: SolanaDevnet) -> None:
    """By range and by number, up to the level."""
    first = net.slot
    net.skip(2)
    net.advance(2)

    async def ask(client: AsyncClient) -> list[list[int]]:
        net.advance(40)
        return [(await client.get_blocks(first, first + 4)).value]

    confirmed = {"commitment": "confirmed"}
    assert net.ask("getBlocks", first, None, confirmed) == [first, first + 3, first + 4]
    assert net.ask("getBlocks", first, confirmed) == [first, first + 3, first + 4]
    assert net.ask("getBlocks", first) == []
    assert net.ask("getBlocksWithLimit", first, 2, confirmed) == [first, first + 3]
    assert through(net, ask) == [[first, first + 3, first + 4]]


@pytest.mark.parametrize(
    ("method", "params", "reason"),
    [
        ("getTransaction", [str(Signature.default()), "jsonParsed"], "jsonParsed is not served"),
        ("getBlock", [1, {"encoding": "jsonParsed"}], "jsonParsed is not served"),
        ("getBlock", [1, {"transactionDetails": "most"}], "unknown variant"),
        ("getBlock", [-1], "u64"),
        ("getBlock", [True], "u64"),
        ("getBlock", [], "more parameters"),
        ("getBlock", [1, {"commitment": "processed"}], "below `confirmed`"),
        ("getBlocks", [0, 600_000], "too large"),
        ("getBlocksWithLimit", [0, 600_000], "too large"),
        ("getSignaturesForAddress", [str(SHOP), {"limit": 1_001}], "max 1000"),
        ("getSignaturesForAddress", [str(SHOP), {"limit": 0}], "max 1000"),
        ("getSignaturesForAddress", [str(SHOP), {"commitment": "processed"}], "does not support"),
        ("getSignatureStatuses", [[str(Signature.default())] * 257], "max 256"),
        ("getSignatureStatuses", [["1"]], "Invalid"),
    ],
)
def test_wrong_parameters_are_refused(
    net: SolanaDevnet, method: str, params: list[object], reason: str
) -> None:
    """With -32602 and the reason."""
    with pytest.raises(RefusalError, match=reason) as caught:
        net.ask(method, *params)

    assert caught.value.code == -32602

"""Tests of the sender against a local cluster that runs the real vault program."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import pytest
from solders.compute_budget import ID as BUDGET
from solders.keypair import Keypair
from solders.transaction import VersionedTransaction

from chains.base58 import base58_of
from chains.devnet.exchange import CODE_INVALID_PARAMS
from chains.devnet.proxy import ErrorObject
from chains.devnet.solana.options import SolanaOptions
from chains.devnet.solana.refusals import MIN_CONTEXT_SLOT
from chains.devnet.solana_actors import SOLANA_ALICE, SOLANA_RELAYER
from chains.devnet.solana_kit import SOL, USDC, SolanaKit
from chains.errors import (
    BlockGoneError,
    CallRevertedError,
    ChainError,
    GasFundsError,
    RpcAnswerError,
)
from chains.port import ProgramCall
from chains.sending import Expired, ExpiringTransaction, Landed, PriorityFee, Waiting
from chains.solana.compiling import CallTooLargeError, writable_accounts
from chains.solana.fees import PriorityLimits
from chains.solana.sender import SolanaSender
from chains.types import ChainId
from tests.relayer.steps.expiring_world import (
    ACCOUNT,
    bridge_of,
    message_to,
    running_kit,
)

T = TypeVar("T")
FEE = PriorityFee(2_000)
BLOCKHASH_SLOTS = 150
FINAL_SLOTS = 32


@pytest.fixture(scope="module")
def shared() -> Iterator[SolanaKit]:
    """A cluster with a vault in which alice has locked."""
    with running_kit() as kit:
        deployed = kit.chain_s
        deployed.lock(SOLANA_ALICE, ACCOUNT, deployed.tokens["USDC"], 1_000 * USDC)
        kit.net.advance(2)
        yield kit


@pytest.fixture
def kit(shared: SolanaKit) -> Iterator[SolanaKit]:
    """The cluster without the faults that a test gave it."""
    yield shared
    shared.net.faults.rules.clear()
    shared.net.faults.drop_next = shared.net.faults.behind_slots = 0
    shared.net.faults.inclusion_delay_slots = 0
    shared.net.resume_confirmation()
    shared.net.advance(2)


def sending(
    kit: SolanaKit,
    use: Callable[[SolanaSender], Awaitable[T]],
    *,
    key: Keypair = SOLANA_RELAYER.keypair,
    limits: PriorityLimits | None = None,
) -> T:
    """Return what a sender of its own does."""
    sender = SolanaSender(kit.net.chain_id, kit.net.url, key=key, limits=limits)

    async def used() -> T:
        try:
            return await use(sender)
        finally:
            await sender.close()

    return asyncio.run(used())


def call_of(kit: SolanaKit, nonce: int, **changes: Any) -> ProgramCall:
    """Return the delivery of a release."""
    deployed = kit.chain_s
    message = message_to(deployed, nonce=nonce, **changes)
    return asyncio.run(bridge_of(deployed).deliver(message, deployed.attest(message)))[-1]


def sent(kit: SolanaKit, call: ProgramCall) -> ExpiringTransaction:
    """Sign and send a call."""

    async def use(sender: SolanaSender) -> ExpiringTransaction:
        signed = await sender.prepare(call, FEE)
        await sender.broadcast(signed)
        return signed

    return sending(kit, use)


def seen(kit: SolanaKit, signed: ExpiringTransaction) -> Any:
    """Return what the sender sees of a transaction."""
    return sending(kit, lambda sender: sender.sighting(signed))


def test_a_delivery_lands_and_becomes_final(kit: SolanaKit) -> None:
    """It waits until its slot is confirmed; then it is there, and at last for ever."""
    signed = sent(kit, call_of(kit, 1))

    assert seen(kit, signed) == Waiting()
    kit.net.advance(2)
    landed = seen(kit, signed)
    kit.net.advance(FINAL_SLOTS)
    final = seen(kit, signed)

    assert isinstance(landed, Landed)
    assert (landed.is_final, landed.receipt.is_success) == (False, True)
    assert final == Landed(landed.receipt, True)
    assert sending(kit, lambda sender: sender.receipt(signed.tx_hash)) == landed.receipt
    block = kit.net.ask("getBlock", landed.receipt.block.height, {"rewards": False})
    assert (
        block["blockhash"]
        == kit.net.ask("getBlock", landed.receipt.block.height, {"transactionDetails": "none"})[
            "blockhash"
        ]
    )


def test_a_transaction_asks_for_its_units_and_offers_its_price(kit: SolanaKit) -> None:
    """One signature, ours; limit and price stand before the call."""
    call = call_of(kit, 2)
    signed = sending(kit, lambda sender: sender.prepare(call, FEE))

    tx = VersionedTransaction.from_bytes(signed.raw)
    programs = [tx.message.account_keys[one.program_id_index] for one in tx.message.instructions]
    limit, price, _ = (bytes(one.data) for one in tx.message.instructions)

    assert tx.verify_with_results() == [True]
    assert bytes(tx.signatures[0]) == signed.tx_hash
    assert programs[:2] == [BUDGET, BUDGET]
    assert int.from_bytes(limit[1:], "little") == call.compute_units
    assert int.from_bytes(price[1:], "little") == FEE.micro_lamports


def test_what_the_program_refuses_is_named_by_its_number(kit: SolanaKit) -> None:
    """Before anything is signed; a second delivery is refused as the second."""
    poor = call_of(kit, 3, amount_units=10**12)
    call = call_of(kit, 4)
    sent(kit, call)
    kit.net.advance(2)

    for refused, reason in ((poor, "INSUFFICIENT (7072)"), (call, "ALREADY_EXECUTED (7052)")):
        with pytest.raises(CallRevertedError) as found:
            sending(kit, partial(SolanaSender.simulate, call=refused))
        assert found.value.reason == reason


def test_a_failure_in_a_block_says_why(kit: SolanaKit) -> None:
    """Two deliveries of one message, tried before either was there: the later one fails."""
    call = call_of(kit, 5)

    async def use(sender: SolanaSender) -> list[ExpiringTransaction]:
        signed = [await sender.prepare(call, PriorityFee(fee)) for fee in (1_000, 2_000)]
        for one in signed:
            await sender.broadcast(one)
        return signed

    signed = sending(kit, use)
    kit.net.advance(2)

    first, second = (seen(kit, one) for one in signed)

    assert first.receipt.is_success
    assert (second.receipt.is_success, second.receipt.reason) == (False, "ALREADY_EXECUTED (7052)")


def test_what_was_dropped_expires_on_the_final_view_and_not_before(kit: SolanaKit) -> None:
    """The newest slots are past its last block long before; only final ones count."""
    kit.net.faults.drop_next = 1
    signed = sent(kit, call_of(kit, 6))

    kit.net.advance(BLOCKHASH_SLOTS + 5)
    newest = int(kit.net.ask("getBlockHeight", {"commitment": "confirmed"}))
    early = seen(kit, signed)
    kit.net.advance(FINAL_SLOTS)

    assert newest > signed.last_block_number
    assert early == Waiting()
    assert seen(kit, signed) == Expired()


def test_the_same_bytes_sent_twice_land_once(kit: SolanaKit) -> None:
    """A node that knows them takes them again."""
    signed = sent(kit, call_of(kit, 7))
    kit.net.advance(2)
    count = kit.net.ledger.landed_count

    sending(kit, lambda sender: sender.broadcast(signed))
    kit.net.advance(2)

    assert isinstance(seen(kit, signed), Landed)
    assert kit.net.ledger.landed_count == count


def test_a_rollback_takes_it_back_and_the_same_bytes_land_again(kit: SolanaKit) -> None:
    """Confirmed is not final: it waits again, and is not signed anew for that."""
    signed = sent(kit, call_of(kit, 8))
    kit.net.advance(2)
    assert isinstance(seen(kit, signed), Landed)

    kit.net.rollback(3)
    kit.net.advance(2)
    assert seen(kit, signed) == Waiting()
    sending(kit, lambda sender: sender.broadcast(signed))
    kit.net.advance(2)

    assert isinstance(seen(kit, signed), Landed)


def test_a_node_whose_history_begins_later_cannot_say_that_it_expired() -> None:
    """It found nothing, and did not look where the transaction may be."""
    with running_kit(cluster=SolanaOptions(slots_kept=BLOCKHASH_SLOTS + 2 * FINAL_SLOTS)) as kit:
        deployed = kit.chain_s
        deployed.lock(SOLANA_ALICE, ACCOUNT, deployed.tokens["USDC"], USDC)
        kit.net.advance(2)
        kit.net.faults.drop_next = 1
        signed = sent(kit, call_of(kit, 9))

        kit.net.advance(BLOCKHASH_SLOTS + FINAL_SLOTS + 5)
        assert seen(kit, signed) == Expired()
        kit.net.advance(BLOCKHASH_SLOTS)

        with pytest.raises(BlockGoneError):
            seen(kit, signed)


def test_a_node_behind_what_the_call_rests_on_is_asked_again_later(kit: SolanaKit) -> None:
    """What was read at a slot must not be answered by an older one."""
    call = replace(call_of(kit, 10), context_height=kit.net.slot + 50)

    with pytest.raises(BlockGoneError):
        sending(kit, lambda sender: sender.prepare(call, FEE))

    kit.net.advance(60)
    sending(kit, lambda sender: sender.prepare(call, FEE))
    kit.net.faults.rules.append(lambda method, _: ErrorObject(MIN_CONTEXT_SLOT, "not reached"))
    with pytest.raises(BlockGoneError):
        sending(kit, lambda sender: sender.prepare(call, FEE))


@pytest.mark.parametrize("lamports", [0, 1_000_000])
def test_a_key_that_cannot_pay_fee_or_rent_is_named(kit: SolanaKit, lamports: int) -> None:
    """Nothing at all, or the fee and not what the mark of execution must hold."""
    key, call = Keypair(), call_of(kit, 11)
    if lamports:
        kit.net.airdrop(key.pubkey(), lamports)
        kit.net.advance(2)

    with pytest.raises(GasFundsError, match=str(key.pubkey())):
        sending(kit, lambda sender: sender.simulate(call), key=key)


def test_the_balance_is_in_lamports(kit: SolanaKit) -> None:
    """What the key can pay with."""
    key = Keypair()
    kit.net.airdrop(key.pubkey(), 3 * SOL)
    kit.net.advance(2)

    assert sending(kit, lambda sender: sender.balance_units(), key=key) == 3 * SOL


def test_the_fee_is_asked_for_the_accounts_that_the_call_writes(kit: SolanaKit) -> None:
    """Nobody else competes for them, so the least is offered; the cap holds where it is lower."""
    call, asked = call_of(kit, 12), []
    kit.net.faults.rules.append(lambda method, params: asked.append((method, params)))
    cap = PriorityLimits(price_max=10, price_min=10)

    fees = [
        sending(kit, lambda sender: sender.suggest_fee(call), limits=limits)
        for limits in (None, cap)
    ]

    keys = [base58_of(key) for key in writable_accounts(call)]
    assert asked[0] == ("getRecentPrioritizationFees", [keys])
    assert base58_of(kit.chain_s.vault) in keys
    assert fees == [PriorityFee(1_000), PriorityFee(10)]


def test_a_call_that_does_not_fit_says_how_to_make_room(kit: SolanaKit) -> None:
    """With the size it has, and the command."""
    call = replace(call_of(kit, 13), content=bytes(1_300))

    with pytest.raises(CallTooLargeError, match="relayer chain table"):
        sending(kit, lambda sender: sender.simulate(call))


def test_a_call_of_another_chain_is_refused(kit: SolanaKit) -> None:
    """Before anything is asked."""
    call = replace(call_of(kit, 14), chain_id=ChainId("solana:elsewhere"))

    with pytest.raises(ValueError, match="was given to"):
        sending(kit, lambda sender: sender.simulate(call))


@pytest.mark.parametrize("method", ["getLatestBlockhash", "simulateTransaction", "sendTransaction"])
def test_a_node_that_refuses_leads_to_a_chain_error(kit: SolanaKit, method: str) -> None:
    """Whatever it refuses, nothing else leaves the adapter, and no key is in it."""
    call = call_of(kit, 15)
    kit.net.faults.rules.append(
        lambda asked, _: ErrorObject(CODE_INVALID_PARAMS, "no") if asked == method else None
    )

    with pytest.raises(ChainError) as found:
        sent(kit, call)
    assert str(SOLANA_RELAYER.keypair) not in repr(found.value)


def test_a_node_that_names_another_signature_is_not_believed(kit: SolanaKit) -> None:
    """It may have taken something else than what we sent."""
    call = call_of(kit, 16)
    signed = sending(kit, lambda sender: sender.prepare(call, FEE))
    other = replace(signed, tx_hash=bytes(64))

    with pytest.raises(RpcAnswerError, match="another signature"):
        sending(kit, lambda sender: sender.broadcast(other))


def test_no_text_of_a_sender_shows_its_key(kit: SolanaKit) -> None:
    """Neither repr nor str."""
    sender = SolanaSender(kit.net.chain_id, kit.net.url, key=SOLANA_RELAYER.keypair)
    secret = str(SOLANA_RELAYER.keypair)

    assert secret not in repr(sender) + str(sender)

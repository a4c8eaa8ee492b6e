"""The sender on a real chain."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import pytest

from chains.devnet.actors import BOB, DEPLOYER
from chains.devnet.kit import Devnet
from chains.errors import AccountNonceUsedError, CallRevertedError, FeeTooLowError, GasFundsError
from chains.evm.fees import GWEI
from chains.evm.sender import EvmSender
from chains.port import ContractCall, Fees, SignedTransaction

T = TypeVar("T")
BUMP_BLOCKS = 3


def run(devnet: Devnet, ask: Callable[[EvmSender], Coroutine[Any, Any, T]]) -> T:
    """Return what Bob's sender on chain B comes to."""

    async def asked() -> T:
        sender = devnet.chain_b.sender(BOB)
        try:
            return await ask(sender)
        finally:
            await sender.close()

    return asyncio.run(asked())


def mint(devnet: Devnet, units: int = 5, gas_limit: int | None = None) -> ContractCall:
    """Return a call that anybody may send."""
    return ContractCall(
        devnet.chain_b.chain_id,
        devnet.chain_b.tokens["USDC"],
        "mint(address,uint256)",
        (BOB.address, units),
        gas_limit=gas_limit,
    )


async def signed_next(
    sender: EvmSender, call: ContractCall, fees: Fees | None = None
) -> SignedTransaction:
    """Return a transaction with the next nonce."""
    nonce = await sender.pending_account_nonce()
    return await sender.prepare(call, nonce, fees or await sender.suggest_fees())


def mined(devnet: Devnet, transaction: SignedTransaction) -> None:
    """Wait for a transaction to be in a block."""
    devnet.chain_b.chain.anvil.rpc.receipt("0x" + transaction.tx_hash.hex())


def test_a_transaction_is_sent_once_however_often_it_is_broadcast(devnet: Devnet) -> None:
    """The second time its nonce is used, by itself."""
    token = devnet.chain_b.tokens["USDC"]
    before = devnet.chain_b.chain.units_of(token, BOB.address)

    async def ask(sender: EvmSender) -> None:
        transaction = await signed_next(sender, mint(devnet))
        await sender.broadcast(transaction)
        mined(devnet, transaction)
        await sender.broadcast(transaction)
        receipt = await sender.receipt(transaction.tx_hash)
        assert receipt is not None
        assert receipt.is_success
        assert receipt.block == devnet.chain_b.chain.head()
        assert await sender.pending_account_nonce() == transaction.account_nonce + 1

    run(devnet, ask)
    assert devnet.chain_b.chain.units_of(token, BOB.address) == before + 5


def test_a_nonce_that_another_transaction_used_is_said(devnet: Devnet) -> None:
    """The caller must look for its other attempts."""

    async def ask(sender: EvmSender) -> None:
        first = await signed_next(sender, mint(devnet, 1))
        await sender.broadcast(first)
        mined(devnet, first)
        other = await sender.prepare(mint(devnet, 2), first.account_nonce, first.fees)
        with pytest.raises(AccountNonceUsedError):
            await sender.broadcast(other)

    run(devnet, ask)


def test_a_bumped_attempt_replaces_the_old_one(devnet: Devnet) -> None:
    """The node takes the eighth more, and only one of both is mined."""
    rpc = devnet.chain_b.chain.anvil.rpc
    rpc.call("evm_setAutomine", False)
    try:

        async def ask(sender: EvmSender) -> None:
            old = await signed_next(sender, mint(devnet, 1))
            await sender.broadcast(old)
            with pytest.raises(FeeTooLowError):
                await sender.broadcast(
                    await sender.prepare(mint(devnet, 3), old.account_nonce, old.fees)
                )
            fees = sender.bump_fees(old.fees, await sender.suggest_fees())
            new = await sender.prepare(mint(devnet, 1), old.account_nonce, fees)
            await sender.broadcast(new)
            assert await sender.receipt(new.tx_hash) is None
            devnet.chain_b.chain.mine()
            assert await sender.receipt(old.tx_hash) is None
            assert await sender.receipt(new.tx_hash) is not None

        run(devnet, ask)
    finally:
        rpc.call("evm_setAutomine", True)


def test_the_final_nonce_lags_until_the_block_is_final(devnet: Devnet) -> None:
    """Below it every nonce is used for ever."""

    async def ask(sender: EvmSender) -> None:
        transaction = await signed_next(sender, mint(devnet))
        await sender.broadcast(transaction)
        mined(devnet, transaction)
        assert await sender.final_account_nonce() <= transaction.account_nonce
        devnet.chain_b.chain.finalize()
        assert await sender.final_account_nonce() == transaction.account_nonce + 1

    run(devnet, ask)


def test_a_call_that_reverts_is_decoded(devnet: Devnet) -> None:
    """Name and values of the contract's error."""
    vault = devnet.chain_b.vault
    assert vault is not None
    call = ContractCall(
        devnet.chain_b.chain_id,
        vault,
        "lock(bytes32,address,uint256)",
        (bytes(32), devnet.chain_b.tokens["USDC"], 1),
    )

    with pytest.raises(CallRevertedError, match=r"CollateralVaultAccountZero\(\)"):
        run(devnet, lambda sender: sender.simulate(call))
    with pytest.raises(CallRevertedError, match=r"CollateralVaultAccountZero\(\)"):
        run(devnet, lambda sender: signed_next(sender, call))


def test_a_transaction_that_reverts_in_its_block_is_no_success(devnet: Devnet) -> None:
    """The receipt says so."""
    call = ContractCall(
        devnet.chain_b.chain_id,
        devnet.chain_b.tokens["USDC"],
        "transfer(address,uint256)",
        (DEPLOYER.address, 10**30),
        gas_limit=200_000,
    )

    async def ask(sender: EvmSender) -> bool:
        transaction = await signed_next(sender, call)
        await sender.broadcast(transaction)
        mined(devnet, transaction)
        receipt = await sender.receipt(transaction.tx_hash)
        assert receipt is not None
        return receipt.is_success

    assert run(devnet, ask) is False


def test_a_key_without_coins_is_said(devnet: Devnet) -> None:
    """Its address is named."""

    async def ask() -> None:
        sender = EvmSender(devnet.chain_b.chain_id, devnet.chain_b.rpc_url, key=b"\x09" * 32)
        fees = await sender.suggest_fees()
        transaction = await sender.prepare(mint(devnet, gas_limit=200_000), 0, fees)
        try:
            await sender.broadcast(transaction)
        finally:
            await sender.close()

    with pytest.raises(GasFundsError, match="send it native coins"):
        asyncio.run(ask())


def test_a_balance_falls_by_what_a_transaction_costs(devnet: Devnet) -> None:
    """Gas used times a price within the fees; an unused key has nothing."""

    async def ask(sender: EvmSender) -> tuple[int, int, Fees]:
        before_wei = await sender.balance_units()
        transaction = await signed_next(sender, mint(devnet))
        await sender.broadcast(transaction)
        mined(devnet, transaction)
        return before_wei, await sender.balance_units(), transaction.fees

    async def ask_poor() -> int:
        chain = devnet.chain_b
        sender = EvmSender(chain.chain_id, chain.rpc_url, key=b"\x09" * 32)
        try:
            return await sender.balance_units()
        finally:
            await sender.close()

    before_wei, after_wei, fees = run(devnet, ask)

    assert 21_000 < before_wei - after_wei <= 200_000 * fees.max_fee_wei
    assert asyncio.run(ask_poor()) == 0


def test_r10_a_base_fee_ten_times_higher_is_followed_within_five_blocks(devnet: Devnet) -> None:
    """The first attempt cannot enter a block any more; a replacement does, below the cap."""
    rpc, chain = devnet.chain_b.chain.anvil.rpc, devnet.chain_b.chain
    rpc.call("evm_setAutomine", False)
    base_wei = 20 * GWEI
    rpc.call("anvil_setNextBlockBaseFeePerGas", hex(base_wei))
    chain.mine()
    try:

        async def ask(sender: EvmSender) -> int:
            attempt = await signed_next(sender, mint(devnet, 1))
            await sender.broadcast(attempt)
            attempts = [attempt]
            for blocks in range(1, 11):
                rpc.call("anvil_setNextBlockBaseFeePerGas", hex(10 * base_wei))
                chain.mine()
                for made in attempts:
                    if await sender.receipt(made.tx_hash) is not None:
                        return blocks
                if blocks % BUMP_BLOCKS == 0:
                    fees = sender.bump_fees(attempts[-1].fees, await sender.suggest_fees())
                    assert fees.max_fee_wei <= 500 * GWEI
                    attempts.append(
                        await sender.prepare(mint(devnet, 1), attempt.account_nonce, fees)
                    )
                    await sender.broadcast(attempts[-1])
            raise AssertionError("it is in no block")

        assert 1 < run(devnet, ask) <= 5
    finally:
        rpc.call("anvil_setNextBlockBaseFeePerGas", hex(GWEI))
        chain.mine()
        rpc.call("evm_setAutomine", True)


def test_an_empty_transfer_to_ourselves_fills_a_nonce(devnet: Devnet) -> None:
    """What waits behind the gap enters the same block."""

    async def ask(sender: EvmSender) -> None:
        nonce, fees = await sender.pending_account_nonce(), await sender.suggest_fees()
        behind = await sender.prepare(mint(devnet, 1), nonce + 1, fees)
        await sender.broadcast(behind)
        assert await sender.receipt(behind.tx_hash) is None
        nothing = ContractCall(sender.chain_id, sender.address, function="", arguments=())
        filler = await sender.prepare(nothing, nonce, fees)
        await sender.broadcast(filler)
        mined(devnet, behind)
        receipt = await sender.receipt(filler.tx_hash)
        assert receipt is not None
        assert receipt.is_success
        assert receipt.gas_used == 21_000

    run(devnet, ask)

"""A release through the guardian bridge, and every way that the vault refuses one."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from chains.attestation import Attestation
from chains.bridges.guardian import EXECUTE, GuardianBridge
from chains.devnet.actors import ALICE, BOB, RELAYER, attest, guardian_keys, guardian_set_of
from chains.devnet.kit import USDC, WETH, Devnet
from chains.errors import CallRevertedError
from chains.events import Borrowed, CollateralReleased, CreditGranted, Repaid
from chains.evm.reader import EvmReader
from chains.message import Message, MessageKind, guardian_set_hash
from chains.port import RAY, ContractCall
from chains.types import chain_key
from tests.chains.test_attestation import high_s
from tests.devnet.letters import account_named, message_to, reading


def locked(devnet: Devnet, label: str, units: int = 2 * WETH) -> bytes:
    """Lock WETH on chain A for a new account of Alice and return the account."""
    target, account = devnet.chain_a, account_named(label)
    assert target.vault is not None
    target.chain.lock(ALICE, target.vault, account, target.tokens["WETH"], units)
    return account


def call_of(message: Message, attestation: Attestation, devnet: Devnet) -> ContractCall:
    """Return the call that carries a message, whatever is wrong with either."""
    return ContractCall(
        devnet.chain_a.chain_id,
        message.vault,
        EXECUTE,
        (message.encode(), attestation.guardian_set_index, attestation.signatures),
    )


def test_a_release_by_two_of_three_pays_and_is_seen(devnet: Devnet) -> None:
    """Bridge, sender, vault, event, status: from end to end."""
    chain_a, account = devnet.chain_a, locked(devnet, "released")
    token = chain_a.tokens["WETH"]
    message = message_to(devnet, chain_a, account=account, amount_units=WETH)
    had_units = chain_a.chain.units_of(token, BOB.address)

    async def ask() -> None:
        reader, sender = chain_a.reader(), chain_a.sender(RELAYER)
        bridge = GuardianBridge(reader)
        assert not await bridge.status(message, None)
        (call,) = await bridge.deliver(message, devnet.attest(message))
        await sender.simulate(call)
        nonce = await sender.pending_account_nonce()
        signed = await sender.prepare(call, nonce, await sender.suggest_fees())
        await sender.broadcast(signed)
        chain_a.chain.anvil.rpc.receipt("0x" + signed.tx_hash.hex())
        receipt = await sender.receipt(signed.tx_hash)
        assert receipt is not None
        assert receipt.is_success
        (event,) = (await reader.events_in_block(receipt.block)).events
        assert isinstance(event, CollateralReleased)
        assert (event.message_id, event.units) == (message.message_id, WETH)
        assert await bridge.status(message, receipt.block)
        assert await reader.collateral_units(message.vault, account, token, receipt.block) == WETH
        await reader.close()
        await sender.close()

    asyncio.run(ask())
    assert chain_a.chain.units_of(token, BOB.address) == had_units + WETH


OUTSIDERS = guardian_keys(3, seed="outsiders")


def by_outsiders(message: Message, devnet: Devnet) -> Attestation:
    """Return an attestation by a set that the vault does not know."""
    return attest(
        message,
        chain_id=devnet.chain_a.chain_id,
        guardian_set=guardian_set_of(OUTSIDERS, threshold=2),
        keys=OUTSIDERS,
    )


def altered(change: Callable[[tuple[bytes, ...]], tuple[bytes, ...]]) -> Any:
    """Return a way to break the signatures of a good attestation."""

    def attestation_of(message: Message, devnet: Devnet) -> Attestation:
        good = devnet.attest(message)
        return replace(good, signatures=change(good.signatures))

    return attestation_of


BROKEN_ATTESTATIONS: dict[str, tuple[Any, str]] = {
    "one signature": (altered(lambda raws: raws[:1]), "GuardianSetQuorumMissing"),
    "no signature": (altered(lambda raws: ()), "GuardianSetQuorumMissing"),
    "twice the same": (
        altered(lambda raws: (raws[0], raws[0])),
        "GuardianSetSignersNotAscending",
    ),
    "descending": (altered(lambda raws: raws[::-1]), "GuardianSetSignersNotAscending"),
    "high s": (
        altered(lambda raws: (high_s(raws[0]), raws[1])),
        "GuardianSetSignatureMalformed",
    ),
    "cut": (altered(lambda raws: (raws[0][:64], raws[1])), "GuardianSetSignatureLength"),
    "outsiders": (by_outsiders, "GuardianSetNotAMember"),
    "unknown set": (
        lambda message, devnet: replace(devnet.attest(message), guardian_set_index=9),
        "GuardianSetUnknown",
    ),
    "of another message": (
        lambda message, devnet: devnet.attest(replace(message, nonce=message.nonce + 1)),
        "GuardianSetNotAMember|GuardianSetSignersNotAscending|GuardianSetSignatureMalformed",
    ),
}


@pytest.mark.parametrize("name", BROKEN_ATTESTATIONS)
def test_a_broken_attestation_moves_nothing(devnet: Devnet, name: str) -> None:
    """The refusal is decoded to the contract's own error."""
    attestation_of, error = BROKEN_ATTESTATIONS[name]
    account = locked(devnet, f"attestation {name}")
    message = message_to(devnet, devnet.chain_a, account=account)

    with pytest.raises(CallRevertedError, match=error):
        devnet.chain_a.chain.execute(
            RELAYER, call_of(message, attestation_of(message, devnet), devnet)
        )


BROKEN_MESSAGES: dict[str, tuple[dict[str, Any], str]] = {
    "expired": ({"expiry_seconds": 1}, "MessageReceiverExpired"),
    "another hub": ({"origin": b"\x01" * 32}, "MessageReceiverWrongOrigin"),
    "nothing": ({"amount_units": 0}, "CollateralVaultAmountZero"),
    "too much": ({"amount_units": 3 * WETH}, "CollateralVaultInsufficient"),
    "to nobody": ({"recipient": bytes(32)}, "CollateralVaultRecipientInvalid"),
    "dirty recipient": ({"recipient": b"\x01" * 32}, "MessageLibNotAnAddress"),
    "a grant": ({"kind": MessageKind.CREDIT_GRANT}, "MessageReceiverWrongKind"),
}


@pytest.mark.parametrize("name", BROKEN_MESSAGES)
def test_a_message_that_says_something_wrong_moves_nothing(devnet: Devnet, name: str) -> None:
    """Even when a quorum signed it."""
    change, error = BROKEN_MESSAGES[name]
    account = locked(devnet, f"message {name}")
    message = message_to(devnet, devnet.chain_a, account=account, **change)

    with pytest.raises(CallRevertedError, match=error):
        devnet.chain_a.chain.execute(RELAYER, call_of(message, devnet.attest(message), devnet))


def test_a_message_of_another_chain_is_refused(devnet: Devnet) -> None:
    """Signed for chain B, handed to chain A."""
    message = message_to(devnet, devnet.chain_a, target=chain_key(devnet.chain_b.chain_id))

    with pytest.raises(CallRevertedError, match="MessageReceiverWrongTarget"):
        devnet.chain_a.chain.execute(RELAYER, call_of(message, devnet.attest(message), devnet))


def test_a_release_is_executed_once(devnet: Devnet) -> None:
    """A replay is refused by name."""
    message = message_to(devnet, devnet.chain_a, account=locked(devnet, "once"))
    call = call_of(message, devnet.attest(message), devnet)
    devnet.chain_a.chain.execute(RELAYER, call)

    with pytest.raises(CallRevertedError, match="MessageReceiverAlreadyExecuted"):
        devnet.chain_a.chain.execute(RELAYER, call)


def test_a_pause_stops_releases_until_it_is_lifted(devnet: Devnet) -> None:
    """And shows in the vault's state."""
    chain_a, account = devnet.chain_a, locked(devnet, "paused")
    token = chain_a.tokens["WETH"]
    nobody: dict[str, Any] = {"account": bytes(32), "recipient": bytes(32), "token": bytes(32)}
    release = message_to(devnet, chain_a, account=account, nonce=77)
    pause = message_to(devnet, chain_a, kind=MessageKind.PAUSE, amount_units=1, nonce=1, **nobody)
    resume = replace(pause, amount_units=0, nonce=2)

    chain_a.chain.execute(RELAYER, call_of(pause, devnet.attest(pause), devnet))
    head = chain_a.chain.head()
    state = reading(chain_a, lambda reader: reader.vault_state(pause.vault, token, head))
    with pytest.raises(CallRevertedError, match="CollateralVaultPaused"):
        chain_a.chain.execute(RELAYER, call_of(release, devnet.attest(release), devnet))
    chain_a.chain.execute(RELAYER, call_of(resume, devnet.attest(resume), devnet))
    chain_a.chain.execute(RELAYER, call_of(release, devnet.attest(release), devnet))

    assert (state.is_outflow_paused, state.is_lock_paused) == (True, False)


def test_credit_is_granted_drawn_and_repaid(devnet: Devnet) -> None:
    """The debt grows by the index, and the events tell it to the unit."""
    chain_c, account = devnet.chain_c, account_named("credit")
    line = chain_c.credit_line
    assert line is not None
    grant = message_to(
        devnet,
        chain_c,
        kind=MessageKind.CREDIT_GRANT,
        account=account,
        amount_units=1_000 * USDC,
        recipient=ALICE.address,
    )
    calls = asyncio.run(GuardianBridge(chain_c.reader()).deliver(grant, devnet.attest(grant)))
    granted = chain_c.chain.execute(RELAYER, calls[0]).block
    borrowed = chain_c.chain.borrow(ALICE, line, account, 600 * USDC).block
    chain_c.chain.move_time(365 * 86_400)
    year_later = chain_c.chain.head()
    with pytest.raises(CallRevertedError, match="CreditLineLimitExceeded"):
        chain_c.chain.borrow(ALICE, line, account, 400 * USDC)
    repaid = chain_c.chain.repay(ALICE, line, account).block

    async def ask(reader: EvmReader) -> None:
        (first,) = (await reader.events_in_block(granted)).events
        (second,) = (await reader.events_in_block(borrowed)).events
        (third,) = (await reader.events_in_block(repaid)).events
        assert isinstance(first, CreditGranted)
        assert isinstance(second, Borrowed)
        assert isinstance(third, Repaid)
        assert (first.limit_units, first.borrower) == (1_000 * USDC, ALICE.address)
        assert (await reader.grant(line, account, borrowed)).limit_units == 1_000 * USDC
        scaled = await reader.scaled_debt(line, account, year_later)
        debt = await reader.debt_units(line, account, year_later)
        assert scaled == second.scaled_after
        assert 630 * USDC <= debt < 630 * USDC + 100  # 5 % on 600, and seconds
        assert third.scaled_after == 0
        assert third.units >= debt
        state = await reader.credit_line_state(line, repaid)
        assert state.index_ray == third.index_ray > RAY
        assert await reader.debt_units(line, account, repaid) == 0

    reading(chain_c, ask)


def test_guardians_are_replaced_by_a_message() -> None:
    """The bridge sends the announced members; the reader sees the new set."""
    with Devnet() as devnet:
        chain_a = devnet.chain_a
        next_set = guardian_set_of(OUTSIDERS, threshold=2, index=1)
        announced = guardian_set_hash(index=1, threshold=2, members=next_set.members)
        message = message_to(
            devnet,
            chain_a,
            kind=MessageKind.GUARDIAN_SET,
            token=announced,
            amount_units=1,
            account=bytes(32),
            recipient=bytes(32),
        )
        bridge = GuardianBridge(chain_a.reader(), (next_set,))

        (call,) = asyncio.run(bridge.deliver(message, devnet.attest(message)))
        chain_a.chain.execute(RELAYER, call)
        found = reading(chain_a, lambda reader: reader.guardian_set(message.vault, None))

        assert found == next_set


def test_an_owner_leaves_when_the_guardians_are_silent() -> None:
    """Not before the exit delay, and then without anybody's help."""
    with Devnet() as devnet:
        chain_a, salt = devnet.chain_a, bytes(32)
        vault, token = chain_a.vault, chain_a.tokens["WETH"]
        assert vault is not None
        account = chain_a.chain.view(vault, "accountOf(address,bytes32)", ALICE.address, salt)
        chain_a.chain.lock(ALICE, vault, account, token, WETH)
        with pytest.raises(CallRevertedError, match="CollateralVaultExitTooEarly"):
            chain_a.chain.exit(ALICE, vault, salt, token, ALICE.address)
        chain_a.chain.move_time(devnet.options.exit_delay_seconds + 10)

        left = chain_a.chain.exit(ALICE, vault, salt, token, ALICE.address).block
        (event,) = reading(chain_a, lambda reader: reader.events_in_block(left)).events

        assert type(event).__name__ == "CollateralExited"
        assert chain_a.chain.units_of(token, ALICE.address) == 100 * WETH

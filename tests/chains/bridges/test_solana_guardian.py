"""Tests of the bridge to Solana, against a local cluster that runs the real vault program."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from solders.pubkey import Pubkey

from chains.attestation import Attestation, GuardianSet
from chains.bridges.solana_guardian import SolanaGuardianBridge
from chains.devnet.actors import guardian_keys, guardian_set_of
from chains.devnet.solana_actors import SOLANA_ALICE, SOLANA_BOB, SOLANA_RELAYER
from chains.devnet.solana_kit import USDC, DeployedSolana, SolanaKit
from chains.errors import AttestationError, MessageFormatError
from chains.message import Message, MessageKind, guardian_set_hash
from chains.port import ProgramCall
from chains.sending import Landed, PriorityFee
from chains.solana.compiling import CallTooLargeError
from chains.solana.sender import SolanaSender
from chains.solana.vault_instructions import CAPACITY, EXIT_DELAY
from chains.solana.vault_layout import decode_asset, decode_vault
from chains.types import UINT64_MAX
from relayer.cli.lookup_table import make_table
from tests.relayer.steps.expiring_world import (
    ACCOUNT,
    bridge_of,
    message_to,
    running_kit,
    stranger,
)

NO_WORD = bytes(32)
NEXT_KEYS = guardian_keys(5, seed="next")
NEXT_SET = guardian_set_of(NEXT_KEYS, index=1, threshold=4)


@contextmanager
def funded(guardians: int, threshold: int) -> Iterator[SolanaKit]:
    """Run a cluster with a vault in which alice has locked."""
    with running_kit(guardians=guardians, threshold=threshold) as kit:
        deployed = kit.chain_s
        deployed.lock(SOLANA_ALICE, ACCOUNT, deployed.tokens["USDC"], 1_000 * USDC)
        kit.net.advance(2)
        yield kit


@pytest.fixture(scope="module")
def kit() -> Iterator[SolanaKit]:
    """A vault that three guardians guard."""
    with funded(3, 2) as running:
        yield running


def calls_of(
    kit: SolanaKit, message: Message, *, attestation: Attestation | None = None, **options: Any
) -> tuple[ProgramCall, ...]:
    """Return what the delivery of a message still needs."""
    attested = attestation or kit.chain_s.attest(message)
    bridge: SolanaGuardianBridge = bridge_of(kit.chain_s, **options)
    return asyncio.run(bridge.deliver(message, attested))


def land(kit: SolanaKit, call: ProgramCall) -> int:
    """Send a call, wait until it is confirmed, and return the length of its transaction."""

    async def use() -> int:
        sender = SolanaSender(kit.net.chain_id, kit.net.url, key=SOLANA_RELAYER.keypair)
        signed = await sender.prepare(call, PriorityFee(1_000))
        await sender.broadcast(signed)
        kit.net.advance(2)
        seen = await sender.sighting(signed)
        await sender.close()
        assert isinstance(seen, Landed)
        assert seen.receipt.is_success
        return len(signed.raw)

    return asyncio.run(use())


def deliver(kit: SolanaKit, message: Message, **options: Any) -> list[bool]:
    """Deliver a message call by call; return for each whether it was a preparation."""
    done: list[bool] = []
    while not done or done[-1]:
        call = calls_of(kit, message, **options)[0]
        land(kit, call)
        done.append(call.is_preparation)
    return done


def bob_units(deployed: DeployedSolana, wallet: bytes = SOLANA_BOB.address) -> int:
    """Return what a wallet has."""
    return deployed.chain.units_of(deployed.tokens["USDC"], wallet)


def _moved(kit: SolanaKit) -> None:
    """Let a slot pass with each request: the command waits for its table to land."""
    kit.net.advance()


def table_of(kit: SolanaKit) -> bytes:
    """Make a lookup table of the relayer's."""

    async def use() -> bytes:
        sender = SolanaSender(kit.net.chain_id, kit.net.url, key=SOLANA_RELAYER.keypair)
        kit.net.faults.rules.append(lambda *_: _moved(kit))
        try:
            return await make_table(sender, kit.net.slot - 2)
        finally:
            kit.net.faults.rules.clear()
            await sender.close()

    return asyncio.run(use())


def test_a_release_is_one_call_that_pays(kit: SolanaKit) -> None:
    """Its status says so afterwards, and at which block."""
    message = message_to(kit.chain_s, nonce=1, amount_units=7)
    had = bob_units(kit.chain_s)

    assert deliver(kit, message) == [False]

    bridge = bridge_of(kit.chain_s)
    assert bob_units(kit.chain_s) == had + 7
    assert asyncio.run(bridge.status(message, None))
    assert not asyncio.run(bridge.status(message_to(kit.chain_s, nonce=2), None))


def test_a_recipient_without_an_account_gets_one_in_the_same_transaction(kit: SolanaKit) -> None:
    """The sender pays for it; with three guardians there is room."""
    wallet = bytes(stranger("same transaction"))
    message = message_to(kit.chain_s, nonce=3, recipient=wallet, amount_units=9)

    (call,) = calls_of(kit, message)
    land(kit, call)

    assert len(call.before) == 1
    assert bob_units(kit.chain_s, wallet) == 9


def test_a_seizure_pays_the_liquidator(kit: SolanaKit) -> None:
    """The same call with another kind."""
    message = message_to(kit.chain_s, nonce=4, kind=MessageKind.SEIZE, amount_units=5)
    had = bob_units(kit.chain_s)

    deliver(kit, message)

    assert bob_units(kit.chain_s) == had + 5


def test_pauses_and_parameters_reach_the_vault(kit: SolanaKit) -> None:
    """Of one token, and of the whole vault; a capacity is for a token."""
    deployed, empty = kit.chain_s, {"account": NO_WORD, "recipient": NO_WORD}
    token = Pubkey(deployed.tokens["USDC"])
    deliver(kit, message_to(deployed, kind=MessageKind.PAUSE, nonce=5, amount_units=1, **empty))
    paused = decode_asset(deployed.chain.rpc.content(bytes(deployed.at.asset(token))))
    deliver(kit, message_to(deployed, kind=MessageKind.PAUSE, nonce=6, amount_units=0, **empty))
    delay = {"account": NO_WORD, "recipient": EXIT_DELAY, "token": NO_WORD}
    deliver(
        kit,
        message_to(deployed, kind=MessageKind.PARAMETER, nonce=7, amount_units=86_400, **delay),
    )
    capacity = {"account": NO_WORD, "recipient": CAPACITY}
    deliver(
        kit,
        message_to(deployed, kind=MessageKind.PARAMETER, nonce=8, amount_units=10**12, **capacity),
    )

    asset = decode_asset(deployed.chain.rpc.content(bytes(deployed.at.asset(token))))
    vault = decode_vault(deployed.chain.rpc.content(deployed.vault))
    assert (paused.pause_flags, asset.pause_flags) == (1, 0)
    assert vault.exit_delay_seconds == 86_400
    assert asset.capacity_units == 10**12


def rotation(deployed: DeployedSolana, announced: GuardianSet, **changes: Any) -> Message:
    """Return the message that names a guardian set."""
    token = guardian_set_hash(
        index=announced.index, threshold=announced.threshold, members=announced.members
    )
    fields = {
        "kind": MessageKind.GUARDIAN_SET,
        "token": token,
        "amount_units": announced.index,
        "account": NO_WORD,
        "recipient": NO_WORD,
    }
    return message_to(deployed, **(fields | changes))


def test_a_rotation_stages_the_set_first() -> None:
    """Two calls; once the set is staged only the second is left."""
    with funded(3, 2) as kit:
        message = rotation(kit.chain_s, NEXT_SET)

        made = deliver(kit, message, next_sets=(NEXT_SET,))

        vault = decode_vault(kit.chain_s.chain.rpc.content(kit.chain_s.vault))
        assert made == [True, False]
        assert vault.guardian_set_index == 1


def test_a_set_that_was_not_announced_is_refused(kit: SolanaKit) -> None:
    """The message holds nothing but its hash."""
    with pytest.raises(MessageFormatError, match="not announced"):
        calls_of(kit, rotation(kit.chain_s, NEXT_SET, nonce=9))


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"amount_units": UINT64_MAX + 1}, "amount_units: .* above 64 bits"),
        ({"kind": MessageKind.PARAMETER, "recipient": b"\x01" * 32}, "no parameter"),
        ({"kind": MessageKind.CREDIT_GRANT}, "no credit lines"),
        ({"token": b"\x05" * 32}, "no mint"),
        ({"target": b"\x05" * 32}, "target"),
    ],
)
def test_what_the_program_cannot_be_told_is_refused_with_the_field(
    kit: SolanaKit, changes: dict[str, Any], match: str
) -> None:
    """Before anything is sent."""
    message = message_to(kit.chain_s, nonce=10, **changes)
    attested = Attestation(message.message_id, 0, (bytes(65), bytes(65)))

    with pytest.raises(MessageFormatError, match=match):
        calls_of(kit, message, attestation=attested)


def test_an_attestation_of_another_message_is_refused(kit: SolanaKit) -> None:
    """It would be another message id, which nobody signed."""
    attested = kit.chain_s.attest(message_to(kit.chain_s, nonce=11))

    with pytest.raises(AttestationError):
        calls_of(kit, message_to(kit.chain_s, nonce=12), attestation=attested)


def test_eight_signatures_leave_no_room_to_open_an_account() -> None:
    """A call before the delivery opens it; no lookup table is needed."""
    with funded(9, 8) as kit:
        wallet = bytes(stranger("eight"))
        had = bob_units(kit.chain_s)

        assert deliver(kit, message_to(kit.chain_s, nonce=1)) == [False]
        made = deliver(kit, message_to(kit.chain_s, nonce=2, recipient=wallet))

        assert made == [True, False]
        assert bob_units(kit.chain_s) == had + USDC
        assert bob_units(kit.chain_s, wallet) == USDC


@pytest.mark.parametrize(("guardians", "threshold"), [(12, 9), (17, 12), (19, 13)])
def test_more_signatures_go_through_a_lookup_table_that_fills_itself(
    guardians: int, threshold: int
) -> None:
    """An empty table is enough; a second delivery of the same account needs nothing more."""
    with funded(guardians, threshold) as kit:
        deployed, wallet = kit.chain_s, bytes(stranger("table"))
        had = bob_units(deployed)
        first = message_to(deployed, nonce=1)
        with pytest.raises(CallTooLargeError, match="relayer chain table"):
            calls_of(kit, first)
        table = table_of(kit)

        made = deliver(kit, first, lookup_tables=(table,))
        again = deliver(kit, message_to(deployed, nonce=2), lookup_tables=(table,))
        opened = deliver(
            kit, message_to(deployed, nonce=3, recipient=wallet), lookup_tables=(table,)
        )

        assert (made, again) == ([True, False], [False])
        assert opened[-1] is False
        assert bob_units(deployed) == had + 2 * USDC
        assert bob_units(deployed, wallet) == USDC


def test_a_rotation_by_thirteen_finds_room_too() -> None:
    """Staged, then its accounts are listed, then it rotates."""
    with funded(19, 13) as kit:
        table = table_of(kit)

        made = deliver(
            kit, rotation(kit.chain_s, NEXT_SET), lookup_tables=(table,), next_sets=(NEXT_SET,)
        )

        vault = decode_vault(kit.chain_s.chain.rpc.content(kit.chain_s.vault))
        assert made[-1] is False
        assert vault.guardian_set_index == 1

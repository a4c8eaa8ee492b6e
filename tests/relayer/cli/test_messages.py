"""Commands about messages: list, show, and why."""

from dataclasses import replace

import pytest

from chains.base58 import base58_of
from chains.types import ChainId, chain_key, word_of_text
from relayer.cli.messages import states_of
from relayer.clock import UnixSeconds
from relayer.errors import SettingsError
from relayer.outbox.life import MessageEvent, MessageState, WaitReason
from tests.relayer.cli.conftest import Ask, Run
from tests.relayer.cli.samples import (
    ACCOUNT,
    CHAIN_ID,
    Deployment,
    enqueue_release,
    release_message,
)

GUARDIAN_1 = word_of_text("0x0000000000000000000000000000000000000a01")


def dispatch(deployment: Deployment, message_id: bytes) -> None:
    """Show the message to the guardians: one signs, one refuses, one does not answer."""
    store = deployment.store
    now = store.clock.now()
    with store.unit_of_work() as uow:
        uow.outbox.move(
            message_id, MessageEvent.DISPATCH, WaitReason.SIGNATURES_MISSING, "", at=now
        )
        uow.outbox.add_signature(message_id, 0, GUARDIAN_1, b"\x01" * 65)
        uow.outbox.wait(
            message_id,
            WaitReason.GUARDIANS_NOT_YET,
            next_attempt_at=UnixSeconds(now + 5),
            detail="guardian-2: refused: custody_break on WETH; guardian-3: unreachable",
        )


def test_messages_are_listed_by_state_and_account(ask: Ask, deployment: Deployment) -> None:
    """Filters narrow the list."""
    first = enqueue_release(deployment.store, nonce=1)
    second = enqueue_release(deployment.store, nonce=2)
    dispatch(deployment, second)

    def listed(*options: str) -> set[str]:
        return {found["message_id"] for found in ask("message", "list", *options)["messages"]}

    both = {"0x" + first.hex(), "0x" + second.hex()}
    assert listed() == both
    assert listed("--state", "pending") == {"0x" + first.hex()}
    assert listed("--state", "PENDING,DISPATCHED") == both
    assert listed("--account", "0x" + ACCOUNT.hex()) == both
    assert listed("--account", "0x" + "00" * 32) == set()


def test_an_unknown_state_names_the_known_ones(ask: Ask) -> None:
    """Exit status 2."""
    error = ask("message", "list", "--state", "FLYING", exit_code=2)["error"]

    assert error["details"][0].startswith("--state: FLYING unknown; use PENDING, ")


def test_a_message_shows_its_fields_and_life(ask: Ask, deployment: Deployment) -> None:
    """Amounts are texts; each step of its life is there."""
    message_id = enqueue_release(deployment.store)
    dispatch(deployment, message_id)

    shown = ask("message", "show", "0x" + message_id.hex())

    assert shown["kind"] == "release"
    assert shown["amount_units"] == "1500000000000000000"
    assert shown["asset_id"] == "WETH"
    assert [line["after"] for line in shown["life"]] == ["PENDING", "DISPATCHED", "DISPATCHED"]


def test_why_explains_a_message_that_waits_for_guardians(ask: Ask, deployment: Deployment) -> None:
    """Who signed, who did not and why, what is awaited, and what to do."""
    message_id = enqueue_release(deployment.store)
    dispatch(deployment, message_id)

    why = ask("why", "0x" + message_id.hex())

    assert (why["state"], why["reason"]) == ("DISPATCHED", "guardians_not_yet")
    assert why["guardians"]["signed_count"] == 1
    assert {m["label"]: (m["has_signed"], m["said"]) for m in why["guardians"]["members"]} == {
        "guardian-1": (True, None),
        "guardian-2": (False, "refused: custody_break on WETH"),
        "guardian-3": (False, "unreachable"),
    }
    assert "The release of 1.5 WETH (1500000000000000000) on eip155:1" in why["explanation"]
    assert "1 of 3 guardians have signed, 2 are needed." in why["explanation"]
    assert "Last heard: guardian-2: refused: custody_break on WETH" in why["explanation"]
    assert why["to_do"] in why["explanation"]


def test_why_explains_a_message_in_flight(ask: Ask, deployment: Deployment) -> None:
    """A submitted message names its transactions and waits for a block."""
    message_id = enqueue_release(deployment.store)
    dispatch(deployment, message_id)
    store = deployment.store
    now = store.clock.now()
    with store.unit_of_work() as uow:
        uow.outbox.move(message_id, MessageEvent.ATTEST, WaitReason.QUORUM_REACHED, "", at=now)
        uow.outbox.move(message_id, MessageEvent.SUBMIT, WaitReason.INCLUSION_AWAITED, "", at=now)
        uow.outbox.add_transaction(message_id, CHAIN_ID, b"\x77" * 32, "deliver")

    why = ask("why", "0x" + message_id.hex())

    assert why["transactions"][0]["tx_hash"] == "0x" + "77" * 32
    assert why["waits_for"] == "a block to include its transaction"
    assert "are needed" not in why["explanation"]


def test_why_says_that_a_life_has_ended(ask: Ask, deployment: Deployment) -> None:
    """A refused message waits for nothing any more."""
    message_id = enqueue_release(deployment.store)
    store = deployment.store
    with store.unit_of_work() as uow:
        uow.outbox.move(
            message_id,
            MessageEvent.REJECT,
            WaitReason.GUARDIANS_REFUSED,
            "guardian-2: epoch 1 is not current",
            at=store.clock.now(),
        )

    why = ask("why", "0x" + message_id.hex())

    assert why["is_ended"] is True
    assert why["next_attempt_at"] is None
    assert "Its life has ended." in why["explanation"]
    assert "epoch 1 is not current" in why["explanation"]


def test_why_is_one_paragraph_and_tables_for_a_person(run: Run, deployment: Deployment) -> None:
    """The same facts, readable."""
    message_id = enqueue_release(deployment.store)
    dispatch(deployment, message_id)

    result = run("why", message_id.hex(), *deployment.options)

    assert result.exit_code == 0
    for words in ("what to do", "guardians_not_yet", "custody_break on WETH", "Life"):
        assert words in result.stdout


@pytest.mark.parametrize("state", list(MessageState))
def test_why_can_explain_every_state(state: MessageState, ask: Ask, deployment: Deployment) -> None:
    """Whatever path led to a state, there are words for it."""
    message_id = enqueue_release(deployment.store)
    store = deployment.store
    now = store.clock.now()
    for event in _PATHS[state]:
        with store.unit_of_work() as uow:
            uow.outbox.move(message_id, event, WaitReason.SENDER_BUSY, "", at=now)

    why = ask("why", "0x" + message_id.hex())

    assert why["state"] == state.value


_E = MessageEvent
_SUBMITTED = (_E.DISPATCH, _E.ATTEST, _E.SUBMIT)
_PATHS = {
    MessageState.PENDING: (),
    MessageState.DISPATCHED: _SUBMITTED[:1],
    MessageState.ATTESTED: _SUBMITTED[:2],
    MessageState.SUBMITTED: _SUBMITTED,
    MessageState.DELIVERED: (*_SUBMITTED, _E.DELIVER),
    MessageState.CONFIRMED: (*_SUBMITTED, _E.DELIVER, _E.CONFIRM),
    MessageState.FAILED: (_E.REJECT,),
    MessageState.DISPUTED: (*_SUBMITTED, _E.EXPIRE),
    MessageState.RETURNED: (*_SUBMITTED, _E.EXPIRE, _E.PROVE_UNEXECUTED),
}


def test_an_unknown_message_is_refused(ask: Ask) -> None:
    """Exit status 1, and where to look."""
    for command in (("why",), ("message", "show")):
        error = ask(*command, "0x" + "00" * 32, exit_code=1)["error"]
        assert error["code"] == "unknown_message"


def test_states_are_read_in_any_case() -> None:
    """None means all."""
    assert states_of("pending, Disputed") == (MessageState.PENDING, MessageState.DISPUTED)
    assert states_of(None) == ()
    with pytest.raises(SettingsError):
        states_of("")


def test_a_message_to_solana_is_spelled_as_there(ask: Ask, deployment: Deployment) -> None:
    """Vault, token, recipient and transaction in base 58, in show and in why."""
    chain_id = ChainId("solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1")
    vault, mint, wallet = (bytes([number]) * 32 for number in (5, 6, 7))
    composed = release_message(deployment.store.clock.now())
    message = replace(
        composed.message, target=chain_key(chain_id), vault=vault, token=mint, recipient=wallet
    )
    signature = bytes(range(64))
    with deployment.store.unit_of_work() as uow:
        uow.outbox.enqueue(replace(composed, message=message, target_chain=chain_id))
        uow.outbox.add_transaction(message.message_id, chain_id, signature, "deliver")

    for command in (("message", "show"), ("why",)):
        shown = ask(*command, "0x" + message.message_id.hex())
        shown = shown.get("message", shown)
        assert (shown["contract"], shown["token"]) == (base58_of(vault), base58_of(mint))
        assert shown["recipient"] == base58_of(wallet)
        assert [sent["tx_hash"] for sent in shown["transactions"]] == [base58_of(signature)]

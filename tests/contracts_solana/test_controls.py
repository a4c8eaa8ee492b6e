"""Pauses, parameters and the order of their nonces."""

from dataclasses import replace
from typing import Any

import pytest
from solders.instruction import Instruction

from chains.devnet.solana_vectors import PROGRAM_ID
from chains.message import Message, MessageKind
from chains.solana.vault_errors import VaultProgramError as E
from chains.solana.vault_events import VaultEventKind
from chains.solana.vault_instructions import CAPACITY as CAPACITY_KEY
from chains.solana.vault_instructions import EXIT_DELAY, WINDOW
from chains.solana.vault_layout import decode_asset
from tests.contracts_solana.world import NO_WORD, World, open_world, refused

U64_MAX = 2**64 - 1


@pytest.fixture
def world() -> World:
    """A sealed vault with 500,000 units of alice's in it."""
    found = open_world()
    found.lock(500_000)
    return found


def pause(world: World, flags: int, **changes: Any) -> Message:
    """Return a pause message for the token, or for all where token is zero."""
    return world.message(MessageKind.PAUSE, amount_units=flags, **changes)


def parameter(world: World, key: bytes, value: int, **changes: Any) -> Message:
    """Return a parameter message."""
    token = NO_WORD if key == EXIT_DELAY else bytes(world.token.mint)
    fields: dict[str, Any] = {"recipient": key, "amount_units": value, "token": token}
    return world.message(MessageKind.PARAMETER, **(fields | changes))


@pytest.mark.parametrize("token", ["one", "all"])
@pytest.mark.parametrize("flags", [0, 1, 2, 3])
def test_each_direction_is_paused_by_its_flag(world: World, token: str, flags: int) -> None:
    """1 stops payments, 2 stops locks, for one token or for all; the event says so."""
    word = NO_WORD if token == "all" else bytes(world.token.mint)

    sent = world.execute(pause(world, flags, token=word))

    assert sent.events[0].kind is VaultEventKind.PAUSE_CHANGED
    assert (sent.events[0].words["token"], sent.events[0].numbers["flags"]) == (word, flags)
    if flags & 1:
        with refused(E.PAUSED):
            world.execute(world.message(MessageKind.RELEASE))
    else:
        world.execute(world.message(MessageKind.RELEASE))
    if flags & 2:
        with refused(E.PAUSED):
            world.lock(1)
    else:
        world.lock(1)


def test_a_general_resume_leaves_a_tokens_own_pause(world: World) -> None:
    """Both sets of flags must be clear."""
    world.execute(pause(world, 3))
    world.execute(pause(world, 0, token=NO_WORD))

    with refused(E.PAUSED):
        world.lock(1)


def test_other_flags_are_refused(world: World) -> None:
    """4 means nothing."""
    with refused(E.PAUSE_FLAGS):
        world.execute(pause(world, 4))


def test_a_resume_that_was_held_back_does_not_undo_a_later_pause(world: World) -> None:
    """Of one subject only newer messages count; other subjects have their own count."""
    resume, later = pause(world, 0), pause(world, 3)
    general = replace(resume, token=NO_WORD, amount_units=3)
    world.execute(later)

    with refused(E.NONCE_OUTDATED):
        world.execute(resume)
    with refused(E.NONCE_OUTDATED):
        world.execute(replace(later, amount_units=0))
    world.execute(general)

    assert world.asset.pause_flags == world.vault.pause_flags == 3


@pytest.mark.parametrize(
    ("key", "value"), [(CAPACITY_KEY, 5), (WINDOW, 5), (EXIT_DELAY, 5)], ids=["cap", "win", "exit"]
)
def test_parameters_count_their_nonces_apart(world: World, key: bytes, value: int) -> None:
    """The largest nonce is taken once, and nothing after it."""
    last = parameter(world, key, value, nonce=U64_MAX)
    world.execute(last)

    with refused(E.NONCE_OUTDATED):
        world.execute(replace(last, amount_units=value + 1))
    with refused(E.NONCE_OUTDATED):
        world.execute(parameter(world, key, value + 1))
    for other in {CAPACITY_KEY, WINDOW, EXIT_DELAY} - {key}:
        world.execute(parameter(world, other, value))
    world.execute(pause(world, 0))


def test_a_capacity_of_zero_delists(world: World) -> None:
    """No locks and no payments, until it has a capacity again."""
    sent = world.execute(parameter(world, CAPACITY_KEY, 0))

    assert sent.events[0].kind is VaultEventKind.OUTFLOW_CAPACITY_CHANGED
    with refused(E.TOKEN_NOT_LISTED):
        world.lock(1)
    with refused(E.TOKEN_NOT_LISTED):
        world.execute(world.message(MessageKind.RELEASE))
    world.execute(parameter(world, CAPACITY_KEY, 1_000))
    world.execute(world.message(MessageKind.RELEASE))


def test_a_message_lists_a_token_after_the_seal(world: World) -> None:
    """As on EVM chains: the window is the one every token starts with."""
    other = world.runtime.make_mint("other")
    message = parameter(world, CAPACITY_KEY, 77, token=bytes(other.mint))

    sent = world.execute(message)

    asset = decode_asset(world.runtime.content(world.at.asset(other.mint)))
    assert (asset.capacity_units, asset.window_seconds) == (77, 24_000)
    assert [event.kind for event in sent.events] == [
        VaultEventKind.OUTFLOW_WINDOW_CHANGED,
        VaultEventKind.OUTFLOW_CAPACITY_CHANGED,
    ]
    assert {event.words["message_id"] for event in sent.events} == {message.message_id}
    with refused(E.NONCE_OUTDATED):
        world.execute(replace(message, nonce=message.nonce - 1))


def test_a_token_that_was_never_listed_has_nothing_to_pause_or_widen(world: World) -> None:
    """There is no account to keep it in; the message may come again after the listing."""
    other = bytes(world.runtime.make_mint("other").mint)

    for message in (pause(world, 1, token=other), parameter(world, WINDOW, 60, token=other)):
        with refused(E.TOKEN_NOT_LISTED):
            world.execute(message)
        assert world.runtime.content(world.at.executed(message.message_id)) == b""


def test_a_new_window_counts_again_what_still_counts(world: World) -> None:
    """An outflow is not forgotten by a change of window."""
    world.execute(world.message(MessageKind.RELEASE, amount_units=400_000))
    world.runtime.set_time(world.runtime.now + 20_000)

    world.execute(parameter(world, WINDOW, 48))

    assert world.asset.window_seconds == 48
    assert sum(world.asset.bucket_units) == 400_000
    assert world.asset.newest_bucket == world.runtime.now // 2


@pytest.mark.parametrize(
    ("key", "value", "is_taken"),
    [
        (WINDOW, 0, False),
        (WINDOW, 1, True),
        (WINDOW, 30 * 86_400, True),
        (WINDOW, 30 * 86_400 + 1, False),
        (EXIT_DELAY, 0, False),
        (EXIT_DELAY, 1, True),
        (EXIT_DELAY, 90 * 86_400, True),
        (EXIT_DELAY, 90 * 86_400 + 1, False),
        (CAPACITY_KEY, U64_MAX, True),
    ],
)
def test_parameters_have_bounds(world: World, key: bytes, value: int, is_taken: bool) -> None:
    """Those of the EVM vault."""
    message = parameter(world, key, value)

    if not is_taken:
        with refused(E.PARAMETER_RANGE):
            world.execute(message)
        return
    world.execute(message)
    found = {
        WINDOW: world.asset.window_seconds,
        EXIT_DELAY: world.vault.exit_delay_seconds,
        CAPACITY_KEY: world.asset.capacity_units,
    }
    assert found[key] == value


def test_an_unknown_parameter_is_refused(world: World) -> None:
    """A byte that stands for no key."""
    delivery = world.execution(parameter(world, EXIT_DELAY, 5))
    content = bytearray(delivery.data)
    content[62] = 3

    with refused(E.PARAMETER_UNKNOWN):
        world.runtime.send(Instruction(PROGRAM_ID, bytes(content), delivery.accounts))


def test_a_parameters_key_is_part_of_what_was_signed(world: World) -> None:
    """A window's message does not set the exit delay."""
    signed = parameter(world, WINDOW, 60, token=NO_WORD)
    other = replace(signed, recipient=EXIT_DELAY)

    with refused(E.NOT_A_MEMBER):
        world.execute(other, world.attest(signed))

"""Locks, releases and seizures."""

from dataclasses import replace

import pytest
from eth_hash.auto import keccak
from solders.instruction import Instruction
from solders.pubkey import Pubkey

from chains.attestation import Attestation
from chains.devnet.solana_vectors import PROGRAM_ID
from chains.message import MessageKind
from chains.solana.vault_addresses import TOKEN_PROGRAM, associated_token_account
from chains.solana.vault_errors import VaultProgramError as E
from chains.solana.vault_events import VaultEventKind
from chains.solana.vault_layout import ASSET, POSITION, decode_executed
from tests.contracts_solana.runtime import ARTIFACTS, RefusedError, key_named
from tests.contracts_solana.world import CAPACITY, World, open_world, refused

U64_MAX = 2**64 - 1
PAYMENTS = (MessageKind.RELEASE, MessageKind.SEIZE)


@pytest.fixture
def world() -> World:
    """A sealed vault with 500,000 units of alice's in it."""
    found = open_world()
    found.lock(500_000)
    return found


def tamper_number(world: World, key: Pubkey, at: int, value: int) -> None:
    """Write a number into an account of the program."""
    content = world.runtime.content(key)
    world.runtime.tamper(key, content[:at] + value.to_bytes(8, "little") + content[at + 8 :])


def test_locks_are_counted_from_one(world: World) -> None:
    """Each lock has the next id, credits the account, and says who deposited."""
    bob = keccak(b"account:bob")

    second, third = world.lock(70, account=bob), world.lock(5)

    assert [sent.events[0].numbers["lock_id"] for sent in (second, third)] == [2, 3]
    assert second.events[0].kind is VaultEventKind.COLLATERAL_LOCKED
    assert second.events[0].words == {
        "account": bob,
        "token": bytes(world.token.mint),
        "depositor": bytes(world.alice.pubkey()),
    }
    assert second.events[0].numbers["held_after_units"] == 500_070
    assert (world.units_of(bob), world.units_of(world.account)) == (70, 500_005)
    assert world.vault.lock_count == 3
    assert world.asset.held_units == world.custody_units == 500_075


def test_account_zero_belongs_to_nobody(world: World) -> None:
    """A lock for it is refused."""
    with refused(E.ACCOUNT_ZERO):
        world.lock(1, account=bytes(32))


def test_a_lock_of_nothing_is_refused(world: World) -> None:
    """It would take a lock id."""
    with refused(E.AMOUNT_ZERO):
        world.lock(0)


def test_the_payer_may_be_the_depositor() -> None:
    """The one account that may stand at two places."""
    world = open_world()
    world.alice = world.runtime.payer
    world.source = world.runtime.make_token_account(
        "payer", world.token, wallet=world.alice.pubkey(), units=100
    )

    world.runtime.send(world.lock_instruction(100))

    assert world.units_of(world.account) == 100


@pytest.mark.parametrize("kind", PAYMENTS)
def test_a_payment_goes_to_the_wallet_of_the_message(world: World, kind: MessageKind) -> None:
    """Position, books and custody fall by the same units; the event says what was paid."""
    message = world.message(kind, amount_units=1_234)

    sent = world.execute(message)

    (event,) = sent.events
    name = {MessageKind.RELEASE: "RELEASED", MessageKind.SEIZE: "SEIZED"}[kind]
    assert event.kind is VaultEventKind[f"COLLATERAL_{name}"]
    assert event.vault == bytes(world.at.vault)
    assert event.words == {
        "message_id": message.message_id,
        "account": world.account,
        "token": message.token,
        "recipient": message.recipient,
    }
    assert event.numbers == {"units": 1_234, "held_after_units": 498_766}
    assert world.wallet_units(world.alice.pubkey()) == 1_234
    assert world.units_of(world.account) == 498_766
    assert world.asset.held_units == world.custody_units == 498_766


def test_a_message_is_executed_once(world: World) -> None:
    """The mark stays and says when; the same signatures, or others, do not pay again."""
    message = world.message(MessageKind.RELEASE)
    world.execute(message)
    everybody = Attestation(
        message.message_id, 0, tuple(key.sign(world.digest(message)) for key in world.keys)
    )

    with refused(E.ALREADY_EXECUTED):
        world.execute(message)
    with refused(E.ALREADY_EXECUTED):
        world.execute(message, everybody)

    mark = decode_executed(world.runtime.content(world.at.executed(message.message_id)))
    assert (mark.message_id, mark.executed_at) == (message.message_id, world.runtime.now)
    assert world.wallet_units(world.alice.pubkey()) == 1_000


def test_one_transaction_does_not_pay_twice(world: World) -> None:
    """The same instruction twice fails as a whole."""
    delivery = world.execution(world.message(MessageKind.RELEASE))

    with refused(E.ALREADY_EXECUTED):
        world.runtime.send(delivery, delivery)

    assert world.wallet_units(world.alice.pubkey()) == 0


def test_a_message_is_executed_up_to_its_last_second(world: World) -> None:
    """One second later it is refused."""
    message = world.message(MessageKind.RELEASE)
    late = world.message(MessageKind.RELEASE)

    world.runtime.set_time(message.expiry_seconds)
    world.execute(message)
    assert world.vault.last_attested_at == message.expiry_seconds

    world.runtime.set_time(late.expiry_seconds + 1)
    with refused(E.EXPIRED):
        world.execute(late)


def test_a_payment_of_nothing_is_refused(world: World) -> None:
    """And its message is not used up."""
    message = world.message(MessageKind.RELEASE, amount_units=0)

    with refused(E.AMOUNT_ZERO):
        world.execute(message)

    assert world.runtime.content(world.at.executed(message.message_id)) == b""


def test_nobody_is_paid_more_than_the_account_holds(world: World) -> None:
    """The rest of the vault is the other owners'."""
    world.lock(500_000, account=keccak(b"account:bob"))

    with refused(E.INSUFFICIENT):
        world.execute(world.message(MessageKind.RELEASE, amount_units=500_001))
    world.execute(world.message(MessageKind.RELEASE, amount_units=500_000))

    assert world.units_of(world.account) == 0
    assert world.custody_units == 500_000


def test_the_window_limits_what_leaves() -> None:
    """Above the capacity never; what is used up comes back when its bucket is a window old."""
    world = open_world()
    world.lock(3 * CAPACITY)
    with refused(E.ABOVE_CAPACITY):
        world.execute(world.message(MessageKind.RELEASE, amount_units=CAPACITY + 1))
    world.execute(world.message(MessageKind.RELEASE, amount_units=CAPACITY - 10))
    with refused(E.OUTFLOW_LIMITED):
        world.execute(world.message(MessageKind.SEIZE, amount_units=11))
    world.execute(world.message(MessageKind.SEIZE, amount_units=10))

    began = world.runtime.now
    world.runtime.set_time(began + 24_000 + 999)
    with refused(E.OUTFLOW_LIMITED):
        world.execute(world.message(MessageKind.RELEASE, amount_units=1))
    world.runtime.set_time(began + 25_000)
    world.execute(world.message(MessageKind.RELEASE, amount_units=CAPACITY))


@pytest.mark.parametrize("who", ["zero", "vault", "authority"])
def test_recipients_that_lose_the_payment_are_refused(world: World, who: str) -> None:
    """Nobody, and the vault itself."""
    recipient = {
        "zero": Pubkey.default(),
        "vault": world.at.vault,
        "authority": world.at.authority,
    }[who]
    world.runtime.open_wallet(recipient, world.token)

    with refused(E.RECIPIENT_INVALID):
        world.execute(world.message(MessageKind.RELEASE, recipient=bytes(recipient)))


def replaced(instruction: Instruction, place: int, key: Pubkey) -> Instruction:
    """Return an instruction with another account at a place."""
    metas = list(instruction.accounts)
    metas[place] = type(metas[place])(key, metas[place].is_signer, metas[place].is_writable)
    return Instruction(instruction.program_id, instruction.data, metas)


def test_a_wallet_is_paid_at_its_associated_account_only(world: World) -> None:
    """Another token account of the right wallet is not the recipient's known place."""
    delivery = world.execution(world.message(MessageKind.RELEASE))

    with refused(E.NOT_ASSOCIATED):
        world.runtime.send(replaced(delivery, 9, world.source))


def test_another_wallet_is_another_message(world: World) -> None:
    """Who redirects a payment changes its id, and nobody signed that."""
    message = world.message(MessageKind.RELEASE)
    thief = key_named("thief").pubkey()
    world.runtime.open_wallet(thief, world.token)
    stolen = replace(message, recipient=bytes(thief))

    with refused(E.NOT_A_MEMBER):
        world.execute(stolen, world.attest(message))


def test_a_token_account_that_changed_hands_is_refused(world: World) -> None:
    """Its owner field is read, and the address no longer belongs to that wallet."""
    message = world.message(MessageKind.RELEASE)
    where = associated_token_account(
        wallet=world.alice.pubkey(), mint=world.token.mint, token_program=TOKEN_PROGRAM
    )
    content = world.runtime.content(where)
    thief = bytes(key_named("thief").pubkey())
    world.runtime.tamper(where, content[:32] + thief + content[64:])

    with refused(E.NOT_ASSOCIATED):
        world.execute(message)


def test_a_destination_must_be_open(world: World) -> None:
    """A wallet without a token account cannot be paid yet; the message keeps."""
    bob = key_named("bob").pubkey()
    message = world.message(MessageKind.RELEASE, recipient=bytes(bob))
    with refused(E.TOKEN_ACCOUNT):
        world.execute(message)

    world.runtime.open_wallet(bob, world.token)
    world.execute(message)

    assert world.wallet_units(bob) == 1_000


@pytest.mark.parametrize("kind", [MessageKind.CREDIT_GRANT, MessageKind.GUARDIAN_SET])
def test_other_kinds_are_refused(world: World, kind: MessageKind) -> None:
    """A credit grant is for credit lines, a rotation has its own instruction."""
    message = world.message(MessageKind.RELEASE)
    delivery = world.execution(message)
    content = bytes(delivery.data)

    with refused(E.WRONG_KIND):
        world.runtime.send(
            Instruction(PROGRAM_ID, content[:1] + bytes((kind,)) + content[2:], delivery.accounts)
        )


def test_a_token_that_takes_more_than_it_was_told_is_refused(world: World) -> None:
    """The surplus would be the other owners'."""
    program = (ARTIFACTS / "greedy_token-v0.so").read_bytes()
    world.runtime.svm.add_program(TOKEN_PROGRAM, program)

    with refused(E.OVERPAID):
        world.execute(world.message(MessageKind.RELEASE))


LOCK_COUNT_AT = 8 + 4 * 32
HELD_AT = 8 + 4 * 32
UNITS_AT = POSITION.size - 8


@pytest.mark.parametrize("counter", ["lock_count", "held", "units"])
def test_a_counter_does_not_run_over(world: World, counter: str) -> None:
    """A lock that would is refused."""
    position = world.at.position(account=world.account, mint=world.token.mint)
    key, at = {
        "lock_count": (world.at.vault, LOCK_COUNT_AT),
        "held": (world.at.asset(world.token.mint), HELD_AT),
        "units": (position, UNITS_AT),
    }[counter]
    tamper_number(world, key, at, U64_MAX)

    with refused(E.OVERFLOW):
        world.lock(1)


def test_what_a_window_counts_does_not_run_over(world: World) -> None:
    """Buckets whose sum leaves 64 bits are refused, not wrapped."""
    key = world.at.asset(world.token.mint)
    first_bucket = HELD_AT + 4 * 8
    for bucket in range(2):
        tamper_number(world, key, first_bucket + 8 * bucket, U64_MAX)
    assert len(world.runtime.content(key)) == ASSET.size

    with refused(E.OVERFLOW):
        world.execute(world.message(MessageKind.RELEASE))


def test_anyone_may_lock_for_any_account_but_not_with_anyones_tokens(world: World) -> None:
    """The token program asks for the source's own authority."""
    world.alice = key_named("mallory")

    with pytest.raises(RefusedError) as found:
        world.lock(1)
    assert found.value.code is None
    assert world.vault.lock_count == 1

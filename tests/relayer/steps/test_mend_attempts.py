"""Tests of attempts that nobody can end, and of preparations that somebody undoes."""

from collections.abc import Iterator

import pytest
from solders.pubkey import Pubkey
from spl.token.instructions import close_account
from spl.token.models import CloseAccountParams

from chains.devnet.solana_actors import wallet_named
from chains.errors import BlockGoneError, RpcTimeoutError
from chains.solana.sender import SolanaSender
from chains.solana.vault_addresses import TOKEN_PROGRAM, associated_token_account
from relayer.clock import FixedClock
from relayer.outbox.life import MessageState, WaitReason
from relayer.steps.carrier import ExpiringCarrier
from relayer.steps.mend import mend
from relayer.steps.relay import RelayOutcome
from relayer.steps.sign_expiring import FAILURE_PAUSE_SECONDS
from tests.databases import NOW, TestDatabases
from tests.relayer.steps.expiring_world import (
    ExpiringWorld,
    looked_at,
    relayed,
    running_kit,
    states,
)
from tests.relayer.steps.world import FENCE

FINAL_SLOTS = 32


@pytest.fixture
def clock() -> FixedClock:
    """A clock that moves with the slots."""
    return FixedClock(NOW)


@pytest.fixture
def world(databases: TestDatabases, clock: FixedClock) -> Iterator[ExpiringWorld]:
    """A process that carries to a cluster of its own."""
    with running_kit() as kit, databases.store("sqlite", clock) as store:
        made = ExpiringWorld(store, clock, kit)
        yield made
        made.close()


def test_one_whose_fate_nobody_can_tell_holds_up_no_other(world: ExpiringWorld) -> None:
    """A node that forgot the time of an old one still gets the bytes of the others again."""
    old, new = world.store_messages(2)
    world.kit.net.faults.drop_next = 1_000
    relayed(world, old)
    world.clock.move(1)
    relayed(world, new)
    world.kit.net.faults.drop_next = 0
    calls: list[str] = []

    def forget() -> None:
        calls.append("sighting")
        if calls.count("sighting") == 1:
            raise BlockGoneError(chain_id=world.chain_id, reference="long ago")

    world.hooks.before, world.hooks.look = calls.append, forget
    world.loop.run_until_complete(mend(world.store, world.catalog, world.carrier, fence=FENCE))
    first = list(calls)
    world.hooks.look = lambda: None
    world.loop.run_until_complete(mend(world.store, world.catalog, world.carrier, fence=FENCE))
    world.pass_slots(2)

    assert first == ["sighting", "sighting", "broadcast"]
    assert states((*looked_at(world, old), *looked_at(world, new))) == ["LANDED", "LANDED"]


def test_nodes_that_tell_of_nothing_are_asked_again(world: ExpiringWorld) -> None:
    """Where every look fails the run has failed."""
    (word,) = world.store_messages(1)
    world.kit.net.faults.drop_next = 1_000
    relayed(world, word)

    def away() -> None:
        raise RpcTimeoutError(chain_id=world.chain_id, method="sighting")

    world.hooks.look = away
    with pytest.raises(RpcTimeoutError):
        world.loop.run_until_complete(mend(world.store, world.catalog, world.carrier, fence=FENCE))


def test_a_key_without_funds_lets_its_messages_wait(world: ExpiringWorld) -> None:
    """Once somebody pays in they go on: it is no failure of the job."""
    (word,) = world.store_messages(1)
    deployed, poor = world.kit.chain_s, wallet_named("poor")
    sender = SolanaSender(deployed.chain_id, deployed.rpc_url, key=poor.keypair)
    carrier = ExpiringCarrier(sender, world.carrier.bridge, world.carrier.holder)

    waiting = relayed(world, word, carrier)
    with world.store.read() as uow:
        stored = uow.outbox.get(word)
    deployed.chain.airdrop(poor.address, 10**9)
    world.kit.net.advance(2)
    paid = relayed(world, word, carrier)
    world.loop.run_until_complete(sender.close())

    assert waiting == RelayOutcome(MessageState.ATTESTED, True, WaitReason.GAS_FUNDS_LOW)
    assert stored is not None
    assert stored.reason is WaitReason.GAS_FUNDS_LOW
    assert paid == RelayOutcome(MessageState.SUBMITTED, False, WaitReason.INCLUSION_AWAITED)


def test_an_account_that_is_closed_each_time_is_opened_ever_more_seldom(
    databases: TestDatabases, clock: FixedClock
) -> None:
    """Whoever closes it before the payment keeps the rent: not as often as there are blocks."""
    closer = wallet_named("closer")
    with running_kit(guardians=9, threshold=8) as kit, databases.store("sqlite", clock) as store:
        world = ExpiringWorld(store, clock, kit)
        chain, token = kit.chain_s.chain, Pubkey(kit.chain_s.tokens["USDC"])
        chain.airdrop(closer.address, 10**9)
        kit.net.advance(2)
        key = closer.keypair.pubkey()
        home = associated_token_account(wallet=key, mint=token, token_program=TOKEN_PROGRAM)
        closing = close_account(
            CloseAccountParams(program_id=TOKEN_PROGRAM, account=home, dest=key, owner=key)
        )
        (word,) = world.store_messages(1, recipient=closer.address)
        opened = []
        for _ in range(8):
            relayed(world, word)
            world.pass_slots(2)
            if chain.rpc.content(bytes(home)):
                chain.send(closer, closing)
            world.pass_slots(FINAL_SLOTS + 2)
            looked_at(world, word)
            opened.append(len(world.attempts(word)))
        waiting = relayed(world, word)
        world.clock.move(FAILURE_PAUSE_SECONDS * 2)
        relayed(world, word)
        again = len(world.attempts(word))
        world.close()

    assert opened[:4] == [1, 2, 3, 4]
    assert opened[-1] == 5
    assert waiting == RelayOutcome(waiting.state, True, WaitReason.TARGET_REVERTS)
    assert again == 6

"""Tests of leases and their fencing tokens."""

import multiprocessing

import pytest

from chains.types import ChainId
from relayer.clock import FixedClock
from relayer.errors import LeaseLostError
from relayer.store.engine import engine_of
from relayer.store.leases import Lease, sender_lease_name, watch_lease_name
from relayer.store.unit_of_work import Store
from tests.databases import NOW
from tests.forked import FORKED

NAME = "watch:eip155:1"
RACERS = 2
ROUNDS = 20
RACE_SECONDS_MAX = 60


def acquired(store: Store, holder: str, ttl_seconds: int = 10) -> Lease | None:
    """Ask for the lease in a transaction of its own."""
    with store.unit_of_work() as uow:
        return uow.leases.acquire(NAME, holder, ttl_seconds)


def held(store: Store, holder: str) -> Lease:
    """Take the lease."""
    lease = acquired(store, holder)
    assert lease is not None
    return lease


def test_names_tell_chains_and_keys_apart() -> None:
    """One lease per cursor and one per (chain, key)."""
    chain_id = ChainId("eip155:1")

    assert watch_lease_name(chain_id) == NAME
    assert sender_lease_name(chain_id, b"\x01" * 32) == f"send:eip155:1:0x{'01' * 32}"


def test_a_held_lease_is_given_to_nobody_not_even_its_holder(store: Store) -> None:
    """A restarted process is another holder and waits like the others."""
    lease = held(store, "one")

    assert lease == Lease(NAME, "one", 1, lease.expires_at)
    assert lease.expires_at == NOW + 10
    assert acquired(store, "two") is None
    assert acquired(store, "one") is None


def test_a_lease_that_ran_out_goes_to_the_next_with_a_higher_token(
    store: Store, clock: FixedClock
) -> None:
    """At its end, not before; the old holder finds out at its next step."""
    old = held(store, "one")
    clock.move(9)
    assert acquired(store, "two") is None
    clock.move(1)
    new = held(store, "two")

    assert new.token == old.token + 1
    with store.unit_of_work() as uow:
        uow.leases.check(NAME, new.token)
        with pytest.raises(LeaseLostError, match="two"):
            uow.leases.check(NAME, old.token)
        with pytest.raises(LeaseLostError, match="two"):
            uow.leases.renew(old, 10)
        assert not uow.leases.release(old)
        assert uow.leases.lease(NAME) == new


def test_a_renewed_lease_lasts_longer_under_the_same_token(store: Store, clock: FixedClock) -> None:
    """Also when it had run out and nobody wanted it."""
    lease = held(store, "one")
    clock.move(20)

    with store.unit_of_work() as uow:
        uow.leases.check(NAME, lease.token)
        renewed = uow.leases.renew(lease, 10)

    assert renewed == Lease(NAME, "one", lease.token, renewed.expires_at)
    assert renewed.expires_at == NOW + 30
    assert acquired(store, "two") is None


def test_a_released_lease_is_free_at_once_and_fences_who_released_it(store: Store) -> None:
    """Tokens never start again."""
    lease = held(store, "one")
    with store.unit_of_work() as uow:
        assert uow.leases.release(lease)
        assert uow.leases.lease(NAME) is None
        with pytest.raises(LeaseLostError, match="nobody"):
            uow.leases.check(NAME, lease.token)
        with pytest.raises(LeaseLostError, match="nobody"):
            uow.leases.renew(lease, 10)

    assert held(store, "two").token == lease.token + 1


def test_a_lease_needs_a_holder_and_a_time(store: Store) -> None:
    """Nobody cannot hold, and no time is no lease."""
    with store.unit_of_work() as uow:
        with pytest.raises(ValueError, match="holder"):
            uow.leases.acquire(NAME, "", 10)
        with pytest.raises(ValueError, match="ttl_seconds"):
            uow.leases.acquire(NAME, "one", 0)
        with pytest.raises(LeaseLostError):
            uow.leases.check("never taken", 1)


def race(url: str, holder: str, tokens: "multiprocessing.Queue[tuple[str, int]]") -> None:
    """Take and give back the lease until ROUNDS tokens are ours."""
    store = Store(engine_of(url), FixedClock(NOW))
    won = 0
    while won < ROUNDS:
        with store.unit_of_work() as uow:
            lease = uow.leases.acquire(NAME, holder, 10)
        if lease is None:
            continue
        with store.unit_of_work() as uow:
            uow.leases.check(NAME, lease.token)
            uow.leases.release(lease)
        tokens.put((holder, lease.token))
        won += 1
    store.close()


def test_two_processes_never_hold_one_lease(store: Store) -> None:
    """Each token is given once, and each round finds its own token still in force."""
    url = store.engine.url.render_as_string(hide_password=False)
    tokens: multiprocessing.Queue[tuple[str, int]] = FORKED.Queue()
    racers = [FORKED.Process(target=race, args=(url, f"p{n}", tokens)) for n in range(RACERS)]
    for racer in racers:
        racer.start()
    won = [tokens.get(timeout=RACE_SECONDS_MAX) for _ in range(RACERS * ROUNDS)]
    for racer in racers:
        racer.join(timeout=RACE_SECONDS_MAX)

    assert [racer.exitcode for racer in racers] == [0] * RACERS
    assert sorted(token for _, token in won) == list(range(1, RACERS * ROUNDS + 1))

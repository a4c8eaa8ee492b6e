"""Many messages to a Solana cluster that loses, delays and takes back: each lands exactly once."""

import math
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from random import Random

import pytest
import structlog

from chains.devnet.solana.options import SolanaOptions
from chains.devnet.solana_actors import SOLANA_BOB
from chains.devnet.solana_kit import USDC, WALLET_USDC
from chains.errors import RpcTimeoutError
from relayer.clock import FixedClock
from relayer.store.attempt_rows import AttemptState, Purpose
from tests.databases import BACKENDS, NOW, TestDatabases
from tests.relayer.steps.expiring_world import SLOTS_PER_TICK, ExpiringWorld, running_kit
from tests.relayer.steps.sending_world import ProcessDied

DROPPED_BPS = 3_000
ATTEMPTS_P95_MAX = 3
TICKS_MAX = 500
CALM_TICKS = 8
ROLLBACK_SLOTS_MAX = 12


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Thousands of log lines are not looked at."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("critical"))
    yield
    structlog.reset_defaults()


def sent_off(world: ExpiringWorld, message_ids: list[bytes], slots: int = SLOTS_PER_TICK) -> None:
    """Let slots pass until the effect of each message is final."""
    while world.settle(message_ids) < len(message_ids):
        world.tick(slots)
        assert world.ticks < TICKS_MAX
    for _ in range(CALM_TICKS):  # what is left of the attempts expires or becomes final
        world.tick(slots)


def check_effects(world: ExpiringWorld, message_ids: list[bytes]) -> None:
    """Each message paid once, by one transaction of ours, and nothing is left that may land."""
    deployed = world.kit.chain_s
    token = deployed.tokens["USDC"]
    assert set(world.landed(message_ids).values()) == {1}
    paid_units = deployed.chain.units_of(token, SOLANA_BOB.address) - WALLET_USDC * USDC
    assert paid_units == len(message_ids) * USDC
    for word in message_ids:
        attempts = [one for one in world.attempts(word) if one.purpose is Purpose.DELIVER]
        states = Counter(one.state for one in attempts)
        assert states[AttemptState.FINAL] == 1
        assert not any(one.is_open for one in attempts)


def check_one_at_a_time(world: ExpiringWorld, message_ids: list[bytes]) -> None:
    """No attempt was signed while an earlier one of its message could land by its blockhash."""
    for word in message_ids:
        attempts = world.attempts(word)
        for earlier, later in pairwise(attempts):
            assert later.transaction.signed_height > earlier.transaction.last_block_number


@pytest.mark.timeout(1_800)
@pytest.mark.parametrize(
    ("backend", "count"),
    [
        pytest.param("sqlite", 400, marks=pytest.mark.long),
        pytest.param("postgresql", 200, marks=pytest.mark.long),
        pytest.param("sqlite", 100, marks=pytest.mark.slow),
    ],
)
def test_r11_a_third_of_the_sends_is_dropped_and_each_message_lands_once(
    databases: TestDatabases, backend: str, count: int
) -> None:
    """95 of 100 need three attempts at most, no message has two effects."""
    clock = FixedClock(NOW)
    with (
        running_kit(cluster=SolanaOptions(seed=count)) as kit,
        databases.store(backend, clock) as store,
    ):
        world = ExpiringWorld(store, clock, kit)
        message_ids = world.store_messages(count)
        kit.net.faults.drop_bps = DROPPED_BPS

        sent_off(world, message_ids)

        kit.net.faults.drop_bps = 0
        check_effects(world, message_ids)
        check_one_at_a_time(world, message_ids)
        needed = sorted(len(world.attempts(word)) for word in message_ids)
        assert needed[math.ceil(len(needed) * 0.95) - 1] <= ATTEMPTS_P95_MAX
        assert len(set(kit.net.faults.dropped)) >= count * DROPPED_BPS // 20_000
        world.close()


@pytest.mark.timeout(1_800)
@pytest.mark.parametrize(
    "count", [pytest.param(150, marks=pytest.mark.long), pytest.param(25, marks=pytest.mark.slow)]
)
def test_r11_drops_deaths_rollbacks_and_gaps_have_no_double_effect(
    databases: TestDatabases, count: int
) -> None:
    """All at once: processes die around each call, slots are skipped, forks take slots back."""
    clock, random = FixedClock(NOW), Random(count)
    with (
        running_kit(cluster=SolanaOptions(seed=count, skipped_bps=500)) as kit,
        databases.store("sqlite", clock) as store,
    ):
        world = ExpiringWorld(store, clock, kit)
        message_ids = world.store_messages(count)
        kit.net.faults.drop_bps = DROPPED_BPS
        faults = Counter[str]()

        def before(call: str) -> None:
            if random.random() < 0.02:
                faults[f"death before {call}"] += 1
                raise ProcessDied
            if random.random() < 0.03:
                faults[f"timeout of {call}"] += 1
                raise RpcTimeoutError(chain_id=world.chain_id, method=call)

        def after(call: str) -> None:
            if random.random() < 0.03:
                faults[f"lost answer of {call}"] += 1
                raise RpcTimeoutError(chain_id=world.chain_id, method=call)

        world.hooks.before, world.hooks.after = before, after
        while world.settle(message_ids) < count:
            world.tick(random.choice((5, 20, SLOTS_PER_TICK)))
            if random.random() < 0.3:
                faults["rollback"] += len(kit.net.rollback(random.randint(1, ROLLBACK_SLOTS_MAX)))
            kit.net.faults.inclusion_delay_slots = random.choice((0, 0, 3))
            kit.net.faults.behind_slots = random.choice((0, 0, 0, 7))
            assert world.ticks < TICKS_MAX
        world.hooks.before = world.hooks.after = lambda call: None
        kit.net.faults.behind_slots = kit.net.faults.drop_bps = 0
        for _ in range(CALM_TICKS):
            world.tick()

        check_effects(world, message_ids)
        check_one_at_a_time(world, message_ids)
        assert faults
        world.close()


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
def test_r11_what_was_stored_survives_the_process(databases: TestDatabases, backend: str) -> None:
    """Every process dies right after it has stored an attempt; the bytes land all the same."""
    clock = FixedClock(NOW)
    with running_kit() as kit, databases.store(backend, clock) as store:
        world = ExpiringWorld(store, clock, kit)
        message_ids = world.store_messages(4)
        died: set[int] = set()

        def die_once(call: str) -> None:
            if call == "broadcast" and world.processes not in died and len(died) < 4:
                died.add(world.processes)
                raise ProcessDied

        world.hooks.before = die_once

        sent_off(world, message_ids)

        assert len(died) == 4
        check_effects(world, message_ids)
        assert all(len(world.attempts(word)) == 1 for word in message_ids)
        world.close()

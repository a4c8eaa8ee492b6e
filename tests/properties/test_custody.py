"""Custody: never below zero, and whatever differs is found by the next comparison."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import pytest

from chains.events import CollateralLocked
from chains.port import VaultState
from chains.types import BlockRef
from relayer.clock import FixedClock
from relayer.ledger.balances import Counters
from relayer.ledger.chart import AccountKind, parse_code
from relayer.steps.compare import Custody, compare
from relayer.steps.fence import open_fence
from relayer.store.unit_of_work import Store
from tests.chain_families import Family, slots_of
from tests.databases import NOW, TestDatabases
from tests.relayer.api.kit import ACCOUNT, CHAIN_A
from tests.relayer.steps.bookings import LIQUIDATOR, Bench, leave, lock, release, unlock_message
from tests.relayer.steps.rounds import Rounds
from tests.simulated_chain import SimulatedChain, Tx, chain_of

SEQUENCES = 25
STEPS = 12
MESSAGES = 3


@pytest.fixture
def store(databases: TestDatabases) -> Iterator[Store]:
    """An empty store on SQLite."""
    with databases.store("sqlite", FixedClock(NOW)) as made:
        yield made


@dataclass(slots=True)
class HonestVault(SimulatedChain):
    """A chain whose logs may be wrong; the vault counts and has what a test sets beside them."""

    counted: dict[str, Any] = field(default_factory=dict)

    async def vault_state(self, vault: bytes, token: bytes, block: BlockRef) -> VaultState:
        """Return what the logs add up to, with what the vault really says."""
        # super() without arguments fails in a dataclass with slots.
        state = await SimulatedChain.vault_state(self, vault, token, block)
        changes = {name: getattr(state, name) + more for name, more in self.counted.items()}
        return replace(state, **changes)


def final(bench: Bench, *transactions: Tx) -> None:
    """Mine transactions, make them final, and book them."""
    bench.chain.mine(*transactions)
    bench.chain.finalize()
    bench.catch_up()


def compared(bench: Bench) -> Custody:
    """Compare one cycle."""
    (found,) = asyncio.run(compare(bench.store, bench.catalog, bench.chain, fence=open_fence))
    return found


def breaks(bench: Bench) -> int:
    """Return how many breaks are open."""
    with bench.store.read() as uow:
        return len(uow.breaks.open_breaks())


def lines_below_zero(lines: dict[tuple[str, str, str], Counters]) -> list[str]:
    """Return the custody accounts that are overdrawn."""
    kinds = (AccountKind.VAULT, AccountKind.MARGIN, AccountKind.IN_FLIGHT, AccountKind.INSURANCE)
    found = []
    for (code, _, _), counters in lines.items():
        chart = parse_code(code)
        if chart.kind in kinds and counters.available(chart.side) < 0:
            found.append(code)
    return found


def hostile(random: Random, step: int) -> Tx:
    """Return a log that a true vault might, or could never, emit."""
    units = random.choice((1, 5, 50, 10**6, 2**255))
    account = random.choice((ACCOUNT, LIQUIDATOR, b"\x77" * 32))
    message = unlock_message(10, random.randint(1, MESSAGES + 2))
    return random.choice(
        (
            lock(f"lock {step}", units % 1_000 + 1, account=account),
            lock(f"strange {step}", units, token=b"\x66" * 32),
            leave(f"exit {step}", units, account=account),
            release(f"release {step}", message, units=random.choice((10, units))),
        )
    )


@pytest.mark.slow
@pytest.mark.parametrize("family", Family)
def test_r14_custody_is_never_below_zero(databases: TestDatabases, family: Family) -> None:
    """Over locks, exits beyond what is there, effects twice, altered or of no message, reorgs."""
    refused = 0
    for seed in range(SEQUENCES):
        random = Random(seed)
        with databases.store("sqlite", FixedClock(NOW)) as made:
            bench = Bench(made, chain_of(family, CHAIN_A, Random(seed)))
            final(bench, lock("base", 100))
            for nonce in range(1, MESSAGES + 1):
                bench.compose(unlock_message(10, nonce))
            for step in range(STEPS):
                bench.chain.mine(hostile(random, step))
                if random.random() < 0.3:
                    depth = min(2, bench.chain.unfinal)
                    bench.chain.reorg(depth, [hostile(random, 100 + step)], [])
                if random.random() < 0.3:
                    bench.chain.finalize()
                bench.catch_up()
                assert lines_below_zero(bench.lines()) == [], f"seed {seed} step {step}"
            assert bench.is_sound()
            refused += len(bench.parked())
    assert refused > 0


def forged_lock(chain: HonestVault) -> None:
    """Show a lock of 9 units that the vault never took."""
    chain.mine(lock("forged", 9))
    chain.counted = {"held_units": -9, "balance_units": -9, "lock_count": -1}


def forged_amount(chain: HonestVault) -> None:
    """Show a lock with 9 units more than what arrived: a token that takes a fee."""
    chain.mine(lock("with fee", 100))
    chain.counted = {"held_units": -9, "balance_units": -9}


def counted_without_tokens(chain: HonestVault) -> None:
    """Count the whole amount though 9 units of it never arrived."""
    chain.mine(lock("with fee", 100))
    chain.counted = {"balance_units": -9}


def missing_log(chain: HonestVault) -> None:
    """Take a lock of 9 units whose log no node shows."""
    chain.mine()
    chain.counted = {"held_units": 9, "balance_units": 9, "lock_count": 1}


def missing_and_equal(chain: HonestVault) -> None:
    """Take a lock and let as much leave, with neither log shown: only the counter tells."""
    chain.mine()
    chain.counted = {"lock_count": 1}


def double_unlock(chain: HonestVault) -> None:
    """Execute a message twice: the second release is in no message's name."""
    message = unlock_message(10)
    chain.mine(release("first", message), release("second", message))


@pytest.mark.parametrize("family", Family)
@pytest.mark.parametrize(
    "wrong",
    [
        forged_lock,
        forged_amount,
        counted_without_tokens,
        missing_log,
        missing_and_equal,
        double_unlock,
    ],
)
def test_r14_whatever_is_wrong_is_found_within_one_cycle(
    store: Store, wrong: Any, family: Family
) -> None:
    """One comparison records the break; the ledger is not repaired."""
    chain = HonestVault(CHAIN_A, slots=slots_of(family, Random(3)))
    bench = Bench(store, chain)
    final(bench, lock("true", 50))
    bench.compose(unlock_message(10))
    assert (compared(bench).is_equal, breaks(bench)) == (True, 0)

    wrong(chain)
    final(bench)
    before = bench.balances()
    found = compared(bench)

    assert (found.is_equal, breaks(bench)) == (False, 1)
    assert bench.balances() == before
    assert "break.found" in bench.told()


def test_r14_one_lock_twice_halts_the_chain(store: Store) -> None:
    """Two events that claim one lock: the second is not stored, and the chain stops at once."""
    chain = SimulatedChain(CHAIN_A)

    def act(number: int) -> None:
        if number == 1:
            block = chain.mine(lock("one", 5), lock("again", 5))
            first, second = block.events
            assert isinstance(second, CollateralLocked)
            chain.blocks[-1] = replace(block, events=(first, replace(second, lock_id=1)))

    Rounds(store, chain, 3, act=act).run()

    with store.read() as uow:
        assert uow.chains.is_halted(CHAIN_A)


def test_r14_a_donation_is_shown_and_stops_nobody(store: Store) -> None:
    """Anybody may send tokens to a vault; they belong to nobody and are no break."""
    chain = HonestVault(CHAIN_A)
    bench = Bench(store, chain)
    final(bench, lock("true", 50))
    chain.counted = {"balance_units": 777}

    found = compared(bench)

    assert (found.is_equal, found.surplus_units, breaks(bench)) == (True, 777, 0)


def test_r14_a_token_that_is_idle_for_long_keeps_its_balance(store: Store) -> None:
    """Balances come from the whole journal: no window of blocks makes one zero."""
    bench = Bench(store, SimulatedChain(CHAIN_A))
    final(bench, lock("long ago", 50))
    for _ in range(5):
        bench.chain.mine_empty(400)
        bench.chain.finalize()
        bench.catch_up()

    found = compared(bench)

    assert (bench.available(), bench.custody()) == (50, 50)
    assert (found.is_equal, found.ledger_units, found.held_units) == (True, 50, 50)

"""What must hold at the end of every run under load, whatever happened on the way."""

import threading
import time
from collections import Counter
from typing import Final

from relayer.cli.demo.doors import OperatorDoor
from relayer.ledger.chart import Side, margin_code, vault_code
from relayer.ledger.journal import Phase
from relayer.money import AssetId
from tests.faults.load.deployment import ASSET, LoadDeployment

IDLE_SECONDS_MAX: Final = 120.0
POLL_SECONDS: Final = 0.1
ENTRIES_PER_READ: Final = 1_000
FINAL_PHASES: Final = (Phase.POSTED, Phase.SETTLE)


def events_booked(load: LoadDeployment) -> Counter[bytes]:
    """Return how often each event was made final in the journal, by its id."""
    found: Counter[bytes] = Counter()
    after_seq = 0
    while True:
        with load.store.read() as uow:
            entries = uow.ledger.entries(after_seq=after_seq, limit=ENTRIES_PER_READ)
        if not entries:
            return found
        found.update(booked.entry.cause for booked in entries if booked.entry.phase in FINAL_PHASES)
        after_seq = entries[-1].seq


def final_units(load: LoadDeployment) -> int:
    """Return what all vaults of the ledger hold for good. [base units]"""
    with load.store.read() as uow:
        return sum(
            uow.ledger.counters(vault_code(chain.vault), AssetId(ASSET), chain.chain_id).posted(
                Side.DEBIT
            )
            for chain in load.chains
        )


def wait_until_level(load: LoadDeployment, idle_seconds_max: float = IDLE_SECONDS_MAX) -> float:
    """
    Wait until the ledger holds as much as the chains; return the seconds it took.

    It fails when nothing is booked for a while: how long all of it takes is the machine's affair.
    """
    begun = moved_at = time.monotonic()
    wanted, last_held = sum(sum(chain.units_of.values()) for chain in load.chains), -1
    while (held := final_units(load)) != wanted:
        load.processes.check()
        if held != last_held:
            last_held, moved_at = held, time.monotonic()
        assert time.monotonic() - moved_at < idle_seconds_max, (
            f"{held} of {wanted} units, and no more for {idle_seconds_max} s; jobs: "
            f"{OperatorDoor(load.config).run('jobs', 'list')}"
        )
        threading.Event().wait(POLL_SECONDS)
    return time.monotonic() - begun


def check_books(load: LoadDeployment) -> None:
    """Check every event, every balance, the journal's proof, custody, and that no job is stuck."""
    booked = events_booked(load)
    assert set(booked.values()) == {1}
    assert len(booked) == sum(chain.events for chain in load.chains)
    with load.store.read() as uow:
        for chain in load.chains:
            for account, units in chain.units_of.items():
                counters = uow.ledger.counters(margin_code(account), AssetId(ASSET), chain.chain_id)
                assert counters.posted(Side.CREDIT) == units
                assert counters.soft(Side.CREDIT) == 0
    operator = OperatorDoor(load.config)
    assert operator.run("ledger", "verify")["ok"]
    custody = operator.run("custody")
    assert custody["equal"] == custody["total"] == len(load.chains)
    assert operator.run("jobs", "list")["quarantined"] == []

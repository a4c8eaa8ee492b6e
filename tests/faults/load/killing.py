"""Random SIGKILLs under load, planned from a seed."""

import threading
import time
from dataclasses import dataclass
from random import Random
from typing import Final

from tests.faults.load.deployment import LoadDeployment

EVENTS: Final = 5_000
PROGRESS_SECONDS_MAX: Final = 6.0
WAIT_SECONDS_MIN: Final = 0.05
WAIT_SECONDS_MAX: Final = 1.2
LAG_SECONDS_MAX: Final = 0.05
POLL_SECONDS: Final = 0.005
BLOCKS_PER_KILL: Final = 5
REORG_SHARE: Final = 0.3


@dataclass(frozen=True, slots=True)
class Killed:
    """One crash that was carried out."""

    process: str
    is_after_progress: bool


def kill_at_random(load: LoadDeployment, kills: int, chance: Random) -> list[Killed]:
    """
    Let the chains grow to EVENTS while processes are killed and started again at once.

    Half of the crashes come as soon as the journal grew, so in the middle of work; the others after
    a random time, so in the middle of a start as well.
    """
    done: list[Killed] = []
    names = tuple(load.commands)
    per_block = -(-EVENTS // (kills * BLOCKS_PER_KILL * len(load.chains)))
    for _ in range(kills):
        for chain in load.chains:
            for _ in range(BLOCKS_PER_KILL):
                chain.mine(chance.randint(0, 2 * per_block))
            if chance.random() < REORG_SHARE:
                chain.reorg()
        name = chance.choice(names)
        is_after_progress = chance.random() < 0.5
        if is_after_progress:
            _wait_for_progress(load)
            threading.Event().wait(chance.uniform(0, LAG_SECONDS_MAX))
        else:
            threading.Event().wait(chance.uniform(WAIT_SECONDS_MIN, WAIT_SECONDS_MAX))
        load.processes.check()
        load.processes.kill(name)
        load.processes.start(name)
        done.append(Killed(name, is_after_progress))
    rest = EVENTS - sum(chain.events for chain in load.chains)
    load.chains[0].mine(max(1, rest))
    for chain in load.chains:
        chain.settle()
    return done


def _wait_for_progress(load: LoadDeployment) -> None:
    before = load.journal_seq()
    deadline = time.monotonic() + PROGRESS_SECONDS_MAX
    while load.journal_seq() == before and time.monotonic() < deadline:
        threading.Event().wait(POLL_SECONDS)

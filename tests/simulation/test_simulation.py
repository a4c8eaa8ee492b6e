"""The whole relayer under one seed: whatever fails, no unit is lost, and everything ends."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.simulation.run import run

ROOT: Final = Path(__file__).parents[2]
STEPS_SHORT: Final = 40
REPLAYED: Final = 7
OTHER_PROCESS: Final = (
    "from tests.simulation.run import run; print(run({seed}, {steps}).trace_hash)"
)


@pytest.mark.parametrize(
    "first", [pytest.param(0, marks=pytest.mark.slow), pytest.param(10, marks=pytest.mark.long)]
)
def test_whatever_fails_every_invariant_holds(first: int) -> None:
    """Ten seeds: checks after each step, then rest, then hub, guardians and chains agree."""
    results = [run(seed) for seed in range(first, first + 10)]

    failed = [
        f"seed {result.seed}: {result.violation}\n"
        f"replay: python -m tests.simulation --seed {result.seed} --trace"
        for result in results
        if result.violation is not None
    ]
    assert not failed, "\n".join(failed)


def test_a_seed_replays_exactly() -> None:
    """The same seed does the same twice, whatever ran in between; another seed does not."""
    first = run(REPLAYED, STEPS_SHORT)
    other = run(REPLAYED + 1, STEPS_SHORT)

    again = run(REPLAYED, STEPS_SHORT)

    assert again.lines == first.lines
    assert again.trace_hash == first.trace_hash
    assert other.trace_hash != first.trace_hash


@pytest.mark.slow
def test_a_seed_replays_in_another_process() -> None:
    """The order of sets, which differs between processes, changes nothing."""
    elsewhere = [_started_elsewhere(hash_seed) for hash_seed in ("1", "4242")]

    here = run(REPLAYED, STEPS_SHORT).trace_hash

    for process in elsewhere:
        with process:
            assert process.communicate()[0].strip() == here


def _started_elsewhere(hash_seed: str) -> subprocess.Popen[str]:
    command = OTHER_PROCESS.format(seed=REPLAYED, steps=STEPS_SHORT)
    return subprocess.Popen(
        [sys.executable, "-c", command],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )

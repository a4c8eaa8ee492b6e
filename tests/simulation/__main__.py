"""python -m tests.simulation: run seeds, say which failed and how to see it again."""

import argparse
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Iterator
from typing import Final

from tests.simulation.run import STEPS, Result, run_pair

PROGRESS_SEEDS: Final = 50
SEEDS_PER_CHUNK: Final = 4
TRACE_LINES_SHOWN: Final = 60


def _results(work: list[tuple[int, int]], jobs: int) -> Iterator[Result]:
    """Yield the results in the order of the seeds, made by one process or by several."""
    if jobs == 1:
        yield from map(run_pair, work)
        return
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        yield from pool.imap(run_pair, work, SEEDS_PER_CHUNK)


def main() -> int:
    """Run the seeds that the command line names; 1 when one of them failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=100, help="how many seeds")
    parser.add_argument("--seed", type=int, help="the first seed; alone it runs only this one")
    parser.add_argument("--steps", type=int, default=STEPS, help="steps of each run")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--trace", action="store_true", help="print every step")
    parser.add_argument("--keep-going", action="store_true", help="go on after a failure")
    options = parser.parse_args()
    is_single = options.seed is not None and "--seeds" not in sys.argv
    first = options.seed or 0
    count = 1 if is_single else options.seeds
    work = [(seed, options.steps) for seed in range(first, first + count)]
    began = time.monotonic()
    failed: list[Result] = []
    figures: Counter[str] = Counter()
    number = 0
    for number, result in enumerate(_results(work, options.jobs), 1):
        figures.update(result.figures)
        if options.trace:
            print("\n".join(result.lines))
        if result.violation is not None:
            failed.append(result)
            _show(result, options.steps, is_traced=options.trace)
            if not options.keep_going:
                break
        if number % PROGRESS_SEEDS == 0:
            print(f"{number} seeds, {time.monotonic() - began:.0f} s", flush=True)
    seconds = time.monotonic() - began
    each = seconds / max(1, number)
    print(f"{number} seeds in {seconds:.1f} s, {each:.3f} s a seed; {len(failed)} failed")
    print(", ".join(f"{name} {figures[name]}" for name in sorted(figures)))
    return 1 if failed else 0


def _show(result: Result, steps: int, *, is_traced: bool) -> None:
    if not is_traced:
        print("\n".join(result.lines[-TRACE_LINES_SHOWN:]))
    print(f"seed {result.seed} FAILED: {result.violation}")
    print(
        f"replay: python -m tests.simulation --seed {result.seed} --steps {steps} --trace",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())

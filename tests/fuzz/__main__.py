# ruff: noqa: T201
"""
Fuzz every decoder and door of the project with fresh seeds.

    python -m tests.fuzz                                 each target once, as in the test suite
    python -m tests.fuzz --minutes 30                    again and again with new seeds
    python -m tests.fuzz --minutes 5 --examples 2000 --only broker,cli

Targets, one file each:

    node_answers      what nodes answer: headers, logs, blooms, events, views, price feeds
    node_lines        what a node sends over HTTP as such: any bytes as status, headers and body
    abi               our ABI reading and writing against eth_abi's
    letters           bytes of messages, signatures, commands and stored events
    guardian_doors    a hostile guardian towards the hub, a hostile hub towards a guardian
    api               every endpoint of the message API, in process
    configuration     the configuration file
    broker            whatever lies on the task queues
    cli               arguments of the operator's commands
    packs             recorded packs

Each target holds: nothing but the documented errors, nothing changed by what is refused, bounded
time and memory, and where there is an encoder too, decode(encode(x)) == x and
encode(decode(b)) == b.

A failure ends the run, and prints the input, its seed and the line that tries it again.
"""

import argparse
import os
import secrets
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from tests.fuzz.bounds import EXAMPLES_VARIABLE

FOLDER: Final = Path(__file__).parent
ROOT: Final = FOLDER.parents[1]
EXAMPLES_LONG: Final = 1_000
SECONDS_A_MINUTE: Final = 60


def targets(only: str) -> list[Path]:
    """Return the files of the chosen targets; empty means all."""
    names = [name for name in only.split(",") if name]
    found = sorted(FOLDER.glob("test_*.py"))
    known = [path.stem.removeprefix("test_") for path in found]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise SystemExit(f"--only: {', '.join(unknown)} unknown; one of {', '.join(known)}")
    return [path for path, name in zip(found, known, strict=True) if not names or name in names]


def run(target: Path, seed: int, examples: int | None) -> bool:
    """Run one target with one seed; print how to run it again where it fails."""
    environment = dict(os.environ)
    if examples is not None:
        environment[EXAMPLES_VARIABLE] = str(examples)
    line = ["-m", "pytest", "-q", "-x", "--no-header", "--tb=short", "-o", "timeout=0"]
    line += [f"--hypothesis-seed={seed}", str(target.relative_to(ROOT))]
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, *line],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    seconds = time.monotonic() - started
    name = target.stem.removeprefix("test_")
    print(f"{name:<16} seed {seed:<11} {seconds:6.1f} s  ", end="", flush=True)
    print("held" if done.returncode == 0 else "FAILED", flush=True)
    if done.returncode != 0:
        print(done.stdout.decode(errors="replace"))
        wish = "" if examples is None else f"{EXAMPLES_VARIABLE}={examples} "
        print(f"again: {wish}python {' '.join(line)}")
    return done.returncode == 0


def main() -> int:
    """Fuzz until the time is over or something fails; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Fuzz every door.")
    parser.add_argument("--minutes", type=float, default=0.0, help="how long; 0 is one round")
    parser.add_argument("--examples", type=int, help="inputs for each test of a target")
    parser.add_argument("--only", default="", help="targets, separated by commas")
    asked = parser.parse_args()
    chosen = targets(asked.only)
    examples = asked.examples or (EXAMPLES_LONG if asked.minutes else None)
    deadline = time.monotonic() + asked.minutes * SECONDS_A_MINUTE
    while True:
        for target in chosen:
            if not run(target, secrets.randbelow(2**32), examples):
                return 1
            if asked.minutes and time.monotonic() > deadline:
                return 0
        if not asked.minutes:
            return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""
Run a deployment under steady load and say whether it grows.

Run: python -m tests.soak --minutes 30 [--fleet]

Prints a line for each process and writes build/soak.json. Exit status 1 when one grew.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.databases import TestDatabases
from tests.soak.running import Plan, Soaked, soak
from tests.soak.samples import Bounds, growth_of

REPORT: Final = Path(__file__).resolve().parents[2] / "build" / "soak.json"
SECONDS_PER_MINUTE: Final = 60
COLUMNS: Final = ("process", "RSS MiB", "grew %", "%/h", "MiB/1k events", "threads", "files")


def report(soaked: Soaked, bounds: Bounds) -> list[str]:
    """Print and write what was measured; return what is out of bounds."""
    found = {name: growth_of(samples) for name, samples in soaked.samples.items()}
    faults = [f"{name}: {each}" for name, one in found.items() for each in one.faults(bounds)]
    lines = ["  ".join(f"{column:>14}" for column in COLUMNS)]
    for name, one in found.items():
        cells = (
            name,
            f"{one.rss_mib:.1f}",
            f"{one.growth_percent:+.2f}",
            f"{one.percent_per_hour:+.2f}",
            f"{one.mib_per_1000_events:+.3f}",
            f"{one.threads[0]} -> {one.threads[1]}",
            f"{one.files[0]} -> {one.files[1]}",
        )
        lines.append("  ".join(f"{cell:>14}" for cell in cells))
    lines.append(
        f"{soaked.events} events, {soaked.reorgs} reorganisations, {soaked.rpc_faults} failed"
        f" requests; {len(next(iter(soaked.samples.values())))} samples each"
    )
    sys.stdout.write("\n".join([*lines, *faults]) + "\n")
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    value = {
        "events": soaked.events,
        "reorgs": soaked.reorgs,
        "rpc_faults": soaked.rpc_faults,
        "processes": {name: one.value() for name, one in found.items()},
        "faults": faults,
    }
    REPORT.write_text(json.dumps(value, indent=2) + "\n")
    return faults


def main(arguments: list[str]) -> int:
    """Soak as asked on the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--fleet", action="store_true", help="on PostgreSQL and RabbitMQ")
    asked = parser.parse_args(arguments)
    databases = TestDatabases()
    try:
        with tempfile.TemporaryDirectory(prefix="relayer-soak-") as folder:
            plan = Plan(asked.minutes * SECONDS_PER_MINUTE, is_fleet=asked.fleet)
            soaked = soak(plan, databases, Path(folder))
    finally:
        databases.close()
    return 1 if report(soaked, Bounds()) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Tests of the collector's settings, in a process of their own."""

import subprocess
import sys

PROGRAM = """
import gc
from relayer.worker.collector import spare_collections
spare_collections()
class Knot: pass
for _ in range(190_000):
    knot = Knot(); knot.self = knot
print(gc.get_freeze_count() > 1_000, gc.isenabled(), len(gc.get_objects()) < 50_000)
"""


def test_cycles_are_still_collected() -> None:
    """What is loaded is set apart, and of 190,000 knots few are there at a time."""
    answer = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )

    assert answer.stdout.split() == ["True", "True", "True"]

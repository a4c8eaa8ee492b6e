"""Where benchmarks write what they measured: build/bench.json, one entry per name."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Final

REPORT: Final = Path(__file__).resolve().parents[2] / "build" / "bench.json"


def best_seconds(run: Callable[[], object], *, repeats: int) -> float:
    """Return the shortest of some runs: what the code takes when nothing else disturbs it."""
    times = []
    for _ in range(repeats):
        started = perf_counter()
        run()
        times.append(perf_counter() - started)
    return min(times)


def register(name: str, *, ours: float, other: float, unit: str, how: str) -> float:
    """
    Store one comparison and return other / ours: above one means ours is faster.

    Args:
        name: what is compared, `risk.screen_vs_reference`.
        ours: what we measured, in unit.
        other: what it is compared with, in the same unit.
        unit: smaller is better: `ms`.
        how: one sentence on what ran.
    """
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    entries = json.loads(REPORT.read_text()) if REPORT.exists() else {}
    ratio = other / ours
    entries[name] = {
        "ratio": round(ratio, 3),
        "ours": round(ours, 4),
        "other": round(other, 4),
        "unit": unit,
        "how": how,
    }
    fresh = REPORT.with_suffix(f".{os.getpid()}.tmp")
    fresh.write_text(json.dumps(entries, indent=2, sort_keys=True) + "\n")
    fresh.replace(REPORT)
    print(f"{name}: {ours:.3f} {unit} against {other:.3f} {unit}, ratio {ratio:.2f}")
    return ratio

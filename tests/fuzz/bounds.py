"""
How much is tried, and how much time and memory one input may take.

FUZZ_EXAMPLES=n tries n inputs for each target instead of its own number.
"""

import os
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from hypothesis import HealthCheck, Phase, settings

EXAMPLES_VARIABLE: Final = "FUZZ_EXAMPLES"
CPU_SECONDS_MAX: Final = 2.0
MEBIBYTES_MAX: Final = 256
KIBIBYTES: Final = 1_024


def fuzzed(examples: int) -> Callable[[Any], Any]:
    """Return the settings of a target that tries so many inputs where nobody asks for more."""
    wanted = int(os.environ.get(EXAMPLES_VARIABLE, examples))
    return settings(
        max_examples=max(1, wanted),
        deadline=None,
        print_blob=True,
        phases=[phase for phase in Phase if phase is not Phase.explain],
        suppress_health_check=[
            HealthCheck.too_slow,
            HealthCheck.data_too_large,
            HealthCheck.large_base_example,
            HealthCheck.filter_too_much,
            HealthCheck.function_scoped_fixture,
        ],
    )


@contextmanager
def bounded(
    cpu_seconds_max: float = CPU_SECONDS_MAX, mebibytes_max: int = MEBIBYTES_MAX
) -> Iterator[None]:
    """
    Fail if what runs inside uses more processor time or makes the process grow more than allowed.

    Processor time, not time on the clock: a busy machine slows a test down and fails none.
    """
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.process_time()
    yield
    cpu_seconds = time.process_time() - started
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) // KIBIBYTES
    assert cpu_seconds <= cpu_seconds_max, f"one input took {cpu_seconds:.1f} s"
    assert grown <= mebibytes_max, f"one input took {grown} MiB"

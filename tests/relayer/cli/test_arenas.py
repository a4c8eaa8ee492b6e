"""Tests of the heaps that threads share, each in a process of its own."""

import subprocess
import sys

import pytest

from relayer.cli.arenas import ARENAS_MAX

THREADS = 8
PROGRAM = """
import contextlib, ctypes, sys, threading
from relayer.cli.arenas import share_arenas
from relayer.cli.main import app

if sys.argv[1] == "shared":
    assert share_arenas()
elif sys.argv[1] == "process":
    with contextlib.suppress(SystemExit):
        app(["sweep", "--config", "none.toml"])
barrier = threading.Barrier({threads})

def hold():
    held = bytearray(20_000)
    barrier.wait()
    return held

threads = [threading.Thread(target=hold) for _ in range({threads})]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
library = ctypes.CDLL(None)
library.fdopen.restype = ctypes.c_void_p
out = ctypes.c_void_p(library.fdopen(1, b"w"))
library.malloc_info(0, out)
library.fflush(out)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mallopt is glibc's")
@pytest.mark.parametrize(
    ("how", "is_bounded"), [("shared", True), ("process", True), ("usual", False)]
)
def test_r22_threads_share_two_heaps(how: str, is_bounded: bool) -> None:
    """Eight threads that allocate at once: of a process of the fleet; by default there are more."""
    told = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(threads=THREADS), how],
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert (told.count("<heap nr=") <= ARENAS_MAX) == is_bounded

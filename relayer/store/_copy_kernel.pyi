"""Types of the compiled kernel."""

from typing import Any

def pack_into(packed: bytearray, kinds: bytes, rows: list[tuple[Any, ...]]) -> int:
    """Write rows into packed; return the bytes written, or -1 - the place of a wrong value."""

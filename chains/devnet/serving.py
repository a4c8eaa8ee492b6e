"""What the servers that run as processes of their own share: tell where they are, end cleanly."""

import os
import signal
import sys
import threading
from typing import Any, Final

import orjson

PARENT_POLL_SECONDS: Final = 1.0


def announce(fields: dict[str, Any]) -> None:
    """Print one JSON object on a line of its own, at once."""
    sys.stdout.write(orjson.dumps(fields).decode() + "\n")
    sys.stdout.flush()


class Ending:
    """Notices SIGTERM, SIGINT and the end of the parent. Make it in the main thread."""

    def __init__(self) -> None:
        self._parent = os.getppid()
        self._ended = threading.Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: self._ended.set())

    def wait(self) -> None:
        """Wait until it is time to end."""
        while os.getppid() == self._parent and not self._ended.wait(PARENT_POLL_SECONDS):
            pass

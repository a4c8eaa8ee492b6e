"""Turns of a process's threads: many side by side, or one alone."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """
    Lets threads work side by side until one wants to be alone.

    A job whose process died before runs alone: should it die again, nothing else died with it, so
    nothing else is blamed. Who wants to be alone waits for those at work and is waited for by all
    others; whoever waits here must hold no job.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._sharing = 0
        self._wanting = 0
        self._is_alone = False

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Work beside others, once nobody is alone or wants to be."""
        with self._changed:
            self._changed.wait_for(lambda: not self._is_alone and not self._wanting)
            self._sharing += 1
        try:
            yield
        finally:
            with self._changed:
                self._sharing -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Work once all others have ended, and keep them away meanwhile."""
        with self._changed:
            self._wanting += 1
            self._changed.wait_for(lambda: not self._is_alone and not self._sharing)
            self._wanting -= 1
            self._is_alone = True
        try:
            yield
        finally:
            with self._changed:
                self._is_alone = False
                self._changed.notify_all()

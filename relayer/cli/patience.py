"""Asks again, for a bounded time, for what only another process can bring about."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from relayer.errors import NotYetError

PAUSE_SECONDS: Final = 0.2
ATTEMPTS_MAX: Final = 50
Found = TypeVar("Found")


async def ask_again(
    ask: Callable[[], Awaitable[Found]],
    *,
    attempts_max: int = ATTEMPTS_MAX,
    only_reason: str | None = None,
) -> Found:
    """
    Return what is found as soon as it can be found.

    What is waited for is another process's next write. Neither database tells this process of it,
    so it is looked for again after a pause.

    Args:
        only_reason: wait only for this reason of NotYetError; None for any.

    Raises:
        NotYetError: the last one, or one of another reason.
    """
    for _ in range(attempts_max):
        try:
            return await ask()
        except NotYetError as exc:
            if only_reason is not None and exc.reason != only_reason:
                raise
            await asyncio.sleep(PAUSE_SECONDS)
    return await ask()

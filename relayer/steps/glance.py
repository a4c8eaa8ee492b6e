"""Glance: ask one node whether there is news, so that a quiet chain costs one request a poll."""

from dataclasses import dataclass
from typing import Final

from chains.errors import ChainError
from chains.nodes import NodePool
from chains.types import BlockRef
from relayer.clock import Clock, UnixSeconds

QUORUM_SECONDS_MAX: Final = 10  # so long can one node hide what the others have


@dataclass(slots=True)
class Glance:
    """
    Remembers the block that a quorum agreed on last, and when.

    Args:
        pool: where one node after the other is asked; None: there is always news.
    """

    pool: NodePool | None
    clock: Clock
    _agreed: tuple[BlockRef, UnixSeconds] | None = None

    def agreed(self, block: BlockRef, *, is_level: bool) -> None:
        """Take note of the head that a quorum agreed on, and whether all up to it is stored."""
        self._agreed = (block, self.clock.now()) if is_level else None

    def forget(self) -> None:
        """Ask the quorum next time."""
        self._agreed = None

    async def has_news(self) -> bool:
        """
        Return whether the quorum is to be asked.

        It is when one node names another block than the agreed one, when this node fails, and
        after ten seconds whatever is said.
        """
        if self.pool is None or self._agreed is None:
            return True
        block, agreed_at = self._agreed
        if not 0 <= self.clock.now() - agreed_at < QUORUM_SECONDS_MAX:
            return True
        try:
            return await self.pool.newest() != block
        except ChainError:
            return True

"""Price feeds in memory."""

from dataclasses import dataclass, field

from chains.errors import ChainError
from chains.port import Quote
from chains.types import BlockRef


@dataclass(slots=True)
class SimulatedFeeds:
    """chains.port.PriceSource over answers that a test sets; a feed may answer with an error."""

    answers: dict[bytes, Quote | ChainError] = field(default_factory=dict)
    asked: list[bytes] = field(default_factory=list)

    def set(self, feed: bytes, answer: int, *, updated_at_seconds: int, scale: int = 8) -> None:
        """Let a feed answer."""
        self.answers[feed] = Quote(feed, answer, scale, updated_at_seconds, 1)

    async def quote(self, feed: bytes, block: BlockRef | None) -> Quote:
        """Return what the feed answers."""
        del block
        self.asked.append(feed)
        answer = self.answers[feed]
        if isinstance(answer, ChainError):
            raise answer
        return answer

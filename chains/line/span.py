"""How many blocks to ask for at once: grows while the node is quick, shrinks when it is not."""

from typing import Final

SPAN_FIRST: Final = 50
SPAN_MAX: Final = 10_000
SPAN_STEP: Final = 20
QUICK_SECONDS: Final = 2.0
FINE_SECONDS: Final = 5.0
SLOW_SECONDS: Final = 10.0
TOO_SLOW_SECONDS: Final = 30.0


class AdaptiveSpan:
    """The span of the next log range, learnt from the ones before it."""

    def __init__(self, *, span_max: int = SPAN_MAX) -> None:
        if span_max < 1:
            raise ValueError(f"span_max is {span_max}, at least 1 is needed")
        self._span_max = span_max
        self._span = min(SPAN_FIRST, span_max)

    @property
    def blocks(self) -> int:
        """How many blocks to ask for next, 1..span_max."""
        return self._span

    def succeeded(self, *, blocks: int, elapsed_seconds: float) -> None:
        """
        Learn from an answer; only full-size ranges say something.

        below 2 s: x 2; below 5 s: + 20; above 10 s: - 20; above 30 s: halved.
        """
        if blocks < self._span:
            return
        if elapsed_seconds < QUICK_SECONDS:
            span = self._span * 2
        elif elapsed_seconds < FINE_SECONDS:
            span = self._span + SPAN_STEP
        elif elapsed_seconds > TOO_SLOW_SECONDS:
            span = self._span // 2
        elif elapsed_seconds > SLOW_SECONDS:
            span = self._span - SPAN_STEP
        else:
            return
        self._span = max(1, min(span, self._span_max))

    def failed(self) -> None:
        """Learn from an error: halve, down to one block."""
        self._span = max(1, self._span // 2)

"""Nodes that leave logs out and call it complete."""

from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from chains.devnet.exchange import Ask
from chains.devnet.lies.blocks import height_named
from chains.devnet.schedule import draw

MILLION: Final = 1_000_000
Matching = Callable[[dict[str, Any]], bool]


class DropLogs:
    """
    Leaves logs out of eth_getLogs; receipts and blooms still have them.

    Args:
        share_ppm: how many of a million logs are left out.
        matching: leaves these out as well, whatever the share.
        is_lasting: the same logs are missing in every answer; otherwise each answer misses others.
    """

    def __init__(
        self,
        seed: int,
        *,
        share_ppm: int = 0,
        matching: Matching | None = None,
        is_lasting: bool = True,
    ) -> None:
        if not 0 <= share_ppm <= MILLION:
            raise ValueError(f"share_ppm is {share_ppm}, 0..{MILLION} is possible")
        self.injected: Counter[str] = Counter()
        self._seed = seed
        self._share_ppm = share_ppm
        self._matching = matching
        self._is_lasting = is_lasting
        self._told: Counter[tuple[str, str]] = Counter()

    async def answer(self, method: str, params: list[Any], ask: Ask) -> Any:
        """Return the result of a request."""
        result = await ask(method, params)
        if method != "eth_getLogs":
            return result
        kept = [log for log in result if not self._is_dropped(log)]
        self.injected["dropped_log"] += len(result) - len(kept)
        return kept

    def _is_dropped(self, log: dict[str, Any]) -> bool:
        if self._matching is not None and self._matching(log):
            return True
        place = (str(log["blockHash"]), str(log["logIndex"]))
        turn = 0 if self._is_lasting else self._told[place]
        self._told[place] += 1
        return draw(self._seed, *place, turn) % MILLION < self._share_ppm


class TruncateRanges:
    """
    Answers only the beginning of a range of blocks as if it were all.

    Args:
        blocks_max: no log above the first so many blocks; None for no such end.
        logs_max: no log after the first so many; None for no such end.
    """

    def __init__(self, *, blocks_max: int | None = None, logs_max: int | None = None) -> None:
        self.injected: Counter[str] = Counter()
        self._blocks_max = blocks_max
        self._logs_max = logs_max

    async def answer(self, method: str, params: list[Any], ask: Ask) -> Any:
        """Return the result of a request."""
        result = await ask(method, params)
        if method != "eth_getLogs" or "blockHash" in params[0]:
            return result
        kept = list(result)
        if self._blocks_max is not None:
            first = await height_named(ask, params[0].get("fromBlock")) or 0
            end = first + self._blocks_max
            kept = [log for log in kept if int(log["blockNumber"], 16) < end]
        kept = kept[: self._logs_max]
        if len(kept) < len(result):
            self.injected["truncated_range"] += 1
        return kept

"""What views answered at each height: words by contract and call, kept over the whole chain."""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field

from chains.evm.abi import encode_call
from chains.port import Argument

Key = tuple[bytes, bytes]  # contract as left-padded address, call data


def key_of(contract: bytes, function: str, *arguments: Argument) -> Key:
    """Return what names one answer: a contract and a call of it."""
    return (contract, encode_call(function, arguments))


@dataclass(slots=True)
class _Past:
    """The heights at which an answer changed, ascending, and what it became."""

    heights: list[int] = field(default_factory=list)
    answers: list[bytes] = field(default_factory=list)


class ViewHistory:
    """Answers of views by height. What is written at a height holds from that height on."""

    def __init__(self) -> None:
        self._past: dict[Key, _Past] = {}
        self._touched: dict[int, list[Key]] = {}
        self.contracts: set[bytes] = set()

    def write(self, height: int, key: Key, answer: bytes) -> None:
        """Write an answer at a height that is not below the last one written."""
        past = self._past.setdefault(key, _Past())
        self.contracts.add(key[0])
        if past.heights and past.heights[-1] == height:
            past.answers[-1] = answer
            return
        past.heights.append(height)
        past.answers.append(answer)
        self._touched.setdefault(height, []).append(key)

    def read(self, height: int, key: Key) -> bytes | None:
        """Return the answer as of a height, None where it was never written."""
        past = self._past.get(key)
        if past is None:
            return None
        place = bisect_right(past.heights, height)
        return past.answers[place - 1] if place else None

    def number(self, key: Key) -> int:
        """Return the newest answer as a number, 0 where there is none."""
        past = self._past.get(key)
        return int.from_bytes(past.answers[-1], "big") if past and past.answers else 0

    def cut(self, first_height: int) -> None:
        """Forget everything that was written from a height on."""
        for height in [height for height in self._touched if height >= first_height]:
            for key in self._touched.pop(height):
                past = self._past[key]
                place = bisect_left(past.heights, first_height)
                del past.heights[place:], past.answers[place:]

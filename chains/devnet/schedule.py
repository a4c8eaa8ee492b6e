"""A schedule of faults out of a seed: the same seed and the same requests, the same faults."""

import hashlib
import threading
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import orjson

from chains.devnet.proxy import Fault

DRAW_BYTES: Final = 8


def draw(seed: int, *parts: object) -> int:
    """Return a number in 0..2^64-1 that depends on nothing but the arguments."""
    text = orjson.dumps([str(seed), *parts], option=orjson.OPT_SORT_KEYS)
    return int.from_bytes(hashlib.sha256(text).digest()[:DRAW_BYTES], "big")


class Script:
    """
    A rule of chains.devnet.proxy: for each request a fault or none, by weight.

    The choice depends on the seed, the method, the parameters, and how often exactly this was asked
    before; not on time and not on what is asked beside it. So a repeated request may meet another
    fault, and requests that race each other meet the same ones in every run.

    Args:
        faults: each with its weight, at least 1.
        clear_weight: the weight of no fault.
        methods: the ones that are hit; empty for all.
    """

    def __init__(
        self,
        seed: int,
        faults: Sequence[tuple[Fault, int]],
        *,
        clear_weight: int,
        methods: Sequence[str] = (),
    ) -> None:
        if clear_weight < 0 or not faults or any(weight < 1 for _, weight in faults):
            raise ValueError("a script needs faults of weight 1 or more, and clear_weight >= 0")
        self.seed = seed
        self._faults = tuple(faults)
        self._clear_weight = clear_weight
        self._methods = frozenset(methods)
        self._asked: Counter[bytes] = Counter()
        self._lock = threading.Lock()

    def __call__(self, method: str, params: list[Any]) -> Fault | None:
        """Return what goes wrong with the next request of this kind."""
        if self._methods and method not in self._methods:
            return None
        asked = orjson.dumps([method, params], option=orjson.OPT_SORT_KEYS)
        with self._lock:
            place = self._asked[asked]
            self._asked[asked] += 1
        weights = sum(weight for _, weight in self._faults)
        chosen = draw(self.seed, method, params, place) % (weights + self._clear_weight)
        for fault, weight in self._faults:
            if chosen < weight:
                return fault
            chosen -= weight
        return None

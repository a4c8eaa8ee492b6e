"""Chance: everything random of one run, out of one seed; and how often each fault comes."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Final, TypeVar

T = TypeVar("T")
THOUSAND: Final = 1_000


@dataclass(frozen=True, slots=True)
class FaultRates:
    """
    How often each fault comes, in thousandths of the places where it could.

    rpc_error: a node fails. rpc_stale: a node answers with an older or a dead branch. crash: a
    process dies at a transaction or at a call. database: the database is away, before or after
    the commit. pause: a process waits while all others go on. door: a guardian is away, lies, or
    its answer is lost. bell: a doorbell is lost or doubled. signer: a guardian's key fails.
    pool: a transaction is dropped or taken without an answer. jump: the clock leaps.
    """

    rpc_error: int = 0
    rpc_stale: int = 0
    crash: int = 0
    database: int = 0
    pause: int = 0
    door: int = 0
    bell: int = 0
    signer: int = 0
    pool: int = 0
    jump: int = 0


NONE: Final = FaultRates()
FULL: Final = FaultRates(
    rpc_error=25,
    rpc_stale=60,
    crash=8,
    database=8,
    pause=8,
    door=150,
    bell=250,
    signer=40,
    pool=150,
    jump=60,
)


class Chance:
    """
    The only source of randomness of a run: the same seed gives the same answers.

    rates are drawn by the seed too: some runs are calm, some have one kind of fault, most have
    several.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.rates = self._drawn_rates()

    def _drawn_rates(self) -> FaultRates:
        if self.hits(50):
            return NONE
        chosen = {
            field.name: getattr(FULL, field.name) * self._random.choice((0, 1, 1, 2))
            for field in fields(FaultRates)
        }
        return replace(NONE, **chosen)

    def calm(self) -> None:
        """Let no fault come any more."""
        self.rates = NONE

    def hits(self, thousandths: int) -> bool:
        """Return whether something happens that comes so often."""
        return thousandths > 0 and self._random.randrange(THOUSAND) < thousandths

    def number(self, first: int, last: int) -> int:
        """Return a number of a range, both ends included."""
        return self._random.randint(first, last)

    def pick(self, choices: Sequence[T]) -> T:
        """Return one of several."""
        return choices[self._random.randrange(len(choices))]

    def weighted(self, choices: Sequence[tuple[int, T]]) -> T:
        """Return one of several, each as often as its weight says."""
        place = self._random.randrange(sum(weight for weight, _ in choices))
        for weight, choice in choices:
            place -= weight
            if place < 0:
                return choice
        raise AssertionError("weights ran out")

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """Return the items in another order."""
        mixed = list(items)
        self._random.shuffle(mixed)
        return mixed

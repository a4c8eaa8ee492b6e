"""Counters of a line, and the balances derived from them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from relayer.ledger.chart import Side
from relayer.ledger.journal import JournalEntry, Line, Phase


@dataclass(frozen=True, slots=True)
class Counters:
    """
    Cumulative debits and credits of one line, reserved and final. [base units, >= 0]

    Posted counters only grow; pending ones fall when their entry is settled or voided.
    """

    debits_pending: int = 0
    debits_posted: int = 0
    credits_pending: int = 0
    credits_posted: int = 0

    def plus(self, units: int, phase: Phase) -> "Counters":
        """
        Return the counters after one posting.

        Args:
            units: debit above zero, credit below.
        """
        pending, posted = _MOVES[phase]
        if units > 0:
            return Counters(
                self.debits_pending + pending * units,
                self.debits_posted + posted * units,
                self.credits_pending,
                self.credits_posted,
            )
        return Counters(
            self.debits_pending,
            self.debits_posted,
            self.credits_pending - pending * units,
            self.credits_posted - posted * units,
        )

    def posted(self, side: Side) -> int:
        """Return what is final: normal side minus the other. Below zero when overdrawn."""
        net = self.debits_posted - self.credits_posted
        return net if side is Side.DEBIT else -net

    @property
    def net_units(self) -> int:
        """Debits less credits, pending ones as if they were final. [base units]"""
        return self.debits_posted + self.debits_pending - self.credits_posted - self.credits_pending

    def soft(self, side: Side) -> int:
        """Return what is announced on the normal side but not final."""
        return self.debits_pending if side is Side.DEBIT else self.credits_pending

    def held(self, side: Side) -> int:
        """Return what is reserved to leave."""
        return self.credits_pending if side is Side.DEBIT else self.debits_pending

    def available(self, side: Side) -> int:
        """Return what may still be reserved or moved: posted minus held."""
        return self.posted(side) - self.held(side)


ZERO: Final = Counters()
_MOVES: Final = {
    Phase.POSTED: (0, 1),
    Phase.PENDING: (1, 0),
    Phase.SETTLE: (-1, 1),
    Phase.VOID: (-1, 0),
}


def apply(counters: Mapping[Line, Counters], entry: JournalEntry) -> dict[Line, Counters]:
    """Return the new counters of every line that the entry moves."""
    return {
        posting.line: counters.get(posting.line, ZERO).plus(posting.units, entry.phase)
        for posting in entry.postings
    }


def replay(entries: Iterable[JournalEntry]) -> dict[Line, Counters]:
    """Return the counters after a journal, from nothing."""
    counters: dict[Line, Counters] = {}
    for entry in entries:
        counters.update(apply(counters, entry))
    return counters

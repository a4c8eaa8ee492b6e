"""The book: all accounts as columns of int64, screened at once and visited where it is near."""

from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from relayer.assets import Path
from relayer.errors import NotYetError
from relayer.money import AssetId
from relayer.oracle.price import PriceBook
from relayer.risk.kernel import near_rows
from relayer.risk.margin import DebtKey, Health, Position, assess_health
from relayer.risk.parameters import Level, RiskParameters
from relayer.risk.screen import Column, quantum_units, screen_factors

WIDTH_MIN: Final = 16
INT64_BYTES: Final = 8


@dataclass(frozen=True, slots=True)
class Waiting:
    """An account that cannot be assessed now, and why."""

    account: bytes
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class BookAssessment:
    """
    What a look at the book found: the liquidatable and the waiting, ordered by account.

    visited_count is how many accounts were assessed exactly.
    """

    liquidatable: tuple[Health, ...]
    waiting: tuple[Waiting, ...]
    visited_count: int


def assess_accounts(
    positions: Iterable[Position], *, parameters: RiskParameters, prices: PriceBook
) -> BookAssessment:
    """Return the exact assessment of some accounts at maintenance, naming those that wait."""
    liquidatable: list[Health] = []
    waiting: list[Waiting] = []
    visited_count = 0
    for position in sorted(positions, key=lambda position: position.account):
        visited_count += 1
        try:
            health = assess_health(
                position, parameters=parameters, prices=prices, level=Level.MAINTENANCE
            )
        except NotYetError as exc:
            waiting.append(Waiting(position.account, reason=exc.reason, detail=exc.detail))
            continue
        if health.is_liquidatable:
            liquidatable.append(health)
    return BookAssessment(tuple(liquidatable), tuple(waiting), visited_count)


class RiskBook:
    """
    Columnar image of the positions of all accounts, kept up to date by the journal.

    Each path has a column of final and, when needed, of soft quanta; each debt has one. Amounts
    are stored without prices, so that a price moves a few factors and no row. The screen errs
    towards visiting: what it leaves out is healthy for certain, what it names is assessed
    exactly from the stored position.
    """

    def __init__(self, scales: Mapping[AssetId, int]) -> None:
        self._scales = dict(scales)
        self._columns: list[Column] = []
        self._column_of: dict[tuple[Path | DebtKey, bool], int] = {}
        self._width = WIDTH_MIN
        self._quanta = array("q")
        self._accounts: list[bytes | None] = []
        self._row_of: dict[bytes, int] = {}
        self._free_rows: list[int] = []
        self._positions: dict[bytes, Position] = {}
        self._cut: set[bytes] = set()

    def __len__(self) -> int:
        """Return the number of accounts."""
        return len(self._positions)

    def position(self, account: bytes) -> Position | None:
        """Return the stored position of an account, None when it has none."""
        return self._positions.get(account)

    def positions(self) -> Iterator[Position]:
        """Return all stored positions."""
        return iter(self._positions.values())

    def put(self, position: Position) -> None:
        """Store the position of an account, in place of the one before."""
        cells = tuple(self._cells(position))
        row = self._row(position.account)
        start = row * self._width
        self._quanta[start : start + self._width] = array("q", bytes(INT64_BYTES * self._width))
        is_cut = False
        for index, units in cells:
            column = self._columns[index]
            self._quanta[start + index] = column.quanta(units)
            is_cut = is_cut or column.is_cut(units)
        (self._cut.add if is_cut else self._cut.discard)(position.account)
        self._positions[position.account] = position

    def remove(self, account: bytes) -> None:
        """Forget an account; one that is not there is no mistake."""
        row = self._row_of.pop(account, None)
        if row is None:
            return
        start = row * self._width
        self._quanta[start : start + self._width] = array("q", bytes(INT64_BYTES * self._width))
        self._accounts[row] = None
        self._free_rows.append(row)
        self._cut.discard(account)
        del self._positions[account]

    def near_accounts(self, *, parameters: RiskParameters, prices: PriceBook) -> tuple[bytes, ...]:
        """
        Return, in order, every account that may be below one at maintenance.

        Nobody who is below one, or whose assessment would raise, is left out.
        """
        if not self._accounts:
            return ()
        factors = screen_factors(self._columns, self._width, parameters=parameters, prices=prices)
        found = set(self._cut)
        found.update(self._marked(near_rows(self._quanta, factors.factors, factors.margin)))
        if factors.blind_factors is not None:
            found.update(self._marked(near_rows(self._quanta, factors.blind_factors, 0)))
        return tuple(sorted(found))

    def assess(self, *, parameters: RiskParameters, prices: PriceBook) -> BookAssessment:
        """Return every liquidatable and every waiting account of the book, exactly."""
        near = self.near_accounts(parameters=parameters, prices=prices)
        return assess_accounts(
            (self._positions[account] for account in near), parameters=parameters, prices=prices
        )

    def _marked(self, is_near: bytearray) -> Iterator[bytes]:
        row = is_near.find(1)
        while row >= 0:
            account = self._accounts[row]
            if account is not None and self._positions[account].debts:
                yield account
            row = is_near.find(1, row + 1)

    def _cells(self, position: Position) -> Iterator[tuple[int, int]]:
        """Return (column, units) of every line that is not empty, making columns as needed."""
        for line in position.collateral:
            if line.final_units:
                yield self._column(line.path, is_soft=False), line.final_units
            if line.soft_units:
                yield self._column(line.path, is_soft=True), line.soft_units
        for debt in position.debts:
            if debt.owed_units:
                yield self._column(debt.key, is_soft=False), debt.owed_units

    def _column(self, line: Path | DebtKey, *, is_soft: bool) -> int:
        index = self._column_of.get((line, is_soft))
        if index is not None:
            return index
        if len(self._columns) == self._width:
            self._widen()
        quantum = quantum_units(self._scales.get(line.asset_id, 0))
        self._columns.append(Column(line, is_soft=is_soft, quantum_units=quantum))
        self._column_of[line, is_soft] = len(self._columns) - 1
        return len(self._columns) - 1

    def _row(self, account: bytes) -> int:
        row = self._row_of.get(account)
        if row is not None:
            return row
        if self._free_rows:
            row = self._free_rows.pop()
            self._accounts[row] = account
        else:
            row = len(self._accounts)
            self._accounts.append(account)
            self._quanta.frombytes(bytes(INT64_BYTES * self._width))
        self._row_of[account] = row
        return row

    def _widen(self) -> None:
        """Double the columns per row, copying every row once."""
        old, width = self._quanta, self._width
        self._width = 2 * width
        self._quanta = array("q", bytes(INT64_BYTES * self._width * len(self._accounts)))
        for row in range(len(self._accounts)):
            start = row * self._width
            self._quanta[start : start + width] = old[row * width : (row + 1) * width]

"""How far prices may move before an account can change state; a tick visits only those reached."""

from bisect import bisect_left, insort
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from relayer.errors import NotYetError
from relayer.money import WAD, AssetId, Rounding, mul_div
from relayer.oracle.price import PriceBook
from relayer.risk.margin import (
    Position,
    collateral_contributions,
    debt_contributions,
)
from relayer.risk.parameters import Level, RiskParameters

RATIO_SCALE: Final = 2**64
RATIO_LIMIT: Final = 1_000  # beyond a thousandfold move of a price everybody is visited


@dataclass(slots=True)
class _Group:
    """Accounts with the same priced collateral assets and the same debt assets."""

    collateral: frozenset[AssetId]
    debts: frozenset[AssetId]
    entries: list[tuple[int, bytes]] = field(default_factory=list)


class ReachIndex:
    """
    Accounts ordered by how far they are from one, at fixed anchor prices.

    If no collateral price fell below f times its anchor and no debt price rose above g times,
    then factor >= factor at the anchor * f / g. So within a group, only accounts whose anchored
    factor is below g / f can be below one: a prefix of an ordered list. A tick costs the number
    of groups and the accounts reached, not all accounts. Anchor again (make a new index) when
    prices have drifted far or a parameter epoch begins; a changed position is put again.

    Source: DESIGN.md 4
    """

    def __init__(
        self, positions: Iterable[Position], *, parameters: RiskParameters, anchor: PriceBook
    ) -> None:
        self._parameters = parameters
        self._anchor = anchor
        self._groups: dict[tuple[frozenset[AssetId], frozenset[AssetId]], _Group] = {}
        self._entry_of: dict[bytes, tuple[_Group, tuple[int, bytes]]] = {}
        self._always: set[bytes] = set()
        for position in positions:
            self._place(position)
        for group in self._groups.values():
            group.entries.sort()

    def __len__(self) -> int:
        """Return the number of accounts that have a debt."""
        return len(self._entry_of) + len(self._always)

    def put(self, position: Position) -> None:
        """Store an account again after its position changed."""
        self.remove(position.account)
        placed = self._measure(position)
        if placed is not None:
            group, entry = placed
            insort(group.entries, entry)
            self._entry_of[position.account] = placed

    def remove(self, account: bytes) -> None:
        """Forget an account; one that is not there is no mistake."""
        self._always.discard(account)
        placed = self._entry_of.pop(account, None)
        if placed is not None:
            group, entry = placed
            del group.entries[bisect_left(group.entries, entry)]

    def reached(self, prices: PriceBook) -> tuple[bytes, ...]:
        """
        Return, in order, every account that may be below one at maintenance at these prices.

        Nobody who is below one, or whose assessment would raise, is left out.
        """
        found = set(self._always)
        moves = self._moves(prices)
        for group in self._groups.values():
            limit_wad = _limit_wad(group, moves)
            end = len(group.entries)
            if limit_wad is not None:
                end = bisect_left(group.entries, (limit_wad, b""))
            found.update(account for _, account in group.entries[:end])
        return tuple(sorted(found))

    def _place(self, position: Position) -> None:
        """Measure and append; the caller sorts once at the end."""
        placed = self._measure(position)
        if placed is not None:
            group, entry = placed
            group.entries.append(entry)
            self._entry_of[position.account] = placed

    def _measure(self, position: Position) -> tuple[_Group, tuple[int, bytes]] | None:
        """
        Return the group and entry of an account; None when it has no debt or is always visited.

        The factor is lowered by RATIO_LIMIT wad per line on both sides, which covers the
        rounding of each line at any prices within that ratio of the anchor.
        """
        if not position.has_debt(Level.MAINTENANCE):
            return None
        rules = self._parameters
        try:
            debts = debt_contributions(
                position, parameters=rules, prices=self._anchor, level=Level.MAINTENANCE
            )
        except NotYetError:
            self._always.add(position.account)
            return None
        lines = tuple(
            line
            for line in collateral_contributions(
                position, parameters=rules, prices=self._anchor, level=Level.MAINTENANCE
            )
            if line.weighted_value_wad
        )
        collateral_wad = sum(line.weighted_value_wad for line in lines) - RATIO_LIMIT * len(lines)
        debt_wad = sum(line.weighted_value_wad for line in debts) + RATIO_LIMIT * len(debts)
        key = (
            frozenset(line.line.asset_id for line in lines),
            frozenset(line.line.asset_id for line in debts),
        )
        group = self._groups.setdefault(key, _Group(*key))
        factor_wad = mul_div(max(0, collateral_wad), WAD, debt_wad, Rounding.DOWN)
        return group, (factor_wad, position.account)

    def _moves(self, prices: PriceBook) -> dict[AssetId, tuple[int, int]]:
        """Return price / anchor of each asset, rounded down and up; left out beyond the limit."""
        found = {}
        for asset_id in self._anchor.entries:
            now, then = prices.find(asset_id), self._anchor.find(asset_id)
            if now is None or then is None or now.price_wad * RATIO_LIMIT < then.price_wad:
                continue
            down = mul_div(now.price_wad, RATIO_SCALE, then.price_wad, Rounding.DOWN)
            up = mul_div(now.price_wad, RATIO_SCALE, then.price_wad, Rounding.UP)
            found[asset_id] = (down, up)
        return found


def _limit_wad(group: _Group, moves: dict[AssetId, tuple[int, int]]) -> int | None:
    """Return the anchored factor from which on a group is safe; None when that cannot be told."""
    if not group.collateral or not (group.collateral | group.debts) <= moves.keys():
        return None
    fall = min(moves[asset_id][0] for asset_id in group.collateral)
    rise = max(moves[asset_id][1] for asset_id in group.debts)
    return mul_div(WAD, rise, fall, Rounding.UP)

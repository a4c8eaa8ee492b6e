"""Positions of accounts and their health at the three levels; exact integers."""

from collections.abc import Iterable
from dataclasses import dataclass

from chains.types import ChainId
from relayer.assets import Path, whole_units
from relayer.money import BPS, WAD, AssetId, Rounding, mul_div
from relayer.oracle.price import PriceBook
from relayer.risk.parameters import Level, RiskParameters


@dataclass(frozen=True, slots=True, order=True)
class DebtKey:
    """Which debt of an account: the asset, the chain it is owed on, and to whom."""

    asset_id: AssetId
    chain_id: ChainId
    protocol: str

    def __str__(self) -> str:
        return f"{self.asset_id} owed to {self.protocol} on {self.chain_id}"


@dataclass(frozen=True, slots=True)
class CollateralLine:
    """Collateral on one path that is not reserved for anything. [base units]"""

    path: Path
    final_units: int
    soft_units: int = 0

    def __post_init__(self) -> None:
        if self.final_units < 0 or self.soft_units < 0:
            raise ValueError(
                f"{self.path}: final {self.final_units} and soft {self.soft_units} "
                "units must be 0 or more"
            )


@dataclass(frozen=True, slots=True)
class DebtLine:
    """
    One debt. [base units]

    committed_units is the limit of the outstanding grant: what the borrower may owe without
    asking again. It counts at the initial level only, where it is above what is owed.
    """

    asset_id: AssetId
    chain_id: ChainId
    protocol: str
    owed_units: int
    committed_units: int = 0

    def __post_init__(self) -> None:
        if self.owed_units < 0 or self.committed_units < 0:
            raise ValueError(
                f"{self.key}: owed {self.owed_units} and committed {self.committed_units} "
                "units must be 0 or more"
            )

    @property
    def key(self) -> DebtKey:
        """Return the name of this debt."""
        return DebtKey(self.asset_id, self.chain_id, self.protocol)

    def counted_units(self, level: Level) -> int:
        """Return the units that count at a level."""
        if level is Level.INITIAL:
            return max(self.owed_units, self.committed_units)
        return self.owed_units


@dataclass(frozen=True, slots=True)
class Position:
    """
    Everything of one account that counts for its margin.

    Lines are stored one per path or debt, in order, so that splitting a balance or naming lines
    in another order gives the same position.
    """

    account: bytes
    collateral: tuple[CollateralLine, ...]
    debts: tuple[DebtLine, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "collateral", _merged_collateral(self.collateral))
        object.__setattr__(self, "debts", _merged_debts(self.debts))

    def has_debt(self, level: Level) -> bool:
        """Return whether any debt counts at a level."""
        return any(line.counted_units(level) for line in self.debts)

    def line_of(self, path: Path) -> CollateralLine:
        """Return the line of a path, an empty one where there is none."""
        for line in self.collateral:
            if line.path == path:
                return line
        return CollateralLine(path, final_units=0)

    def debt_of(self, key: DebtKey) -> DebtLine:
        """Return the line of a debt, an empty one where there is none."""
        for line in self.debts:
            if line.key == key:
                return line
        return DebtLine(key.asset_id, key.chain_id, key.protocol, owed_units=0)

    def with_line(self, line: CollateralLine) -> "Position":
        """Return the position with the line of that path replaced."""
        others = tuple(other for other in self.collateral if other.path != line.path)
        return Position(self.account, (*others, line), self.debts)

    def with_debt(self, line: DebtLine) -> "Position":
        """Return the position with that debt replaced."""
        others = tuple(other for other in self.debts if other.key != line.key)
        return Position(self.account, self.collateral, (*others, line))


def _merged_collateral(lines: Iterable[CollateralLine]) -> tuple[CollateralLine, ...]:
    merged: dict[Path, CollateralLine] = {}
    for line in lines:
        known = merged.get(line.path)
        merged[line.path] = (
            line
            if known is None
            else CollateralLine(
                line.path,
                final_units=known.final_units + line.final_units,
                soft_units=known.soft_units + line.soft_units,
            )
        )
    return tuple(merged[path] for path in sorted(merged))


def _merged_debts(lines: Iterable[DebtLine]) -> tuple[DebtLine, ...]:
    merged: dict[DebtKey, DebtLine] = {}
    for line in lines:
        known = merged.get(line.key)
        merged[line.key] = (
            line
            if known is None
            else DebtLine(
                line.asset_id,
                line.chain_id,
                line.protocol,
                owed_units=known.owed_units + line.owed_units,
                committed_units=known.committed_units + line.committed_units,
            )
        )
    return tuple(merged[key] for key in sorted(merged))


@dataclass(frozen=True, slots=True)
class Contribution:
    """
    What one line adds to a side; sums of these are the health.

    units are base units at full credit, soft_units those at the credit of soft collateral;
    price_wad is None where the price was refused and the line counts nothing.
    """

    line: Path | DebtKey
    units: int
    soft_units: int
    price_wad: int | None
    weight_bps: int
    weighted_value_wad: int


@dataclass(frozen=True, slots=True)
class Health:
    """
    Weighted sides of an account at a level.

    factor_wad is rounded down and None where no debt counts. unpriced names the collateral that
    counted nothing because its price was refused: the factor is then a lower bound.
    """

    account: bytes
    level: Level
    weighted_collateral_wad: int
    weighted_debt_wad: int
    factor_wad: int | None
    unpriced: tuple[Path, ...] = ()

    @property
    def is_below_one(self) -> bool:
        """Return whether weighted collateral is below weighted debt; equal is healthy."""
        return self.weighted_collateral_wad < self.weighted_debt_wad

    @property
    def is_liquidatable(self) -> bool:
        """Return whether liquidation is allowed: below one at maintenance."""
        return self.level is Level.MAINTENANCE and self.is_below_one


def collateral_contributions(
    position: Position, *, parameters: RiskParameters, prices: PriceBook, level: Level
) -> tuple[Contribution, ...]:
    """
    Return what each collateral line adds at a level.

    weighted = (final + soft * soft_credit) * price * weight, rounded down

    INITIAL takes the low price and final units, LIQUIDATION_END the plain price and final units,
    both with initial weights; MAINTENANCE the plain price, maintenance weights, and soft units at
    their credit. A line whose price was refused, or that no weight is listed for, adds nothing.

    Source: RISK.md 2.1, 2.2, 3.2
    """
    soft_credit_bps = parameters.soft_credit_bps if level is Level.MAINTENANCE else 0
    found = []
    for line in position.collateral:
        weight_bps = parameters.weight_bps(line.path, level)
        soft_units = line.soft_units if soft_credit_bps else 0
        price = prices.find(line.path.asset_id)
        price_wad = None
        weighted_wad = 0
        if price is not None:
            price_wad = price.low_wad if level is Level.INITIAL else price.price_wad
        if price_wad is not None and weight_bps:
            weighted_wad = mul_div(
                (line.final_units * BPS + soft_units * soft_credit_bps) * weight_bps,
                price_wad,
                BPS * BPS * whole_units(parameters.scales[line.path.asset_id]),
                Rounding.DOWN,
            )
        found.append(
            Contribution(
                line=line.path,
                units=line.final_units,
                soft_units=soft_units,
                price_wad=price_wad,
                weight_bps=weight_bps,
                weighted_value_wad=weighted_wad,
            )
        )
    return tuple(found)


def debt_contributions(
    position: Position, *, parameters: RiskParameters, prices: PriceBook, level: Level
) -> tuple[Contribution, ...]:
    """
    Return what each debt adds at a level; debts of zero units are left out.

    weighted = units * price * debt_weight, rounded up

    INITIAL takes the high price and max(owed, committed); the other levels the plain price and
    what is owed.

    Raises:
        StalePriceError: the price of a debt was refused; a debt is never skipped.
        NotYetError: a debt in an asset that is not listed.
    """
    found = []
    for line in position.debts:
        units = line.counted_units(level)
        if not units:
            continue
        weight_bps = parameters.debt_weight_bps(line.asset_id)
        price = prices.price(line.asset_id)
        price_wad = price.high_wad if level is Level.INITIAL else price.price_wad
        divisor = BPS * whole_units(parameters.scales[line.asset_id])
        found.append(
            Contribution(
                line=line.key,
                units=units,
                soft_units=0,
                price_wad=price_wad,
                weight_bps=weight_bps,
                weighted_value_wad=mul_div(units * weight_bps, price_wad, divisor, Rounding.UP),
            )
        )
    return tuple(found)


def assess_health(
    position: Position, *, parameters: RiskParameters, prices: PriceBook, level: Level
) -> Health:
    """
    Return the health of an account at a level.

    factor = weighted collateral / weighted debt, rounded down

    Collateral with a refused price counts nothing. At the initial level that is all: less is
    allowed. At the other levels the account is still found healthy where it is without that
    collateral; else nothing is decided, because nobody is liquidated on a missing price.

    Raises:
        StalePriceError: the price of a debt, or of collateral that decides, was refused.
        NotYetError: a debt in an asset that is not listed.

    Source: RISK.md 2.1, 2.2, 2.12
    """
    lines = collateral_contributions(position, parameters=parameters, prices=prices, level=level)
    debts = debt_contributions(position, parameters=parameters, prices=prices, level=level)
    weighted_collateral_wad = sum(line.weighted_value_wad for line in lines)
    weighted_debt_wad = sum(line.weighted_value_wad for line in debts)
    factor_wad = None
    if weighted_debt_wad:
        factor_wad = mul_div(weighted_collateral_wad, WAD, weighted_debt_wad, Rounding.DOWN)
    health = Health(
        account=position.account,
        level=level,
        weighted_collateral_wad=weighted_collateral_wad,
        weighted_debt_wad=weighted_debt_wad,
        factor_wad=factor_wad,
        unpriced=_unpriced(lines),
    )
    if health.unpriced and health.is_below_one and level is not Level.INITIAL:
        raise prices.refusal(health.unpriced[0].asset_id)
    return health


def _unpriced(lines: Iterable[Contribution]) -> tuple[Path, ...]:
    """Return the paths that would count if their price were known."""
    return tuple(
        line.line
        for line in lines
        if isinstance(line.line, Path)
        and line.price_wad is None
        and line.weight_bps
        and (line.units or line.soft_units)
    )


def explain(
    position: Position, *, parameters: RiskParameters, prices: PriceBook, level: Level
) -> tuple[Contribution, ...]:
    """
    Return the lines behind a health, collateral first; their sums per side are its sides.

    Raises:
        StalePriceError: the price of a debt was refused.
        NotYetError: a debt in an asset that is not listed.
    """
    lines = collateral_contributions(position, parameters=parameters, prices=prices, level=level)
    debts = debt_contributions(position, parameters=parameters, prices=prices, level=level)
    return lines + debts


def is_flagged(*, was_flagged: bool, maintenance: Health, liquidation_end: Health) -> bool:
    """
    Return whether an account is in liquidation.

    It enters below one at maintenance, and leaves when it is healthy at liquidation-end too.

    Source: RISK.md 2.2
    """
    if maintenance.is_below_one:
        return True
    return was_flagged and liquidation_end.is_below_one

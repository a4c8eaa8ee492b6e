"""Governed numbers of the risk core: one frozen epoch, checked as a whole."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from relayer.assets import SCALE_MAX, Path
from relayer.errors import NotYetError, SettingsError
from relayer.money import BPS, WAD, AssetId

SOFT_CREDIT_BPS_MAX: Final = 5_000
DEBT_WEIGHT_BPS_MAX: Final = 10 * BPS
UINT32_MAX: Final = 2**32 - 1


class Level(Enum):
    """How strict an assessment is; INITIAL <= LIQUIDATION_END <= MAINTENANCE for any account."""

    INITIAL = "initial"
    LIQUIDATION_END = "liquidation_end"
    MAINTENANCE = "maintenance"


@dataclass(frozen=True, slots=True)
class PathParameters:
    """
    Weights of one path as set, and the named parts of its haircut. [bps]

    effective weight = max(0, weight - sum of haircut parts)
    """

    initial_weight_bps: int
    maintenance_weight_bps: int
    haircut_bps: Mapping[str, int] = field(default_factory=dict)

    def effective_weight_bps(self, level: Level) -> int:
        """Return the weight that counts at a level, after all parts of the haircut."""
        base = self.initial_weight_bps
        if level is Level.MAINTENANCE:
            base = self.maintenance_weight_bps
        return max(0, base - sum(self.haircut_bps.values()))

    def mistakes(self, name: str) -> tuple[str, ...]:
        """Return everything wrong with these numbers, for a message that starts with name."""
        found = []
        if not 0 <= self.initial_weight_bps <= self.maintenance_weight_bps <= BPS:
            found.append(
                f"{name}: 0 <= initial_weight_bps {self.initial_weight_bps} <= "
                f"maintenance_weight_bps {self.maintenance_weight_bps} <= {BPS} must hold"
            )
        found += [
            f"{name}: haircut {part} is {bps} bps; it must be 0 to {BPS}"
            for part, bps in self.haircut_bps.items()
            if not 0 <= bps <= BPS
        ]
        return tuple(found)


@dataclass(frozen=True, slots=True)
class LiquidationParameters:
    """
    How liquidations are sized.

    bonus = min(bonus_base + bonus_slope * (1 - factor), bonus_max, what the account can afford)
    """

    target_factor_wad: int = 1_050_000_000_000_000_000
    bonus_base_bps: int = 100
    bonus_slope_bps: int = 20_000
    bonus_bps_max: int = 1_000
    insurance_share_bps: int = 1_000
    leftover_value_wad_min: int = 100 * WAD
    close_factor_bps: int = BPS

    def mistakes(self) -> tuple[str, ...]:
        """Return everything wrong with these numbers."""
        checks = (
            (WAD < self.target_factor_wad <= 2 * WAD, "target_factor_wad", "above 1, at most 2"),
            (0 <= self.bonus_base_bps <= self.bonus_bps_max, "bonus_base_bps", "0 to bonus_max"),
            (0 <= self.bonus_slope_bps <= 10 * BPS, "bonus_slope_bps", f"0 to {10 * BPS}"),
            (0 <= self.bonus_bps_max <= BPS, "bonus_bps_max", f"0 to {BPS}"),
            (0 <= self.insurance_share_bps <= BPS, "insurance_share_bps", f"0 to {BPS}"),
            (self.leftover_value_wad_min >= 0, "leftover_value_wad_min", "0 or more"),
            (0 < self.close_factor_bps <= BPS, "close_factor_bps", f"1 to {BPS}"),
        )
        return tuple(
            f"liquidation: {name} is {getattr(self, name)}; it must be {remedy}"
            for is_right, name, remedy in checks
            if not is_right
        )


@dataclass(frozen=True, slots=True)
class RiskParameters:
    """
    One epoch of parameters.

    A path that is not listed counts nothing at any level. A debt in an asset that is not listed
    cannot be assessed. scales holds the digits behind the point of every asset named here.

    Raises:
        SettingsError: listing every mistake.
    """

    epoch: int
    scales: Mapping[AssetId, int]
    paths: Mapping[Path, PathParameters]
    debt_weights_bps: Mapping[AssetId, int]
    soft_credit_bps: int = SOFT_CREDIT_BPS_MAX
    liquidation: LiquidationParameters = field(default_factory=LiquidationParameters)

    def __post_init__(self) -> None:
        mistakes = list(self.liquidation.mistakes())
        if not 0 <= self.epoch <= UINT32_MAX:
            mistakes.append(f"epoch {self.epoch} must be 0 to {UINT32_MAX}")
        if not 0 <= self.soft_credit_bps <= SOFT_CREDIT_BPS_MAX:
            mistakes.append(
                f"soft_credit_bps {self.soft_credit_bps} must be 0 to {SOFT_CREDIT_BPS_MAX}"
            )
        for asset_id, scale in self.scales.items():
            if not 0 <= scale <= SCALE_MAX:
                mistakes.append(f"{asset_id}: scale {scale} must be 0 to {SCALE_MAX}")
        for path, numbers in self.paths.items():
            mistakes += numbers.mistakes(f"path {path}")
        for asset_id, weight_bps in self.debt_weights_bps.items():
            if not BPS <= weight_bps <= DEBT_WEIGHT_BPS_MAX:
                mistakes.append(
                    f"{asset_id}: debt weight {weight_bps} bps must be {BPS} to "
                    f"{DEBT_WEIGHT_BPS_MAX}"
                )
        named = {path.asset_id for path in self.paths} | set(self.debt_weights_bps)
        unscaled = sorted(named - set(self.scales))
        mistakes += [f"{name}: scales has no entry for it" for name in unscaled]
        if mistakes:
            raise SettingsError(tuple(mistakes))

    def weight_bps(self, path: Path, level: Level) -> int:
        """Return the effective weight of a path at a level; 0 for a path that is not listed."""
        numbers = self.paths.get(path)
        return 0 if numbers is None else numbers.effective_weight_bps(level)

    def debt_weight_bps(self, asset_id: AssetId) -> int:
        """
        Return the weight of debts in an asset, at least 10000.

        Raises:
            NotYetError: the asset is not listed as a debt.
        """
        weight_bps = self.debt_weights_bps.get(asset_id)
        if weight_bps is None:
            raise NotYetError(
                reason="debt_unlisted",
                detail=f"{asset_id} has no debt weight in epoch {self.epoch}; list it",
            )
        return weight_bps

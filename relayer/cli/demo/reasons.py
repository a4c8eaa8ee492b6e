"""Why a liquidation took what it took: weights of all collateral, numbers of the decisions."""

from collections.abc import Iterable, Mapping
from typing import Any

from relayer.assets import Path
from relayer.cli.render import NOTHING
from relayer.money import WAD
from relayer.risk.parameters import Level, RiskParameters

MILLI_WAD = WAD // 1_000


def weights_of(parameters: RiskParameters) -> list[dict[str, Any]]:
    """
    Return every path with its weight at maintenance, the smallest first.

    The bonus is the same for all, so this is the order in which collateral heals per USD repaid.
    """
    found = [(parameters.weight_bps(path, Level.MAINTENANCE), path) for path in parameters.paths]
    return [_path_value(path) | {"weight_bps": weight} for weight, path in sorted(found)]


def liquidations_of(
    decided: Iterable[Mapping[str, str]], parameters: RiskParameters
) -> list[dict[str, Any]]:
    """Return the numbers behind each liquidation, its path taken apart and its factors short."""
    paths = {str(path): path for path in parameters.paths}
    return [
        dict(numbers)
        | _path_value(paths[numbers["collateral"]])
        | {
            "weight_bps": parameters.weight_bps(paths[numbers["collateral"]], Level.MAINTENANCE),
            "factor_before": _thousandths(numbers["factor_before_wad"]),
            "factor_after": _thousandths(numbers.get("factor_after_wad")),
            "bonus_bps": numbers.get("bonus_bps", "0"),
        }
        for numbers in decided
    ]


def _path_value(path: Path) -> dict[str, Any]:
    return {"asset_id": path.asset_id, "chain_id": path.chain_id}


def _thousandths(factor_wad: str | None) -> str:
    """Return a factor with three digits behind the point, rounded down."""
    if factor_wad is None:
        return NOTHING  # closed as insolvent
    whole, rest = divmod(int(factor_wad) // MILLI_WAD, 1_000)
    return f"{whole}.{rest:03d}"

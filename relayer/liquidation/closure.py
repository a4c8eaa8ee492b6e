"""What a guardian, with prices of its own, holds against closing an insolvent account."""

from relayer.assets import whole_units
from relayer.liquidation.insolvency import Seizure, raw_sides
from relayer.money import BPS, Rounding, mul_div
from relayer.oracle.price import PriceBook
from relayer.risk.margin import Position
from relayer.risk.parameters import RiskParameters


def is_insolvent(position: Position, *, parameters: RiskParameters, prices: PriceBook) -> bool:
    """
    Return whether the debts are worth more than all collateral, soft collateral in full.

    Raises:
        StalePriceError: listed collateral or a debt has no usable price; nobody closes then.
    """
    sides = raw_sides(position, parameters=parameters, prices=prices, soft_bps=BPS)
    if sides.is_short and sides.unpriced:
        raise prices.refusal(sides.unpriced[0].asset_id)
    return sides.is_short


def closure_objections(
    seizure: Seizure,
    position: Position,
    *,
    parameters: RiskParameters,
    prices: PriceBook,
    tolerance_bps: int,
) -> tuple[str, ...]:
    """
    Return what speaks against one seizure of an insolvent account, nothing when it may be signed.

    What is seized must be there and listed, and must pay at least its plain value of the debt,
    less the tolerance, and never more than is owed.

    Args:
        tolerance_bps: how far a ratio of two prices may differ between honest views, 0 to 10000.

    Raises:
        StalePriceError: the guardian itself has no usable price; ask again later.
    """
    line = position.line_of(seizure.path)
    owed_units = position.debt_of(seizure.debt).owed_units
    if seizure.path not in parameters.paths:
        return (f"path: {seizure.path} is not listed",)
    value_units = mul_div(
        seizure.seized_units * prices.price(seizure.path.asset_id).price_wad,
        whole_units(parameters.scales[seizure.debt.asset_id]),
        whole_units(parameters.scales[seizure.path.asset_id])
        * prices.price(seizure.debt.asset_id).price_wad,
        Rounding.UP,
    )
    repaid_units_min = mul_div(
        min(value_units, owed_units), BPS - tolerance_bps, BPS, Rounding.DOWN
    )
    found = []
    if seizure.seized_units > line.final_units:
        found.append(f"seized_units: {seizure.seized_units} of {line.final_units} final")
    if seizure.repaid_units > owed_units:
        found.append(f"repaid_units: {seizure.repaid_units} of {owed_units} owed")
    if seizure.repaid_units < repaid_units_min:
        found.append(f"repaid_units: {seizure.repaid_units}, at least {repaid_units_min} here")
    return tuple(found)

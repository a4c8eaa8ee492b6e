"""Review: what a guardian holds against a liquidation that the hub decided."""

from typing import Final

from chains.command import Liquidation
from chains.types import address_text, chain_id_of
from relayer.errors import NotYetError
from relayer.guardian.checks import refuse
from relayer.liquidation.closure import closure_objections, is_insolvent
from relayer.liquidation.insolvency import Seizure
from relayer.liquidation.review import ORDER_OBJECTION, plan_objections
from relayer.liquidation.sizing import LiquidationPlan, SizedBy
from relayer.money import WAD
from relayer.oracle.price import PriceBook
from relayer.risk.margin import DebtKey, Position
from relayer.steps.catalog import Catalog
from relayer.steps.liquidate import Move, can_take_over
from relayer.steps.position import position_of, prices_of
from relayer.store.unit_of_work import UnitOfWork

DECISION_AGE_SECONDS_MAX: Final = 300
EARLIER_SECONDS: Final = 30  # for the liquidations that the hub decided right before one


def check_liquidation(
    uow: UnitOfWork, catalog: Catalog, command: Liquidation, *, tolerance_bps: int
) -> None:
    """
    Refuse a liquidation that this guardian would not have decided, with its own ledger and prices.

    Args:
        tolerance_bps: how far a ratio of two prices may differ between honest views, 0 to 10000.

    Raises:
        RefusedError: what differs is named.
        NotYetError: collateral is left that comes first, and the decision is so young that the one
            about that collateral may be on its way here.
        StalePriceError: a price that decides is missing.
    """
    now = uow.clock.now()
    if not now - DECISION_AGE_SECONDS_MAX <= command.decided_at <= now + DECISION_AGE_SECONDS_MAX:
        raise refuse("decision_stale", f"decided_at: {command.decided_at} is too far from {now}")
    liquidator = catalog.liquidator(command.liquidator)
    chain_id = chain_id_of(command.collateral_chain)
    if liquidator is None or liquidator.recipients.get(chain_id) != command.recipient:
        raise refuse("unknown_liquidator", "liquidator: not configured with this recipient")
    if catalog.vault_of(chain_id) != command.vault:
        raise refuse(
            "unknown_vault", f"vault: {address_text(chain_id, command.vault)} is not configured"
        )
    line = catalog.credit_line_at(command.debt_chain, command.credit_line)
    asset, _ = catalog.asset_and_chain(chain_id, command.token)
    move = Move(
        command.account,
        DebtKey(line.asset_id, line.chain_id, line.protocol),
        catalog.path_of(asset.asset_id, chain_id),
        command.repaid,
        command.seized,
        command.insured,
    )
    prices = prices_of(uow, catalog, now)
    position = position_of(uow, catalog, command.account, now)
    objections = _objections(catalog, position, move, prices, tolerance_bps)
    if objections:
        is_young = now <= command.decided_at + EARLIER_SECONDS
        if is_young and any(objection.startswith(ORDER_OBJECTION) for objection in objections):
            raise NotYetError(reason="behind", detail="; ".join(objections))
        raise refuse("liquidation_refused", "; ".join(objections))
    if not can_take_over(uow, catalog, liquidator, move, prices):
        raise refuse("liquidator_unfit", "the liquidator cannot take this debt over")


def _objections(
    catalog: Catalog, position: Position, move: Move, prices: PriceBook, tolerance_bps: int
) -> tuple[str, ...]:
    """Return what speaks against a liquidation, a closure at plain prices included."""
    parameters = catalog.parameters
    if not move.insured_units and is_insolvent(position, parameters=parameters, prices=prices):
        return closure_objections(
            Seizure(move.debt, move.path, move.repaid_units, move.seized_units),
            position,
            parameters=parameters,
            prices=prices,
            tolerance_bps=tolerance_bps,
        )
    plan = LiquidationPlan(
        account=position.account,
        debt=move.debt,
        path=move.path,
        repaid_units=move.repaid_units,
        seized_units=move.seized_units,
        insured_units=move.insured_units,
        bonus_wad=0,
        factor_before_wad=WAD,
        factor_after_wad=None,
        sized_by=SizedBy.TARGET,
    )
    return plan_objections(
        plan, position, parameters=parameters, prices=prices, tolerance_bps=tolerance_bps
    )

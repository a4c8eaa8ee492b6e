"""Liquidate: size one liquidation of one account, book it on the hub, and store its message."""

from dataclasses import dataclass
from typing import Final

import structlog

from chains.command import Liquidation, SignedCommand
from chains.types import ChainId
from relayer.assets import Path
from relayer.clock import UnixSeconds
from relayer.errors import NotYetError
from relayer.governor.exposure import counted_position
from relayer.liquidation.insolvency import Insolvent
from relayer.liquidation.sizing import LiquidationPlan, size_liquidation
from relayer.oracle.price import PriceBook
from relayer.risk.margin import DebtKey, DebtLine, Position, assess_health
from relayer.risk.parameters import Level
from relayer.steps.brakes import leaving_of, stop_of, stopped_paths
from relayer.steps.catalog import Catalog, Liquidator
from relayer.steps.compose import compose_seize
from relayer.steps.fence import Fence
from relayer.steps.heights import final_heights, numbers_of_heights
from relayer.steps.observe import ring_assess
from relayer.steps.position import position_of, prices_of
from relayer.steps.tell import tell
from relayer.store.unit_of_work import Store, UnitOfWork

NO_LIQUIDATOR: Final = "no_liquidator"
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Move:
    """One debt of an account repaid from one path. [base units]"""

    account: bytes
    debt: DebtKey
    path: Path
    repaid_units: int
    seized_units: int
    insured_units: int


def liquidate_account(
    store: Store, catalog: Catalog, account: bytes, *, fence: Fence
) -> bytes | None:
    """
    Book the next liquidation of an account; return its command id, None when it is healthy.

    The assessment, the sizing and both bookings see one snapshot; whoever comes second finds a
    healthier account.

    Raises:
        NotYetError: a price is missing, no liquidator can take the debt over now, or what would
            be seized, or the debt, lies on a chain that is stopped.
    """
    with store.unit_of_work() as uow:
        fence(uow)
        uow.ledger.lock()
        now = uow.clock.now()
        prices = prices_of(uow, catalog, now)
        position = position_of(uow, catalog, account, now)
        health = assess_health(
            position, parameters=catalog.parameters, prices=prices, level=Level.MAINTENANCE
        )
        if not health.is_liquidatable:
            return None
        found = size_liquidation(position, parameters=catalog.parameters, prices=prices)
        move = _move_of(account, found)
        liquidator = _liquidator(uow, catalog, move, prices)
        command = _command(catalog, move, liquidator, now)
        stop = stop_of(uow, leaving_of(catalog, command))
        if stop is not None:
            raise stop.not_yet()
        command_id = command.digest(catalog.hub)
        if uow.commands.command(command_id) is not None:
            raise NotYetError(
                reason="decided_already",
                detail="the same liquidation was decided, and given up, in this very second",
            )
        signed = SignedCommand(command, ())
        uow.commands.store(command_id, signed)
        uow.requests.open(
            command_id=command_id, kind="Liquidation", account=account, correlation_id=command_id
        )
        message = compose_seize(uow, catalog, signed, command_id)
        numbers = _numbers(found, move, health.factor_wad)
        heights = numbers_of_heights(final_heights(uow, catalog))
        uow.requests.grant(command_id, message_id=message.message_id, numbers=numbers | heights)
        tell(
            uow,
            "liquidation.decided",
            {"message_id": "0x" + message.message_id.hex(), **numbers},
            account=account,
            correlation_id=command_id,
        )
        ring_assess(uow)
    log.warning(
        "liquidation.decided",
        account="0x" + account.hex(),
        message_id="0x" + message.message_id.hex(),
        **numbers,
    )
    return command_id


def _move_of(account: bytes, found: LiquidationPlan | Insolvent) -> Move:
    if isinstance(found, LiquidationPlan):
        return Move(
            account,
            found.debt,
            found.path,
            found.repaid_units,
            found.seized_units,
            found.insured_units,
        )
    for seizure in found.seizures:
        return Move(
            account, seizure.debt, seizure.path, seizure.repaid_units, seizure.seized_units, 0
        )
    raise NotYetError(
        reason="insolvent",
        detail=f"no collateral is left for {len(found.bad_debts)} debts; a person must write "
        "them off",
    )


def _liquidator(uow: UnitOfWork, catalog: Catalog, move: Move, prices: PriceBook) -> Liquidator:
    """Return the first liquidator that passes the initial gate after taking the debt over."""
    for liquidator in catalog.liquidators:
        if move.path.chain_id not in liquidator.recipients:
            continue
        if can_take_over(uow, catalog, liquidator, move, prices):
            return liquidator
    raise NotYetError(
        reason=NO_LIQUIDATOR,
        detail=f"no liquidator can take over {move.repaid_units} units of {move.debt}",
    )


def can_take_over(
    uow: UnitOfWork,
    catalog: Catalog,
    liquidator: Liquidator,
    move: Move,
    prices: PriceBook,
) -> bool:
    """
    Return whether a liquidator is another party and healthy at the initial level afterwards.

    What is seized does not count for it: that collateral leaves. Nor does what is stopped.
    """
    borrower = move.account
    if liquidator.account == borrower or _share_an_owner(uow, liquidator.account, borrower):
        return False
    position = position_of(uow, catalog, liquidator.account, uow.clock.now())
    counted = counted_position(position, stopped=stopped_paths(uow, position))
    after = _with_debt(counted, move)
    health = assess_health(after, parameters=catalog.parameters, prices=prices, level=Level.INITIAL)
    return not health.is_below_one


def _with_debt(position: Position, move: Move) -> Position:
    known = position.debt_of(move.debt)
    return position.with_debt(
        DebtLine(
            move.debt.asset_id,
            move.debt.chain_id,
            move.debt.protocol,
            known.owed_units + move.repaid_units,
            committed_units=known.committed_units + move.repaid_units,
        )
    )


def _share_an_owner(uow: UnitOfWork, left: bytes, right: bytes) -> bool:
    return bool(_owners(uow, left) & _owners(uow, right))


def _owners(uow: UnitOfWork, account: bytes) -> set[bytes]:
    owners = {owner.owner for owner in uow.accounts.owners(account)}
    opened = uow.accounts.account(account)
    return owners if opened is None else owners | {opened.opener}


def _command(catalog: Catalog, move: Move, liquidator: Liquidator, now: UnixSeconds) -> Liquidation:
    line = catalog.credit_line_of(move.debt.protocol)
    chain_id = ChainId(move.path.chain_id)
    return Liquidation(
        account=move.account,
        liquidator=liquidator.account,
        debt_chain=line.chain_id,
        credit_line=line.contract,
        repaid=move.repaid_units,
        collateral_chain=chain_id,
        vault=catalog.vault_of(chain_id),
        token=catalog.token_of(move.path.asset_id, chain_id),
        seized=move.seized_units,
        insured=move.insured_units,
        recipient=liquidator.recipients[chain_id],
        decided_at=now,
    )


def _numbers(
    found: LiquidationPlan | Insolvent, move: Move, factor_before_wad: int | None
) -> dict[str, str]:
    numbers = {
        "debt": str(move.debt),
        "collateral": str(move.path),
        "repaid": str(move.repaid_units),
        "seized": str(move.seized_units),
        "insured": str(move.insured_units),
        "factor_before_wad": str(factor_before_wad),
    }
    if isinstance(found, LiquidationPlan):
        numbers["factor_after_wad"] = str(found.factor_after_wad)
        numbers["bonus_bps"] = str(found.bonus_bps)
        numbers["sized_by"] = found.sized_by.value
    else:
        numbers["sized_by"] = "insolvency"
    return numbers

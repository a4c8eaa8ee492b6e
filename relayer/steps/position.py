"""What one account owns and owes right now, out of the ledger, for the risk core."""

from chains.types import ChainId
from relayer.clock import UnixSeconds
from relayer.ledger.balances import Counters
from relayer.ledger.chart import (
    AccountCode,
    Side,
    assumed_code,
    debt_code,
    parse_code,
)
from relayer.oracle.price import PriceBook, Quote, price_book
from relayer.reconcile.debt import AssumedPart, DebtState, with_interest
from relayer.risk.margin import CollateralLine, DebtLine, Position
from relayer.steps.catalog import Catalog, CreditLine
from relayer.store.debts import DebtView
from relayer.store.unit_of_work import UnitOfWork

ASSUMED_PREFIX = "assumed"


def prices_of(uow: UnitOfWork, catalog: Catalog, now: UnixSeconds) -> PriceBook:
    """Return the price of every asset at a moment, or why it has none."""
    quotes = {
        rule.asset_id: [
            Quote(point.feed_label, point.answer, point.scale, point.updated_at)
            for point in uow.prices.latest_of_asset(rule.asset_id)
        ]
        for rule in catalog.feed_rules
    }
    return price_book(catalog.feed_rules, quotes, now)


def position_of(
    uow: UnitOfWork, catalog: Catalog, account: bytes, now: UnixSeconds
) -> Position:
    """
    Return what counts for an account's margin.

    Debts count as soon as they are seen, interest up to now included; repayments only when they
    are final. Debts taken over from others are the account's own. Grants count by their limit.
    """
    collateral = tuple(
        CollateralLine(
            catalog.path_of(found.line.asset_id, found.line.chain_id),
            final_units=max(0, found.counters.available(Side.CREDIT)),
            soft_units=found.counters.soft(Side.CREDIT),
        )
        for found in uow.ledger.margin_lines(account)
    )
    debts = [
        line
        for credit_line in catalog.credit_lines
        if (line := _debt_line(uow, credit_line, account, now)) is not None
    ]
    return Position(account, collateral, tuple(debts))


def _debt_line(
    uow: UnitOfWork, line: CreditLine, account: bytes, now: UnixSeconds
) -> DebtLine | None:
    own_code = debt_code(line.protocol, account)
    own = accrued_debt(uow, line, account, now).own_units
    owed_units = own + _unsettled_units(uow, line, own_code)
    for borrower in _borrowers_taken_over(uow, line, account):
        state = accrued_debt(uow, line, borrower, now)
        owed_units += sum(part.units for part in state.assumed if part.assumer == account)
        owed_units += _unsettled_units(uow, line, assumed_code(line.protocol, borrower, account))
    committed_units = committed_limit_units(uow, line, account)
    if not owed_units and not committed_units:
        return None
    return DebtLine(
        line.asset_id, line.chain_id, line.protocol, owed_units, committed_units=committed_units
    )


def committed_limit_units(uow: UnitOfWork, line: CreditLine, account: bytes) -> int:
    """Return the highest limit that an account may still draw up to. [debt token base units]"""
    limits = [
        grant.limit_units
        for grant in uow.grants.active(account)
        if grant.chain_id == line.chain_id and grant.credit_line == line.contract
    ]
    return max(limits, default=0)


def debt_state(uow: UnitOfWork, line: CreditLine, borrower: bytes) -> DebtState:
    """Return a borrower's debt as the ledger has it, all phases counted, without new interest."""
    own = _net_units(_counters(uow, line, debt_code(line.protocol, borrower)))
    parts = []
    for found in uow.ledger.counters_of_prefix(_assumed_prefix(line.protocol, borrower)):
        assumer = parse_code(found.line.code).assumer
        if assumer is not None:
            parts.append(AssumedPart(assumer, _net_units(found.counters)))
    return DebtState(own, tuple(parts))


def accrued_debt(
    uow: UnitOfWork, line: CreditLine, borrower: bytes, now: UnixSeconds
) -> DebtState:
    """Return a borrower's debt with the interest that the credit line charges up to now."""
    state = debt_state(uow, line, borrower)
    if state.total_units == 0:
        return state
    for position in uow.debts.of_account(DebtView.SOFT, borrower):
        if position.chain_id == line.chain_id and position.credit_line == line.contract:
            owed_units = position.debt_units(_index_ray(uow, line, position.index_ray, now))
            return with_interest(state, max(0, owed_units - state.total_units))
    return state


def _index_ray(uow: UnitOfWork, line: CreditLine, known_index_ray: int, now: UnixSeconds) -> int:
    state = uow.credit_lines.get(line.chain_id, line.contract)
    return known_index_ray if state is None else max(known_index_ray, state.index_at(now))


def _borrowers_taken_over(uow: UnitOfWork, line: CreditLine, assumer: bytes) -> list[bytes]:
    borrowers = []
    for found in uow.ledger.counters_of_prefix(f"{ASSUMED_PREFIX}:{line.protocol}:"):
        account = parse_code(found.line.code)
        if account.assumer == assumer and account.word is not None:
            borrowers.append(account.word)
    return borrowers


def _assumed_prefix(protocol: str, borrower: bytes) -> str:
    return f"{ASSUMED_PREFIX}:{protocol}:0x{borrower.hex()}:"


def _counters(uow: UnitOfWork, line: CreditLine, code: AccountCode) -> Counters:
    return uow.ledger.counters(code, line.asset_id, ChainId(line.chain_id))


def _net_units(counters: Counters) -> int:
    return (
        counters.debits_posted
        + counters.debits_pending
        - counters.credits_posted
        - counters.credits_pending
    )


def _unsettled_units(uow: UnitOfWork, line: CreditLine, code: AccountCode) -> int:
    """Return repayments that are seen and not final: they do not count yet."""
    return _counters(uow, line, code).credits_pending

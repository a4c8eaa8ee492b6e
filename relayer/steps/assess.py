"""Assess: find every account that is liquidatable at the newest prices."""

from dataclasses import dataclass

import structlog

from relayer.ledger.chart import parse_code
from relayer.risk.book import BookAssessment, RiskBook
from relayer.steps.catalog import Catalog
from relayer.steps.fence import Fence
from relayer.steps.position import position_of, prices_of
from relayer.steps.queues import DECIDE, LIQUIDATE
from relayer.steps.tell import tell
from relayer.store.unit_of_work import Store, UnitOfWork

log = structlog.get_logger(__name__)
DEBT_PREFIXES = ("debt:", "assumed:")


@dataclass(frozen=True, slots=True)
class Assessed:
    """How many accounts have debt, how many were visited exactly, and what was found."""

    accounts: int
    assessment: BookAssessment


def assess(store: Store, catalog: Catalog, *, fence: Fence) -> Assessed:
    """
    Screen all accounts with debt, and ring for the liquidation of each that is below one.

    An account whose price is missing is named in the log and decided on by nobody.
    """
    with store.read() as uow:
        now = uow.clock.now()
        prices = prices_of(uow, catalog, now)
        book = RiskBook(catalog.parameters.scales)
        for account in debtors(uow):
            book.put(position_of(uow, catalog, account, now))
    assessment = book.assess(parameters=catalog.parameters, prices=prices)
    for waiting in assessment.waiting:
        log.warning("price.refused", account="0x" + waiting.account.hex(), reason=waiting.detail)
    if assessment.liquidatable:
        with store.unit_of_work() as uow:
            for health in assessment.liquidatable:
                uow.jobs.ring(
                    LIQUIDATE, health.account.hex(), DECIDE, uow.clock.now(), health.account
                )
                tell(
                    uow,
                    "account.health.changed",
                    {"level": health.level.value, "factor_wad": str(health.factor_wad)},
                    account=health.account,
                    correlation_id=health.account,
                )
                log.warning(
                    "health.assessed",
                    account="0x" + health.account.hex(),
                    factor_wad=str(health.factor_wad),
                )
            # Last: a liquidation holds its own job's row and rings for this one.
            fence(uow)
    return Assessed(len(book), assessment)


def debtors(uow: UnitOfWork) -> tuple[bytes, ...]:
    """Return the accounts that owe anything, taken-over debts included, in order."""
    found: set[bytes] = set()
    for prefix in DEBT_PREFIXES:
        for line in uow.ledger.counters_of_prefix(prefix):
            account = parse_code(line.line.code)
            debtor = account.assumer or account.word
            counters = line.counters
            if debtor is not None and (
                counters.debits_posted + counters.debits_pending > counters.credits_posted
            ):
                found.add(debtor)
    return tuple(sorted(found))

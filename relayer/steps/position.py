"""What one account owns and owes right now, out of the ledger, for the risk core."""

from chains.events import CollateralLocked, Repaid
from chains.types import ChainId
from relayer.assets import whole_units
from relayer.clock import UnixSeconds
from relayer.governor.confirmations import AT_ONCE, FINAL_ONLY, blocks_needed, is_deep
from relayer.ledger.balances import Counters
from relayer.ledger.chart import (
    AccountCode,
    Side,
    assumed_code,
    debt_code,
    interest_code,
    parse_code,
)
from relayer.money import AssetId, Rounding, mul_div
from relayer.oracle.price import PriceBook, Quote, price_book
from relayer.reconcile.debt import AssumedPart, DebtState, with_interest
from relayer.reconcile.rules import seen_entry_id
from relayer.risk.margin import CollateralLine, DebtLine, Position
from relayer.steps.catalog import Catalog, CreditLine
from relayer.store.debts import DebtPosition, DebtView
from relayer.store.ledger import LineCounters
from relayer.store.observed_rows import Booked, EventFilter, EventState
from relayer.store.unit_of_work import UnitOfWork

ASSUMED_PREFIX = "assumed"
UNSETTLED = (EventState.SEEN, EventState.ORPHANED)


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


def position_of(uow: UnitOfWork, catalog: Catalog, account: bytes, now: UnixSeconds) -> Position:
    """
    Return what counts for an account's margin.

    Collateral that is seen counts as soft once it lies deep enough for its value. Debts count as
    soon as they are seen, interest up to now included; repayments only when they are final. Debts
    taken over from others are the account's own. Grants count by their limit.
    """
    collateral = tuple(
        CollateralLine(
            catalog.path_of(found.line.asset_id, found.line.chain_id),
            final_units=max(0, found.counters.available(Side.CREDIT)),
            soft_units=_soft_units(uow, catalog, account, found),
        )
        for found in uow.ledger.margin_lines(account)
    )
    debts = [
        line
        for credit_line in catalog.credit_lines
        if (line := _debt_line(uow, credit_line, account, now)) is not None
    ]
    return Position(account, collateral, tuple(debts))


def _soft_units(uow: UnitOfWork, catalog: Catalog, account: bytes, found: LineCounters) -> int:
    """Return the seen units that count and do not go for what the account owes once final."""
    units = _deep_units(uow, catalog, account, found)
    if not units:
        return 0
    chain_id, asset_id = ChainId(found.line.chain_id), found.line.asset_id
    owed = uow.deficits.open(chain_id, account)
    return max(0, units - sum(part.units for part in owed if part.asset_id == asset_id))


def _deep_units(uow: UnitOfWork, catalog: Catalog, account: bytes, found: LineCounters) -> int:
    """
    Return the seen units that count: those of locks under as many blocks as their value needs.

    All provisional locks of the account in the asset decide the tier together. A lock whose block
    is gone does not count, though the ledger may not have taken it back yet.
    """
    soft_units = found.counters.soft(Side.CREDIT)
    chain_id, asset_id = ChainId(found.line.chain_id), AssetId(found.line.asset_id)
    tiers = catalog.governor.tiers_of(chain_id)
    if not soft_units or tiers == AT_ONCE:
        return soft_units
    if tiers == FINAL_ONLY:
        return 0
    kinds = (CollateralLocked.__name__,)
    event_filter = EventFilter(chain_id=chain_id, account=account, kinds=kinds, states=UNSETTLED)
    events = uow.chains.events(event_filter)
    locks = [
        (stored, stored.event.units)
        for stored in events
        if isinstance(stored.event, CollateralLocked)
        and stored.booked is Booked.SOFT
        and catalog.asset_of(chain_id, stored.event.token).asset_id == asset_id
    ]
    if len(events) >= event_filter.limit:
        return 0  # there are more than were read, so none is known to be deep enough
    provisional_units = sum(units for _, units in locks)
    blocks = blocks_needed(tiers, _value_wad(uow, catalog, asset_id, provisional_units))
    deep_height = None if blocks is None else uow.chains.height_under(chain_id, blocks)
    deep_units = sum(
        units
        for stored, units in locks
        if stored.state is EventState.SEEN
        and is_deep(stored.event.position.block.height, deep_height=deep_height)
    )
    return max(0, soft_units - (provisional_units - deep_units))


def _value_wad(uow: UnitOfWork, catalog: Catalog, asset_id: AssetId, units: int) -> int | None:
    price = prices_of(uow, catalog, uow.clock.now()).find(asset_id)
    if price is None:
        return None
    whole = whole_units(catalog.parameters.scales[asset_id])
    return mul_div(units, price.high_wad, whole, Rounding.UP)


def _debt_line(
    uow: UnitOfWork, line: CreditLine, account: bytes, now: UnixSeconds
) -> DebtLine | None:
    own_code = debt_code(line.protocol, account)
    own_units = max(0, accrued_debt(uow, line, account, now).own_units)
    own_units += _unsettled_units(uow, line, account, own_code)
    taken_units = 0
    for borrower in _borrowers_taken_over(uow, line, account):
        state = accrued_debt(uow, line, borrower, now)
        taken_units += sum(part.units for part in state.assumed if part.assumer == account)
        code = assumed_code(line.protocol, borrower, account)
        taken_units += _unsettled_units(uow, line, borrower, code)
    owed_units = own_units + taken_units
    committed_units = committed_limit_units(uow, line, account)
    if committed_units:
        committed_units += taken_units  # a grant caps what is drawn, not what was taken over
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
    own = _counters(uow, line, debt_code(line.protocol, borrower)).net_units
    parts = []
    for found in uow.ledger.counters_of_prefix(_assumed_prefix(line.protocol, borrower)):
        assumer = parse_code(found.line.code).assumer
        if assumer is not None:
            parts.append(AssumedPart(assumer, found.counters.net_units))
    return debt_state_of(own, tuple(parts), debt_position(uow, line, borrower))


def debt_state_of(
    own_units: int, assumed: tuple[AssumedPart, ...], position: DebtPosition | None
) -> DebtState:
    """Return a debt by its parts; what exceeds the credit line's last word was booked ahead."""
    total_units = own_units + sum(part.units for part in assumed)
    reported_units = 0 if position is None else position.debt_units(position.index_ray)
    return DebtState(own_units, assumed, ahead_units=max(0, total_units - reported_units))


def debt_position(uow: UnitOfWork, line: CreditLine, borrower: bytes) -> DebtPosition | None:
    """Return what the credit line said at the borrower's last event."""
    for position in uow.debts.of_account(DebtView.SOFT, borrower):
        if (position.chain_id, position.credit_line) == (line.chain_id, line.contract):
            return position
    return None


def accrued_debt(uow: UnitOfWork, line: CreditLine, borrower: bytes, now: UnixSeconds) -> DebtState:
    """Return a borrower's debt with the interest that the credit line charges up to now."""
    return with_accrual(uow, line, borrower, debt_state(uow, line, borrower), now)


def with_accrual(
    uow: UnitOfWork, line: CreditLine, borrower: bytes, state: DebtState, now: UnixSeconds
) -> DebtState:
    """Return a state of a borrower's debt with the interest up to now."""
    if state.total_units == 0:
        return state
    position = debt_position(uow, line, borrower)
    if position is None:
        return state
    owed_units = position.debt_units(_index_ray(uow, line, position.index_ray, now))
    return with_interest(state, max(0, owed_units - state.total_units))


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


def _unsettled_units(uow: UnitOfWork, line: CreditLine, borrower: bytes, code: AccountCode) -> int:
    """
    Return what seen repayments that are not final took off a part: they do not count yet.

    An entry nets a repayment with the interest that it brought to light, so the interest is added
    again; where several owe, all of it to each, at most the whole repayment.
    """
    counters = _counters(uow, line, code)
    if not counters.debits_pending and not counters.credits_pending:
        return 0
    event_filter = EventFilter(
        chain_id=line.chain_id, account=borrower, kinds=(Repaid.__name__,), states=UNSETTLED
    )
    units = 0
    for stored in uow.chains.events(event_filter):
        event = stored.event
        if not isinstance(event, Repaid) or event.position.contract != line.contract:
            continue
        pending = uow.ledger.entry(seen_entry_id(event, stored.revivals))
        if pending is None or stored.booked is not Booked.SOFT:
            continue
        moved = {posting.code: posting.units for posting in pending.entry.postings}
        if code in moved:
            interest_units = max(0, -moved.get(interest_code(line.protocol), 0))
            units += min(event.units, max(0, interest_units - moved[code]))
    return units

"""One account as an answer: owners, balances, debts, grants."""

from typing import Final

from chains.message import MessageKind
from chains.types import ChainId, address_text, text_of_word
from relayer.api.values import Answer, UnitsText, hex_of
from relayer.ledger.chart import Side
from relayer.money import AssetId
from relayer.outbox.life import HOLDING_STATES, MessageState
from relayer.steps.accept import known_account
from relayer.steps.catalog import Catalog
from relayer.steps.position import position_of
from relayer.store.outbox import MessageFilter
from relayer.store.unit_of_work import UnitOfWork

LEAVING_KINDS: Final = frozenset({MessageKind.RELEASE, MessageKind.SEIZE})
LEAVING_STATES: Final = tuple(
    state for state in MessageState if state in HOLDING_STATES - {MessageState.PENDING}
)


class OwnerAnswer(Answer):
    """An address that may act for the account on one chain."""

    chain_id: str
    owner: str
    linked_at: int


class BalanceAnswer(Answer):
    """
    Collateral in one asset on one chain. [base units]

    available may be moved, soft is seen and not final, held is reserved to leave; in_flight is
    the part of held whose message is on its way.
    """

    asset_id: str
    chain_id: str
    scale: int
    available: UnitsText
    soft: UnitsText
    held: UnitsText
    in_flight: UnitsText


class DebtAnswer(Answer):
    """A debt, interest to now included; committed is the limit of its grant. [base units]"""

    protocol: str
    asset_id: str
    chain_id: str
    scale: int
    owed: UnitsText
    committed: UnitsText


class GrantAnswer(Answer):
    """What a borrower may draw up to until expiry. [base units, Unix seconds]"""

    message_id: str
    chain_id: str
    credit_line: str
    borrower: str
    limit: UnitsText
    expiry: int
    nonce: int
    state: str


class AccountAnswer(Answer):
    """A margin account. Times are Unix seconds."""

    account: str
    opener: str
    salt: str
    opened_at: int
    owners: tuple[OwnerAnswer, ...]
    balances: tuple[BalanceAnswer, ...]
    debts: tuple[DebtAnswer, ...]
    grants: tuple[GrantAnswer, ...]


def account_answer(uow: UnitOfWork, catalog: Catalog, account: bytes) -> AccountAnswer:
    """
    Return an account that is open.

    Raises:
        RefusedError: code unknown_account.
    """
    opening = known_account(uow, account)
    position = position_of(uow, catalog, account, uow.clock.now())
    scales = catalog.parameters.scales
    return AccountAnswer(
        account=hex_of(account),
        opener=text_of_word(opening.opener),
        salt=hex_of(opening.salt),
        opened_at=opening.opened_at,
        owners=tuple(
            OwnerAnswer(
                chain_id=linked.chain_id,
                owner=address_text(linked.chain_id, linked.owner),
                linked_at=linked.linked_at,
            )
            for linked in uow.accounts.owners(account)
        ),
        balances=_balances(uow, catalog, account),
        debts=tuple(
            DebtAnswer(
                protocol=line.protocol,
                asset_id=line.asset_id,
                chain_id=line.chain_id,
                scale=scales[line.asset_id],
                owed=str(line.owed_units),
                committed=str(line.committed_units),
            )
            for line in position.debts
        ),
        grants=_grants(uow, account),
    )


def _balances(uow: UnitOfWork, catalog: Catalog, account: bytes) -> tuple[BalanceAnswer, ...]:
    in_flight = _in_flight_units(uow, catalog, account)
    return tuple(
        BalanceAnswer(
            asset_id=found.line.asset_id,
            chain_id=found.line.chain_id,
            scale=catalog.assets.asset(found.line.asset_id).scale,
            available=str(found.counters.available(Side.CREDIT)),
            soft=str(found.counters.soft(Side.CREDIT)),
            held=str(found.counters.held(Side.CREDIT)),
            in_flight=str(in_flight.get((found.line.asset_id, found.line.chain_id), 0)),
        )
        for found in uow.ledger.margin_lines(account)
    )


def _in_flight_units(
    uow: UnitOfWork, catalog: Catalog, account: bytes
) -> dict[tuple[AssetId, ChainId], int]:
    units: dict[tuple[AssetId, ChainId], int] = {}
    for stored in uow.outbox.list(MessageFilter(states=LEAVING_STATES, account=account)):
        canonical = stored.message.message
        if canonical.kind not in LEAVING_KINDS:
            continue
        chain_id = stored.message.target_chain
        key = (catalog.asset_of(chain_id, canonical.token).asset_id, chain_id)
        units[key] = units.get(key, 0) + canonical.amount_units
    return units


def _grants(uow: UnitOfWork, account: bytes) -> tuple[GrantAnswer, ...]:
    return tuple(
        GrantAnswer(
            message_id=hex_of(grant.message_id),
            chain_id=grant.chain_id,
            credit_line=text_of_word(grant.credit_line),
            borrower=text_of_word(grant.borrower),
            limit=str(grant.limit_units),
            expiry=grant.expiry_seconds,
            nonce=grant.nonce,
            state=grant.state.value,
        )
        for grant in uow.grants.active(account)
    )

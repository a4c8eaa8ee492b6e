"""Margin of one account as the risk core sees it now; nothing is changed."""

from collections.abc import Callable
from functools import partial
from typing import Final, Literal

from chains.types import ChainId, address_text, text_of_word, word_of_text
from relayer.api.envelope import CreditQuestion, MarginCheckData, UnlockQuestion
from relayer.api.values import Answer, UnitsText, hex_of, word_of
from relayer.assets import Path
from relayer.errors import NotYetError, RefusedError
from relayer.oracle.price import PriceBook
from relayer.risk.limits import credit_check, max_credit_units, max_unlock_units, unlock_check
from relayer.risk.margin import DebtKey, Position, assess_health
from relayer.risk.parameters import Level
from relayer.steps.accept import known_account
from relayer.steps.catalog import Catalog
from relayer.steps.command_terms import asset_at
from relayer.steps.position import position_of, prices_of
from relayer.store.unit_of_work import Store, UnitOfWork

LEVELS: Final = (Level.INITIAL, Level.LIQUIDATION_END, Level.MAINTENANCE)


class LevelAnswer(Answer):
    """
    Health at one level. Values are USD x 1e18; factor_wad is null without debt.

    state is unknown where a price that decides is missing; reason then says which.
    """

    level: Literal["initial", "liquidation_end", "maintenance"]
    state: Literal["healthy", "below_one", "unknown"]
    weighted_collateral_wad: UnitsText | None = None
    weighted_debt_wad: UnitsText | None = None
    factor_wad: UnitsText | None = None
    unpriced: tuple[str, ...] = ()
    reason: str | None = None


class UnlockLimit(Answer):
    """The most of one balance that may leave now; null where a price is missing. [base units]"""

    asset_id: str
    chain_id: str
    token: str
    max_units: UnitsText | None
    reason: str | None = None


class CreditLimit(Answer):
    """The highest total debt on one credit line; null where a price is missing. [base units]"""

    protocol: str
    chain_id: str
    credit_line: str
    asset_id: str
    token: str
    max_units: UnitsText | None
    reason: str | None = None


class Verdict(Answer):
    """Whether a question would pass now; detail names the numbers where it would not."""

    passes: bool
    code: str
    detail: str


class HealthAnswer(Answer):
    """Health at the three levels and what the account may still do. at is a Unix second."""

    account: str
    at: int
    epoch: int
    levels: tuple[LevelAnswer, ...]
    is_liquidatable: bool | None
    max_unlock: tuple[UnlockLimit, ...]
    max_credit: tuple[CreditLimit, ...]


class MarginAnswer(HealthAnswer):
    """Health, limits, and the answers to the questions that were asked."""

    unlock: Verdict | None = None
    credit: Verdict | None = None


class _Margin:
    """Position and prices of one account in one snapshot."""

    def __init__(self, uow: UnitOfWork, catalog: Catalog, account: bytes) -> None:
        self.catalog = catalog
        self.at = uow.clock.now()
        self.position: Position = position_of(uow, catalog, account, self.at)
        self.prices: PriceBook = prices_of(uow, catalog, self.at)

    def level(self, level: Level) -> LevelAnswer:
        name = level.name.lower()
        try:
            health = assess_health(
                self.position,
                parameters=self.catalog.parameters,
                prices=self.prices,
                level=level,
            )
        except NotYetError as exc:
            return LevelAnswer.model_validate(
                {"level": name, "state": "unknown", "reason": str(exc)}
            )
        return LevelAnswer.model_validate(
            {
                "level": name,
                "state": "below_one" if health.is_below_one else "healthy",
                "weighted_collateral_wad": str(health.weighted_collateral_wad),
                "weighted_debt_wad": str(health.weighted_debt_wad),
                "factor_wad": None if health.factor_wad is None else str(health.factor_wad),
                "unpriced": tuple(str(path) for path in health.unpriced),
            }
        )

    def unlock_limits(self) -> tuple[UnlockLimit, ...]:
        return tuple(
            self._unlock_limit(token.chain_id, token.address)
            for token in self.catalog.assets.tokens
            if self.position.line_of(self._path(token.chain_id, token.address)).final_units
        )

    def credit_limits(self) -> tuple[CreditLimit, ...]:
        limits = []
        for line in self.catalog.credit_lines:
            key = DebtKey(line.asset_id, line.chain_id, line.protocol)
            units, reason = None, None
            try:
                units = max_credit_units(
                    self.position,
                    key,
                    parameters=self.catalog.parameters,
                    prices=self.prices,
                )
            except NotYetError as exc:
                reason = str(exc)
            limits.append(
                CreditLimit(
                    protocol=line.protocol,
                    chain_id=line.chain_id,
                    credit_line=text_of_word(line.contract),
                    asset_id=line.asset_id,
                    token=text_of_word(line.token),
                    max_units=None if units is None else str(units),
                    reason=reason,
                )
            )
        return tuple(limits)

    def would_unlock(self, question: UnlockQuestion) -> Verdict:
        path = self._path(ChainId(question.chain_id), word_of_text(question.token))
        return self._verdict(partial(unlock_check, self.position, path, int(question.amount)))

    def would_credit(self, question: CreditQuestion) -> Verdict:
        contract = word_of_text(question.credit_line)
        line = self.catalog.credit_line_at(question.chain_id, contract)
        key = DebtKey(line.asset_id, line.chain_id, line.protocol)
        return self._verdict(partial(credit_check, self.position, key, int(question.limit)))

    def _verdict(self, check: Callable[..., object]) -> Verdict:
        try:
            check(parameters=self.catalog.parameters, prices=self.prices)
        except RefusedError as exc:
            return Verdict(passes=False, code=exc.code, detail=exc.detail)
        except NotYetError as exc:
            return Verdict(passes=False, code=exc.reason, detail=exc.detail)
        return PASSES

    def _path(self, chain_id: ChainId, token: bytes) -> Path:
        return self.catalog.path_of(asset_at(self.catalog, chain_id, token).asset_id, chain_id)

    def _unlock_limit(self, chain_id: ChainId, token: bytes) -> UnlockLimit:
        path = self._path(chain_id, token)
        units, reason = None, None
        try:
            units = max_unlock_units(
                self.position, path, parameters=self.catalog.parameters, prices=self.prices
            )
        except NotYetError as exc:
            reason = str(exc)
        return UnlockLimit(
            asset_id=path.asset_id,
            chain_id=chain_id,
            token=address_text(chain_id, token),
            max_units=None if units is None else str(units),
            reason=reason,
        )


PASSES: Final = Verdict(passes=True, code="passes", detail="it would pass now")


def read_health(store: Store, catalog: Catalog, account: bytes) -> HealthAnswer:
    """
    Return an account's health at the three levels, and its limits.

    Raises:
        RefusedError: no such account.
    """
    answer = check_margin(store, catalog, MarginCheckData(account=hex_of(account)))
    return HealthAnswer.model_validate(answer.model_dump(exclude={"unlock", "credit"}))


def check_margin(store: Store, catalog: Catalog, question: MarginCheckData) -> MarginAnswer:
    """
    Return health, limits, and whether the unlock or credit asked about would pass now.

    Raises:
        RefusedError: no such account, or a token or credit line that is not served.
    """
    account = word_of(question.account)
    with store.read() as uow:
        known_account(uow, account)
        margin = _Margin(uow, catalog, account)
    levels = tuple(margin.level(level) for level in LEVELS)
    maintenance = levels[-1].state
    return MarginAnswer(
        account=hex_of(account),
        at=margin.at,
        epoch=catalog.parameters.epoch,
        levels=levels,
        is_liquidatable=None if maintenance == "unknown" else maintenance == "below_one",
        max_unlock=margin.unlock_limits(),
        max_credit=margin.credit_limits(),
        unlock=None if question.unlock is None else margin.would_unlock(question.unlock),
        credit=None if question.credit is None else margin.would_credit(question.credit),
    )

"""Expose: how much collateral of each limited path is held, and how much was lost there."""

from collections.abc import Callable

import structlog

from chains.types import ChainId
from relayer.assets import Path
from relayer.errors import RefusedError
from relayer.governor.exposure import Exposure, counted_position
from relayer.governor.rules import Mode
from relayer.governor.windows import flow_value_wad
from relayer.ledger.chart import BAD_DEBT, Side, vault_code
from relayer.money import Rounding
from relayer.oracle.price import PriceBook
from relayer.risk.limits import usd_text
from relayer.risk.margin import Position
from relayer.steps.catalog import Catalog
from relayer.store.unit_of_work import UnitOfWork

EXPOSURE_EXCEEDED = "exposure_exceeded"
log = structlog.get_logger(__name__)


def exposure_of(
    uow: UnitOfWork, catalog: Catalog, path: Path, prices: PriceBook
) -> Exposure | None:
    """
    Return what is held on a path against its limit; None without a limit or without a price.

    Held is what the ledger has in the vault, seen locks left out; both are valued at the high
    price, rounded up. The deficit is the bad debt in the asset on the chain.
    """
    limit_wad = catalog.governor.exposures_wad.get(path)
    price = prices.find(path.asset_id)
    if limit_wad is None or price is None:
        return None
    place = (path.asset_id, ChainId(path.chain_id))
    whole_units = catalog.assets.asset(path.asset_id).whole_units

    def value_wad(units: int) -> int:
        return flow_value_wad(
            units, price_wad=price.high_wad, whole_units=whole_units, rounding=Rounding.UP
        )

    vault = catalog.vaults.get(place[1])
    held_units = (
        0 if vault is None else uow.ledger.counters(vault_code(vault), *place).posted(Side.DEBIT)
    )
    lost_units = uow.ledger.counters(BAD_DEBT, *place).posted(Side.DEBIT)
    return Exposure(path, limit_wad, value_wad(max(0, held_units)), value_wad(max(0, lost_units)))


def check_exposure(
    uow: UnitOfWork,
    catalog: Catalog,
    position: Position,
    prices: PriceBook,
    check: Callable[[Position], None],
) -> None:
    """
    Check a position with no more of each path than its share of what may be lent against there.

    Raises:
        RefusedError: code exposure_exceeded; only logged where limits are only watched.
    """
    exposures = {
        line.path: exposure
        for line in position.collateral
        if (exposure := exposure_of(uow, catalog, line.path, prices)) is not None
    }
    counted = counted_position(position, exposures=exposures)
    if counted == position:
        return
    try:
        check(counted)
    except RefusedError as exc:
        names = "; ".join(
            f"{path} holds {usd_text(each.held_wad)}, {usd_text(each.effective_limit_wad)} may be "
            "lent against"
            for path, each in exposures.items()
            if each.is_exceeded
        )
        log.warning("exposure.exceeded", account="0x" + position.account.hex(), detail=names)
        if catalog.governor.mode is Mode.ENFORCE:
            raise RefusedError(code=EXPOSURE_EXCEEDED, detail=f"{names}; {exc.detail}") from exc

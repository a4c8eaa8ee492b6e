"""Gauge: what the windows and the bucket over a path hold now, and what units count there."""

from relayer.assets import Path
from relayer.clock import UnixSeconds
from relayer.governor.buckets import Bucket, BucketLimit, Lane
from relayer.governor.windows import (
    WINDOW_SECONDS,
    Flow,
    OutflowLimit,
    Window,
    flow_value_wad,
    inflow_price_wad,
    outflow_price_wad,
)
from relayer.money import WAD, AssetId, Rounding, mul_div
from relayer.oracle.price import PriceBook
from relayer.steps.catalog import Catalog
from relayer.steps.position import prices_of
from relayer.store.unit_of_work import UnitOfWork


def lane_of(catalog: Catalog, path: Path) -> Lane:
    """Return the lane of messages that take from a path: all of them leave the hub."""
    return Lane(catalog.hub, path.chain_id)


def bucket_of(uow: UnitOfWork, limit: BucketLimit) -> Bucket:
    """Return a bucket as the newest taking left it."""
    return Bucket(limit, uow.governor.shortage(limit.lane))


def outflow_value_wad(
    uow: UnitOfWork, catalog: Catalog, path: Path, units: int, prices: PriceBook
) -> int | None:
    """Return what units count when they leave, rounded up; None where no price may be used."""
    price_wad = outflow_price_wad(
        prices.find(path.asset_id),
        floor_wad=catalog.governor.floors_wad.get(path),
        last_known_wad=_last_price_wad(uow, path.asset_id),
    )
    return None if price_wad is None else _value_wad(catalog, path, units, price_wad)


def last_value_wad(uow: UnitOfWork, catalog: Catalog, path: Path, units: int) -> int:
    """Return what units were worth when a feed last spoke, rounded up; 0 if none ever did."""
    return _value_wad(catalog, path, units, _last_price_wad(uow, path.asset_id) or 0)


def _value_wad(catalog: Catalog, path: Path, units: int, price_wad: int) -> int:
    whole_units = catalog.assets.asset(path.asset_id).whole_units
    return flow_value_wad(units, price_wad=price_wad, whole_units=whole_units, rounding=Rounding.UP)


def _last_price_wad(uow: UnitOfWork, asset_id: AssetId) -> int | None:
    """Return the highest of the newest answers of an asset's feeds, however old. [x 1e18]"""
    answers = [
        mul_div(point.answer, WAD, int(10**point.scale), Rounding.UP)
        for point in uow.prices.latest_of_asset(asset_id)
        if point.answer > 0
    ]
    return max(answers, default=None)


def window_of(uow: UnitOfWork, catalog: Catalog, limit: OutflowLimit) -> Window:
    """Return a limit with what was released and what came in under it in the last 24 hours."""
    now = uow.clock.now()
    return window_at(uow, catalog, limit, prices_of(uow, catalog, now), now)


def window_at(
    uow: UnitOfWork, catalog: Catalog, limit: OutflowLimit, prices: PriceBook, now: UnixSeconds
) -> Window:
    """Return the same at given prices, at a given second."""
    since = now - WINDOW_SECONDS
    outflows = tuple(
        outflow.flow
        for outflow in uow.governor.outflows(limit.chain_id, since)
        if limit.asset_id is None
        or (outflow.path.asset_id, outflow.path.bridge) == (limit.asset_id, limit.bridge)
    )
    inflows = _inflows(uow, catalog, limit, prices, since) if limit.is_flow_cancelled else ()
    return Window(limit, outflows, inflows)


def _inflows(
    uow: UnitOfWork, catalog: Catalog, limit: OutflowLimit, prices: PriceBook, since: int
) -> tuple[Flow, ...]:
    """Return the final locks on a chain, valued at the lower price, rounded down."""
    flows = []
    for inflow in uow.governor.inflows(limit.chain_id, since):
        asset = catalog.asset_of(limit.chain_id, inflow.token)
        if limit.asset_id not in (None, asset.asset_id):
            continue
        path = catalog.path_of(asset.asset_id, limit.chain_id)
        price_wad = inflow_price_wad(
            prices.find(asset.asset_id), floor_wad=catalog.governor.floors_wad.get(path)
        )
        value_wad = flow_value_wad(
            inflow.units,
            price_wad=price_wad,
            whole_units=asset.whole_units,
            rounding=Rounding.DOWN,
        )
        flows.append(Flow(inflow.at, value_wad))
    return tuple(flows)

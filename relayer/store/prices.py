"""The price log: every answer that a decision may have used, append-only."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, func, select

from chains.types import ChainId
from relayer.clock import Clock, UnixSeconds
from relayer.money import AssetId
from relayer.store.chain_tables import PRICE


@dataclass(frozen=True, slots=True)
class PricePoint:
    """
    One answer of one feed, as it came: answer / 10^scale USD per whole token, signed.

    updated_at is the feed's own time, observed_at ours, both Unix seconds; height is None for a
    source off chain.
    """

    feed_label: str
    chain_id: ChainId
    asset_id: AssetId
    answer: int
    scale: int
    updated_at: UnixSeconds
    observed_at: UnixSeconds
    height: int | None


class PriceTable:
    """Prices, inside one transaction."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock

    def record(self, point: PricePoint) -> bool:
        """Append an answer; False when the feed's newest one says the same."""
        newest = self.latest(point.feed_label)
        if newest is not None and (newest.answer, newest.scale, newest.updated_at) == (
            point.answer,
            point.scale,
            point.updated_at,
        ):
            return False
        self._connection.execute(
            PRICE.insert().values(
                feed_label=point.feed_label,
                chain_id=point.chain_id,
                asset_id=point.asset_id,
                answer=str(point.answer),
                scale=point.scale,
                updated_at=point.updated_at,
                observed_at=point.observed_at,
                height=point.height,
            )
        )
        return True

    def latest(self, feed_label: str) -> PricePoint | None:
        """Return the newest answer of a feed; None before the first."""
        row = self._connection.execute(
            select(PRICE)
            .where(PRICE.c.feed_label == feed_label)
            .order_by(PRICE.c.seq.desc())
            .limit(1)
        ).one_or_none()
        return None if row is None else _point(row)

    def latest_of_asset(self, asset_id: AssetId) -> tuple[PricePoint, ...]:
        """Return the newest answer of each feed of an asset, by feed label."""
        return self._newest(PRICE.c.asset_id == asset_id)

    def at(self, asset_id: AssetId, observed_by: UnixSeconds) -> tuple[PricePoint, ...]:
        """Return what latest_of_asset answered at a past second."""
        return self._newest(PRICE.c.asset_id == asset_id, PRICE.c.observed_at <= observed_by)

    def _newest(self, *conditions: Any) -> tuple[PricePoint, ...]:
        newest = select(func.max(PRICE.c.seq)).where(*conditions).group_by(PRICE.c.feed_label)
        rows = self._connection.execute(
            select(PRICE).where(PRICE.c.seq.in_(newest)).order_by(PRICE.c.feed_label)
        )
        return tuple(_point(row) for row in rows)


def _point(row: Row[Any]) -> PricePoint:
    return PricePoint(
        feed_label=row.feed_label,
        chain_id=ChainId(row.chain_id),
        asset_id=AssetId(row.asset_id),
        answer=int(row.answer),
        scale=row.scale,
        updated_at=UnixSeconds(row.updated_at),
        observed_at=UnixSeconds(row.observed_at),
        height=row.height,
    )

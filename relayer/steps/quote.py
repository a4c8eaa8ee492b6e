"""Quote: read the price feeds and credit lines of one chain into the store."""

import asyncio
from typing import Final

import structlog

from chains.errors import PermanentChainError
from chains.port import ChainReader, PriceSource, Quote
from chains.types import BlockRef
from relayer.clock import UnixSeconds
from relayer.steps.catalog import Catalog, Feed
from relayer.steps.observe import Observation, ring_assess
from relayer.store.credit_lines import CreditLineState
from relayer.store.prices import PricePoint
from relayer.store.unit_of_work import Store

SECONDS_MAX: Final = 2**63 - 1  # what a time column holds; no feed lives that long
log = structlog.get_logger(__name__)


async def quote(
    store: Store,
    catalog: Catalog,
    reader: ChainReader,
    source: PriceSource,
    observation: Observation,
) -> bool:
    """
    Store what the chain's feeds say at its newest block; True when a price is new.

    A feed or a credit line that answers nonsense is logged and left out, the others go on; the
    price rule judges what is stored.
    """
    block = observation.heads.latest.block
    points = await _points(store, catalog, reader, source, block)
    states = await _credit_lines(catalog, reader, block)

    def _record() -> bool:
        if not points and not states:
            return False
        with store.read() as uow:
            news = [
                point for point in points if _is_new(uow.prices.latest(point.feed_label), point)
            ]
            lines = [
                state
                for state in states
                if _has_moved(uow.credit_lines.get(state.chain_id, state.credit_line), state)
            ]
        if not news and not lines:
            return False
        with store.unit_of_work() as uow:
            for state in lines:
                uow.credit_lines.record(state)
            recorded = sum(uow.prices.record(point) for point in news)
            if recorded:
                ring_assess(uow)
            return recorded > 0

    return await asyncio.to_thread(_record)


def _is_new(known: PricePoint | None, point: PricePoint) -> bool:
    return known is None or (known.answer, known.scale, known.updated_at) != (
        point.answer,
        point.scale,
        point.updated_at,
    )


def _has_moved(known: CreditLineState | None, state: CreditLineState) -> bool:
    return known is None or (known.index_ray, known.accrued_at, known.rate_per_second_ray) != (
        state.index_ray,
        state.accrued_at,
        state.rate_per_second_ray,
    )


async def _points(
    store: Store, catalog: Catalog, reader: ChainReader, source: PriceSource, block: BlockRef
) -> list[PricePoint]:
    points = []
    for feed in catalog.feeds:
        if feed.chain_id != reader.chain_id:
            continue
        try:
            answer = await source.quote(feed.contract, block)
        except PermanentChainError as exc:
            _refuse(feed.label, feed.chain_id, str(exc))
            continue
        if answer.updated_at_seconds > SECONDS_MAX:
            _refuse(feed.label, feed.chain_id, f"updated at {answer.updated_at_seconds}")
            continue
        points.append(_point(feed, answer, store.clock.now(), block))
    return points


def _point(feed: Feed, answer: Quote, now: UnixSeconds, block: BlockRef) -> PricePoint:
    return PricePoint(
        feed_label=feed.label,
        chain_id=feed.chain_id,
        asset_id=feed.asset_id,
        answer=answer.answer,
        scale=answer.scale,
        updated_at=UnixSeconds(answer.updated_at_seconds),
        observed_at=now,
        height=block.height,
    )


def _refuse(label: str, chain_id: str, reason: str) -> None:
    log.error("price.refused", chain_id=chain_id, feed=label, reason=reason)


async def _credit_lines(
    catalog: Catalog, reader: ChainReader, block: BlockRef
) -> list[CreditLineState]:
    states = []
    for line in catalog.credit_lines:
        if line.chain_id != reader.chain_id:
            continue
        try:
            state = await reader.credit_line_state(line.contract, block)
        except PermanentChainError as exc:
            _refuse(line.protocol, line.chain_id, str(exc))
            continue
        if state.last_accrued_seconds > SECONDS_MAX:
            _refuse(line.protocol, line.chain_id, f"accrued at {state.last_accrued_seconds}")
            continue
        states.append(
            CreditLineState(
                chain_id=line.chain_id,
                credit_line=line.contract,
                index_ray=state.index_ray,
                accrued_at=UnixSeconds(state.last_accrued_seconds),
                rate_per_second_ray=state.rate_per_second_ray,
                height=block.height,
            )
        )
    return states

"""Mend attempts: keep transactions that expire level with their chain, and send them again."""

import asyncio
from typing import Final

import structlog

from chains.errors import ChainError, TransientChainError
from chains.types import ChainId
from relayer.errors import StateMovedError
from relayer.steps.carrier import ExpiringCarrier
from relayer.steps.catalog import Catalog
from relayer.steps.fence import Fence
from relayer.steps.gate import message_stop
from relayer.steps.sighting import CARRIED_STATES, sight_all
from relayer.store.attempt_rows import Attempt, AttemptState
from relayer.store.unit_of_work import Store

ATTEMPTS_PER_RUN_MAX: Final = 256
FAILURES_PER_RUN_MAX: Final = 3  # looks that fail before the run ends: the nodes are away
log = structlog.get_logger(__name__)


async def mend_attempts(
    store: Store, catalog: Catalog, carrier: ExpiringCarrier, fence: Fence
) -> bool:
    """
    Look at all that may still change on a chain; return whether something is left.

    What may still land goes out again, the same bytes, while its message waits for it and no brake
    stops it. No lease is needed: nothing is signed here. One whose fate no node can tell any more
    holds up no other.

    Raises:
        TransientChainError: the node failed for all of them; ask again.
    """
    known = await asyncio.to_thread(_unfinal, store, carrier.sender.chain_id)
    failures: list[TransientChainError] = []
    looks = 0
    # The newest first: an old one is still there because nobody can tell.
    for attempt in reversed(known[-ATTEMPTS_PER_RUN_MAX:]):
        try:
            (now,) = await sight_all(store, carrier.sender, (attempt,), fence)
        except StateMovedError:
            continue  # somebody was faster; the next look starts from what it wrote
        except TransientChainError as exc:
            failures.append(exc)
            if len(failures) >= FAILURES_PER_RUN_MAX:
                break
            continue
        looks += 1
        if now.state is not AttemptState.LIVE:
            continue
        if await asyncio.to_thread(_is_wanted, store, catalog, now):
            await _send_again(carrier, now)
    if failures and not looks:
        raise failures[0]
    for failure in failures:
        log.warning("chain.unread", chain_id=carrier.sender.chain_id, reason=str(failure))
    return bool(known)


async def _send_again(carrier: ExpiringCarrier, attempt: Attempt) -> None:
    try:
        await carrier.sender.broadcast(attempt.transaction)
    except ChainError as exc:
        # It stays LIVE until it lands or expires; the next look sends it again.
        log.warning(
            "message.refused",
            chain_id=attempt.sender.chain_id,
            message_id="0x" + attempt.message_id.hex(),
            reason=str(exc),
        )


def _unfinal(store: Store, chain_id: ChainId) -> tuple[Attempt, ...]:
    with store.read() as uow:
        return uow.attempts.unfinal(chain_id)


def _is_wanted(store: Store, catalog: Catalog, attempt: Attempt) -> bool:
    """Return whether a message still waits for its transaction, and nothing stops it."""
    with store.read() as uow:
        stored = uow.outbox.get(attempt.message_id)
        if stored is None or stored.state not in CARRIED_STATES:
            return False
        return message_stop(uow, catalog, stored.message) is None

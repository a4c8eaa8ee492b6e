"""Conclude: what the governor holds back of a message ends when the message has ended."""

from contextlib import suppress
from dataclasses import replace

from chains.types import ChainId
from relayer.errors import RefusedError, StateMovedError
from relayer.outbox.life import MessageState
from relayer.steps.catalog import Catalog
from relayer.steps.govern import EXPIRED, Candidate, abandon, assess_outflow, settle
from relayer.steps.reread import DENIED
from relayer.store.governor import GOVERNOR, WAITING, GovernorRelease
from relayer.store.observed_rows import EventState, StoredEvent
from relayer.store.unit_of_work import Store, UnitOfWork


def conclude_governed(uow: UnitOfWork, catalog: Catalog) -> int:
    """
    End what is held back of messages that were executed, expired or failed; return how much.

    What was executed left all the same: it counts from now on. The rest is dropped and never
    counts. Should it be shown once more, it is judged once more.
    """
    if not uow.governor.ended(uow.clock.now()):
        return 0
    uow.ledger.lock()
    return sum(_conclude(uow, catalog, held) for held in uow.governor.ended(uow.clock.now()))


def conclude_refused(store: Store, message_id: bytes, error: RefusedError) -> None:
    """
    Drop what is held back of a message that this guardian refuses to sign.

    What a person told to wait longer stays: should the refusal end, it waits on.
    """
    with store.read() as uow:
        held = uow.governor.get(message_id)
        if held is None or held.state not in WAITING:
            return
    # Whoever changed the row meanwhile knew better.
    with suppress(StateMovedError), store.unit_of_work() as uow:
        uow.ledger.lock()
        held = uow.governor.get(message_id)
        if held is not None and held.who == GOVERNOR:
            abandon(uow, message_id, f"refused: {error.code}")


def effects_of(
    uow: UnitOfWork, message_id: bytes, *, chain_id: ChainId, contract: bytes | None
) -> list[StoredEvent]:
    """Return the effects that a message's own target emitted before; what nodes deny is none."""
    return [
        parked
        for parked in uow.chains.parked_events(message_id=message_id)
        if (parked.event.position.chain_id, parked.event.position.contract) == (chain_id, contract)
        and not is_denied(parked)
    ]


def is_denied(parked: StoredEvent) -> bool:
    """Return whether the nodes deny what one of them told."""
    return (parked.parked_reason or "").startswith(DENIED)


def _conclude(uow: UnitOfWork, catalog: Catalog, held: GovernorRelease) -> bool:
    stored = uow.outbox.get(held.message_id)
    if stored is None:
        chain_id = held.path.chain_id
        contract = catalog.vaults.get(chain_id)
        effects = effects_of(uow, held.message_id, chain_id=chain_id, contract=contract)
        is_executed = any(effect.state is EventState.FINAL for effect in effects)
        reason = EXPIRED
        if not is_executed and held.expires_at >= uow.clock.now():
            return False  # a forged effect, or one whose block may go, ends nothing
    else:
        is_executed = stored.state is MessageState.CONFIRMED
        reason = f"the message is {stored.state.value}"
    if not is_executed:
        return abandon(uow, held.message_id, reason)
    candidate = Candidate(held.message_id, held.path, held.units, held.expires_at, may_wait=False)
    assessment = assess_outflow(uow, catalog, candidate)
    if assessment is None:
        return False
    after = replace(assessment.after, reason=f"executed; {assessment.after.reason}")
    settle(uow, replace(assessment, after=after))
    return True

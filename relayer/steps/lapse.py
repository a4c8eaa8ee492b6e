"""Lapse: a grant past its last second counts no more, once a final block proves the second."""

from relayer.steps.catalog import Catalog
from relayer.store.grants import CreditGrant, GrantState
from relayer.store.unit_of_work import UnitOfWork


def lapse_grants(uow: UnitOfWork, catalog: Catalog) -> int:
    """
    Set the grants that can never be drawn on again LAPSED; return how many.

    A draw in a block up to the expiry may still be on its way to finality, so the chain's newest
    final block must be later than the expiry, and every event up to it booked; one that is parked
    is not. A halted chain proves nothing.
    """
    lapsed = 0
    for grant in uow.grants.expired(uow.clock.now()):
        if grant.chain_id not in catalog.chain_ids or uow.chains.is_halted(grant.chain_id):
            continue
        final = uow.chains.cursor(grant.chain_id).finalized
        if final is None or uow.chains.unbooked_events(grant.chain_id, 1):
            continue
        if _has_parked(uow, grant):
            continue  # it may be a draw
        checkpoint = uow.chains.canonical_checkpoint(grant.chain_id, final.height)
        if checkpoint is None or checkpoint.header.timestamp_seconds <= grant.expiry_seconds:
            continue
        uow.grants.set_state(grant.message_id, grant.state, GrantState.LAPSED)
        lapsed += 1
    return lapsed


def _has_parked(uow: UnitOfWork, grant: CreditGrant) -> bool:
    parked = uow.chains.parked_events(account=grant.account)
    return any(stored.event.position.chain_id == grant.chain_id for stored in parked)

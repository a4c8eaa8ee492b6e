"""Restrain: what keeps a guardian from signing, by its own switches, halts, breaks and limits."""

from contextlib import suppress
from dataclasses import replace

from relayer.errors import NotYetError, StateMovedError
from relayer.guardian.request import AttestationRequest
from relayer.steps.brakes import Stop, leaving_of_message, stop_of
from relayer.steps.catalog import Catalog
from relayer.steps.govern import Assessment, assess_outflow, candidate_of, settle
from relayer.store.unit_of_work import Store, UnitOfWork


class GovernedError(NotYetError):
    """This guardian's own governor holds the message back."""

    def __init__(self, *, assessment: Assessment, stop: Stop) -> None:
        super().__init__(reason=stop.reason.value, detail=stop.detail)
        self.assessment = assessment


def check_brakes(uow: UnitOfWork, catalog: Catalog, request: AttestationRequest) -> None:
    """
    Let nothing be signed that is stopped here, not even again.

    The caller holds the ledger's lock, and so does whoever switches something off: once the
    switch is committed no signature can follow.

    Raises:
        NotYetError: a switch, a halt or a break of this guardian's own stops it.
    """
    leaving = leaving_of_message(catalog, request.message, request.command.command)
    stop = stop_of(uow, leaving)
    if stop is not None:
        raise stop.not_yet()


def check_room(
    uow: UnitOfWork, catalog: Catalog, request: AttestationRequest, *, is_executed: bool
) -> None:
    """
    Hold a message back by this guardian's own limits; what its target executed only counts.

    Raises:
        GovernedError: there is no room for it yet, or its delay is not over.
    """
    candidate = candidate_of(catalog, request.message, request.command.command)
    if candidate is None:
        return
    if is_executed:
        candidate = replace(candidate, may_wait=False)
    assessment = assess_outflow(uow, catalog, candidate)
    if assessment is None:
        return
    if assessment.stop is not None:
        raise GovernedError(assessment=assessment, stop=assessment.stop)
    settle(uow, assessment)


def keep_waiting(store: Store, error: GovernedError) -> None:
    """Keep since when a message waits: all else of the refused signature was rolled back."""
    # Whoever changed the row meanwhile knew better; it is judged again when it is asked for again.
    with suppress(StateMovedError), store.unit_of_work() as uow:
        uow.ledger.lock()
        settle(uow, error.assessment)

"""The tasks: one per step, each with nothing but the name of a queue."""

from collections.abc import Sequence
from typing import Final

from celery import Celery

from chains.types import ChainId, chain_id_of
from relayer import wiring
from relayer.errors import InvariantError
from relayer.outbox.life import WaitReason
from relayer.steps.assess import assess
from relayer.steps.attest import attest
from relayer.steps.compare import compare
from relayer.steps.confirm import confirm, follower_of
from relayer.steps.decide import decide
from relayer.steps.fence import Fence
from relayer.steps.liquidate import liquidate_account
from relayer.steps.mend import MEND_SECONDS, mend
from relayer.steps.queues import (
    ASSESS,
    ATTEST,
    CONFIRM,
    CUSTODY,
    DECIDE,
    LIQUIDATE,
    MEND,
    PUBLISH,
    RECONCILE,
    RELAY,
    SWITCH,
)
from relayer.steps.reconcile import EVENTS_PER_BATCH, reconcile
from relayer.steps.relay import relay
from relayer.steps.switch import push_orders
from relayer.store.jobs import Job
from relayer.telemetry import LogEvent, event_log
from relayer.worker.context import WorkContext
from relayer.worker.doorbell import TASK_PREFIX
from relayer.worker.processing import Done, Later, Outcome, Work, process_due
from relayer.worker.publishing import publish_due

CONFIRM_SECONDS: Final = 1
QUEUE_FULL_SECONDS: Final = 10
SWITCH_SECONDS: Final = 2
RECONCILE_BATCHES_MAX: Final = 50
SUSPECT_EVENTS: Final = 1_000
SUSPECT_SHIFT: Final = 3
log = event_log()


def _reconcile(context: WorkContext, job: Job, fence: Fence) -> Outcome:
    """
    Book a chain's events; after a failed attempt 125 at a time, then 15, then each alone.

    So what stands before an event that kills the process is booked, and the event is cornered.
    """
    events_max = EVENTS_PER_BATCH
    if job.attempts:
        events_max = max(1, SUSPECT_EVENTS >> SUSPECT_SHIFT * job.attempts)
    for _ in range(RECONCILE_BATCHES_MAX):
        found = reconcile(
            context.store,
            context.catalog,
            chain_id_of(job.key),
            fence=fence,
            events_max=events_max,
        )
        if not found.has_more:
            return Done()
        context.ring_due()
    return Later(0, "more_events")


def _assess(context: WorkContext, job: Job, fence: Fence) -> Outcome:
    del job
    assess(context.store, context.catalog, fence=fence)
    return Done()


def _decide(context: WorkContext, job: Job, fence: Fence) -> Outcome:
    decide(context.store, context.catalog, bytes.fromhex(job.key), fence=fence)
    return Done()


def _liquidate(context: WorkContext, job: Job, fence: Fence) -> Outcome:
    account = bytes.fromhex(job.key)
    moved = liquidate_account(context.store, context.catalog, account, fence=fence)
    return Done() if moved is None else Later(0, "look_again")


def _attest(context: WorkContext, job: Job, fence: Fence) -> Outcome:
    outcome = context.loop.run(
        attest(
            context.store,
            context.catalog,
            context.guardians,
            bytes.fromhex(job.key),
            fence=fence,
        )
    )
    if not outcome.is_open:
        return Done()
    usual_seconds = context.catalog.times.attest_retry_seconds
    return Later(outcome.delay_seconds or usual_seconds, outcome.reason.value)


def _relay(context: WorkContext, job: Job, fence: Fence) -> Outcome:
    chain_id = _target_of(context, job)
    carrier = context.carrier(chain_id)
    outcome = context.loop.run(
        relay(context.store, context.catalog, carrier, bytes.fromhex(job.key), fence=fence)
    )
    if not outcome.is_open:
        return Done()
    seconds = context.catalog.times.relay_retry_seconds
    if outcome.reason is WaitReason.SENDER_QUEUE_FULL:
        seconds = max(seconds, QUEUE_FULL_SECONDS)
    return Later(seconds, outcome.reason.value)


def _confirm(context: WorkContext, job: Job, fence: Fence) -> Outcome:
    chain_id = _target_of(context, job)
    follower = follower_of(context.reader(chain_id), context.carrier(chain_id), context.catalog)
    outcome = context.loop.run(
        confirm(context.store, follower, bytes.fromhex(job.key), fence=fence)
    )
    return Later(CONFIRM_SECONDS, outcome.reason.value) if outcome.is_open else Done()


def _mend(context: WorkContext, job: Job, fence: Fence) -> Outcome:
    carrier = context.carrier(chain_id_of(job.key))
    outcome = context.loop.run(mend(context.store, context.catalog, carrier, fence=fence))
    return Later(MEND_SECONDS, outcome.reason.value) if outcome.is_open else Done()


def _custody(context: WorkContext, job: Job, fence: Fence) -> Outcome:
    reader = context.reader(chain_id_of(job.key))
    context.loop.run(compare(context.store, context.catalog, reader, fence=fence))
    return Done()


def _publish(context: WorkContext, job: Job, fence: Fence) -> Outcome:
    del job
    return Later(0, "more_events") if publish_due(context, fence) else Done()


def _switch(context: WorkContext, job: Job, fence: Fence) -> Outcome:
    del job, fence  # telling a guardian twice is telling it once
    doors = wiring.switch_doors(context.settings)
    told = context.loop.run(push_orders(context.store, doors))
    for each in told:
        note = log.info if each.is_acknowledged else log.warning
        event: LogEvent = "switch.acknowledged" if each.is_acknowledged else "switch.unacknowledged"
        note(event, guardian=each.label, sequence=each.sequence, code=each.code)
    if all(each.is_acknowledged for each in told):
        return Done()
    return Later(SWITCH_SECONDS, "guardians_unacknowledged")


def _target_of(context: WorkContext, job: Job) -> ChainId:
    with context.store.read() as uow:
        stored = uow.outbox.get(bytes.fromhex(job.key))
    if stored is None:
        raise KeyError(f"message {job.key} is not in the outbox")
    return stored.message.target_chain


WORKS: Final = (
    Work(RECONCILE, _reconcile, is_steady=True),
    Work(ASSESS, _assess),
    Work(DECIDE, _decide),
    Work(LIQUIDATE, _liquidate),
    Work(ATTEST, _attest, jobs_per_claim=1),
    Work(RELAY, _relay, jobs_per_claim=1),
    Work(CONFIRM, _confirm, jobs_per_claim=1),
    Work(MEND, _mend, jobs_per_claim=1),
    Work(CUSTODY, _custody, jobs_per_claim=1),
    Work(PUBLISH, _publish, is_steady=True),
    Work(SWITCH, _switch, jobs_per_claim=1),
)


def register_tasks(app: Celery, context: WorkContext, works: Sequence[Work] = WORKS) -> None:
    """Give the application one task per kind of work, bound to a process's context."""

    def _task(work: Work) -> None:
        def _run(queue: str) -> int:
            try:
                return process_due(context, work, queue)
            except InvariantError as exc:
                context.break_off(exc)
                return 0

        app.task(_run, name=TASK_PREFIX + work.kind, ignore_result=True, shared=False)

    for work in works:
        _task(work)

"""The tasks: one per kind of job, each with a handler, none on another application."""

from celery import Celery

from relayer.settings import Settings
from relayer.steps import queues
from relayer.store.unit_of_work import Store
from relayer.worker.processing import BATCH
from relayer.worker.runner import worker_app
from relayer.worker.tasks import WORKS

KINDS = {
    queues.RECONCILE,
    queues.ASSESS,
    queues.DECIDE,
    queues.LIQUIDATE,
    queues.ATTEST,
    queues.RELAY,
    queues.CONFIRM,
    queues.MEND,
    queues.CUSTODY,
    queues.PUBLISH,
    queues.SWITCH,
}
ASKING = {
    queues.ATTEST,
    queues.RELAY,
    queues.CONFIRM,
    queues.MEND,
    queues.CUSTODY,
    queues.SWITCH,
}


def test_every_kind_of_job_has_one_task(memory_settings: Settings, store: Store) -> None:
    """A kind without a task would be rung for until the end of days."""
    app, context, _ = worker_app(memory_settings, store)

    own = {name for name in app.tasks if name.startswith("relayer.")}

    assert own == {f"relayer.{kind}" for kind in KINDS}
    context.keeper.close()


def test_a_task_belongs_to_its_application_only(memory_settings: Settings, store: Store) -> None:
    """Another application of the process would run it on the wrong store."""
    worker_app(memory_settings, store)

    other = Celery("other", set_as_current=False)
    other.finalize()

    assert not [name for name in other.tasks if name.startswith("relayer.")]


def test_what_waits_for_a_network_is_claimed_one_by_one() -> None:
    """What one thread holds while it waits, no other takes."""
    for work in WORKS:
        assert work.jobs_per_claim == (1 if work.kind in ASKING else BATCH)

"""Commands about work that waits, and work that waits for a person."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from relayer.cli.answer import (
    Answer,
    ConfigOption,
    JsonOption,
    LimitOption,
    YesOption,
    answer,
    confirm,
    opened_store,
    text_of,
)

if TYPE_CHECKING:
    from rich.table import Table

    from relayer.store.job_records import JobRecord, JobStatistic

app = typer.Typer(help="Work to do.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_jobs(
    *, config: ConfigOption = None, as_json: JsonOption = False, limit: LimitOption = 100
) -> None:
    """Count the jobs by kind and state, and show those in quarantine with their reason."""

    def make() -> Answer:
        with opened_store(config) as (_, store), store.read() as uow:
            now = store.clock.now()
            return jobs_answer(uow.jobs.stats(now), uow.jobs.quarantined(limit), now)

    answer(make, as_json=as_json)


@app.command()
def replay(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="For example relay.")],
    key: Annotated[str, typer.Argument(metavar="KEY", help="As jobs list shows it.")],
    *,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    yes: YesOption = False,
) -> None:
    """Take a job out of quarantine and make it due now; its cause must be healed first."""

    def make() -> Answer:
        from relayer.cli.render import plain
        from relayer.errors import RefusedError
        from relayer.store.job_records import JobState

        with opened_store(config) as (_, store):
            with store.read() as uow:
                job = _job(uow.jobs.job, text_of(kind, "KIND"), text_of(key, "KEY"))
            if job.state is not JobState.QUARANTINED:
                raise RefusedError(
                    code="not_quarantined", detail=f"job {kind} {key} is {job.state.value}"
                )
            confirm(yes, f"makes job {kind} {key} due again; it was stopped by: {job.reason}")
            with store.unit_of_work() as uow:
                uow.jobs.replay(kind, key)
        return Answer(
            value={"kind": kind, "key": key, "state": JobState.DUE.value},
            shown=(plain(f"job {kind} {key} is due now; the sweeper rings for {job.queue}"),),
        )

    answer(make, as_json=as_json)


def _job(read: Callable[[str, str], "JobRecord"], kind: str, key: str) -> "JobRecord":
    from relayer.errors import RefusedError

    try:
        return read(kind, key)
    except KeyError as exc:
        raise RefusedError(
            code="unknown_job", detail=f"no job {kind} {key}; see: relayer jobs list"
        ) from exc


def jobs_answer(
    stats: tuple["JobStatistic", ...], quarantined: tuple["JobRecord", ...], now_seconds: int
) -> Answer:
    """Return counts and ages by kind, and what waits for a person."""
    from relayer.cli.render import table_of, when_text

    return Answer(
        value={
            "jobs": jobs_value(stats),
            "quarantined": [
                {
                    "kind": job.kind,
                    "key": job.key,
                    "queue": job.queue,
                    "attempts": job.attempts,
                    "reason": job.reason,
                    "waiting_since": job.waiting_since,
                }
                for job in quarantined
            ],
        },
        shown=(
            jobs_table(stats),
            table_of(
                "Quarantined: heal the cause, then: relayer jobs replay KIND KEY --yes",
                ("kind", "key", "queue", "attempts", "reason", "waits since"),
                [
                    (
                        job.kind,
                        job.key,
                        job.queue,
                        job.attempts,
                        job.reason,
                        when_text(job.waiting_since, now_seconds),
                    )
                    for job in quarantined
                ],
            ),
        ),
    )


def jobs_value(stats: tuple["JobStatistic", ...]) -> list[dict[str, object]]:
    """Return one object for each kind and state."""
    return [
        {
            "kind": stat.kind,
            "state": stat.state.value,
            "count": stat.count,
            "overdue_seconds": stat.overdue_seconds,
            "oldest_seconds": stat.oldest_seconds,
        }
        for stat in stats
    ]


def jobs_table(stats: tuple["JobStatistic", ...]) -> "Table":
    """Return the counts as a table."""
    from relayer.cli.render import age_text, table_of

    return table_of(
        "Jobs",
        ("kind", "state", "count", "overdue by", "oldest"),
        [
            (
                stat.kind,
                stat.state.value,
                stat.count,
                age_text(stat.overdue_seconds or None),
                age_text(stat.oldest_seconds or None),
            )
            for stat in stats
        ],
    )

"""One run: a seed, so many steps, rest, and what came out."""

import logging
import traceback
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import structlog

from relayer.steps.fence import job_fence
from relayer.worker import processing
from tests.simulation.process import ViolationError, noting_fence
from tests.simulation.rest import check_rest, come_to_rest
from tests.simulation.world import Stage, World

STEPS: Final = 60
NEVER_SECONDS: Final = float("inf")
# Errors that a deployment without bugs never logs, whatever fails around it.
ALARMS: Final = frozenset(
    {"job.failed", "invariant.broken", "chain.unreadable", "chain.halted", "sweep.failed"}
)


@dataclass(frozen=True, slots=True)
class Result:
    """What came out of a run; violation is None when everything held."""

    seed: int
    violation: str | None
    invariant: str | None
    trace_hash: str
    lines: tuple[str, ...]
    rest_rounds: int
    figures: dict[str, int]


@cache
def stage() -> Stage:
    """Return where the runs of this process take place."""
    errors: list[tuple[str, dict[str, Any]]] = []
    with _quiet(errors):
        made = Stage()
    if errors:
        raise AssertionError(f"the start of all runs is broken: {errors[0]}")
    return made


def run(seed: int, steps: int = STEPS) -> Result:
    """Run one seed; whatever breaks is in the result."""
    world = stage().world(seed)
    invariant = violation = None
    rounds = 0
    with _quiet(world.watchdog.errors):
        try:
            while world.happened < steps:
                world.step()
            rounds = come_to_rest(world)
            check_rest(world)
        except ViolationError as exc:
            invariant, violation = exc.invariant, str(exc)
        except Exception as exc:  # noqa: BLE001 - a fault of a step: shown with its place
            invariant = type(exc).__name__
            violation = "".join(traceback.format_exception(exc)[-12:])
    world.around.note(f"rest after {rounds} rounds: {violation or 'all holds'}"[:2_000])
    world.lines.append(world.watchdog.heads_line())
    return Result(
        seed, violation, invariant, world.trace_hash, tuple(world.lines), rounds, _figures(world)
    )


def run_pair(work: tuple[int, int]) -> Result:
    """Run a (seed, steps), for a pool of processes."""
    return run(*work)


def _figures(world: World) -> dict[str, int]:
    """Return how much happened, for a glance at whether the runs are worth something."""
    raw = world.fleet.api.database.raw
    found = {
        f"{kind}.{state}": count
        for kind, state, count in raw.execute(
            "SELECT kind, state, count(*) FROM outbox_message GROUP BY kind, state"
        )
    }
    for kind, state, count in raw.execute(
        "SELECT kind, state, count(*) FROM observed_event GROUP BY kind, state"
    ):
        found[f"{kind}.{state}"] = count
    for line in world.lines:
        mark = line[6:].lstrip()
        if mark.startswith(("! ", "~ ")) and " at " in mark:
            name = "died" if mark.startswith("!") else "waited"
            found[name] = found.get(name, 0) + 1
        elif mark.startswith("reorg"):
            found["reorg"] = found.get("reorg", 0) + 1
    return found


@contextmanager
def _quiet(errors: list[tuple[str, dict[str, Any]]]) -> Iterator[None]:
    """Keep the log's alarms instead of printing, and let no run end by the machine's clock."""

    def _collect(
        logger: Any, method: str, values: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        del logger, method
        event = str(values.get("event"))
        if event in ALARMS or (event == "break.found" and "ledger_units" in values):
            rest = {name: str(value) for name, value in values.items() if name != "event"}
            if values.get("exc_info"):
                rest["trace"] = traceback.format_exc()[-1_500:]
            errors.append((event, rest))
        raise structlog.DropEvent

    before, seconds = structlog.get_config(), processing.RUN_SECONDS_MAX
    structlog.configure(
        processors=[_collect],
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        cache_logger_on_first_use=False,
    )
    processing.RUN_SECONDS_MAX = NEVER_SECONDS  # type: ignore[misc]
    processing.job_fence = noting_fence  # type: ignore[attr-defined]
    try:
        yield
    finally:
        processing.RUN_SECONDS_MAX = seconds  # type: ignore[misc]
        processing.job_fence = job_fence  # type: ignore[attr-defined]
        structlog.configure(**before)

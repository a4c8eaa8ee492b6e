"""Is the process alive, and may it be given requests?"""

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from relayer.api.doors import WithDoors
from relayer.api.problems import PROBLEM_RESPONSES, ProblemError
from relayer.errors import SchemaVersionError
from relayer.store.engine import DATABASE_ERRORS

router = APIRouter(tags=["process"])


class Alive(BaseModel):
    """The process answers."""

    status: Literal["ok"] = "ok"


@router.get("/livez", responses=PROBLEM_RESPONSES)
def livez() -> Alive:
    """Say that the process runs; touches nothing else."""
    return Alive()


@router.get("/readyz", responses=PROBLEM_RESPONSES)
def readyz(doors: WithDoors) -> Alive:
    """Say whether requests are welcome: the database answers and is at the code's migration."""
    if doors.stopping.is_set():
        raise ProblemError("unavailable", "this process is stopping; ask another one")
    try:
        doors.store.check_schema()
    except SchemaVersionError as exc:
        raise ProblemError("unavailable", str(exc)) from exc
    except DATABASE_ERRORS as exc:
        raise ProblemError("unavailable", "the database does not answer; see the logs") from exc
    return Alive()

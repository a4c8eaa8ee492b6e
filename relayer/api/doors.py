"""What every endpoint is given: the store, the catalog, and the sign that the process stops."""

import threading
from dataclasses import dataclass, field
from typing import Annotated, Final

from fastapi import Depends, Request

from relayer.steps.catalog import Catalog
from relayer.store.unit_of_work import Store

WAITERS_MAX: Final = 256


@dataclass(frozen=True, slots=True)
class Doors:
    """
    The state of one API process; the database is the only thing that lasts.

    waiters bounds the requests that wait for events; stopping ends them early.
    """

    store: Store
    catalog: Catalog
    stopping: threading.Event = field(default_factory=threading.Event)
    waiters: threading.BoundedSemaphore = field(
        default_factory=lambda: threading.BoundedSemaphore(WAITERS_MAX)
    )


def doors_of(request: Request) -> Doors:
    """Return the doors of the app that serves a request."""
    doors = request.app.state.doors
    if not isinstance(doors, Doors):
        raise TypeError("the app was not made by create_app")
    return doors


WithDoors = Annotated[Doors, Depends(doors_of)]

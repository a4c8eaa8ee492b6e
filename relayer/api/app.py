"""The FastAPI application of the message API."""

from collections.abc import Callable
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from relayer import wiring
from relayer.api import deployment, events, health, messages, queries
from relayer.api.body import BODY_BYTES_MAX
from relayer.api.doors import Doors
from relayer.api.limits import BodyLimit
from relayer.api.problems import Problem, install_problems
from relayer.settings import Settings
from relayer.steps.catalog import Catalog
from relayer.store.unit_of_work import Store
from relayer.telemetry import event_log

TITLE: Final = "Collateral relayer message API"
API_VERSION: Final = "1"
DESCRIPTION: Final = (
    "Messages in a CloudEvents 1.0 envelope; amounts are base units as decimal text, bytes are "
    "0x-hex, times are Unix seconds. Errors are application/problem+json."
)

ACCEPTED: Final = (201, 202)

log = event_log()


def create_app(
    store: Store, settings: Settings, ring_due: Callable[[], object] | None = None
) -> FastAPI:
    """
    Return the API over a store; the settings name the chains, assets and partners.

    Args:
        ring_due: called after each accepted message, so that no worker waits for the next sweep;
            returns at once, and may fail without harm to the answer.
    """
    return app_of(store, wiring.catalog_of(settings), ring_due)


def app_of(store: Store, catalog: Catalog, ring_due: Callable[[], object] | None = None) -> FastAPI:
    """Return the API over a store and a catalog; see create_app for ring_due."""
    app = routed_app()
    app.state.doors = Doors(store, catalog)
    if ring_due is not None:
        app.add_middleware(_RingAfterAccepting, ring_due=ring_due)
    return app


class _RingAfterAccepting:
    """Rings once the answer says that a message was accepted: its transaction is committed."""

    def __init__(self, app: ASGIApp, ring_due: Callable[[], object]) -> None:
        self._app = app
        self._ring_due = ring_due

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything through, and look at the status of what is answered to a POST."""
        is_post = scope["type"] == "http" and scope["method"] == "POST"

        async def _send(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] in ACCEPTED:
                self._ring()
            await send(message)

        await self._app(scope, receive, _send if is_post else send)

    def _ring(self) -> None:
        try:
            self._ring_due()
        except Exception:  # the sweeper rings again; the message is accepted all the same
            log.exception("doorbell.failed")


def routed_app() -> FastAPI:
    """Return the API without a store: enough to describe it."""
    app = FastAPI(
        title=TITLE,
        version=API_VERSION,
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    for module in (messages, queries, events, deployment, health):
        app.include_router(module.router)
    install_problems(app)
    app.add_middleware(BodyLimit, bytes_max=BODY_BYTES_MAX)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


def _openapi(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        schema = get_openapi(
            title=app.title,
            version=app.version,
            openapi_version=app.openapi_version,
            description=app.description,
            routes=app.routes,
        )
        schemas = schema.setdefault("components", {}).setdefault("schemas", {})
        reference = "#/components/schemas/{model}"
        problem = Problem.model_json_schema(ref_template=reference)
        schemas |= problem.pop("$defs", {})
        schemas["Problem"] = problem
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        for path in schema["paths"].values():
            for operation in path.values():
                # FastAPI announces its own validation error; ours is a problem as any other.
                operation["responses"].pop("422", None)
        app.openapi_schema = schema
    return app.openapi_schema

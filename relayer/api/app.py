"""The FastAPI application of the message API."""

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from relayer import wiring
from relayer.api import deployment, events, health, messages, queries
from relayer.api.body import BODY_BYTES_MAX
from relayer.api.doors import Doors
from relayer.api.limits import BodyLimit
from relayer.api.problems import Problem, install_problems
from relayer.settings import Settings
from relayer.steps.catalog import Catalog
from relayer.store.unit_of_work import Store

TITLE: Final = "Collateral relayer message API"
API_VERSION: Final = "1"
DESCRIPTION: Final = (
    "Messages in a CloudEvents 1.0 envelope; amounts are base units as decimal text, bytes are "
    "0x-hex, times are Unix seconds. Errors are application/problem+json."
)


def create_app(store: Store, settings: Settings) -> FastAPI:
    """Return the API over a store; the settings name the chains, assets and partners."""
    return app_of(store, wiring.catalog_of(settings))


def app_of(store: Store, catalog: Catalog) -> FastAPI:
    """Return the API over a store and a catalog."""
    app = routed_app()
    app.state.doors = Doors(store, catalog)
    return app


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

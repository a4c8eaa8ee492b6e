"""The guardian process: its own watchers and ledger, and one door for attestation requests."""

import asyncio
import hmac
from contextlib import suppress
from functools import partial
from typing import Any, Final

import orjson
import structlog
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from chains.errors import AttestationError, MessageFormatError
from chains.types import ChainId, text_of_word
from relayer import wiring
from relayer.api.guardian_switches import add_switch_door
from relayer.errors import NotYetError, RefusedError, SettingsError
from relayer.guardian.request import request_of_fields
from relayer.settings import Settings
from relayer.steps.catalog import Catalog
from relayer.steps.conclude import conclude_governed
from relayer.steps.countersign import Signatory, countersign
from relayer.steps.expire import return_expired
from relayer.steps.fence import open_fence
from relayer.steps.lapse import lapse_grants
from relayer.steps.rebook import book_overdue
from relayer.steps.reconcile import reconcile
from relayer.steps.stop import on_stop_signal, stopped_within
from relayer.steps.watch import on_new_place, watch
from relayer.store.unit_of_work import Store

REQUEST_BYTES_MAX: Final = 1_048_576
BATCHES_PER_ROUND_MAX: Final = 50
STATUS_STRANGER: Final = 401
STATUS_REFUSED: Final = 409
STATUS_TOO_LARGE: Final = 413
STATUS_MALFORMED: Final = 422
STATUS_NOT_YET: Final = 425
log = structlog.get_logger(__name__)


def create_guardian_app(
    store: Store, catalog: Catalog, signatory: Signatory, *, label: str, token: str | None = None
) -> FastAPI:
    """
    Return the guardian's doors: POST /v1/attestations, POST /v1/switches and GET /v1/status.

    Args:
        token: what an asker must show as its bearer token; a stranger with an owner's signature
            could otherwise make guardians hold for messages that the hub knows nothing of.
    """
    app = FastAPI(title="Guardian", docs_url=None, redoc_url=None, openapi_url=None)
    booking = asyncio.Lock()

    @app.post("/v1/attestations")
    async def _attest(request: Request) -> JSONResponse:
        shown = request.headers.get("Authorization", "")
        if token is not None and not hmac.compare_digest(
            shown.encode(), f"Bearer {token}".encode()
        ):
            return _answer(STATUS_STRANGER, "asker_unknown", "Authorization: not this door's token")
        raw = await _body(request)
        if len(raw) > REQUEST_BYTES_MAX:
            return _answer(STATUS_TOO_LARGE, "request_too_large", f"over {REQUEST_BYTES_MAX} bytes")
        try:
            asked = request_of_fields(orjson.loads(raw))
        except (MessageFormatError, ValueError) as exc:
            return _answer(STATUS_MALFORMED, "request_malformed", str(exc))
        try:
            async with booking:
                signature = await asyncio.to_thread(countersign, store, catalog, signatory, asked)
        except (RefusedError, AttestationError, MessageFormatError, SettingsError) as exc:
            code = exc.code if isinstance(exc, RefusedError) else "refused"
            log.error(
                "message.refused",
                message_id="0x" + asked.message.message_id.hex(),
                code=code,
                reason=str(exc),
            )
            return _answer(STATUS_REFUSED, code, str(exc))
        except NotYetError as exc:
            return _answer(STATUS_NOT_YET, exc.reason, exc.detail)
        return JSONResponse({"signature": "0x" + signature.hex()})

    @app.get("/v1/status")
    def _status() -> dict[str, Any]:
        with store.read() as uow:
            cursors = {chain_id: uow.chains.cursor(chain_id) for chain_id in catalog.chain_ids}
            head = uow.ledger.head()
            halted = [halt.chain_id for halt in uow.chains.halts()]
            parked = len(uow.chains.parked_events())
            off = [switch.subject.key for switch in uow.switches.off()]
        return {
            "label": label,
            "address": text_of_word(signatory.address),
            "guardian_set_index": catalog.guardian_set.index,
            "finalized": {
                chain_id: None if cursor.finalized is None else str(cursor.finalized.height)
                for chain_id, cursor in cursors.items()
            },
            "ledger_seq": str(head.seq),
            "halted": halted,
            "parked_events": parked,
            "switched_off": off,
        }

    add_switch_door(app, store, catalog, token=token)
    return app


async def _body(request: Request) -> bytes:
    """Return the body; of one that is too long only so much as shows it."""
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > REQUEST_BYTES_MAX:
            break
    return bytes(raw)


def _answer(status: int, code: str, detail: str) -> JSONResponse:
    return JSONResponse({"code": code, "detail": detail}, status_code=status)


def book(store: Store, catalog: Catalog, chain_id: ChainId) -> None:
    """Bring the guardian's own ledger level with what it has seen of a chain."""
    for _ in range(BATCHES_PER_ROUND_MAX):
        if not reconcile(store, catalog, chain_id, fence=open_fence).has_more:
            break
    with store.unit_of_work() as uow:
        lapse_grants(uow, catalog)
        return_expired(uow, catalog)
        conclude_governed(uow, catalog)
    with suppress(NotYetError), store.unit_of_work() as uow:
        book_overdue(uow, catalog)


async def _watch_own(
    settings: Settings, store: Store, catalog: Catalog, chain_id: ChainId, stop: asyncio.Event
) -> None:
    async def _wait(seconds: float) -> None:
        await stopped_within(stop, seconds)

    on_news = on_new_place(partial(book, store, catalog, chain_id))
    watcher = wiring.watch_of(settings, (store, catalog), chain_id, wait=_wait, on_news=on_news)
    try:
        await watch(watcher, stop)
    finally:
        await watcher.reader.close()


def run_guardian(settings: Settings) -> None:
    """
    Run a guardian until SIGTERM or SIGINT.

    Raises:
        SettingsError: this is no guardian's configuration, or its key is not in the set.
    """
    if settings.guardian is None:
        raise SettingsError(("guardian: not configured; add [guardian] with label and key_file",))
    store = wiring.open_store(settings)
    catalog = wiring.catalog_of(settings)
    address, sign = wiring.guardian_key(settings)
    if address not in catalog.guardian_set.members:
        raise SettingsError(
            (f"guardian.key_file: {text_of_word(address)} is not in guardians.members",)
        )
    signatory = Signatory(address, sign, settings.guardian.price_tolerance_bps)
    app = create_guardian_app(
        store,
        catalog,
        signatory,
        label=settings.guardian.label,
        token=wiring.guardian_token(settings),
    )
    try:
        asyncio.run(_serve(settings, store, catalog, app))
    finally:
        store.close()


async def _serve(settings: Settings, store: Store, catalog: Catalog, app: FastAPI) -> None:
    own = settings.guardian
    if own is None:
        raise SettingsError(("guardian: not configured",))
    stop = asyncio.Event()
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            host=own.listen_host,
            port=own.listen_port,
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=5,
        )
    )
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]

    def _stop() -> None:
        stop.set()
        server.should_exit = True

    on_stop_signal(_stop)
    watching = [
        asyncio.create_task(_watch_own(settings, store, catalog, chain_id, stop))
        for chain_id in catalog.chain_ids
    ]
    serving = asyncio.create_task(server.serve())
    done, _ = await asyncio.wait((serving, *watching), return_when=asyncio.FIRST_COMPLETED)
    _stop()
    await asyncio.gather(serving, *watching, return_exceptions=True)
    for task in done:
        task.result()

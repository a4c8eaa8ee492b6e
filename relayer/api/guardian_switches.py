"""The guardian's second door: the operator's orders about switches."""

import asyncio
import hmac
from typing import Final

import orjson
import structlog
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from chains.errors import AttestationError, MessageFormatError
from chains.switch_order import signed_order_of_fields
from relayer.errors import RefusedError
from relayer.steps.catalog import Catalog
from relayer.steps.switch import obey
from relayer.store.unit_of_work import Store

ORDER_BYTES_MAX: Final = 16_384
STATUS_STRANGER: Final = 401
STATUS_REFUSED: Final = 409
STATUS_TOO_LARGE: Final = 413
STATUS_MALFORMED: Final = 422
log = structlog.get_logger(__name__)


def add_switch_door(app: FastAPI, store: Store, catalog: Catalog, *, token: str | None) -> None:
    """
    Add POST /v1/switches: an order is obeyed for its signature, whoever brings it.

    Args:
        token: what an asker must show, as at the other door; it keeps strangers from costing time.
    """

    @app.post("/v1/switches")
    async def _order(request: Request) -> JSONResponse:
        shown = request.headers.get("Authorization", "").encode()
        if token is not None and not hmac.compare_digest(shown, f"Bearer {token}".encode()):
            return _answer(STATUS_STRANGER, "asker_unknown", "Authorization: not this door's token")
        raw = bytearray()
        async for chunk in request.stream():
            raw += chunk
            if len(raw) > ORDER_BYTES_MAX:
                return _answer(
                    STATUS_TOO_LARGE, "request_too_large", f"over {ORDER_BYTES_MAX} bytes"
                )
        try:
            signed = signed_order_of_fields(orjson.loads(raw))
        except (MessageFormatError, ValueError) as exc:
            return _answer(STATUS_MALFORMED, "request_malformed", str(exc))
        try:
            await asyncio.to_thread(obey, store, catalog, signed)
        except RefusedError as exc:
            return _answer(STATUS_REFUSED, exc.code, exc.detail)
        except AttestationError as exc:
            return _answer(STATUS_REFUSED, "signature_invalid", str(exc))
        return JSONResponse({"sequence": str(signed.order.sequence)})


def _answer(status: int, code: str, detail: str) -> JSONResponse:
    return JSONResponse({"code": code, "detail": detail}, status_code=status)

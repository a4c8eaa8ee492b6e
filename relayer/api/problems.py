"""Every refusal of the API as problem+json (RFC 9457): a stable code and what to do."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from chains.errors import AttestationError, MessageFormatError
from relayer.api.envelope import MESSAGE_TYPES
from relayer.errors import NotYetError, RefusedError
from relayer.store.engine import DATABASE_ERRORS
from relayer.telemetry import event_log

MEDIA_TYPE: Final = "application/problem+json"
TYPE_PREFIX: Final = "urn:relayer:problem:"
ERRORS_LISTED_MAX: Final = 20
TEXT_SHOWN_MAX: Final = 200
RETRY_AFTER_SECONDS: Final = 1

# code -> (HTTP status, title). docs/integrators.md lists them; a test holds both equal.
PROBLEMS: Final[dict[str, tuple[int, str]]] = {
    "address_invalid": (422, "The address cannot be used on this chain"),
    "amount_invalid": (422, "The amount cannot be used"),
    "body_too_large": (413, "The body is too large"),
    "cursor_invalid": (422, "The cursor is not one of this list"),
    "deadline_passed": (422, "The command's deadline has passed"),
    "expiry_passed": (422, "The grant would have expired already"),
    "idempotency_key_in_progress": (409, "The first request with this key is still running"),
    "idempotency_key_invalid": (400, "The Idempotency-Key header has the wrong form"),
    "idempotency_key_missing": (400, "The Idempotency-Key header is missing"),
    "idempotency_key_reused": (422, "The key was used for another request"),
    "internal": (500, "A fault on our side"),
    "json_invalid": (400, "The body is not one JSON object"),
    "links_full": (422, "The account has as many owners as it may have"),
    "media_type_unsupported": (415, "The content type is not served"),
    "method_not_allowed": (405, "The method is not allowed here"),
    "not_found": (404, "No such resource"),
    "price_refused": (503, "A price is missing or stale"),
    "request_invalid": (422, "The request has the wrong form"),
    "signature_refused": (403, "A signature is not valid"),
    "signer_mismatch": (403, "A signature was made by another key"),
    "signer_not_owner": (403, "The signer may not act for this account"),
    "unavailable": (503, "The service cannot answer now"),
    "unknown_account": (404, "No such account"),
    "unknown_chain": (422, "The chain is not served here"),
    "unknown_credit_line": (422, "The credit line is not served here"),
    "unknown_message": (404, "No such message"),
    "unknown_request": (404, "No such request"),
    "unknown_token": (422, "The token is not served here"),
    "unknown_vault": (422, "The vault is not served here"),
    "waiters_exhausted": (503, "Too many requests are waiting"),
}
CODE_OF_STATUS: Final = {
    400: "json_invalid",
    404: "not_found",
    405: "method_not_allowed",
    413: "body_too_large",
    415: "media_type_unsupported",
}

log = event_log()


class FieldError(BaseModel):
    """One field that is wrong."""

    field: str
    reason: str


class Problem(BaseModel):
    """
    A refusal (RFC 9457); type is urn:relayer:problem:<code>.

    detail names the field and the remedy; errors lists the fields where several are wrong.
    """

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldError] | None = None


# Every endpoint documents its refusals by this one shape.
PROBLEM_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    "default": {
        "description": "A refusal",
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
}


class ProblemError(HTTPException):
    """A refusal with its code; detail names the field and the remedy."""

    def __init__(self, code: str, detail: str, *, errors: Sequence[Mapping[str, str]] = ()) -> None:
        status, title = PROBLEMS[code]
        super().__init__(status_code=status, detail=detail)
        self.code = code
        self.title = title
        self.errors = tuple(errors)


def problem_of_refusal(refusal: RefusedError) -> ProblemError:
    """Return a refusal of a step as the problem with its code."""
    code = refusal.code if refusal.code in PROBLEMS else "request_invalid"
    return ProblemError(code, refusal.detail)


def printable(text: object) -> str:
    """Return the text so that any encoder takes it, cut to what a person reads."""
    safe = str(text).encode("utf-8", "backslashreplace").decode()
    return safe if len(safe) <= TEXT_SHOWN_MAX else safe[:TEXT_SHOWN_MAX] + "..."


def problem_response(
    problem: ProblemError, *, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """Return the problem as an HTTP response."""
    body: dict[str, Any] = {
        "type": TYPE_PREFIX + problem.code,
        "title": problem.title,
        "status": problem.status_code,
        "detail": problem.detail.encode("utf-8", "backslashreplace").decode(),
    }
    if problem.errors:
        body["errors"] = [dict(error) for error in problem.errors]
    sent = dict(headers or {})
    if problem.status_code == 503:  # noqa: PLR2004
        sent.setdefault("Retry-After", str(RETRY_AFTER_SECONDS))
    return JSONResponse(body, problem.status_code, headers=sent, media_type=MEDIA_TYPE)


def install_problems(app: FastAPI) -> None:
    """Make every error of the app a problem."""
    handlers: dict[type[Exception], Any] = {
        RequestValidationError: _on_validation,
        HTTPException: _on_http,
        RefusedError: _on_refused,
        NotYetError: _on_not_yet,
        MessageFormatError: _on_format,
        AttestationError: _on_signature,
        **dict.fromkeys(DATABASE_ERRORS, _on_database),
        Exception: _on_fault,
    }
    for error_type, handler in handlers.items():
        app.add_exception_handler(error_type, handler)


async def _on_validation(_request: Request, exc: RequestValidationError) -> JSONResponse:
    found = exc.errors()[:ERRORS_LISTED_MAX]
    if found[0]["type"] == "json_invalid":
        return problem_response(ProblemError("json_invalid", "body: send one JSON object"))
    errors = [_field_error(error) for error in found]
    first = errors[0]
    detail = f"{first['field']}: {first['reason']}; see docs/integrators.md for the form"
    return problem_response(ProblemError("request_invalid", detail, errors=errors))


def _field_error(error: Mapping[str, Any]) -> dict[str, str]:
    # The type of the message is a part of the path inside a union, and no field of the sender's.
    place = [str(part) for part in error["loc"] if part not in MESSAGE_TYPES]
    if error["type"] in ("union_tag_not_found", "union_tag_invalid"):
        known = ", ".join(MESSAGE_TYPES)
        return {"field": ".".join([*place, "type"]), "reason": f"must be one of {known}"}
    return {"field": printable(".".join(place)), "reason": printable(error["msg"])}


async def _on_http(request: Request, exc: HTTPException) -> JSONResponse:
    if isinstance(exc, ProblemError):
        return problem_response(exc)
    code = CODE_OF_STATUS.get(exc.status_code, "internal")
    detail = {
        "not_found": f"path: {printable(request.url.path)} is not served; see /openapi.json",
        "method_not_allowed": f"method: {printable(request.method)} is not served for this path",
        "json_invalid": "body: it cannot be read; send one JSON object",
    }.get(code, printable(exc.detail))
    return problem_response(ProblemError(code, detail), headers=exc.headers)


async def _on_refused(_request: Request, exc: RefusedError) -> JSONResponse:
    return problem_response(problem_of_refusal(exc))


async def _on_not_yet(_request: Request, exc: NotYetError) -> JSONResponse:
    code = exc.reason if exc.reason in PROBLEMS else "unavailable"
    return problem_response(ProblemError(code, f"{exc.detail}; ask again later"))


async def _on_format(_request: Request, exc: MessageFormatError) -> JSONResponse:
    errors = [{"field": f"body.data.{exc.field}", "reason": printable(exc.reason)}]
    detail = f"data.{exc.field}: {printable(exc.reason)}; correct the field and sign again"
    return problem_response(ProblemError("request_invalid", detail, errors=errors))


async def _on_signature(_request: Request, exc: AttestationError) -> JSONResponse:
    detail = (
        f"data.signatures: {printable(exc.reason)}; sign the command again: its EIP-712 digest, or "
        "its text with a Solana wallet"
    )
    return problem_response(ProblemError("signature_refused", detail))


async def _on_database(_request: Request, exc: Exception) -> JSONResponse:
    log.error("request.failed", code="unavailable", error=type(exc).__name__)
    return problem_response(
        ProblemError("unavailable", "the database does not answer; ask again later, same key")
    )


async def _on_fault(request: Request, exc: Exception) -> JSONResponse:
    log.error("request.failed", code="internal", path=request.url.path, exc_info=exc)
    return problem_response(
        ProblemError("internal", "we failed and logged it; ask again with the same Idempotency-Key")
    )

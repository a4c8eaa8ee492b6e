"""POST /v1/messages: everything that an integrator can ask, in one envelope."""

import re
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Header, Response

from relayer.api.body import StrictRoute
from relayer.api.doors import Doors, WithDoors
from relayer.api.envelope import AnyMessage, CommandMessage, MarginCheckMessage
from relayer.api.margin import MarginAnswer, check_margin
from relayer.api.problems import PROBLEM_RESPONSES, ProblemError, printable
from relayer.api.values import Answer, hex_of
from relayer.steps.accept import STATUS_DONE, Accepted, IdempotencyKey, accept, fingerprint_of
from relayer.telemetry import event_log

KEY_FORM: Final = re.compile(r'"?([!#-~]{1,128})"?')
LOCATION: Final = {"description": "where the result is read", "schema": {"type": "string"}}
REPLAYED: Final = {
    "description": "true when this key was answered before",
    "schema": {"type": "string"},
}
ANSWER_HEADERS: Final = {"Location": LOCATION, "Idempotent-Replayed": REPLAYED}

log = event_log()
router = APIRouter(prefix="/v1", tags=["messages"], route_class=StrictRoute)


class AcceptedAnswer(Answer):
    """A signed command was accepted; location is where its result is read."""

    command_id: str
    kind: str
    account: str
    state: Literal["done", "pending"]
    location: str


RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: {"model": MarginAnswer, "description": "The margin check"},
    201: {"model": AcceptedAnswer, "description": "Done", "headers": ANSWER_HEADERS},
    202: {"model": AcceptedAnswer, "description": "Decision pending", "headers": ANSWER_HEADERS},
    **PROBLEM_RESPONSES,
}


@router.post("/messages", responses=RESPONSES, response_model=None)
def post_message(
    doors: WithDoors,
    message: AnyMessage,
    response: Response,
    idempotency_key: Annotated[
        str | None,
        Header(description="your name for this request; needed where state changes"),
    ] = None,
) -> MarginAnswer | AcceptedAnswer:
    """Take one message: answered at once, or accepted with the place of its result."""
    match message:
        case MarginCheckMessage():
            response.status_code = 200
            return check_margin(doors.store, doors.catalog, message.data)
        case _:
            return _accepted(doors, message, response, idempotency_key)


def _accepted(
    doors: Doors, message: CommandMessage, response: Response, key_text: str | None
) -> AcceptedAnswer:
    _check_subject(message)
    fingerprint = fingerprint_of([message.type, message.data.model_dump(mode="json")])
    idempotency = IdempotencyKey(_key_of(key_text), fingerprint)
    signed = message.data.signed_command()
    accepted = accept(doors.store, doors.catalog, signed, idempotency=idempotency)
    answer = _answer_of(accepted)
    response.status_code = accepted.status
    response.headers["Location"] = answer.location
    if accepted.is_replay:
        response.headers["Idempotent-Replayed"] = "true"
    else:
        log.info(
            "request.accepted",
            command_id=accepted.command_id,
            kind=accepted.kind,
            account=accepted.account,
            correlation_id=hex_of(accepted.command_id),
        )
    return answer


def _answer_of(accepted: Accepted) -> AcceptedAnswer:
    account, command_id = hex_of(accepted.account), hex_of(accepted.command_id)
    is_done = accepted.status == STATUS_DONE
    return AcceptedAnswer(
        command_id=command_id,
        kind=accepted.kind,
        account=account,
        state="done" if is_done else "pending",
        location=f"/v1/accounts/{account}" if is_done else f"/v1/requests/{command_id}",
    )


def _key_of(text: str | None) -> str:
    if text is None:
        raise ProblemError(
            "idempotency_key_missing",
            "Idempotency-Key: send one with every message that changes state, for example a UUID",
        )
    found = KEY_FORM.fullmatch(text)
    if found is None:
        raise ProblemError(
            "idempotency_key_invalid",
            f"Idempotency-Key: {printable(text)!r}; send 1 to 128 visible ASCII characters",
        )
    return found[1]


def _check_subject(message: CommandMessage) -> None:
    account = getattr(message.data, "account", None)
    if message.subject is None or account is None:
        return
    if message.subject.lower() != account.lower():
        raise ProblemError(
            "request_invalid", "subject: it is not data.account; send the account or leave it out"
        )

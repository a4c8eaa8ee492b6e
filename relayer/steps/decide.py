"""Decide: grant or refuse what was asked; the hold and the message in one transaction."""

from collections.abc import Mapping
from typing import Final

import structlog

from chains.command import RequestCredit, RequestUnlock
from chains.types import address_text
from relayer.clock import UnixSeconds
from relayer.errors import InvariantError, RefusedError
from relayer.risk.limits import credit_check, unlock_check
from relayer.risk.margin import DebtKey, Position
from relayer.steps.brakes import (
    check_debts_seen,
    check_with_counted,
    leaving_of,
    stop_of,
    stopped_paths,
)
from relayer.steps.catalog import Catalog
from relayer.steps.compose import compose_credit_grant, compose_release
from relayer.steps.expose import check_exposure
from relayer.steps.fence import Fence
from relayer.steps.govern import queue_times
from relayer.steps.heights import final_heights, numbers_of_heights
from relayer.steps.position import position_of, prices_of
from relayer.steps.tell import tell
from relayer.store.commands import StoredCommand
from relayer.store.requests import Request, RequestState
from relayer.store.unit_of_work import Store, UnitOfWork

TOPICS: Final = {"RequestUnlock": "unlock", "RequestCredit": "credit"}
log = structlog.get_logger(__name__)


def decide(store: Store, catalog: Catalog, command_id: bytes, *, fence: Fence) -> RequestState:
    """
    Decide one request, once.

    The ledger is locked from before the position is read until the hold is booked, so that
    decisions about one account, or about what one lends the other, see each other.

    Raises:
        NotYetError: a price that decides is missing; the request waits until its deadline.
        InvariantError: the request or its command is not stored.
    """
    with store.unit_of_work() as uow:
        fence(uow)
        uow.ledger.lock()
        request = uow.requests.get(command_id)
        command = uow.commands.command(command_id)
        if request is None or command is None:
            raise InvariantError(f"request 0x{command_id.hex()} is not stored with its command")
        if request.state is not RequestState.PENDING:
            return request.state
        try:
            return _grant(uow, catalog, request, command)
        except RefusedError as exc:
            return _refuse(uow, request, exc.code, exc.detail)


def _deadline(command: StoredCommand) -> int:
    signed = command.signed.command
    return signed.deadline if isinstance(signed, RequestUnlock | RequestCredit) else 0


def _grant(
    uow: UnitOfWork, catalog: Catalog, request: Request, command: StoredCommand
) -> RequestState:
    signed = command.signed
    now = uow.clock.now()
    if _deadline(command) < now:
        raise RefusedError(
            code="deadline_passed", detail=f"deadline: {_deadline(command)} is before {now}"
        )
    match signed.command:
        case RequestUnlock():
            check_unlock(uow, catalog, signed.command, now)
            _check_queue(uow, catalog, signed.command)
            message = compose_release(uow, catalog, signed, request.correlation_id)
            numbers = {"amount": str(signed.command.amount)}
        case RequestCredit():
            check_credit(uow, catalog, signed.command, now)
            message = compose_credit_grant(uow, catalog, signed, request.correlation_id)
            numbers = {"limit": str(signed.command.limit)}
        case _:
            raise InvariantError(f"{request.kind} is no request that is decided")
    numbers |= numbers_of_heights(final_heights(uow, catalog))
    uow.requests.grant(request.command_id, message_id=message.message_id, numbers=numbers)
    _tell(uow, request, "granted", {**numbers, "message_id": "0x" + message.message_id.hex()})
    log.info(
        "request.granted",
        kind=request.kind,
        command_id="0x" + request.command_id.hex(),
        message_id="0x" + message.message_id.hex(),
    )
    return RequestState.GRANTED


def _check_queue(uow: UnitOfWork, catalog: Catalog, command: RequestUnlock) -> None:
    """Refuse now what guardians would refuse after the governor held it back past its deadline."""
    leaves_from, _ = queue_times(uow, catalog, command)
    if command.deadline < leaves_from:
        raise RefusedError(
            code="deadline_too_early",
            detail=f"deadline: {command.deadline}; outflow limits hold this amount back until "
            f"{leaves_from}; sign with a later deadline, or ask for less",
        )


def check_unlock(
    uow: UnitOfWork, catalog: Catalog, command: RequestUnlock, now: UnixSeconds
) -> None:
    """
    Refuse an unlock that the account or its chain cannot give.

    Raises:
        RefusedError: the reason, with its numbers.
        NotYetError: a price that decides is missing, or it rests on a chain that is halted.
    """
    if catalog.vault_of(command.chain_id) != command.vault:
        raise RefusedError(
            code="unknown_vault",
            detail=f"vault: {address_text(command.chain_id, command.vault)} is not configured",
        )
    asset, chain_id = catalog.asset_and_chain(command.chain_id, command.token)
    _check_brakes(uow, catalog, command)
    path = catalog.path_of(asset.asset_id, chain_id)
    prices = prices_of(uow, catalog, now)
    position = position_of(uow, catalog, command.account, now)

    def check(counted: Position) -> None:
        unlock_check(counted, path, command.amount, parameters=catalog.parameters, prices=prices)

    check_debts_seen(uow, position)
    check_with_counted(check, position, stopped_paths(uow, position), kept=path)


def check_credit(
    uow: UnitOfWork, catalog: Catalog, command: RequestCredit, now: UnixSeconds
) -> None:
    """
    Refuse a grant whose limit the account cannot carry.

    Raises:
        RefusedError: the reason, with its numbers.
        NotYetError: a price that decides is missing, or it rests on a chain that is halted.
    """
    line = catalog.credit_line_at(command.chain_id, command.credit_line)
    if line.token != command.token:
        raise RefusedError(
            code="token_mismatch", detail=f"token: {line.protocol} lends 0x{line.token.hex()}"
        )
    latest = now + catalog.times.expiry_seconds
    if not now < command.expiry <= latest:
        raise RefusedError(
            code="expiry_out_of_range",
            detail=f"expiry: {command.expiry} is not after {now} and at most {latest}",
        )
    _check_brakes(uow, catalog, command)
    key = DebtKey(line.asset_id, line.chain_id, line.protocol)
    prices = prices_of(uow, catalog, now)
    position = position_of(uow, catalog, command.account, now)

    def check(counted: Position) -> None:
        credit_check(counted, key, command.limit, parameters=catalog.parameters, prices=prices)

    if command.limit:
        check_debts_seen(uow, position)
    check_with_counted(check, position, stopped_paths(uow, position))
    check_exposure(uow, catalog, position, prices, check)


def _check_brakes(
    uow: UnitOfWork, catalog: Catalog, command: RequestUnlock | RequestCredit
) -> None:
    stop = stop_of(uow, leaving_of(catalog, command))
    if stop is not None:
        raise stop.refusal()


def _refuse(uow: UnitOfWork, request: Request, code: str, detail: str) -> RequestState:
    uow.requests.refuse(request.command_id, code=code, detail=detail, numbers={})
    _tell(uow, request, "refused", {"code": code, "detail": detail})
    log.info("request.refused", command_id="0x" + request.command_id.hex(), code=code)
    return RequestState.REFUSED


def _tell(uow: UnitOfWork, request: Request, stage: str, content: Mapping[str, str]) -> None:
    topic = TOPICS.get(request.kind, "request")
    tell(
        uow,
        f"{topic}.{stage}",
        {"command_id": "0x" + request.command_id.hex(), **content},
        account=request.account,
        correlation_id=request.correlation_id,
    )

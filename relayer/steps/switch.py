"""Switch: stop something or let it go on, here and at every guardian."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import structlog

from chains.switch_order import SignedOrder, SwitchOrder
from chains.types import ChainId, text_of_word
from relayer.clock import UnixSeconds
from relayer.errors import RefusedError
from relayer.governor.switches import ANY, Direction, Subject, Switch
from relayer.money import AssetId
from relayer.steps.catalog import Catalog
from relayer.steps.ports import SwitchDoor
from relayer.steps.queues import ATTEST, SWITCH
from relayer.store.switches import Source, SwitchChange
from relayer.store.unit_of_work import Store, UnitOfWork

ACKNOWLEDGE_SECONDS: Final = 5.0
RETRY_SECONDS: Final = 0.25
NOTHING: Final = bytes(32)
log = structlog.get_logger(__name__)

Name = TypeVar("Name")
Sign = Callable[[bytes], bytes]
Wait = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Told:
    """What one guardian said to an order; code is acknowledged, or why not."""

    label: str
    guardian: bytes
    sequence: int
    is_acknowledged: bool
    code: str
    detail: str


def subject_of_names(
    catalog: Catalog, *, chain_id: str | None, direction: str | None, asset_id: str | None
) -> Subject:
    """
    Return what names stand for; None or * is any.

    Raises:
        RefusedError: a name is not configured.
    """
    chains = {str(known): known for known in catalog.chain_ids}
    assets = {str(known): known for known in catalog.parameters.scales}
    directions = {known.value: known for known in Direction}
    return Subject(
        _known("chain", chain_id, chains),
        _known("direction", direction, directions),
        _known("asset", asset_id, assets),
    )


def _known(field: str, name: str | None, known: dict[str, Name]) -> Name | None:
    if name is None or name == ANY:
        return None
    if name not in known:
        raise RefusedError(
            code=f"unknown_{field}",
            detail=f"{field}: {name} is not configured; known: {', '.join(known)}",
        )
    return known[name]


def order_switch(
    store: Store, catalog: Catalog, switch: Switch, *, who: str, sign: Sign | None
) -> SwitchChange:
    """
    Stop something on this machine, or let it go on; every worker of this database obeys at once.

    The ledger's lock lets signatures that are being made end first; none is made after it.

    Args:
        sign: signs the order for the guardians; None where nobody else is to be told.

    Raises:
        RefusedError: code no_change.
    """
    with store.unit_of_work() as uow:
        uow.ledger.lock()
        known = uow.switches.get(Source.OWN, switch.subject)
        if switch.is_off == (known is not None and known.switch.is_off):
            state = "switched off already" if switch.is_off else "not switched off"
            raise RefusedError(code="no_change", detail=f"{switch.subject} is {state}")
        change = SwitchChange(
            Source.OWN, switch, who, uow.switches.next_sequence(), uow.clock.now()
        )
        if sign is not None:
            signature = sign(order_of(change).digest(catalog.hub))
            change = SwitchChange(
                Source.OWN, switch, who, change.sequence, change.issued_at, signature
            )
            # Whoever does not acknowledge at once is told by the workers until it does.
            uow.jobs.ring(SWITCH, "orders", ATTEST, uow.clock.now(), NOTHING)
        uow.switches.store(change)
    return change


def order_of(change: SwitchChange) -> SwitchOrder:
    """Return an order as the operator signs it."""
    chain_id, direction, asset_id = change.switch.subject.key.split(" ")
    return SwitchOrder(
        chain_id=chain_id,
        direction=direction,
        asset_id=asset_id,
        is_off=change.switch.is_off,
        reason=change.switch.reason,
        sequence=change.sequence,
        issued_at=change.issued_at,
    )


def obey(store: Store, catalog: Catalog, signed: SignedOrder) -> bool:
    """
    Carry out the operator's order on this guardian; False when it was carried out before.

    Names that this guardian does not know are kept as they are: a wider order must not be lost.

    Raises:
        RefusedError: it is not the operator's, or a newer one about the same was obeyed.
        AttestationError: the signature is malformed.
    """
    operator = catalog.governor.operator
    if operator is None:
        raise RefusedError(
            code="operator_unknown", detail="switches.operator is not set on this guardian"
        )
    signer = signed.signer(catalog.hub)
    if signer != operator:
        log.error("switch.refused", code="signer_not_operator", signer=text_of_word(signer))
        raise RefusedError(
            code="signer_not_operator",
            detail=f"signature: made by {text_of_word(signer)}, not by the operator",
        )
    change = _change_of(signed)
    with store.unit_of_work() as uow:
        uow.ledger.lock()
        if not uow.switches.store(change):
            _check_known(uow, change)
            return False
    log.warning(
        "switch.changed",
        subject=change.switch.subject.key,
        is_off=change.switch.is_off,
        reason=change.switch.reason,
    )
    return True


def _change_of(signed: SignedOrder) -> SwitchChange:
    order = signed.order
    subject = Subject(
        None if order.chain_id == ANY else ChainId(order.chain_id),
        None if order.direction == ANY else Direction(order.direction),
        None if order.asset_id == ANY else AssetId(order.asset_id),
    )
    return SwitchChange(
        Source.OPERATOR,
        Switch(subject, order.is_off, order.reason),
        "operator",
        order.sequence,
        UnixSeconds(order.issued_at),
        signed.signature,
    )


def _check_known(uow: UnitOfWork, change: SwitchChange) -> None:
    """Acknowledge the newest order again; refuse any that it replaced."""
    known = uow.switches.get(Source.OPERATOR, change.switch.subject)
    if known is None or known.sequence != change.sequence or known.switch != change.switch:
        newest = None if known is None else known.sequence
        raise RefusedError(
            code="order_replayed",
            detail=f"sequence: {change.sequence} is not above {newest}, the last one obeyed",
        )


async def push_orders(store: Store, doors: Sequence[SwitchDoor]) -> tuple[Told, ...]:
    """Tell every guardian each signed order that it has not acknowledged; return the answers."""
    waiting = await asyncio.to_thread(_unacknowledged, store, doors)
    told = await asyncio.gather(*(_tell(change, door) for change, door in waiting))
    await asyncio.to_thread(_record, store, [each for each in told if each.is_acknowledged])
    return tuple(told)


async def push_for_seconds(
    store: Store,
    doors: Sequence[SwitchDoor],
    *,
    seconds: float = ACKNOWLEDGE_SECONDS,
    wait: Wait = asyncio.sleep,
) -> tuple[Told, ...]:
    """Tell the guardians until all acknowledged or the time is over; return the last answers."""
    answers: dict[tuple[int, bytes], Told] = {}
    try:
        async with asyncio.timeout(seconds):
            while True:
                told = await push_orders(store, doors)
                answers |= {(each.sequence, each.guardian): each for each in told}
                if all(each.is_acknowledged for each in told):
                    break
                await wait(RETRY_SECONDS)
    except TimeoutError:
        pass
    return tuple(answers.values())


def _unacknowledged(
    store: Store, doors: Sequence[SwitchDoor]
) -> list[tuple[SwitchChange, SwitchDoor]]:
    with store.read() as uow:
        return [
            (change, door)
            for change in uow.switches.all(Source.OWN)
            if change.signature is not None
            for door in doors
            if door.address not in uow.switches.acknowledged(change.sequence)
        ]


async def _tell(change: SwitchChange, door: SwitchDoor) -> Told:
    answer = await door.order(SignedOrder(order_of(change), change.signature or b""))
    return Told(
        door.label,
        door.address,
        change.sequence,
        answer.is_acknowledged,
        answer.code,
        answer.detail,
    )


def _record(store: Store, told: Sequence[Told]) -> None:
    if not told:
        return
    with store.unit_of_work() as uow:
        for each in told:
            uow.switches.acknowledge(each.sequence, each.guardian)

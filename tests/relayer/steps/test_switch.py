"""Switch: effective at once for all workers, signed for guardians, never undone by an old order."""

import asyncio
from dataclasses import dataclass, replace
from typing import Any

import pytest
from sqlalchemy import URL, text

from chains.errors import AttestationError
from chains.switch_order import SignedOrder
from relayer.clock import FixedClock
from relayer.errors import NotYetError, RefusedError
from relayer.governor.switches import Direction, Subject, Switch
from relayer.steps.catalog import Catalog
from relayer.steps.countersign import countersign
from relayer.steps.queues import SWITCH
from relayer.steps.switch import (
    obey,
    order_of,
    order_switch,
    push_for_seconds,
    push_orders,
    subject_of_names,
)
from relayer.store.engine import engine_of
from relayer.store.job_records import JobState
from relayer.store.switches import Source, SwitchChange
from relayer.store.unit_of_work import Store
from tests.databases import NOW
from tests.forked import FORKED
from tests.relayer.api.kit import CHAIN_A, GUARDIANS, HUB, Signer, signer
from tests.relayer.steps.braking import unlock
from tests.relayer.steps.world import SIGNATORY, catalog_of_world, request_of, settled_world

OPERATOR = signer("switch operator")
PAUSE = Switch(Subject(CHAIN_A, Direction.OUT), True, "odd outflow")
WORKERS = 8
WAIT_SECONDS = 100


@dataclass(frozen=True, slots=True)
class Answer:
    """What a guardian says to an order."""

    is_acknowledged: bool
    code: str = "acknowledged"
    detail: str = ""


class FakeSwitchDoor:
    """A guardian that obeys with a store of its own, unless it is away."""

    def __init__(self, number: int, *, away_for: int = 0) -> None:
        self.number = number
        self.away_for = away_for
        self.orders: list[SignedOrder] = []

    @property
    def label(self) -> str:
        """The guardian's name."""
        return f"g{self.number}"

    @property
    def address(self) -> bytes:
        """The guardian's key."""
        return GUARDIANS[self.number].address

    async def order(self, signed: SignedOrder) -> Answer:
        """Take an order."""
        if self.away_for > 0:
            self.away_for -= 1
            return Answer(False, "unreachable", "no answer")
        self.orders.append(signed)
        return Answer(True)


def sign(digest: bytes, key: Signer = OPERATOR) -> bytes:
    """Sign as the operator."""
    return bytes.fromhex(key.sign(digest)[2:])


def obeying(catalog: Catalog) -> Catalog:
    """Return the deployment of a guardian that knows the operator."""
    return replace(catalog, governor=replace(catalog.governor, operator=OPERATOR.address))


def ordered(
    store: Store, catalog: Catalog, switch: Switch = PAUSE
) -> tuple[SwitchChange, SignedOrder]:
    """Order on the hub; return it as stored and as sent."""
    change = order_switch(store, catalog, switch, who="ann", sign=sign)
    assert change.signature is not None
    return change, SignedOrder(order_of(change), change.signature)


def test_an_order_is_stored_signed_and_rung_for(store: Store, catalog: Catalog) -> None:
    """Workers tell whoever was not told at once."""
    change, sent = ordered(store, catalog)

    assert sent.signer(HUB) == OPERATOR.address
    with store.read() as uow:
        assert uow.switches.get(Source.OWN, PAUSE.subject) == change
        assert uow.jobs.job(SWITCH, "orders").state is JobState.DUE


def test_an_order_that_changes_nothing_is_refused(quick_store: Store, catalog: Catalog) -> None:
    """Pausing twice, or resuming what runs, is a slip."""
    resume = replace(PAUSE, is_off=False)
    with pytest.raises(RefusedError, match="no_change"):
        ordered(quick_store, catalog, resume)
    ordered(quick_store, catalog)
    with pytest.raises(RefusedError, match="no_change"):
        ordered(quick_store, catalog)


def test_a_guardian_obeys_the_operator_and_says_so_again(
    quick_store: Store, catalog: Catalog
) -> None:
    """Told twice is told once."""
    _, sent = ordered(quick_store, catalog)

    assert obey(quick_store, obeying(catalog), sent)
    assert not obey(quick_store, obeying(catalog), sent)

    with quick_store.read() as uow:
        (obeyed,) = uow.switches.all(Source.OPERATOR)
    assert (obeyed.switch, obeyed.signature) == (PAUSE, sent.signature)


def test_an_old_order_is_refused_after_a_newer_one(quick_store: Store, catalog: Catalog) -> None:
    """A pause that was lifted cannot be replayed, nor a resumption before the last pause."""
    own = obeying(catalog)
    _, pause = ordered(quick_store, catalog)
    _, resume = ordered(quick_store, catalog, replace(PAUSE, is_off=False))
    _, again = ordered(quick_store, catalog)
    for sent in (pause, resume):
        assert obey(quick_store, own, sent)
    with pytest.raises(RefusedError, match="order_replayed"):
        obey(quick_store, own, pause)
    assert obey(quick_store, own, again)

    with pytest.raises(RefusedError, match="order_replayed"):
        obey(quick_store, own, resume)

    with quick_store.read() as uow:
        assert len(uow.switches.off()) == 2  # the hub's own, and the guardian's copy of it


@pytest.mark.parametrize(
    "change",
    [
        {"chain_id": "*"},
        {"is_off": False},
        {"sequence": NOW + 9},
        {"reason": "other"},
        {"issued_at": 1},
        {"direction": "in"},
        {"asset_id": "WETH"},
    ],
)
def test_an_order_that_was_changed_is_another_signers(
    quick_store: Store, catalog: Catalog, change: dict[str, Any]
) -> None:
    """Nothing of it is stored."""
    _, sent = ordered(quick_store, catalog)
    changed = replace(sent, order=replace(sent.order, **change))

    with pytest.raises(RefusedError, match="signer_not_operator"):
        obey(quick_store, obeying(catalog), changed)

    with quick_store.read() as uow:
        assert uow.switches.all(Source.OPERATOR) == ()


def test_strangers_and_guardians_without_an_operator_stop_nothing(
    quick_store: Store, catalog: Catalog
) -> None:
    """And a signature that is none is no order."""
    change, sent = ordered(quick_store, catalog)
    forged = sign(order_of(change).digest(HUB), signer("stranger"))

    with pytest.raises(RefusedError, match="signer_not_operator"):
        obey(quick_store, obeying(catalog), replace(sent, signature=forged))
    with pytest.raises(AttestationError):
        obey(quick_store, obeying(catalog), replace(sent, signature=b"\x00" * 65))
    with pytest.raises(RefusedError, match="operator_unknown"):
        obey(quick_store, catalog, sent)


def test_a_guardian_stays_stopped_by_its_own_operator(quick_store: Store, catalog: Catalog) -> None:
    """The hub's resumption lifts only what the hub ordered."""
    _, pause = ordered(quick_store, catalog)
    _, resume = ordered(quick_store, catalog, replace(PAUSE, is_off=False))
    order_switch(quick_store, catalog, PAUSE, who="guardian", sign=None)
    for sent in (pause, resume):
        obey(quick_store, obeying(catalog), sent)

    with quick_store.read() as uow:
        assert uow.switches.off() == (PAUSE,)


def test_each_guardian_is_told_until_it_acknowledges(store: Store, catalog: Catalog) -> None:
    """And then no more; who was away is told the newest order only."""
    doors = [FakeSwitchDoor(0), FakeSwitchDoor(1, away_for=2)]
    ordered(store, catalog)
    first = asyncio.run(push_orders(store, doors))
    resumed, _ = ordered(store, catalog, replace(PAUSE, is_off=False))
    for _ in range(3):
        asyncio.run(push_orders(store, doors))

    assert [(each.label, each.is_acknowledged) for each in first] == [("g0", True), ("g1", False)]
    assert len(doors[0].orders) == 2
    assert [sent.order.sequence for sent in doors[1].orders] == [resumed.sequence]


def test_who_does_not_acknowledge_in_time_is_named(quick_store: Store, catalog: Catalog) -> None:
    """The others count."""
    doors = [FakeSwitchDoor(0), FakeSwitchDoor(1, away_for=10**6)]
    ordered(quick_store, catalog)

    told = asyncio.run(push_for_seconds(quick_store, doors, seconds=0.6))

    assert {each.label: each.is_acknowledged for each in told} == {"g0": True, "g1": False}


@pytest.mark.parametrize(
    ("names", "code"),
    [
        ({"chain_id": "eip155:1", "direction": None, "asset_id": None}, "unknown_chain"),
        ({"chain_id": None, "direction": "up", "asset_id": None}, "unknown_direction"),
        ({"chain_id": None, "direction": None, "asset_id": "DOGE"}, "unknown_asset"),
    ],
)
def test_a_slip_in_a_name_is_refused(
    catalog: Catalog, names: dict[str, str | None], code: str
) -> None:
    """A switch on nothing would look like a stop."""
    with pytest.raises(RefusedError, match=code):
        subject_of_names(catalog, **names)


def sign_until_stopped(url: URL, first: int, signed: Any) -> None:
    """Sign messages of one's own until three are refused; runs in a process of its own."""
    store = Store(engine_of(url.render_as_string(hide_password=False)), FixedClock(NOW))
    catalog = catalog_of_world()
    refused, number = 0, first
    while refused < 3:
        request = request_of(unlock(1, number), nonce=number)
        try:
            countersign(store, catalog, SIGNATORY, request)
            signed.put(first)
        except NotYetError as exc:
            refused += int(exc.reason == "switched_off")
        number += WORKERS
    store.close()


def signatures(store: Store) -> int:
    """Return how many were ever made."""
    with store.read() as uow:
        return int(uow.connection.scalar(text("SELECT count(*) FROM message_signature")) or 0)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["postgresql"], indirect=True)
def test_r16_eight_processes_make_no_signature_after_the_acknowledgement(
    store: Store, catalog: Catalog
) -> None:
    """The order comes back only when signatures being made have ended; none follows."""
    settled_world(store)
    signed = FORKED.Queue()
    workers = [
        FORKED.Process(target=sign_until_stopped, args=(store.engine.url, number + 1, signed))
        for number in range(WORKERS)
    ]
    for worker in workers:
        worker.start()
    busy: set[int] = set()
    while len(busy) < WORKERS:
        busy.add(signed.get(timeout=WAIT_SECONDS))

    order_switch(store, catalog, Switch(Subject(), True, "drill"), who="op", sign=None)
    at_acknowledgement = signatures(store)

    for worker in workers:
        worker.join(WAIT_SECONDS)
    assert [worker.exitcode for worker in workers] == [0] * WORKERS
    assert signatures(store) == at_acknowledgement >= WORKERS

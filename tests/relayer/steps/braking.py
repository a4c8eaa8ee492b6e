"""Brakes pulled in tests: switches, halts, breaks and limits."""

from dataclasses import replace
from typing import Any

from chains.types import ChainId
from relayer.assets import Path
from relayer.governor.rules import GovernorRules
from relayer.governor.switches import Subject, Switch
from relayer.governor.windows import OutflowLimit
from relayer.money import WAD, AssetId
from relayer.steps.catalog import Catalog
from relayer.steps.decide import decide
from relayer.steps.switch import order_switch
from relayer.store.breaks import CustodyDifference
from relayer.store.unit_of_work import Store
from tests.relayer.api.kit import ANN, CHAIN_A, UNLOCK, VAULT_A, VAULT_B
from tests.relayer.steps.world import FENCE, ask, block_of, signed

WETH = AssetId("WETH")
PATH_A = Path(WETH, CHAIN_A, "guardian")


def switch_off(store: Store, catalog: Catalog, *named: Any, is_off: bool = True) -> None:
    """Order a switch on this machine; named are chain, direction and asset, in this order."""
    switch = Switch(Subject(*named), is_off, "drill")
    order_switch(store, catalog, switch, who="op", sign=None)


def halt(store: Store, chain_id: ChainId) -> None:
    """Halt a chain."""
    with store.unit_of_work() as uow:
        uow.chains.halt(chain_id, "two nodes disagree")


def break_custody(store: Store, chain_id: ChainId, asset_id: str) -> int:
    """Record that ledger and chain differ; return its number."""
    vault = VAULT_A if chain_id == CHAIN_A else VAULT_B
    with store.unit_of_work() as uow:
        found = uow.breaks.record(
            CustodyDifference(chain_id, AssetId(asset_id), vault, 5, 4, block_of(1))
        )
    return found.break_id


def limited(catalog: Catalog, usd: int | None, big_usd: int | None = None, **rules: Any) -> Catalog:
    """Return the deployment with a limit on ether leaving chain A, and other rules."""
    limit = OutflowLimit(
        CHAIN_A,
        "guardian",
        WETH,
        None if usd is None else usd * WAD,
        None if big_usd is None else big_usd * WAD,
    )
    return replace(catalog, governor=GovernorRules(**({"limits": (limit,)} | rules)))


def unlock(units: int, number: int, deadline: int = UNLOCK.deadline) -> Any:
    """Return ann's signed request for ether."""
    nonce = number.to_bytes(32, "big")
    return signed(replace(UNLOCK, amount=units, nonce=nonce, deadline=deadline), ANN)


def granted(store: Store, catalog: Catalog, command: Any) -> bytes:
    """Ask for something that is granted; return its message."""
    command_id = ask(store, command)
    decide(store, catalog, command_id, fence=FENCE)
    with store.read() as uow:
        request = uow.requests.get(command_id)
    assert request is not None
    assert request.message_id is not None, request.detail
    return request.message_id

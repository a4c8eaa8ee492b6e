"""Expose: credit beyond what may be lent against a path is refused with its numbers."""

from dataclasses import replace

import pytest

from relayer.governor.rules import GovernorRules, Mode
from relayer.ledger.chart import BAD_DEBT, INSURANCE
from relayer.money import WAD
from relayer.steps.catalog import Catalog
from relayer.steps.decide import decide
from relayer.steps.expose import exposure_of
from relayer.steps.position import prices_of
from relayer.store.requests import RequestState
from relayer.store.unit_of_work import Store
from tests.relayer.api.kit import CHAIN_A
from tests.relayer.steps.braking import PATH_A
from tests.relayer.steps.world import ETHER, FENCE, SIGNED_CREDIT, ask, post, settled_world


def exposed(catalog: Catalog, usd: int, mode: Mode = Mode.ENFORCE) -> Catalog:
    """Return the deployment with a limit on ether on chain A."""
    rules = GovernorRules(mode=mode, exposures_wad={PATH_A: usd * WAD})
    return replace(catalog, governor=rules)


@pytest.mark.parametrize(
    ("usd", "mode", "state"),
    [
        (30_100, Mode.ENFORCE, RequestState.GRANTED),
        (1_400, Mode.ENFORCE, RequestState.GRANTED),
        (1_300, Mode.ENFORCE, RequestState.REFUSED),
        (1_300, Mode.LOG, RequestState.GRANTED),
        (0, Mode.ENFORCE, RequestState.REFUSED),
    ],
)
def test_credit_is_granted_within_the_limit_of_the_path(
    quick_store: Store, catalog: Catalog, usd: int, mode: Mode, state: RequestState
) -> None:
    """1,000 USD need 1,333 USD of ether at 75 %, and some for the bounds of both prices."""
    settled_world(quick_store)
    command_id = ask(quick_store, SIGNED_CREDIT)

    assert decide(quick_store, exposed(catalog, usd, mode), command_id, fence=FENCE) is state

    with quick_store.read() as uow:
        request = uow.requests.get(command_id)
    assert request is not None
    if state is RequestState.REFUSED:
        assert request.code == "exposure_exceeded"
        assert "holds 30030.000000 USD" in request.detail


def test_what_is_held_and_lost_is_valued_at_the_high_price(
    quick_store: Store, catalog: Catalog
) -> None:
    """Ten ether at 3,003 USD; one of them became bad debt."""
    settled_world(quick_store)
    post(quick_store, "loss", {BAD_DEBT: ETHER, INSURANCE: -ETHER}, ("WETH", CHAIN_A))
    limited = exposed(catalog, 10_000)

    with quick_store.read() as uow:
        prices = prices_of(uow, limited, quick_store.clock.now())
        found = exposure_of(uow, limited, PATH_A, prices)
        assert exposure_of(uow, catalog, PATH_A, prices) is None

    assert found is not None
    assert (found.held_wad, found.deficit_wad) == (30_030 * WAD, 3_003 * WAD)
    assert found.effective_limit_wad == 6_997 * WAD

"""Heights: a decision keeps how far the chains were final, and guardians are asked for no more."""

from collections.abc import Mapping

import pytest

from chains.types import ChainId
from relayer.steps.attest import attestation_request
from relayer.steps.catalog import Catalog
from relayer.steps.heights import final_heights, heights_of_numbers, numbers_of_heights
from relayer.store.unit_of_work import Store
from tests.relayer.steps.test_attest import granted
from tests.relayer.steps.world import stored_message


@pytest.mark.parametrize("numbers", [{}, {"amount": "5"}])
def test_a_decision_without_heights_has_none(catalog: Catalog, numbers: Mapping[str, str]) -> None:
    """Other figures are left alone."""
    assert heights_of_numbers(numbers, catalog) is None


def test_heights_come_back_as_they_were_kept(catalog: Catalog) -> None:
    """Text and back."""
    heights = {ChainId(chain_id): 7 for chain_id in catalog.chain_ids}

    assert heights_of_numbers(numbers_of_heights(heights), catalog) == heights


def test_guardians_are_asked_for_the_heights_of_the_decision(
    quick_store: Store, catalog: Catalog
) -> None:
    """Not for those of now: a guardian would run after the hub for ever."""
    message_id = granted(quick_store, catalog)
    stored = stored_message(quick_store, message_id)
    with quick_store.read() as uow:
        request = uow.requests.get(stored.message.message.evidence)
        asked = attestation_request(uow, catalog, stored)
        now = final_heights(uow, catalog)

    assert request is not None
    assert asked.heights == heights_of_numbers(request.numbers, catalog) == now

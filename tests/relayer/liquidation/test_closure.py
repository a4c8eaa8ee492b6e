"""A guardian's review of closing an insolvent account."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayer.errors import StalePriceError
from relayer.liquidation.closure import closure_objections, is_insolvent
from relayer.liquidation.insolvency import Seizure, close_insolvent
from tests.relayer.risk.example import (
    CALM,
    ETH_PATH,
    PARAMETERS,
    ROLLUP,
    SOL_PATH,
    WHOLE_ETH,
    WHOLE_USDC,
    book_of,
    example_position,
)

CRASHED = book_of(eth_cents=100_000, sol_cents=5_000)


def first_seizure() -> Seizure:
    """Return what an honest hub takes first."""
    closed = close_insolvent(example_position(), parameters=PARAMETERS, prices=CRASHED)
    return closed.seizures[0]


def objections(seizure: Seizure, tolerance_bps: int = 0) -> tuple[str, ...]:
    """Return what speaks against a seizure."""
    return closure_objections(
        seizure,
        example_position(),
        parameters=PARAMETERS,
        prices=CRASHED,
        tolerance_bps=tolerance_bps,
    )


def test_every_honest_seizure_is_acceptable() -> None:
    """At equal prices without tolerance."""
    closed = close_insolvent(example_position(), parameters=PARAMETERS, prices=CRASHED)

    assert len(closed.seizures) == 2
    assert [objections(seizure) for seizure in closed.seizures] == [(), ()]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"repaid_units": 9_999 * WHOLE_USDC}, "repaid_units"),
        ({"repaid_units": 32_501 * WHOLE_USDC}, "owed"),
        ({"seized_units": 11 * WHOLE_ETH, "repaid_units": 11_000 * WHOLE_USDC}, "final"),
        ({"path": replace(ETH_PATH, chain_id=ROLLUP)}, "listed"),
    ],
)
def test_every_advantage_is_named(change: dict[str, object], word: str) -> None:
    """Less for it, more than is there, more than is owed, what is not listed."""
    seizure = replace(first_seizure(), **change)  # type: ignore[arg-type]

    assert any(word in text for text in objections(seizure))


@given(st.integers(0, 10_000), st.integers(0, 500))
def test_the_debtor_never_loses_more_than_the_tolerance(cut_bps: int, tolerance_bps: int) -> None:
    """What is accepted pays at least the value less the tolerance."""
    honest = first_seizure()
    units = honest.repaid_units * (10_000 - cut_bps) // 10_000
    seizure = replace(honest, repaid_units=units)

    accepted = objections(seizure, tolerance_bps) == ()

    assert accepted == (units >= honest.repaid_units * (10_000 - tolerance_bps) // 10_000)


def test_solvent_accounts_are_not_closed() -> None:
    """Nor is one closed while a price is missing."""
    position = example_position()
    assert not is_insolvent(position, parameters=PARAMETERS, prices=CALM)
    assert is_insolvent(position, parameters=PARAMETERS, prices=CRASHED)
    with pytest.raises(StalePriceError):
        is_insolvent(
            position, parameters=PARAMETERS, prices=book_of(eth_cents=100_000, sol_cents=None)
        )
    assert SOL_PATH != ETH_PATH

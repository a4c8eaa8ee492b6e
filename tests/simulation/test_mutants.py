"""The simulation can fail: each fault that is put into the code on purpose is noticed."""

import pytest

from tests.simulation.mutants import MUTANTS, SEEDS_MAX, Mutant
from tests.simulation.run import run


def invariant_that_notices(mutant: Mutant) -> str | None:
    """Return which invariant noticed a fault first; the seed that did before is tried first."""
    with mutant.living():
        for seed in (mutant.seed, *range(SEEDS_MAX)):
            found = run(seed).invariant
            if found is not None:
                return found
    return None


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_every_fault_in_the_code_is_noticed(mutant: Mutant) -> None:
    """One function is wrong, and a seed among the first 300 breaks an invariant."""
    found = invariant_that_notices(mutant)

    assert found is not None, f"{mutant.name}: {mutant.make.__doc__} Nothing noticed."


def test_a_fault_is_taken_out_again() -> None:
    """After a block with a fault, the code is as it was, even when the block fails."""
    mutant = MUTANTS[0]
    right = getattr(mutant.place, mutant.attribute)

    with pytest.raises(ValueError, match="inside"), mutant.living():
        assert getattr(mutant.place, mutant.attribute) is not right
        raise ValueError("inside")

    assert getattr(mutant.place, mutant.attribute) is right

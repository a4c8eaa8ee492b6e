"""Values that cross the port."""

import pytest

from chains.port import Fees


def test_a_priority_fee_up_to_the_max_fee_is_accepted() -> None:
    """Equal is fine."""
    assert Fees(max_fee_wei=5, priority_fee_wei=5).max_fee_wei == 5


@pytest.mark.parametrize(("max_fee", "priority"), [(5, 6), (5, -1)])
def test_a_priority_fee_outside_the_max_fee_is_refused(max_fee: int, priority: int) -> None:
    """A node would refuse it later."""
    with pytest.raises(ValueError, match="priority fee"):
        Fees(max_fee_wei=max_fee, priority_fee_wei=priority)

"""What carries new credit never passes the limit of its path, and losses lower that."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.types import ChainId
from relayer.assets import Path
from relayer.governor.exposure import Exposure, counted_position
from relayer.money import AssetId
from relayer.risk.margin import CollateralLine, Position

PATH = Path(AssetId("WETH"), ChainId("eip155:1"), "guardian")
OTHER = Path(AssetId("USDC"), ChainId("eip155:2"), "guardian")
POSITION = Position(b"a" * 32, (CollateralLine(PATH, 10, 5), CollateralLine(OTHER, 7, 2)), ())


def test_within_the_limit_everything_counts() -> None:
    """Up to the last unit of value."""
    assert Exposure(PATH, limit_wad=100, held_wad=100).counted_units(7) == 7


def test_beyond_the_limit_each_account_has_its_share() -> None:
    """Rounded down."""
    assert Exposure(PATH, limit_wad=100, held_wad=300).counted_units(10) == 3


def test_a_deficit_lowers_the_limit_and_never_below_nothing() -> None:
    """What was lost on the path is no longer lent against."""
    assert Exposure(PATH, 100, 100, deficit_wad=40).effective_limit_wad == 60
    assert Exposure(PATH, 100, 100, deficit_wad=40).counted_units(10) == 6
    assert Exposure(PATH, 100, 100, deficit_wad=500).counted_units(10) == 0


@given(
    st.lists(st.integers(0, 10**30), min_size=1, max_size=20),
    st.integers(0, 10**31),
    st.integers(0, 10**31),
)
def test_all_accounts_together_never_pass_the_limit(
    units: list[int], limit_wad: int, deficit_wad: int
) -> None:
    """Here one unit is worth one wei of value."""
    held_wad = sum(units)
    exposure = Exposure(PATH, limit_wad, held_wad, deficit_wad)

    counted = sum(exposure.counted_units(each) for each in units)

    assert counted <= max(0, limit_wad - deficit_wad) or counted == held_wad <= limit_wad
    assert counted <= held_wad


def test_a_stopped_path_counts_nothing_and_others_everything() -> None:
    """Soft units too."""
    counted = counted_position(POSITION, stopped={PATH})

    assert counted.line_of(PATH) == CollateralLine(PATH, 0, 0)
    assert counted.line_of(OTHER) == POSITION.line_of(OTHER)


def test_the_path_of_an_unlock_counts_as_it_is() -> None:
    """Its own chain was asked before."""
    assert counted_position(POSITION, stopped={PATH}, kept=PATH) == POSITION


def test_a_limited_path_counts_its_share() -> None:
    """The other path is not limited."""
    counted = counted_position(POSITION, exposures={PATH: Exposure(PATH, 50, 100)})

    assert counted.line_of(PATH).final_units == 5
    assert counted.line_of(OTHER).final_units == 7


@pytest.mark.parametrize("values", [(-1, 0, 0), (0, -1, 0), (0, 0, -1)])
def test_negative_values_are_refused(values: tuple[int, int, int]) -> None:
    """They would turn a limit round."""
    with pytest.raises(ValueError, match="0 or more"):
        Exposure(PATH, *values)

"""A switch stops exactly what it names."""

import pytest

from chains.types import ChainId
from relayer.governor.switches import Direction, Movement, Subject, Switch, switches_against
from relayer.money import AssetId

CHAIN = ChainId("eip155:1")
OTHER = ChainId("eip155:2")
WETH = AssetId("WETH")
USDC = AssetId("USDC")
OUT = Movement(Direction.OUT, CHAIN, WETH)


@pytest.mark.parametrize(
    ("subject", "key"),
    [
        (Subject(), "* * *"),
        (Subject(CHAIN), "eip155:1 * *"),
        (Subject(None, Direction.OUT), "* out *"),
        (Subject(None, None, WETH), "* * WETH"),
        (Subject(CHAIN, Direction.OUT, WETH), "eip155:1 out WETH"),
    ],
)
def test_what_is_named_and_everything_wider_stops_a_movement(subject: Subject, key: str) -> None:
    """Any is wider than one."""
    assert subject.key == key
    assert switches_against([Switch(subject, True, "x")], OUT) == (Switch(subject, True, "x"),)


@pytest.mark.parametrize(
    "subject",
    [
        Subject(OTHER),
        Subject(CHAIN, Direction.IN),
        Subject(CHAIN, Direction.OUT, USDC),
        Subject(OTHER, Direction.OUT, WETH),
    ],
)
def test_another_chain_direction_or_asset_stops_nothing(subject: Subject) -> None:
    """Others go on."""
    assert switches_against([Switch(subject, True, "x")], OUT) == ()


def test_a_switch_that_is_on_stops_nothing() -> None:
    """It was resumed."""
    assert switches_against([Switch(Subject(), False, "over")], OUT) == ()


def test_a_switch_says_what_it_stops_and_why() -> None:
    """For the reason of whatever waits."""
    named = Switch(Subject(CHAIN, Direction.OUT, WETH), True, "odd outflow")

    assert str(named) == "WETH, eip155:1, direction out is switched off: odd outflow"
    assert str(Switch(Subject(), True, "x")) == "everything is switched off: x"

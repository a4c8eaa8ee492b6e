"""The rules without any limit stop nothing."""

from chains.types import ChainId
from relayer.clock import UnixSeconds
from relayer.governor.confirmations import AT_ONCE
from relayer.governor.rules import GovernorRules, Mode
from relayer.governor.windows import OutflowLimit, Transfer
from relayer.money import AssetId

CHAIN = ChainId("eip155:1")
SENT = Transfer(CHAIN, "guardian", AssetId("WETH"), 1, UnixSeconds(0))


def test_nothing_is_limited_by_default() -> None:
    """And it would be enforced."""
    rules = GovernorRules()

    assert (rules.mode, rules.limits_of(SENT), rules.operator) == (Mode.ENFORCE, (), None)
    assert rules.tiers_of(CHAIN) == AT_ONCE


def test_only_limits_that_govern_a_transfer_are_its() -> None:
    """The total of its chain, and its own path's."""
    total = OutflowLimit(CHAIN, None, None, 5)
    own = OutflowLimit(CHAIN, "guardian", AssetId("WETH"), 5)
    others = (OutflowLimit(CHAIN, "guardian", AssetId("USDC"), 5),)

    assert GovernorRules(limits=(total, *others, own)).limits_of(SENT) == (total, own)

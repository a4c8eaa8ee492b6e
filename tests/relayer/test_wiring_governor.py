"""Settings about brakes become values of the core."""

from typing import Any

import pytest

from relayer import wiring
from relayer.assets import Path
from relayer.governor.buckets import BucketLimit, Lane
from relayer.governor.confirmations import AT_ONCE, FINAL_ONLY, ConfirmationTier
from relayer.governor.rules import GovernorRules, Mode
from relayer.governor.windows import OutflowLimit
from relayer.money import WAD, AssetId
from relayer.wiring_governor import governor_rules, usd_wad
from tests.relayer.api.kit import CHAIN_A, CHAIN_B, CHAIN_C, HUB, deployment_settings, signer

WETH = AssetId("WETH")
LIMIT: dict[str, Any] = {
    "chain_id": CHAIN_A,
    "asset_id": "WETH",
    "window_usd": 5,
    "big_transfer_usd": 3,
    "floor_price_usd": "1500.25",
    "flow_cancel": True,
}

BUCKET: dict[str, Any] = {
    "target": CHAIN_A,
    "capacity_usd": 7,
    "refill_usd_per_second": "0.5",
}


def test_without_sections_nothing_is_limited() -> None:
    """And in development seen locks count at once, as before."""
    rules = governor_rules(deployment_settings())

    tiers = dict.fromkeys((CHAIN_A, CHAIN_B, CHAIN_C), AT_ONCE)
    assert rules == GovernorRules(tiers=tiers)
    assert wiring.catalog_of(deployment_settings()).governor == rules


def test_limits_floors_exposures_and_operator_arrive() -> None:
    """Dollars become wads; a limit without an asset is its chain's total."""
    operator = signer("switch operator").address
    rules = governor_rules(
        deployment_settings(
            governor={
                "mode": "log",
                "limits": [LIMIT, {"chain_id": CHAIN_B, "window_usd": 7}],
                "exposures": [{"chain_id": CHAIN_A, "asset_id": "WETH", "collateral_usd": 9}],
            },
            switches={"operator": "0x" + operator.hex()},
        )
    )

    path = Path(WETH, CHAIN_A, "guardian")
    assert rules.mode is Mode.LOG
    assert rules.limits == (
        OutflowLimit(CHAIN_A, "guardian", WETH, 5 * WAD, 3 * WAD, 86_400, True),
        OutflowLimit(CHAIN_B, None, None, 7 * WAD),
    )
    assert rules.floors_wad == {path: 1_500 * WAD + WAD // 4}
    assert rules.exposures_wad == {path: 9 * WAD}
    assert rules.operator == operator


def test_buckets_begin_at_the_hub_and_refill_exactly() -> None:
    """Half a dollar a second is half a wad; the origin may be left out."""
    named = BUCKET | {"target": CHAIN_B, "origin": HUB, "capacity_usd": 0}
    rules = governor_rules(deployment_settings(governor={"buckets": [BUCKET, named]}))

    assert rules.buckets == (
        BucketLimit(Lane(HUB, CHAIN_A), 7 * WAD, WAD // 2),
        BucketLimit(Lane(HUB, CHAIN_B), 0, WAD // 2),
    )
    assert rules.bucket_of(Lane(HUB, CHAIN_B)) == rules.buckets[1]
    assert rules.bucket_of(Lane(HUB, CHAIN_C)) is None


def test_r19_tiers_are_as_set_or_the_default_of_the_profile() -> None:
    """In production a chain that nobody knows counts only what is final."""
    values = deployment_settings().model_dump()
    nodes = tuple(f"http://127.0.0.1:{port}" for port in (1, 2, 3))
    chains = [{**chain, "rpc_urls": nodes} for chain in values["chains"]]
    chains[0]["confirmations"] = [{"value_usd_min": 2, "blocks": 3}]
    chains[1]["confirmations"] = []
    production = deployment_settings(profile="production", chains=chains)

    rules = governor_rules(production)

    assert rules.tiers == {
        CHAIN_A: (ConfirmationTier(2 * WAD, 3),),
        CHAIN_B: FINAL_ONLY,
        CHAIN_C: FINAL_ONLY,
    }


@pytest.mark.parametrize(
    ("text", "wad"),
    [("0", 0), ("1", WAD), ("0.1", WAD // 10), ("1500.000000000000000001", 1_500 * WAD + 1)],
)
def test_dollars_are_read_exactly(text: str, wad: int) -> None:
    """To the last of 18 digits."""
    assert usd_wad(text) == wad


@pytest.mark.parametrize(
    ("governor", "mistake"),
    [
        ({"limits": [LIMIT, LIMIT]}, "governor.limits: .* stands twice"),
        ({"limits": [LIMIT | {"chain_id": "eip155:9"}]}, "eip155:9 is not configured"),
        ({"limits": [LIMIT | {"asset_id": "USDC"}]}, "USDC has no token on"),
        ({"limits": [{"chain_id": CHAIN_A}]}, "limits nothing"),
        (
            {"limits": [{"chain_id": CHAIN_A, "window_usd": 1, "floor_price_usd": "1"}]},
            "a price belongs",
        ),
        ({"limits": [LIMIT | {"floor_price_usd": "1e3"}]}, "floor_price_usd"),
        ({"limits": [LIMIT | {"window_usd": -1}]}, "window_usd"),
        ({"mode": "off"}, "mode"),
        ({"buckets": [BUCKET, BUCKET | {"origin": HUB}]}, "governor.buckets: .* stands twice"),
        ({"buckets": [BUCKET | {"target": "eip155:9"}]}, "eip155:9 is not configured; correct"),
        ({"buckets": [BUCKET | {"origin": CHAIN_B}]}, "all messages leave hub:test, so leave"),
        ({"buckets": [BUCKET | {"refill_usd_per_second": "0.00"}]}, "set it above 0, or pause"),
        ({"buckets": [BUCKET | {"refill_usd_per_second": "-1"}]}, "refill_usd_per_second"),
        ({"buckets": [BUCKET | {"capacity_usd": -1}]}, "capacity_usd"),
        ({"buckets": [{"target": CHAIN_A, "capacity_usd": 1}]}, "refill_usd_per_second"),
        (
            {"exposures": [{"chain_id": CHAIN_B, "asset_id": "WETH", "collateral_usd": 1}]},
            "governor.exposures: WETH has no token",
        ),
    ],
)
def test_a_mistake_is_named(governor: dict[str, Any], mistake: str) -> None:
    """With the key that is wrong."""
    with pytest.raises(ValueError, match=mistake):
        deployment_settings(governor=governor)

"""The files of a run: what the hub and each guardian read."""

import tomllib
from typing import Any

import pytest

from chains.devnet.solana_actors import SOLANA_LIQUIDATOR
from chains.types import SOLANA_NAMESPACE, word_of_text
from relayer.cli.demo.world import Servers, World, write_files
from relayer.settings import load_settings
from relayer.wiring import catalog_of
from tests.relayer.cli.demo.scenes import GUARDIANS


@pytest.fixture(autouse=True)
def _files(world: World) -> None:
    write_files(world, Servers("sqlite:///unused.sqlite3", "memory://", "relayer"))


def values_of(world: World, place: int | None = None) -> dict[str, Any]:
    """Return what the hub's file says, or a guardian's."""
    config = world.config if place is None else world.guardian_config(place)
    return tomllib.loads(config.read_text())


def solana_of(values: dict[str, Any]) -> dict[str, Any]:
    """Return the section of chain S."""
    found = [one for one in values["chains"] if one["chain_id"].startswith(SOLANA_NAMESPACE)]
    assert len(found) == 1
    return dict(found[0])


def test_hub_and_guardians_watch_the_same_vault_on_solana(world: World) -> None:
    """Each reads the chain by itself; the program is named beside the vault."""
    for place in (None, *range(GUARDIANS)):
        section = solana_of(values_of(world, place))

        assert section["rpc_urls"] == [world.chain_s.rpc_url]
        assert word_of_text(section["vaults"][0]["address"]) == world.chain_s.vault
        assert word_of_text(section["vaults"][0]["program"]) == world.chain_s.program


def test_usdc_is_one_asset_on_three_chains_and_sol_has_feeds_on_two(world: World) -> None:
    """Prices come from EVM feeds, whichever chain the token is on."""
    assets = {asset["asset_id"]: asset for asset in values_of(world)["assets"]}

    assert set(assets) == {"WETH", "USDC", "SOL"}
    assert len(assets["USDC"]["tokens"]) == 3
    assert [token["chain_id"] for token in assets["SOL"]["tokens"]] == [world.chain_s.chain_id]
    assert len(assets["SOL"]["feeds"]) == 2


def test_the_liquidator_is_paid_at_its_wallet_on_each_chain(world: World) -> None:
    """Collateral that is seized on Solana goes to a Solana wallet."""
    recipients = values_of(world)["liquidators"][0]["recipients"]
    paid_at = {one["chain_id"]: word_of_text(one["address"]) for one in recipients}

    assert len(paid_at) == 3
    assert paid_at[world.chain_s.chain_id] == SOLANA_LIQUIDATOR.address


def test_the_files_are_configurations(world: World) -> None:
    """Every file loads, and all name the same paths."""
    configs = [world.config, *(world.guardian_config(place) for place in range(GUARDIANS))]
    paths = [set(catalog_of(load_settings(config)).parameters.paths) for config in configs]

    assert len(paths[0]) == 4
    assert all(one == paths[0] for one in paths)

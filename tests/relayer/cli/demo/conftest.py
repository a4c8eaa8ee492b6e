"""A cluster with a vault on it, for tests that need chain S to be real."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from chains.devnet.solana_kit import SolanaKit
from relayer.cli.demo.world import World
from tests.relayer.cli.demo.scenes import world_of


@pytest.fixture(scope="package")
def kit() -> Iterator[SolanaKit]:
    """A cluster with a vault, shared; nobody changes anything there."""
    with SolanaKit() as running:
        yield running


@pytest.fixture
def world(kit: SolanaKit, tmp_path: Path) -> World:
    """The four chains of the demo; nothing is written."""
    return world_of(kit, tmp_path)

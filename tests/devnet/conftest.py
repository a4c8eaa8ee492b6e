"""Real local chains for the tests of this folder."""

from collections.abc import Iterator

import pytest

from chains.devnet.anvil import Anvil, AnvilOptions, find_anvil
from chains.devnet.kit import Devnet
from chains.devnet.rpc import DevnetError


@pytest.fixture(scope="session")
def anvil_binary() -> str:
    """The path of anvil; without it the test is skipped, or fails where all is required."""
    try:
        return str(find_anvil())
    except DevnetError as exc:
        pytest.skip(str(exc))


@pytest.fixture(scope="module")
def devnet(anvil_binary: str) -> Iterator[Devnet]:
    """The standard layout, shared by the tests of a file."""
    with Devnet() as running:
        yield running


@pytest.fixture
def anvil(anvil_binary: str) -> Iterator[Anvil]:
    """One empty chain."""
    with Anvil(AnvilOptions()) as running:
        yield running

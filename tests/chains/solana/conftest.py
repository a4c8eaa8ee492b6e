"""A vault on the local cluster."""

from collections.abc import Iterator

import pytest

from tests.chains.solana.scenes import Scene, scene


@pytest.fixture
def world() -> Iterator[Scene]:
    """A sealed vault on a cluster whose slots move by command."""
    with scene() as made:
        yield made

"""A fake node for the tests of this folder."""

from collections.abc import Iterator

import pytest

from tests.chains.evm.fake_node import FakeNode, serving


@pytest.fixture
def node() -> Iterator[FakeNode]:
    """A fake node that runs."""
    with serving(FakeNode()) as running:
        yield running

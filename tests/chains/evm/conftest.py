"""A fake node for the tests of this folder."""

from collections.abc import Iterator

import pytest

from tests.chains.evm.fake_node import FakeNode, serving


@pytest.fixture
def node() -> Iterator[FakeNode]:
    """A fake node that runs."""
    with serving(FakeNode()) as running:
        # A header without a bloom: whoever tests blooms gives one.
        running.answers["eth_getBlockByHash"] = lambda params: {
            "number": "0x9",
            "hash": params[0],
            "parentHash": "0x" + "02" * 32,
            "timestamp": "0x6a",
        }
        yield running

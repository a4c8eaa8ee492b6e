"""Blooms say what the logs hold."""

from hypothesis import given
from hypothesis import strategies as st

from chains.devnet.memory_node.logs import Log, bloom_bits, bloom_of, bloom_text
from tests.chains.devnet.scenes import chain_with_locks

ITEMS = st.binary(min_size=32, max_size=32).map(lambda raw: "0x" + raw.hex())


@given(st.lists(ITEMS, max_size=4), st.binary(min_size=20, max_size=20))
def test_a_bloom_holds_each_item_of_its_logs(topics: list[str], address: bytes) -> None:
    """No false negative is possible."""
    log = Log("0x" + address.hex(), tuple(topics), "0x")

    bloom = bloom_of([log])

    for item in (log.address, *topics):
        assert bloom & bloom_bits(item) == bloom_bits(item)


def test_a_block_without_logs_has_an_empty_bloom() -> None:
    """And one with logs has not."""
    chain = chain_with_locks(0, 1)

    assert chain.blocks[1].bloom == 0
    assert chain.blocks[2].bloom == bloom_of(chain.blocks[2].logs) > 0
    assert len(bloom_text(chain.blocks[2].bloom)) == 2 + 512

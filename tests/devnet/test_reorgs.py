"""Reorgs of a real node: what the ledger holds is what a fresh index of the node finds."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from chains.devnet.actors import ALICE
from chains.devnet.kit import WETH, DeployedChain, Devnet, DevnetOptions
from chains.devnet.reorg import reorg
from chains.types import TokenRef
from relayer.assets import Asset, AssetRegistry
from relayer.clock import FixedClock
from relayer.store.unit_of_work import Store
from tests.databases import NOW, TestDatabases
from tests.devnet.following import WETH_ID, Follower, Place, follower_of
from tests.devnet.letters import account_named
from tests.relayer.steps.bookings import CATALOG

SLOTS_IN_EPOCH = 20  # final blocks are 40 behind
Poll = Callable[[], object]


@pytest.fixture
def chain(anvil_binary: str) -> Iterator[DeployedChain]:
    """Chain A of a layout whose final blocks are far behind."""
    del anvil_binary
    with Devnet(DevnetOptions(slots_in_epoch=SLOTS_IN_EPOCH)) as running:
        yield running.chain_a


def followed(store: Store, chain: DeployedChain) -> Follower:
    """Return a follower that knows the chain's token."""
    token = TokenRef(chain.chain_id, chain.tokens["WETH"])
    assets = AssetRegistry({token: Asset(WETH_ID, 18)})
    place = Place(chain.chain_id, chain.reader, chain.chain.head)
    return follower_of(store, place, replace(CATALOG, assets=assets))


def lock(chain: DeployedChain, label: str, units: int) -> bytes:
    """Lock and return the raw transaction, so that it can be put into another block."""
    assert chain.vault is not None
    receipt = chain.chain.lock(
        ALICE, chain.vault, account_named(label), chain.tokens["WETH"], units
    )
    call = chain.chain.anvil.rpc.call
    return bytes.fromhex(str(call("debug_getRawTransaction", "0x" + receipt.tx_hash.hex()))[2:])


def dropped(chain: DeployedChain, poll: Poll) -> None:
    """Drop a lock: its block is replaced by an empty one."""
    lock(chain, "dropped", WETH)
    poll()
    reorg(chain.chain, 1)


def moved(chain: DeployedChain, poll: Poll) -> None:
    """Put a lock into a block that was empty, two lower than where it stood."""
    chain.chain.mine(3)
    raw = lock(chain, "moved", 2 * WETH)
    poll()
    reorg(chain.chain, 4, [(raw, 1)])


def nested(chain: DeployedChain, poll: Poll) -> None:
    """Reorganise a reorg that was seen, and one that was not."""
    lock(chain, "nested", WETH)
    lock(chain, "nested again", 3 * WETH)
    poll()
    reorg(chain.chain, 2)
    poll()
    reorg(chain.chain, 3)
    reorg(chain.chain, 2)


def deep(chain: DeployedChain, poll: Poll) -> None:
    """Replace almost everything that is not final."""
    lock(chain, "deep", WETH)
    chain.chain.mine(2 * SLOTS_IN_EPOCH - 4)
    poll()
    reorg(chain.chain, 2 * SLOTS_IN_EPOCH - 2)


@pytest.mark.parametrize("change", [dropped, moved, nested, deep])
def test_r1_reorgs_of_a_real_node_leave_what_a_fresh_index_finds(
    change: Callable[[DeployedChain, Poll], None],
    chain: DeployedChain,
    databases: TestDatabases,
) -> None:
    """Balances and living events: 0 differences; the first poll notices."""
    clock = FixedClock(NOW)
    lock(chain, "before", 5 * WETH)
    chain.chain.finalize()
    with databases.store("sqlite", clock) as store, databases.store("sqlite", clock) as fresh:
        follower = followed(store, chain)
        follower.catch_up()

        change(chain, follower.catch_up)
        noticed = follower.catch_up()
        found = follower.image()
        other = followed(fresh, chain)
        other.catch_up()

        assert noticed[0]
        assert found == other.image()
        assert follower.soft(account_named("moved")) == (2 * WETH if change is moved else 0)

"""Values that the tests of the store share."""

from eth_hash.auto import keccak

from chains.command import RequestUnlock, SignedCommand
from chains.events import CollateralLocked, EventPosition
from chains.message import Message, MessageKind
from chains.types import BlockHeader, BlockRef, ChainId, chain_key
from relayer.clock import UnixSeconds
from relayer.outbox.message import OutboxMessage
from relayer.store.chains import Cursor
from relayer.store.leases import Lease, watch_lease_name
from relayer.store.unit_of_work import Store
from tests.databases import NOW

CHAIN = ChainId("eip155:31337")
OTHER_CHAIN = ChainId("eip155:31338")
HUB = ChainId("hub:devnet")
VAULT, TOKEN = b"\x0f" * 32, b"\x0d" * 32
ANN, BOB = b"\x0a" * 32, b"\x0b" * 32
FLOW = b"\xf1" * 32
UINT256_MAX = 2**256 - 1


def block(height: int, branch: str = "a") -> BlockRef:
    """Return the block of a height on a named branch."""
    return BlockRef(height, keccak(f"{branch}{height}".encode()))


def header(height: int, branch: str = "a", *, parent_branch: str | None = None) -> BlockHeader:
    """Return a header whose parent is on the same branch, or on another one."""
    parent = block(height - 1, parent_branch or branch)
    return BlockHeader(block(height, branch), parent.block_hash, NOW - 1_000 + height)


def lock(height: int, lock_id: int, branch: str = "a", account: bytes = ANN) -> CollateralLocked:
    """Return a lock of 5 units in a block; its transaction is the same on every branch."""
    position = EventPosition(
        chain_id=CHAIN,
        block=block(height, branch),
        tx_hash=keccak(f"lock{lock_id}".encode()),
        log_index=lock_id,
        contract=VAULT,
    )
    return CollateralLocked(
        position=position,
        lock_id=lock_id,
        account=account,
        token=TOKEN,
        depositor=ANN,
        units=5,
        held_after_units=UINT256_MAX,
    )


def watch_lease(store: Store, holder: str = "watcher-1") -> Lease:
    """Take the lease of the chain's cursor for a minute."""
    with store.unit_of_work() as uow:
        lease = uow.leases.acquire(watch_lease_name(CHAIN), holder, 60)
    assert lease is not None
    return lease


def started_chain(store: Store, lease: Lease, height: int = 10) -> Cursor:
    """Store an empty final range up to a height."""
    with store.unit_of_work() as uow:
        cursor = uow.chains.cursor(CHAIN)
        return uow.chains.store_finalized_range(cursor, (), header(height), lease)


def release(nonce: int = 1, *, account: bytes = ANN, created_at: int = NOW) -> OutboxMessage:
    """Return a release of 7 units with its hold and a signed command."""
    message = Message(
        kind=MessageKind.RELEASE,
        origin=chain_key(HUB),
        target=chain_key(CHAIN),
        vault=VAULT,
        nonce=nonce,
        account=account,
        token=TOKEN,
        amount_units=7,
        recipient=ANN,
        expiry_seconds=created_at + 3_600,
        epoch=1,
        evidence=bytes(32),
    )
    return OutboxMessage(
        message=message,
        target_chain=CHAIN,
        correlation_id=FLOW,
        hold_entry_id=keccak(nonce.to_bytes(8, "big")),
        command=unlock_command(),
        created_at=UnixSeconds(created_at),
        deadline_at=UnixSeconds(created_at + 1_800),
    )


def unlock_command() -> SignedCommand:
    """Return a request for 7 units with a signature of the right width."""
    request = RequestUnlock(
        account=ANN,
        chain_id=CHAIN,
        vault=VAULT,
        token=TOKEN,
        amount=7,
        recipient=ANN,
        deadline=NOW + 60,
        nonce=bytes(32),
    )
    return SignedCommand(command=request, signatures=(b"\x01" * 65,))

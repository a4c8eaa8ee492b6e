"""Publish root: commit to the whole journal by one hash, and tell everybody who listens."""

from typing import Final

import structlog

from relayer.errors import RefusedError
from relayer.steps.tell import tell
from relayer.store.roots import StoredRoot
from relayer.store.unit_of_work import Store, UnitOfWork

ENTRIES_PER_ROOT: Final = 1_000
ROOTS_PER_RUN_MAX: Final = 20
TOPIC: Final = "ledger.root"
log = structlog.get_logger(__name__)


def publish_due_roots(store: Store, *, entries_per_root: int = ENTRIES_PER_ROOT) -> int:
    """
    Make the roots that are due, each in one transaction; return how many.

    A root is due at every multiple of entries_per_root, whoever makes it: two processes make the
    same one.

    Raises:
        JournalBrokenError: the journal does not follow from what was published of it.
    """
    for made in range(ROOTS_PER_RUN_MAX):
        with store.unit_of_work() as uow:
            newest = uow.roots.newest()
            size = 0 if newest is None else newest.size
            size += entries_per_root - size % entries_per_root
            if size > uow.ledger.head().seq:
                return made
            _publish(uow, size)
    return ROOTS_PER_RUN_MAX


def publish_root(store: Store) -> StoredRoot:
    """
    Make the root over all entries there are now; the newest one when nothing was booked since.

    Raises:
        RefusedError: the journal is empty.
        JournalBrokenError: the journal does not follow from what was published of it.
    """
    with store.unit_of_work() as uow:
        size = uow.ledger.head().seq
        if size == 0:
            raise RefusedError(code="journal_empty", detail="nothing is booked yet")
        return uow.roots.at(size) or _publish(uow, size)


def _publish(uow: UnitOfWork, size: int) -> StoredRoot:
    root = uow.roots.make(size)
    tell(
        uow,
        TOPIC,
        {
            "size": str(root.size),
            "root": "0x" + root.root.hex(),
            "head_hash": "0x" + root.head_hash.hex(),
        },
        account=None,
        correlation_id=root.root,
    )
    log.info("root.published", size=root.size, root="0x" + root.root.hex())
    return root

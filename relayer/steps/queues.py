"""Names of jobs and of the queues that their doorbells go to, and the ring that many steps give."""

from typing import Final

from chains.types import ChainId
from relayer.clock import UnixSeconds
from relayer.outbox.message import OutboxMessage
from relayer.store.unit_of_work import UnitOfWork

RECONCILE: Final = "reconcile"
ASSESS: Final = "assess"
DECIDE: Final = "decide"
LIQUIDATE: Final = "liquidate"
ATTEST: Final = "attest"
RELAY: Final = "relay"
CONFIRM: Final = "confirm"
MEND: Final = "mend"
CUSTODY: Final = "custody"
PUBLISH: Final = "publish"
SWITCH: Final = "switch"

SHARED_QUEUES: Final = (ASSESS, DECIDE, ATTEST, PUBLISH)


def chain_part(chain_id: ChainId) -> str:
    """Return the chain's part of a queue name: brokers use the colon and the dot themselves."""
    return chain_id.replace(":", "-")


def reconcile_queue(chain_id: ChainId) -> str:
    """Return the queue of a chain's bookings and comparisons."""
    return f"{RECONCILE}.{chain_part(chain_id)}"


def relay_queue(chain_id: ChainId) -> str:
    """Return the queue of what is sent to a chain."""
    return f"{RELAY}.{chain_part(chain_id)}"


def ring_confirm(uow: UnitOfWork, message: OutboxMessage, at: UnixSeconds) -> None:
    """Have it looked at, from a Unix second on, what became of a message on its target."""
    uow.jobs.ring(
        CONFIRM,
        message.message_id.hex(),
        relay_queue(message.target_chain),
        at,
        message.correlation_id,
    )


def ring_relay(uow: UnitOfWork, message: OutboxMessage) -> None:
    """Let a message be relayed at once, before those that were never sent: they wait for it."""
    uow.jobs.ring(
        RELAY,
        message.message_id.hex(),
        relay_queue(message.target_chain),
        message.created_at,
        message.correlation_id,
    )


def queues_of(chain_ids: tuple[ChainId, ...]) -> tuple[str, ...]:
    """Return every queue of a deployment."""
    per_chain = [(reconcile_queue(chain_id), relay_queue(chain_id)) for chain_id in chain_ids]
    return (*SHARED_QUEUES, *(queue for pair in per_chain for queue in pair))

"""The life of an outbox message: every arrow on one screen."""

import hashlib
from enum import Enum
from typing import Final

from relayer.errors import RelayerError

RETRY_LADDER_SECONDS: Final = (5, 10, 30, 60, 180, 600, 1_500)
JITTER_PERMILLE_MAX: Final = 100


class MessageState(Enum):
    """
    Where a message is.

    PENDING: composed, with its hold. DISPATCHED: shown to the guardians. ATTESTED: a quorum
    signed. SUBMITTED: a transaction was broadcast. DELIVERED: the effect is in a block. CONFIRMED:
    that block is final. FAILED: refused before a quorum could exist. DISPUTED: the expiry passed
    without effect, or the block of the effect was final and is gone; what it holds stays held.
    RETURNED: a final block proves that it can no longer execute.
    """

    PENDING = "PENDING"
    DISPATCHED = "DISPATCHED"
    ATTESTED = "ATTESTED"
    SUBMITTED = "SUBMITTED"
    DELIVERED = "DELIVERED"
    CONFIRMED = "CONFIRMED"
    FAILED = "FAILED"
    DISPUTED = "DISPUTED"
    RETURNED = "RETURNED"


class MessageEvent(Enum):
    """What happens to a message."""

    DISPATCH = "DISPATCH"
    ATTEST = "ATTEST"
    SUBMIT = "SUBMIT"
    DELIVER = "DELIVER"
    CONFIRM = "CONFIRM"
    REORG = "REORG"
    REJECT = "REJECT"
    EXPIRE = "EXPIRE"
    PROVE_UNEXECUTED = "PROVE_UNEXECUTED"
    RECOVER = "RECOVER"


class WaitReason(Enum):
    """Why a message is where it is; the value is a metric label and an API field."""

    COMPOSED = "composed"
    SIGNATURES_MISSING = "signatures_missing"
    GUARDIANS_UNREACHABLE = "guardians_unreachable"
    GUARDIANS_NOT_YET = "guardians_not_yet"
    GUARDIANS_REFUSED = "guardians_refused"
    QUORUM_REACHED = "quorum_reached"
    GOVERNOR_QUEUED = "governor_queued"
    GOVERNOR_HELD = "governor_held"
    GOVERNOR_DROPPED = "governor_dropped"
    OUTFLOW_EXHAUSTED = "outflow_exhausted"
    PRICE_REFUSED = "price_refused"
    SWITCHED_OFF = "switched_off"
    CHAIN_HALTED = "chain_halted"
    CUSTODY_BREAK = "custody_break"
    CHAIN_PAUSED = "chain_paused"
    RPC_UNAVAILABLE = "rpc_unavailable"
    TARGET_REVERTS = "target_reverts"
    SENDER_BUSY = "sender_busy"
    SENDS_IN_FLIGHT = "sends_in_flight"
    SENDER_QUEUE_FULL = "sender_queue_full"
    FEE_ABOVE_CAP = "fee_above_cap"
    GAS_FUNDS_LOW = "gas_funds_low"
    INCLUSION_AWAITED = "inclusion_awaited"
    FINALITY_AWAITED = "finality_awaited"
    BLOCK_REORGED = "block_reorged"
    EXPIRY_PASSED = "expiry_passed"
    EFFECT_FINAL = "effect_final"
    PROVEN_UNEXECUTED = "proven_unexecuted"


class TransitionError(RelayerError):
    """The message's life has no such arrow."""

    def __init__(self, *, state: MessageState, event: MessageEvent) -> None:
        super().__init__(
            f"a message in {state.value} cannot {event.value}; "
            f"possible: {', '.join(e.value for e in TRANSITIONS[state]) or 'nothing, it has ended'}"
        )
        self.state = state
        self.event = event


_S, _E = MessageState, MessageEvent
# A quorum of signatures can be carried to the target by anybody, so the effect may be seen in any
# state after the guardians were asked. Nothing here gives a hold back on time alone.
TRANSITIONS: Final[dict[MessageState, dict[MessageEvent, MessageState]]] = {
    _S.PENDING: {_E.DISPATCH: _S.DISPATCHED, _E.REJECT: _S.FAILED, _E.EXPIRE: _S.DISPUTED},
    _S.DISPATCHED: {
        _E.ATTEST: _S.ATTESTED,
        _E.DELIVER: _S.DELIVERED,
        _E.REJECT: _S.FAILED,
        _E.EXPIRE: _S.DISPUTED,
    },
    _S.ATTESTED: {
        _E.SUBMIT: _S.SUBMITTED,
        _E.DELIVER: _S.DELIVERED,
        _E.EXPIRE: _S.DISPUTED,
    },
    _S.SUBMITTED: {_E.DELIVER: _S.DELIVERED, _E.EXPIRE: _S.DISPUTED},
    _S.DELIVERED: {_E.CONFIRM: _S.CONFIRMED, _E.REORG: _S.SUBMITTED},
    _S.DISPUTED: {_E.DELIVER: _S.DELIVERED, _E.PROVE_UNEXECUTED: _S.RETURNED},
    _S.CONFIRMED: {_E.RECOVER: _S.DISPUTED},
    _S.FAILED: {},
    _S.RETURNED: {},
}
# Only a person who takes a chain back below its final block leads out of one of them.
FINAL_STATES: Final = frozenset({_S.CONFIRMED, _S.FAILED, _S.RETURNED})
HOLDING_STATES: Final = frozenset(MessageState) - FINAL_STATES


def next_state(state: MessageState, event: MessageEvent) -> MessageState:
    """
    Return where an event leads.

    Raises:
        TransitionError: the table has no such arrow.
    """
    target = TRANSITIONS[state].get(event)
    if target is None:
        raise TransitionError(state=state, event=event)
    return target


def retry_delay_seconds(attempts: int, name: str) -> int:
    """
    Return the pause after the given number of failed attempts.

    Each name adds its own share, 0 to 100 permille of the step: what failed together does not
    come back together, and yet the same failure always waits the same time.

    Args:
        attempts: >= 1; the last step repeats.
        name: what failed, for example kind and key of a job.

    Returns:
        Seconds, rounded down.

    Raises:
        ValueError: attempts below 1.
    """
    if attempts < 1:
        raise ValueError(f"attempts is {attempts}; the pause follows a failed attempt, so >= 1")
    step_seconds = RETRY_LADDER_SECONDS[min(attempts, len(RETRY_LADDER_SECONDS)) - 1]
    digest = hashlib.sha256(f"{name} {attempts}".encode()).digest()
    permille = int.from_bytes(digest[:4], "big") % (JITTER_PERMILLE_MAX + 1)
    return step_seconds + step_seconds * permille // 1_000

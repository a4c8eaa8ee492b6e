"""What each reason of a waiting message means, and what a person should do about it."""

from dataclasses import dataclass
from typing import Final

from relayer.outbox.life import MessageState, WaitReason


@dataclass(frozen=True, slots=True)
class Advice:
    """waits_for completes the sentence "it waits for ..."; to_do is an instruction."""

    waits_for: str
    to_do: str


_R = WaitReason
ADVICE: Final[dict[WaitReason, Advice]] = {
    _R.COMPOSED: Advice(
        "a worker to show it to the guardians",
        "if this lasts, check that a worker serves the queue attest: relayer jobs list",
    ),
    _R.SIGNATURES_MISSING: Advice(
        "more guardians to sign", "if this lasts, check the guardians: relayer doctor"
    ),
    _R.GUARDIANS_UNREACHABLE: Advice(
        "guardians that can be reached",
        "find which do not answer with relayer doctor, and start them or mend the network",
    ),
    _R.GUARDIANS_NOT_YET: Advice(
        "guardians to see on their own nodes what the message rests on",
        "if this lasts, their nodes or prices lag: run relayer doctor with a guardian's file",
    ),
    _R.GUARDIANS_REFUSED: Advice(
        "too many guardians refused it",
        "read their reasons in the life below; if they are wrong, correct their nodes or settings; "
        "a refused message is never forced",
    ),
    _R.QUORUM_REACHED: Advice(
        "a worker with the sending key to submit it",
        "if this lasts, check that a worker serves the relay queue of the chain: relayer jobs list",
    ),
    _R.GOVERNOR_QUEUED: Advice(
        "its turn in the governor's queue",
        "nothing; it goes on by itself. relayer governor status shows the window and the time; "
        "governor release, extend or drop change it",
    ),
    _R.GOVERNOR_HELD: Advice(
        "a person: it is worth more than the bucket of its lane ever holds",
        "check with its owner that it is meant, then relayer governor release or drop; asking for "
        "several smaller amounts needs nobody",
    ),
    _R.GOVERNOR_DROPPED: Advice(
        "nothing, it has ended",
        "nothing; a person dropped it before any guardian saw it, and what it held was given back",
    ),
    _R.OUTFLOW_EXHAUSTED: Advice(
        "room in the vault's outflow window",
        "nothing; the window moves on. More capacity needs a parameter message of the guardians",
    ),
    _R.PRICE_REFUSED: Advice(
        "a valid price", "find the feed that is stale or deviates: relayer doctor"
    ),
    _R.SWITCHED_OFF: Advice(
        "an operator to switch the way on again", "see who switched it off, and why: relayer status"
    ),
    _R.CHAIN_HALTED: Advice(
        "an operator to resume the chain",
        "read why it was halted in relayer status, heal it, then: relayer chain resume CHAIN",
    ),
    _R.CUSTODY_BREAK: Advice(
        "a person to clear the break of its asset and chain",
        "find why ledger and vault differ: relayer custody, heal it, then clear the break",
    ),
    _R.CHAIN_PAUSED: Advice(
        "the vault to be resumed by its guardians",
        "the contract is paused on chain; a pause message with flags 0 resumes it",
    ),
    _R.RPC_UNAVAILABLE: Advice(
        "a node of the chain that answers", "find out why the node does not answer: relayer doctor"
    ),
    _R.TARGET_REVERTS: Advice(
        "the contract to accept it",
        "the decoded revert is in the life below; heal what it names. Nothing is given back",
    ),
    _R.SENDER_BUSY: Advice(
        "the sending key to finish an earlier transaction",
        "if this lasts, an earlier transaction is stuck: relayer message list --state SUBMITTED",
    ),
    _R.SENDS_IN_FLIGHT: Advice(
        "a transaction of the sending key to enter a block",
        "nothing; if this lasts, the oldest is stuck: relayer message list --state SUBMITTED",
    ),
    _R.SENDER_QUEUE_FULL: Advice(
        "the messages before it to be sent",
        "nothing; if this lasts, raise sender.in_flight_max and restart the workers",
    ),
    _R.FEE_ABOVE_CAP: Advice(
        "fees to fall below the cap",
        "wait, or raise sender.fee_cap_gwei (seizures: sender.liquidation_fee_cap_gwei) and "
        "restart the workers",
    ),
    _R.GAS_FUNDS_LOW: Advice(
        "native coins on the sending key",
        "send native coins to the sender; relayer doctor names it",
    ),
    _R.INCLUSION_AWAITED: Advice(
        "a block to include its transaction", "nothing; its fees are raised by themselves"
    ),
    _R.FINALITY_AWAITED: Advice("its block to become final", "nothing; the chain decides"),
    _R.BLOCK_REORGED: Advice(
        "its effect to be seen again", "nothing; its block left the chain and it is sent again"
    ),
    _R.EXPIRY_PASSED: Advice(
        "a final block that proves that it can no longer be executed",
        "nothing; what it holds stays held until the proof. A timeout never gives anything back",
    ),
    _R.EFFECT_FINAL: Advice("nothing, it has ended", "nothing; its effect is final"),
    _R.PROVEN_UNEXECUTED: Advice(
        "nothing, it has ended",
        "nothing; it provably did not execute, and what it held was given back",
    ),
}
STATE_TEXT: Final[dict[MessageState, str]] = {
    MessageState.PENDING: "is composed, and its hold is booked",
    MessageState.DISPATCHED: "is shown to the guardians",
    MessageState.ATTESTED: "is signed by a quorum",
    MessageState.SUBMITTED: "is broadcast to its chain",
    MessageState.DELIVERED: "has its effect in a block",
    MessageState.CONFIRMED: "is confirmed: its effect is final",
    MessageState.FAILED: "failed: it was refused before a quorum could exist",
    MessageState.DISPUTED: "is disputed: it expired without a visible effect",
    MessageState.RETURNED: "is returned: it provably never executed",
}

"""Errors of the chain side. Transient ones are retried, permanent ones are not."""

from dataclasses import dataclass

from chains.types import BlockRef, ChainId, raw_text


class ChainError(Exception):
    """Base of every error that leaves the chains package."""


class TransientChainError(ChainError):
    """Asking again later may succeed."""


class PermanentChainError(ChainError):
    """Asking again changes nothing; a person or another branch must act."""


class RpcTimeoutError(TransientChainError):
    """A node did not answer in time."""

    def __init__(self, *, chain_id: ChainId, method: str) -> None:
        super().__init__(f"{chain_id}: {method} was not answered in time; it is asked again")
        self.chain_id = chain_id
        self.method = method


class RpcUnavailableError(TransientChainError):
    """A node refused the connection, broke it, or answered with a passing fault."""

    def __init__(self, *, chain_id: ChainId, method: str, reason: str) -> None:
        super().__init__(f"{chain_id}: {method} failed: {reason}; it is asked again")
        self.chain_id = chain_id
        self.method = method
        self.reason = reason


class RpcRateLimitError(RpcUnavailableError):
    """A node asks for patience: too many requests, or a used-up quota."""


class RpcAuthError(RpcUnavailableError):
    """A node does not accept our key or our plan; the other nodes go on without it."""


@dataclass(frozen=True, slots=True)
class Tally:
    """
    Who said what when nodes were asked, by label.

    Args:
        quorum: how many must agree, of node_count.
        answered: the nodes that answered.
        failed: the nodes that did not, each with the name of its error.
        dissented: those among the answered that contradict the largest group.
        own_missing: the own nodes, each with why, where none of them is among those that agree.
    """

    quorum: int
    node_count: int
    answered: tuple[str, ...]
    failed: tuple[tuple[str, str], ...]
    dissented: tuple[str, ...] = ()
    own_missing: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        """Return the tally as one line."""
        parts = [f"{len(self.answered)} of {self.node_count} nodes answered"]
        parts[0] += f", {self.quorum} must agree"
        if self.answered:
            parts.append(f"answered: {', '.join(self.answered)}")
        if self.failed:
            parts.append("failed: " + ", ".join(f"{label} ({why})" for label, why in self.failed))
        if self.dissented:
            parts.append(f"dissented: {', '.join(self.dissented)}")
        if self.own_missing:
            own = ", ".join(f"{label} ({why})" for label, why in self.own_missing)
            parts.append(f"no own node is among those that agree: {own}")
        return "; ".join(parts)


class QuorumLostError(TransientChainError):
    """
    Fewer nodes answered than must agree, or no own node is among them.

    Nothing is decided, and the quorum is not lowered.
    """

    def __init__(self, *, chain_id: ChainId, method: str, tally: Tally) -> None:
        super().__init__(f"{chain_id}: quorum lost for {method}: {tally}")
        self.chain_id = chain_id
        self.method = method
        self.tally = tally


class RangeTooLargeError(TransientChainError):
    """A node refuses a log range of this size; halve it."""

    def __init__(self, *, chain_id: ChainId, first_height: int, last_height: int) -> None:
        super().__init__(f"{chain_id}: the node refuses logs of {first_height}..{last_height}")
        self.chain_id = chain_id
        self.first_height = first_height
        self.last_height = last_height


class BlockGoneError(TransientChainError):
    """The asked block is not (or no longer) on the node's chain."""

    def __init__(self, *, chain_id: ChainId, reference: str) -> None:
        super().__init__(f"{chain_id}: block {reference} is not on the node's chain")
        self.chain_id = chain_id
        self.reference = reference


class RpcAnswerError(PermanentChainError):
    """A node answered with something that cannot be true or cannot be read."""

    def __init__(self, *, chain_id: ChainId, method: str, reason: str) -> None:
        super().__init__(f"{chain_id}: the answer to {method} is unusable: {reason}")
        self.chain_id = chain_id
        self.method = method
        self.reason = reason


class RpcContradictionError(TransientChainError):
    """A node's answer contradicts another of its own answers; nothing is decided on either."""

    def __init__(self, *, chain_id: ChainId, method: str, reason: str) -> None:
        super().__init__(f"{chain_id}: {method}: {reason}; it is asked again")
        self.chain_id = chain_id
        self.method = method
        self.reason = reason


class RpcRequestError(RpcAnswerError):
    """A node refuses what was asked as such: the mistake is ours, or it lacks the method."""


class NoSuchReadError(PermanentChainError):
    """A chain of this family has no such read; whoever asks has not asked which family it is."""

    def __init__(self, *, chain_id: ChainId, method: str, reason: str) -> None:
        super().__init__(f"{chain_id}: {method} is not there: {reason}")
        self.chain_id = chain_id
        self.method = method
        self.reason = reason


class CallRevertedError(PermanentChainError):
    """A contract refused a call or a transaction; the reason is decoded where the ABI knows it."""

    def __init__(self, *, chain_id: ChainId, reason: str) -> None:
        super().__init__(f"{chain_id}: refused by the contract: {reason}")
        self.chain_id = chain_id
        self.reason = reason


class MalformedLogError(PermanentChainError):
    """A log of a watched contract does not have the shape its topic promises."""

    def __init__(
        self, *, block: BlockRef, contract: bytes, tx_hash: bytes, log_index: int, reason: str
    ) -> None:
        super().__init__(
            f"log {log_index} of 0x{tx_hash.hex()} in block {block.height} is malformed: {reason}"
        )
        self.block = block
        self.contract = contract
        self.tx_hash = tx_hash
        self.log_index = log_index
        self.reason = reason


class MovementMissingError(MalformedLogError):
    """A lock whose tokens did not come in: the vault says so, and the token does not."""


class WrongChainError(PermanentChainError):
    """The node serves another chain than the configured or the stored one."""

    def __init__(self, *, chain_id: ChainId, field: str, expected: str, found: str) -> None:
        super().__init__(
            f"{chain_id}: the node's {field} is {found}, expected {expected}; "
            f"point the chain's rpc setting at the right node"
        )
        self.chain_id = chain_id
        self.field = field
        self.expected = expected
        self.found = found


class FinalityViolationError(PermanentChainError):
    """A block that was final is no longer on the chain."""

    def __init__(self, *, chain_id: ChainId, block: BlockRef) -> None:
        super().__init__(
            f"{chain_id}: final block {block.height} {raw_text(chain_id, block.block_hash)} was "
            "replaced; the chain is halted until an operator decides"
        )
        self.chain_id = chain_id
        self.block = block


class MessageFormatError(PermanentChainError):
    """Message or command bytes break the format."""

    def __init__(self, *, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class AttestationError(PermanentChainError):
    """A set of signatures does not attest a message."""

    def __init__(self, *, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class AccountNonceUsedError(PermanentChainError):
    """Another transaction has used this account nonce; look for our own receipts, then re-sign."""

    def __init__(self, *, chain_id: ChainId, account_nonce: int) -> None:
        super().__init__(
            f"{chain_id}: account nonce {account_nonce} is used by another transaction"
        )
        self.chain_id = chain_id
        self.account_nonce = account_nonce


class FeeTooLowError(PermanentChainError):
    """The node wants higher fees for this transaction; bump them and sign again."""

    def __init__(self, *, chain_id: ChainId, reason: str) -> None:
        super().__init__(f"{chain_id}: fees are too low: {reason}; bump them")
        self.chain_id = chain_id
        self.reason = reason


class FeeAboveCapError(PermanentChainError):
    """The market is above what the key may pay: no replacement is allowed until it falls."""

    def __init__(self, *, chain_id: ChainId, cap_wei: int) -> None:
        super().__init__(
            f"{chain_id}: a dearer replacement would be above the cap of {cap_wei} wei per gas"
        )
        self.chain_id = chain_id
        self.cap_wei = cap_wei


class GasFundsError(PermanentChainError):
    """The sending key cannot pay for gas."""

    def __init__(self, *, chain_id: ChainId, address: str) -> None:
        super().__init__(f"{chain_id}: {address} cannot pay for gas; send it native coins")
        self.chain_id = chain_id
        self.address = address


class RpcDisagreementError(TransientChainError):
    """Nodes of one chain answer differently, and no quorum agrees; nothing is decided on it."""

    def __init__(self, *, chain_id: ChainId, method: str, detail: str) -> None:
        super().__init__(f"{chain_id}: nodes disagree about {method}: {detail}; it is asked again")
        self.chain_id = chain_id
        self.method = method
        self.detail = detail

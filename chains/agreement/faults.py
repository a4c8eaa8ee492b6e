"""What a failure of a node means, and whether the node or we are to blame for it."""

from enum import Enum
from typing import Final

from chains.errors import (
    AccountNonceUsedError,
    BlockGoneError,
    CallRevertedError,
    ChainError,
    FeeTooLowError,
    GasFundsError,
    QuorumLostError,
    RangeTooLargeError,
    RpcAnswerError,
    RpcAuthError,
    RpcDisagreementError,
    RpcRateLimitError,
    RpcRequestError,
    RpcTimeoutError,
    RpcUnavailableError,
    WrongChainError,
)


class FaultClass(Enum):
    """What a refusal means. The four of nonces: used, ahead, known already, paid too little."""

    RATE_LIMIT = "RATE_LIMIT"
    RANGE_TOO_BIG = "RANGE_TOO_BIG"
    STALE = "STALE"
    REVERT = "REVERT"
    NONCE_USED = "NONCE_USED"
    NONCE_AHEAD = "NONCE_AHEAD"
    NONCE_KNOWN = "NONCE_KNOWN"
    NONCE_UNDERPRICED = "NONCE_UNDERPRICED"
    FUNDS = "FUNDS"
    AUTH = "AUTH"
    TIMEOUT = "TIMEOUT"
    UNAVAILABLE = "UNAVAILABLE"
    BAD_ANSWER = "BAD_ANSWER"
    OUR_MISTAKE = "OUR_MISTAKE"


F = FaultClass
# What the node is to blame for; the rest is ours, the chain's or the contract's.
PROVIDER_FAULTS: Final = frozenset(
    {F.RATE_LIMIT, F.STALE, F.AUTH, F.TIMEOUT, F.UNAVAILABLE, F.BAD_ANSWER}
)

# The class of an error that has left an adapter; an heir stands before what it inherits from.
ERRORS: Final[tuple[tuple[type[ChainError], FaultClass], ...]] = (
    (RpcTimeoutError, F.TIMEOUT),
    (RpcRateLimitError, F.RATE_LIMIT),
    (RpcAuthError, F.AUTH),
    (RpcUnavailableError, F.UNAVAILABLE),
    (QuorumLostError, F.UNAVAILABLE),
    (RpcDisagreementError, F.UNAVAILABLE),
    (RangeTooLargeError, F.RANGE_TOO_BIG),
    (BlockGoneError, F.STALE),
    (CallRevertedError, F.REVERT),
    (AccountNonceUsedError, F.NONCE_USED),
    (FeeTooLowError, F.NONCE_UNDERPRICED),
    (GasFundsError, F.FUNDS),
    (RpcRequestError, F.OUR_MISTAKE),
    (RpcAnswerError, F.BAD_ANSWER),
    (WrongChainError, F.BAD_ANSWER),
)


def fault_of_error(error: ChainError) -> FaultClass:
    """Return the class of an error that an adapter raised."""
    for kind, fault in ERRORS:
        if isinstance(error, kind):
            return fault
    return F.OUR_MISTAKE

"""Every refusal of a Solana node has one meaning, and only a node's own faults count against it."""

import pytest

from chains.agreement.faults import PROVIDER_FAULTS, FaultClass
from chains.solana.faults import fault_of

F = FaultClass
REFUSALS = [
    (-32001, "Block 5 cleaned up, does not exist on node. First available block: 9", F.STALE),
    (-32002, "Transaction simulation failed: custom program error: 0x1b8c", F.REVERT),
    (-32003, "Transaction signature verification failure", F.OUR_MISTAKE),
    (-32004, "Block not available for slot 9", F.STALE),
    (-32005, "Node is behind by 42 slots", F.UNAVAILABLE),
    (-32005, "Node is unhealthy", F.UNAVAILABLE),
    (-32005, "Too many requests", F.RATE_LIMIT),
    (-32005, "rate limit exceeded", F.RATE_LIMIT),
    (-32006, "Transaction precompile verification failure", F.OUR_MISTAKE),
    (-32007, "Slot 9 was skipped, or missing due to ledger jump to recent snapshot", F.STALE),
    (-32008, "No snapshot", F.UNAVAILABLE),
    (-32009, "Slot 9 was skipped, or missing in long-term storage", F.STALE),
    (-32010, "excluded from account secondary indexes; unavailable", F.UNAVAILABLE),
    (-32011, "Transaction history is not available from this node", F.UNAVAILABLE),
    (-32012, "scan aborted", F.UNAVAILABLE),
    (-32013, "Transaction signature length mismatch", F.OUR_MISTAKE),
    (-32014, "Block status not yet available for slot 9", F.STALE),
    (-32015, "Transaction version (1) is not supported by the requesting client", F.OUR_MISTAKE),
    (-32016, "Minimum context slot has not been reached", F.STALE),
    (-32017, "Epoch rewards period still active at slot 9", F.UNAVAILABLE),
    (-32019, "Failed to query long-term storage; please try again", F.UNAVAILABLE),
    (-32602, "Invalid param: WrongSize", F.OUR_MISTAKE),
    (-32601, "Method not found", F.OUR_MISTAKE),
    (-32603, "Internal error", F.UNAVAILABLE),
    (-32429, "exceeded", F.RATE_LIMIT),
    (429, "slow down", F.RATE_LIMIT),
    (403, "no", F.AUTH),
    (-32000, "Unauthorized: invalid API key", F.AUTH),
    (-32000, "request timed out", F.TIMEOUT),
    (-32000, "connection reset by upstream", F.UNAVAILABLE),
    (-32000, "something nobody has seen", F.OUR_MISTAKE),
]


@pytest.mark.parametrize(("code", "text", "fault"), REFUSALS)
def test_a_refusal_has_a_meaning(code: int, text: str, fault: FaultClass) -> None:
    """By its code where that is the validator's own, else by its text."""
    assert fault_of(code, text) is fault


def test_a_text_never_turns_a_known_code_around() -> None:
    """Whoever words it."""
    for code, _, fault in REFUSALS:
        if -32020 < code <= -32001 and code != -32005:
            assert fault_of(code, "too many requests: invalid api key, timed out") is fault


def test_what_is_ours_demotes_nobody() -> None:
    """And what the node is to blame for does."""
    assert fault_of(-32602, "Invalid params") not in PROVIDER_FAULTS
    assert fault_of(-32005, "Node is behind") in PROVIDER_FAULTS


def test_an_answer_that_is_too_large_is_a_range_that_is() -> None:
    """Where a range was asked for."""
    assert fault_of(-32000, "response is too large", is_range=True) is F.RANGE_TOO_BIG

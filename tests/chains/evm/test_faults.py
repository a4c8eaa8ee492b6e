"""The table of refusals against what nodes and providers really say."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.agreement.faults import PROVIDER_FAULTS, FaultClass, fault_of_error
from chains.errors import (
    AccountNonceUsedError,
    BlockGoneError,
    CallRevertedError,
    ChainError,
    FeeTooLowError,
    GasFundsError,
    RangeTooLargeError,
    RpcAnswerError,
    RpcAuthError,
    RpcRateLimitError,
    RpcRequestError,
    RpcTimeoutError,
    RpcUnavailableError,
)
from chains.evm.faults import fault_of
from chains.line.statuses import fault_of_status
from tests.chains.strategies import CHAIN

REFUSALS: list[dict[str, Any]] = json.loads(Path(__file__).with_name("refusals.json").read_text())


def named(kind: type[RpcUnavailableError] | type[RpcAnswerError]) -> ChainError:
    """Return an error of this kind."""
    return kind(chain_id=CHAIN, method="eth_x", reason="no")


OURS = {
    FaultClass.REVERT,
    FaultClass.RANGE_TOO_BIG,
    FaultClass.NONCE_USED,
    FaultClass.NONCE_AHEAD,
    FaultClass.NONCE_KNOWN,
    FaultClass.NONCE_UNDERPRICED,
    FaultClass.FUNDS,
    FaultClass.OUR_MISTAKE,
}


def test_r6_every_recorded_refusal_has_its_class() -> None:
    """All of them, of many makers; each wrong one is shown."""
    wrong = [
        (refusal, found.value)
        for refusal in REFUSALS
        if (found := fault_of(refusal["code"], refusal["text"], is_range=refusal["is_range"])).value
        != refusal["fault"]
    ]

    assert wrong == []


def test_r6_the_record_is_broad() -> None:
    """At least 60 texts, of at least 20 makers, and each class that a text can have."""
    classes = Counter(refusal["fault"] for refusal in REFUSALS)

    assert len(REFUSALS) >= 60
    assert len({refusal["maker"] for refusal in REFUSALS}) >= 20
    assert set(classes) == {kind.value for kind in FaultClass} - {"BAD_ANSWER"}


@pytest.mark.parametrize(
    ("status", "fault"),
    [
        (400, FaultClass.OUR_MISTAKE),
        (401, FaultClass.AUTH),
        (402, FaultClass.AUTH),
        (403, FaultClass.AUTH),
        (404, FaultClass.UNAVAILABLE),
        (408, FaultClass.TIMEOUT),
        (413, FaultClass.RANGE_TOO_BIG),
        (429, FaultClass.RATE_LIMIT),
        (500, FaultClass.UNAVAILABLE),
        (502, FaultClass.UNAVAILABLE),
        (503, FaultClass.UNAVAILABLE),
        (504, FaultClass.TIMEOUT),
        (520, FaultClass.UNAVAILABLE),
        (522, FaultClass.TIMEOUT),
        (524, FaultClass.TIMEOUT),
        (525, FaultClass.UNAVAILABLE),
    ],
)
def test_r6_every_http_status_has_its_class(status: int, fault: FaultClass) -> None:
    """Where the body says nothing."""
    assert fault_of_status(status) is fault


def test_r6_only_faults_of_a_provider_count_against_it() -> None:
    """What the chain, a contract or we did wrong never does."""
    assert PROVIDER_FAULTS.isdisjoint(OURS)
    assert set(FaultClass) == PROVIDER_FAULTS | OURS


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (RpcTimeoutError(chain_id=CHAIN, method="eth_x"), FaultClass.TIMEOUT),
        (named(RpcRateLimitError), FaultClass.RATE_LIMIT),
        (named(RpcAuthError), FaultClass.AUTH),
        (named(RpcUnavailableError), FaultClass.UNAVAILABLE),
        (named(RpcRequestError), FaultClass.OUR_MISTAKE),
        (named(RpcAnswerError), FaultClass.BAD_ANSWER),
        (BlockGoneError(chain_id=CHAIN, reference="0x1"), FaultClass.STALE),
        (CallRevertedError(chain_id=CHAIN, reason="no"), FaultClass.REVERT),
        (AccountNonceUsedError(chain_id=CHAIN, account_nonce=1), FaultClass.NONCE_USED),
        (FeeTooLowError(chain_id=CHAIN, reason="no"), FaultClass.NONCE_UNDERPRICED),
        (GasFundsError(chain_id=CHAIN, address="0x"), FaultClass.FUNDS),
        (
            RangeTooLargeError(chain_id=CHAIN, first_height=1, last_height=2),
            FaultClass.RANGE_TOO_BIG,
        ),
        (ChainError("new"), FaultClass.OUR_MISTAKE),
    ],
)
def test_an_error_keeps_its_class(error: ChainError, fault: FaultClass) -> None:
    """An heir has its own, not that of what it inherits from."""
    assert fault_of_error(error) is fault


@given(code=st.integers(-40_000, 1_000), text=st.text(max_size=200), is_range=st.booleans())
def test_any_refusal_has_a_class(code: int, text: str, is_range: bool) -> None:
    """Whatever a node says is sorted, and quickly."""
    assert fault_of(code, text, is_range=is_range) in FaultClass


def test_a_huge_text_is_sorted_by_its_beginning() -> None:
    """A node cannot keep us busy with its words."""
    assert fault_of(-32000, "nonce too low " + "block " * 1_000_000) is FaultClass.NONCE_USED

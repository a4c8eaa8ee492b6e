"""Terms of commands that neither time nor the store decides."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayer import wiring
from relayer.errors import RefusedError
from relayer.steps.command_terms import asset_at, check_named_signers, check_terms
from tests.relayer.api.kit import (
    ANN,
    BOB,
    CHAIN_A,
    CHAIN_B,
    CREDIT,
    LINK,
    OPEN,
    OPERATOR,
    UNLOCK,
    USDC_B,
    WETH_A,
    deployment_settings,
)

CATALOG = wiring.catalog_of(deployment_settings())
STRANGE = b"\x00" * 12 + b"\x09" * 20
NO_EVM_ADDRESS = b"\x01" * 32


@pytest.mark.parametrize("command", [OPEN, LINK, UNLOCK, CREDIT, replace(CREDIT, limit=0)])
def test_right_terms_pass(command: Any) -> None:
    """Nothing is said about what is right; a limit of 0 hands the credit back."""
    check_terms(command, CATALOG)


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (replace(OPEN, opener=bytes(32)), "address_invalid"),
        (replace(OPEN, opener=NO_EVM_ADDRESS), "address_invalid"),
        (replace(LINK, chain_id="eip155:5"), "unknown_chain"),
        (replace(LINK, owner=NO_EVM_ADDRESS), "address_invalid"),
        (replace(UNLOCK, chain_id="eip155:31339"), "unknown_vault"),
        (replace(UNLOCK, chain_id=CHAIN_B), "unknown_vault"),
        (replace(UNLOCK, vault=STRANGE), "unknown_vault"),
        (replace(UNLOCK, token=USDC_B), "unknown_token"),
        (replace(UNLOCK, amount=0), "amount_invalid"),
        (replace(UNLOCK, recipient=bytes(32)), "address_invalid"),
        (replace(UNLOCK, recipient=UNLOCK.vault), "address_invalid"),
        (replace(UNLOCK, recipient=UNLOCK.token), "address_invalid"),
        (replace(CREDIT, credit_line=STRANGE), "unknown_credit_line"),
        (replace(CREDIT, token=USDC_B), "unknown_token"),
        (replace(CREDIT, borrower=bytes(32)), "address_invalid"),
    ],
)
def test_wrong_terms_are_refused(command: Any, code: str) -> None:
    """Each with its code."""
    with pytest.raises(RefusedError) as refused:
        check_terms(command, CATALOG)

    assert refused.value.code == code


@pytest.mark.parametrize(
    ("command", "signers", "is_right"),
    [
        (OPEN, (ANN,), True),
        (OPEN, (BOB,), False),
        (LINK, (ANN, BOB), True),
        (LINK, (ANN, ANN), False),
        (UNLOCK, (BOB,), True),  # whether bob is an owner, the store knows
        (CREDIT, (ANN, OPERATOR), True),
        (CREDIT, (OPERATOR, ANN), False),
    ],
)
def test_signers_that_are_named_must_have_signed(
    command: Any, signers: tuple[Any, ...], *, is_right: bool
) -> None:
    """Opener, new owner, operator of the credit line."""
    addresses = tuple(signer.address for signer in signers)
    if is_right:
        check_named_signers(command, addresses, CATALOG)
        return

    with pytest.raises(RefusedError, match="signer_mismatch"):
        check_named_signers(command, addresses, CATALOG)


@given(token=st.binary(min_size=32, max_size=32))
def test_only_configured_tokens_have_an_asset(token: bytes) -> None:
    """Any other is refused by name."""
    assert asset_at(CATALOG, CHAIN_A, WETH_A).asset_id == "WETH"
    if token != WETH_A:
        with pytest.raises(RefusedError, match="unknown_token"):
            asset_at(CATALOG, CHAIN_A, token)

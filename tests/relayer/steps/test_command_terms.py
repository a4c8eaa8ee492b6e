"""Terms of commands that neither time nor the store decides."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from solders.keypair import Keypair
from solders.pubkey import Pubkey

from chains.command import RequestUnlock
from chains.solana.vault_addresses import VaultAddresses, unsigned_words
from chains.types import ChainId, TokenRef
from relayer import wiring
from relayer.assets import Asset, AssetRegistry
from relayer.errors import RefusedError
from relayer.money import AssetId
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
    SOL,
    SOL_LINK,
    SOL_OPEN,
    SOL_UNLOCK,
    UNLOCK,
    USDC_B,
    USDC_S,
    VAULT_S,
    WETH_A,
    deployment_settings,
    with_solana,
)

CATALOG = wiring.catalog_of(deployment_settings())
CHAIN_S = ChainId("solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1")
PROGRAM_S, MINT_S, OTHER_S, WALLET_S = (
    bytes(Keypair.from_seed(bytes([number]) * 32).pubkey()) for number in range(1, 5)
)
DERIVED_VAULT_S = bytes(Pubkey.find_program_address([b"vault"], Pubkey(PROGRAM_S))[0])
MULTISIG_S = bytes(Pubkey.find_program_address([b"multisig"], Pubkey(WALLET_S))[0])
AT_S = VaultAddresses(Pubkey(PROGRAM_S), Pubkey(DERIVED_VAULT_S))
SOLANA_CATALOG = replace(
    CATALOG,
    chain_ids=(*CATALOG.chain_ids, CHAIN_S),
    vaults={CHAIN_S: DERIVED_VAULT_S},
    assets=AssetRegistry({TokenRef(CHAIN_S, MINT_S): Asset(AssetId("USDC"), 6)}),
    barred={
        CHAIN_S: unsigned_words(
            program_id=PROGRAM_S, vault=DERIVED_VAULT_S, mints=(MINT_S, OTHER_S)
        ),
    },
)
WITH_SOLANA = with_solana(CATALOG)
PROGRAM_DERIVED = bytes(Pubkey.find_program_address([b"x"], Pubkey(b"\x07" * 32))[0])
STRANGE = b"\x00" * 12 + b"\x09" * 20
NO_EVM_ADDRESS = b"\x01" * 32


@pytest.mark.parametrize("command", [OPEN, LINK, UNLOCK, CREDIT, replace(CREDIT, limit=0)])
def test_right_terms_pass(command: Any) -> None:
    """Nothing is said about what is right; a limit of 0 hands the credit back."""
    check_terms(command, CATALOG)


@pytest.mark.parametrize(
    "command",
    [
        OPEN,
        SOL_OPEN,
        LINK,
        SOL_LINK,
        UNLOCK,
        SOL_UNLOCK,
        replace(SOL_UNLOCK, recipient=PROGRAM_DERIVED),
    ],
)
def test_right_terms_pass_where_solana_is_served(command: Any) -> None:
    """Owners and recipients are public keys there; a recipient may be a program's account."""
    check_terms(command, WITH_SOLANA)


@pytest.mark.parametrize(
    ("command", "detail"),
    [
        (replace(SOL_LINK, owner=BOB.address), "owner: 0x.* is an EVM address; solana:"),
        (replace(SOL_LINK, owner=bytes(32)), "owner: it is the zero address"),
        (replace(LINK, owner=SOL.address), "owner: 0x.* is not a left-padded EVM address"),
        (replace(OPEN, opener=bytes(32)), "opener: it is the zero address"),
        (replace(SOL_UNLOCK, recipient=BOB.address), "recipient: 0x.* is an EVM address; solana:"),
        (replace(SOL_UNLOCK, recipient=bytes(32)), "recipient: it is the zero address"),
        (replace(SOL_UNLOCK, recipient=VAULT_S), "recipient: it is the vault or the token"),
        (replace(SOL_UNLOCK, recipient=USDC_S), "recipient: it is the vault or the token"),
        (replace(UNLOCK, recipient=SOL.address), "recipient: 0x.* is not a left-padded EVM"),
    ],
)
def test_a_wallet_of_the_other_family_is_nobody_there(command: Any, detail: str) -> None:
    """The field is named, and what it takes."""
    with pytest.raises(RefusedError, match=detail) as refused:
        check_terms(command, WITH_SOLANA)

    assert refused.value.code == "address_invalid"


def test_nobody_opens_with_a_solana_key_where_no_solana_chain_is_served() -> None:
    """No vault would let such an opener out."""
    with pytest.raises(RefusedError, match=r"opener: 0x.* no Solana chain is served"):
        check_terms(SOL_OPEN, CATALOG)


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


def solana_unlock(**changes: Any) -> RequestUnlock:
    """Return an unlock of a vault on Solana to a wallet there."""
    fields = {"chain_id": CHAIN_S, "vault": DERIVED_VAULT_S, "token": MINT_S, "recipient": WALLET_S}
    return replace(UNLOCK, **(fields | changes))


def test_an_unlock_may_go_to_a_wallet_on_solana() -> None:
    """A key, and an account of a program that can pay on, as that of a multisig."""
    check_terms(solana_unlock(), SOLANA_CATALOG)
    check_terms(solana_unlock(recipient=MULTISIG_S), SOLANA_CATALOG)

    assert Pubkey(WALLET_S).is_on_curve()
    assert not Pubkey(MULTISIG_S).is_on_curve()


@pytest.mark.parametrize(
    ("changes", "code", "text"),
    [
        ({"recipient": bytes(32)}, "address_invalid", "zero address"),
        ({"recipient": ANN.address}, "address_invalid", "is an EVM address"),
        ({"recipient": DERIVED_VAULT_S}, "address_invalid", "vault or the token"),
        ({"recipient": MINT_S}, "address_invalid", "vault or the token"),
        ({"recipient": bytes(AT_S.authority)}, "address_invalid", str(AT_S.authority)),
        ({"recipient": bytes(AT_S.events)}, "address_invalid", "nobody signs"),
        ({"recipient": bytes(AT_S.custody(Pubkey(MINT_S)))}, "address_invalid", "nobody signs"),
        ({"recipient": bytes(AT_S.custody(Pubkey(OTHER_S)))}, "address_invalid", "nobody signs"),
        ({"recipient": bytes(AT_S.asset(Pubkey(MINT_S)))}, "address_invalid", "nobody signs"),
        ({"recipient": PROGRAM_S}, "address_invalid", "nobody signs"),
        ({"amount": 2**64}, "amount_invalid", "at most"),
        ({"vault": WALLET_S}, "unknown_vault", str(Pubkey(WALLET_S))),
        ({"token": WALLET_S}, "unknown_token", str(Pubkey(WALLET_S))),
    ],
)
def test_an_unlock_to_nobody_on_solana_is_refused(
    changes: dict[str, Any], code: str, text: str
) -> None:
    """Who cannot be paid or could not pay on is named in the spelling of the chain."""
    with pytest.raises(RefusedError, match=text) as refused:
        check_terms(solana_unlock(**changes), SOLANA_CATALOG)

    assert refused.value.code == code


@pytest.mark.parametrize(
    ("command", "signers", "is_right"),
    [
        (OPEN, (ANN,), True),
        (OPEN, (BOB,), False),
        (SOL_OPEN, (SOL,), True),
        (SOL_OPEN, (ANN,), False),
        (SOL_LINK, (ANN, SOL), True),
        (SOL_LINK, (SOL, ANN), False),
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

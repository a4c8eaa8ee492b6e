"""The catalog: what is configured is found, anything else is refused by name."""

from dataclasses import replace

import pytest

from chains.types import ChainId, TokenRef
from relayer.assets import AssetRegistry, Path, UnknownTokenError
from relayer.errors import RefusedError, SettingsError
from relayer.money import AssetId
from relayer.steps.catalog import Catalog
from tests.relayer.api.kit import (
    CHAIN_A,
    CHAIN_B,
    CHAIN_C,
    LINE_C,
    OPERATOR,
    USDC_B,
    VAULT_A,
    WETH_A,
)
from tests.relayer.steps.world import LIQ_ACCOUNT, PROTOCOL

WORD = bytes(31) + b"\x63"
WETH = AssetId("WETH")


def test_what_is_configured_is_found(catalog: Catalog) -> None:
    """Assets, vaults, lines, liquidators and paths."""
    asset, chain_id = catalog.asset_and_chain(CHAIN_A, WETH_A)
    assert (asset.asset_id, asset.scale, chain_id) == (WETH, 18, CHAIN_A)
    assert catalog.asset_of(CHAIN_B, USDC_B).scale == 6
    assert catalog.token_of(WETH, CHAIN_A) == WETH_A
    assert (catalog.assets_on(CHAIN_A), catalog.assets_on(ChainId("eip155:9"))) == ((WETH,), ())
    assert catalog.vault_of(CHAIN_A) == VAULT_A
    line = catalog.credit_line_at(CHAIN_C, LINE_C)
    assert (line.protocol, line.operator) == (PROTOCOL, OPERATOR.address)
    assert catalog.credit_line_of(PROTOCOL) == line
    liquidator = catalog.liquidator(LIQ_ACCOUNT)
    assert liquidator is not None
    assert set(liquidator.recipients) == {CHAIN_A, CHAIN_B}
    assert catalog.path_of(WETH, CHAIN_A) == Path(WETH, CHAIN_A, "guardian")


@pytest.mark.parametrize(
    ("chain_id", "token", "code"),
    [
        ("eip155:9", WETH_A, "unknown_chain"),
        ("", WETH_A, "unknown_chain"),
        (CHAIN_B, WETH_A, "unknown_token"),
        (CHAIN_A, WORD, "unknown_token"),
    ],
)
def test_unknown_tokens_and_chains_are_refused(
    catalog: Catalog, chain_id: str, token: bytes, code: str
) -> None:
    """An address counts on its own chain only."""
    with pytest.raises(RefusedError, match=code):
        catalog.asset_and_chain(chain_id, token)


def test_unknown_contracts_are_refused(catalog: Catalog) -> None:
    """A vault is no credit line, and a line of another chain is another line."""
    for chain_id, contract in ((CHAIN_C, WORD), (CHAIN_A, LINE_C), (CHAIN_A, VAULT_A)):
        with pytest.raises(RefusedError, match="unknown_credit_line"):
            catalog.credit_line_at(chain_id, contract)
    with pytest.raises(RefusedError, match="unknown_vault"):
        catalog.vault_of(CHAIN_C)
    with pytest.raises(RefusedError, match="unknown_protocol"):
        catalog.credit_line_of("other")
    with pytest.raises(UnknownTokenError):
        catalog.asset_of(CHAIN_A, WORD)
    assert catalog.liquidator(WORD) is None


def test_an_asset_needs_exactly_one_token_to_be_seized(catalog: Catalog) -> None:
    """None and two are both mistakes of the configuration."""
    with pytest.raises(SettingsError, match="0 tokens"):
        catalog.token_of(WETH, CHAIN_B)
    asset = catalog.asset_of(CHAIN_A, WETH_A)
    tokens = {**catalog.assets.tokens, TokenRef(CHAIN_A, WORD): asset}

    with pytest.raises(SettingsError, match="2 tokens"):
        replace(catalog, assets=AssetRegistry(tokens)).token_of(WETH, CHAIN_A)

"""The commands of the story: for the wallet of each chain's family, and each only once."""

import pytest

from chains.devnet.actors import ALICE, LIQUIDATOR
from chains.devnet.kit import USDC, WETH
from chains.devnet.solana_actors import SOLANA_ALICE, SOLANA_LIQUIDATOR
from chains.devnet.solana_kit import SOL
from relayer.cli.demo.doors import DoorError
from relayer.cli.demo.requests import Requests, credit_line_of, vault_of
from relayer.cli.demo.world import BACKSTOP, OWNER, World


def test_collateral_goes_to_the_wallet_of_the_chain_it_is_on(world: World) -> None:
    """An EVM address on A, a Solana wallet on S, for both parties."""
    requests = Requests(world)

    on_a = requests.unlock(world.devnet.chain_a, "WETH", WETH)
    on_s = requests.unlock(world.chain_s, "SOL", SOL)
    of_backstop = requests.unlock(world.chain_s, "USDC", USDC, party=BACKSTOP)

    assert (on_a.account, on_a.recipient) == (OWNER.account, ALICE.address)
    assert (on_s.chain_id, on_s.recipient) == (world.chain_s.chain_id, SOLANA_ALICE.address)
    assert (on_s.vault, on_s.token) == (world.chain_s.vault, world.chain_s.tokens["SOL"])
    assert of_backstop.account == BACKSTOP.account
    assert of_backstop.recipient == SOLANA_LIQUIDATOR.address
    assert BACKSTOP.wallet_on(world.devnet.chain_b) == LIQUIDATOR


def test_the_same_request_again_is_another_command(world: World) -> None:
    """Nonces differ, so that asking twice is not one command."""
    requests = Requests(world)

    first, second = (requests.credit(USDC) for _ in range(2))

    assert first.nonce != second.nonce
    assert first.credit_line == credit_line_of(world)


def test_a_chain_without_a_vault_unlocks_nothing(world: World) -> None:
    """Chain C has a credit line only."""
    with pytest.raises(DoorError, match="no vault"):
        vault_of(world.devnet.chain_c)


def test_a_chain_is_found_by_its_id(world: World) -> None:
    """What is left of an account names its chain."""
    for letter, place in world.places.items():
        assert letter in "ABCS"
        assert world.place_of(place.chain_id) is place

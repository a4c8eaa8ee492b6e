"""The demo's world as values: no node runs, nothing is deployed."""

from pathlib import Path

from chains.devnet.anvil import Anvil, AnvilOptions
from chains.devnet.deploy import DevChain
from chains.devnet.kit import DeployedChain, Devnet
from chains.devnet.solana_kit import SolanaKit
from chains.types import word_of_evm_address
from relayer.cli.demo.world import World

FIRST_PORT = 20_000
GUARDIANS = 3


def address_of(number: int) -> bytes:
    """Return a left-padded address."""
    return word_of_evm_address(bytes((number,)) * 20)


def devnet_of_values() -> Devnet:
    """Return the EVM part of the layout as its names alone."""
    chains = [
        DevChain(Anvil(AnvilOptions(chain_number=31337 + place, port=FIRST_PORT + place)))
        for place in range(3)
    ]
    devnet = Devnet()
    feeds = {"WETH": address_of(1), "USDC": address_of(2), "SOL": address_of(3)}
    devnet.chain_a = DeployedChain(
        chains[0], vault=address_of(4), tokens={"WETH": address_of(5)}, feeds=feeds
    )
    devnet.chain_b = DeployedChain(chains[1], vault=address_of(6), tokens={"USDC": address_of(7)})
    devnet.chain_c = DeployedChain(
        chains[2], credit_line=address_of(8), tokens={"USDC": address_of(9)}, feeds=feeds
    )
    return devnet


def world_of(solana: SolanaKit, folder: Path) -> World:
    """Return a world in a folder; nothing is written."""
    ports = tuple(FIRST_PORT + 10 + place for place in range(GUARDIANS))
    return World(devnet_of_values(), solana, folder, FIRST_PORT + 9, ports)

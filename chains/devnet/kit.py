"""The standard layout: three local chains, two vaults, a credit line and price feeds."""

import contextlib
from dataclasses import dataclass, field
from typing import Final

from chains.attestation import Attestation, GuardianSet
from chains.devnet.actors import ALICE, BOB, DEPLOYER, LIQUIDATOR, DevKey
from chains.devnet.anvil import Anvil, AnvilOptions
from chains.devnet.deploy import DevChain
from chains.devnet.guarding import Guarding
from chains.devnet.running import Running
from chains.evm.reader import EvmReader, Watched
from chains.evm.sender import EvmSender
from chains.message import Message
from chains.types import ChainId, chain_key

WETH: Final = 10**18
USDC: Final = 10**6
FEED_SCALE: Final = 8
WETH_ANSWER: Final = 2_000 * 10**FEED_SCALE
USDC_ANSWER: Final = 10**FEED_SCALE
TICKS_SECONDS: Final = (1, 2)  # of chains A and B
FIVE_PERCENT_A_YEAR_RAY: Final = 1_585_489_599_188_229_325


@dataclass(frozen=True, slots=True, kw_only=True)
class DevnetOptions(Guarding):
    """
    How the standard layout is built. Capacities are in base units per window.

    is_ticking lets blocks come by themselves once all is deployed: one a second on A, one every
    two seconds on B, one a second and one for each transaction on C.
    """

    chain_numbers: tuple[int, int, int] = (31337, 31338, 31339)
    ports: tuple[int | None, int | None, int | None] = (None, None, None)
    block_time_seconds: float | None = None
    is_ticking: bool = False
    slots_in_epoch: int = 1
    weth_capacity_units: int = 1_000 * WETH
    usdc_capacity_units: int = 10_000_000 * USDC
    rate_per_second_ray: int = FIVE_PERCENT_A_YEAR_RAY


@dataclass(frozen=True, slots=True)
class DeployedChain:
    """
    One chain of the layout and what stands on it, as left-padded addresses.

    vault and credit_line are None where the chain has none; tokens and feeds are by symbol.
    """

    chain: DevChain
    vault: bytes | None = None
    credit_line: bytes | None = None
    tokens: dict[str, bytes] = field(default_factory=dict)
    feeds: dict[str, bytes] = field(default_factory=dict)

    @property
    def chain_id(self) -> ChainId:
        """The chain's CAIP-2 name."""
        return self.chain.chain_id

    @property
    def rpc_url(self) -> str:
        """The node's HTTP address."""
        return self.chain.anvil.rpc_url

    @property
    def ws_url(self) -> str:
        """The node's websocket address."""
        return self.chain.anvil.ws_url

    @property
    def watched(self) -> Watched:
        """What a reader of this chain watches."""
        return Watched(
            vaults=(self.vault,) if self.vault else (),
            credit_lines=(self.credit_line,) if self.credit_line else (),
            tokens=tuple(self.tokens.values()),
        )

    def reader(self) -> EvmReader:
        """Return a new reader of this chain."""
        return EvmReader(self.chain_id, self.rpc_url, watched=self.watched)

    def sender(self, wallet: DevKey) -> EvmSender:
        """Return a new sender with a wallet's key."""
        return EvmSender(self.chain_id, self.rpc_url, key=wallet.key)


class Devnet(Running):
    """
    Three anvils with the standard layout; a context manager.

    chain_a: vault, WETH (18), feeds of WETH and USDC. chain_b: vault, USDC (6). chain_c: credit
    line in USDC (6) with 1,000,000 supplied, feeds of WETH and USDC. Alice has 100 WETH on A,
    100,000 USDC on B and 10,000 USDC on C; Bob 100 WETH on A; the liquidator 1,000,000 USDC on C.
    All have approved vaults and credit line. The deployer writes the feeds.
    """

    def __init__(self, options: DevnetOptions | None = None) -> None:
        self.options = options or DevnetOptions()
        self.guardian_set: GuardianSet = self.options.guardian_set
        self.chain_a: DeployedChain
        self.chain_b: DeployedChain
        self.chain_c: DeployedChain
        self._running = contextlib.ExitStack()

    @property
    def chains(self) -> tuple[DeployedChain, DeployedChain, DeployedChain]:
        """All three, in order."""
        return (self.chain_a, self.chain_b, self.chain_c)

    def start(self) -> None:
        """
        Start the nodes and deploy.

        Raises:
            DevnetError: a binary or an artifact is missing, or a node does not answer.
        """
        try:
            nodes = [
                DevChain(self._running.enter_context(Anvil(self._anvil_options(place))))
                for place in range(len(self.options.chain_numbers))
            ]
            self.chain_a = self._deploy_weth_vault(nodes[0])
            self.chain_b = self._deploy_usdc_vault(nodes[1])
            self.chain_c = self._deploy_credit_line(nodes[2])
            if self.options.is_ticking:
                for node, seconds in zip(nodes, TICKS_SECONDS, strict=False):
                    node.anvil.rpc.call("evm_setIntervalMining", seconds)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the nodes; calling it twice is fine."""
        self._running.close()

    def attest(self, message: Message) -> Attestation:
        """Return an attestation of a message by the first threshold guardians."""
        targets = {chain_key(deployed.chain_id): deployed.chain_id for deployed in self.chains}
        return self.options.attest(message, targets[message.target])

    def _anvil_options(self, place: int) -> AnvilOptions:
        is_mixed = self.options.is_ticking and place == len(TICKS_SECONDS)
        return AnvilOptions(
            chain_number=self.options.chain_numbers[place],
            port=self.options.ports[place],
            block_time_seconds=1.0 if is_mixed else self.options.block_time_seconds,
            is_mixed=is_mixed,
            slots_in_epoch=self.options.slots_in_epoch,
        )

    def _guarded(self) -> tuple[object, ...]:
        """Return the constructor arguments that every receiver of messages begins with."""
        return (
            chain_key(self.options.hub),
            list(self.guardian_set.members),
            self.guardian_set.threshold,
            self.options.overlap_seconds,
        )

    def _deploy_vault(self, chain: DevChain, token: bytes, capacity_units: int) -> bytes:
        return chain.deploy(
            "CollateralVault",
            *self._guarded(),
            self.options.exit_delay_seconds,
            [token],
            [capacity_units],
            self.options.window_seconds,
        )

    def _deploy_weth_vault(self, chain: DevChain) -> DeployedChain:
        token = chain.deploy("TestToken", "Wrapped Ether", "WETH", 18)
        vault = self._deploy_vault(chain, token, self.options.weth_capacity_units)
        for wallet in (ALICE, BOB):
            chain.mint(token, wallet.address, 100 * WETH)
            chain.approve(wallet, token, vault)
        return DeployedChain(
            chain, vault=vault, tokens={"WETH": token}, feeds=self._deploy_feeds(chain)
        )

    def _deploy_usdc_vault(self, chain: DevChain) -> DeployedChain:
        token = chain.deploy("TestToken", "USD Coin", "USDC", 6)
        vault = self._deploy_vault(chain, token, self.options.usdc_capacity_units)
        chain.mint(token, ALICE.address, 100_000 * USDC)
        chain.approve(ALICE, token, vault)
        return DeployedChain(chain, vault=vault, tokens={"USDC": token})

    def _deploy_credit_line(self, chain: DevChain) -> DeployedChain:
        token = chain.deploy("TestToken", "USD Coin", "USDC", 6)
        credit_line = chain.deploy(
            "CreditLine", *self._guarded(), token, self.options.rate_per_second_ray
        )
        funds = {DEPLOYER: 1_000_000, LIQUIDATOR: 1_000_000, ALICE: 10_000}
        for wallet, tokens in funds.items():
            chain.mint(token, wallet.address, tokens * USDC)
            chain.approve(wallet, token, credit_line)
        chain.supply(DEPLOYER, credit_line, 1_000_000 * USDC)
        return DeployedChain(
            chain,
            credit_line=credit_line,
            tokens={"USDC": token},
            feeds=self._deploy_feeds(chain),
        )

    def _deploy_feeds(self, chain: DevChain) -> dict[str, bytes]:
        return {
            "WETH": chain.deploy("PriceFeed", FEED_SCALE, "ETH / USD", WETH_ANSWER),
            "USDC": chain.deploy("PriceFeed", FEED_SCALE, "USDC / USD", USDC_ANSWER),
        }

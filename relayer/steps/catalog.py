"""What the configuration says about the world, as values of the core: one frozen catalog."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from chains.attestation import GuardianSet
from chains.types import ChainId, TokenRef
from relayer.assets import Asset, AssetRegistry, Path, UnknownTokenError
from relayer.errors import RefusedError, SettingsError
from relayer.governor.rules import GovernorRules
from relayer.money import AssetId
from relayer.oracle.price import FeedRule
from relayer.risk.parameters import RiskParameters

GUARDIAN_BRIDGE = "guardian"


@dataclass(frozen=True, slots=True)
class CreditLine:
    """A lending protocol's contract; operator (address word) signs its requests."""

    protocol: str
    chain_id: ChainId
    contract: bytes
    token: bytes
    asset_id: AssetId
    operator: bytes


@dataclass(frozen=True, slots=True)
class Feed:
    """One on-chain price source of an asset."""

    label: str
    asset_id: AssetId
    chain_id: ChainId
    contract: bytes


@dataclass(frozen=True, slots=True)
class Liquidator:
    """A margin account that takes over debt; recipients per chain receive what it seizes."""

    account: bytes
    recipients: Mapping[ChainId, bytes]


@dataclass(frozen=True, slots=True)
class GuardianMember:
    """A guardian as the others know it."""

    label: str
    address: bytes
    url: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class MessageTimes:
    """Life times of messages. [seconds]"""

    expiry_seconds: int
    attest_retry_seconds: int
    relay_retry_seconds: int


@dataclass(frozen=True, slots=True)
class Catalog:
    """
    Assets, contracts, parameters and partners of one deployment.

    barred: by chain, the addresses of its vault and its tokens that nobody can pay out of again: an
        owner who named one as recipient would lose what was paid there.
    is_replica: this process books as a replica of the hub, as guardians do, so it may see what
    follows from a decision before it is shown the decision.
    """

    hub: ChainId
    chain_ids: tuple[ChainId, ...]
    assets: AssetRegistry
    parameters: RiskParameters
    feed_rules: tuple[FeedRule, ...]
    feeds: tuple[Feed, ...]
    vaults: Mapping[ChainId, bytes]
    credit_lines: tuple[CreditLine, ...]
    liquidators: tuple[Liquidator, ...]
    guardian_set: GuardianSet
    guardians: tuple[GuardianMember, ...]
    times: MessageTimes
    barred: Mapping[ChainId, frozenset[bytes]] = field(default_factory=dict)
    is_replica: bool = False
    governor: GovernorRules = field(default_factory=GovernorRules)

    def asset_of(self, chain_id: ChainId, token: bytes) -> Asset:
        """
        Return the asset of a token.

        Raises:
            UnknownTokenError: no asset is configured for it.
        """
        return self.assets.asset_of(TokenRef(chain_id, token))

    def asset_and_chain(self, chain_text: str, token: bytes) -> tuple[Asset, ChainId]:
        """
        Return asset and chain of a token that a request names.

        Raises:
            RefusedError: the chain or the token is not configured.
        """
        for chain_id in self.chain_ids:
            if chain_id == chain_text:
                try:
                    return self.asset_of(chain_id, token), chain_id
                except UnknownTokenError as exc:
                    raise RefusedError(code="unknown_token", detail=f"token: {exc}") from exc
        raise RefusedError(
            code="unknown_chain",
            detail=f"chain_id: {chain_text} is not one of {', '.join(self.chain_ids)}",
        )

    def token_of(self, asset_id: AssetId, chain_id: ChainId) -> bytes:
        """
        Return the token that stands for an asset on a chain.

        Raises:
            SettingsError: none or several do.
        """
        tokens = self.assets.tokens_of(asset_id, chain_id)
        if len(tokens) != 1:
            raise SettingsError(
                (f"assets.{asset_id}: {len(tokens)} tokens on {chain_id}; exactly one is needed",)
            )
        return tokens[0].address

    def assets_on(self, chain_id: ChainId) -> tuple[AssetId, ...]:
        """Return the assets that have a token on a chain, in order."""
        found = {
            asset.asset_id
            for token, asset in self.assets.tokens.items()
            if token.chain_id == chain_id
        }
        return tuple(sorted(found))

    def vault_of(self, chain_id: str) -> bytes:
        """
        Return the vault of a chain.

        Raises:
            RefusedError: the chain has no vault.
        """
        vault = self.vaults.get(ChainId(chain_id))
        if vault is None:
            known = ", ".join(self.vaults)
            raise RefusedError(
                code="unknown_vault", detail=f"chain_id: {chain_id} has no vault; known: {known}"
            )
        return vault

    def credit_line_at(self, chain_id: str, contract: bytes) -> CreditLine:
        """
        Return the credit line at an address.

        Raises:
            RefusedError: none is configured there.
        """
        for line in self.credit_lines:
            if line.chain_id == chain_id and line.contract == contract:
                return line
        raise RefusedError(
            code="unknown_credit_line",
            detail=f"credit_line: 0x{contract.hex()} on {chain_id} is not configured",
        )

    def credit_line_of(self, protocol: str) -> CreditLine:
        """
        Return the credit line of a protocol.

        Raises:
            RefusedError: none is configured.
        """
        for line in self.credit_lines:
            if line.protocol == protocol:
                return line
        raise RefusedError(code="unknown_protocol", detail=f"protocol {protocol} is unknown")

    def liquidator(self, account: bytes) -> Liquidator | None:
        """Return the liquidator with that margin account, if it is one."""
        for liquidator in self.liquidators:
            if liquidator.account == account:
                return liquidator
        return None

    def path_of(self, asset_id: AssetId, chain_id: ChainId) -> Path:
        """Return the path of an asset held on a chain; vaults are reached by guardians."""
        return Path(asset_id, chain_id, GUARDIAN_BRIDGE)

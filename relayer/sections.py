"""The sections of the configuration file, each checked by itself."""

import re
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)

from chains.attestation import default_threshold
from chains.types import (
    SOLANA_NAMESPACE,
    ChainId,
    chain_id_of,
    word_of_text,
)

NODES_MAX: Final = 9
URGENT_CAP_FACTOR: Final = 2
SOLANA_URGENT_CAP_FACTOR: Final = 10
LOOKUP_TABLES_MAX: Final = 4
# What fits slots of 0.4 s better than the numbers for blocks of 2 to 12 s.
SLOT_DEFAULTS: Final = {"finalized_span_max": 10_000, "reread_depth_blocks": 300}
# 32 bytes as hex, as a decimal number, or as Python and JSON write bytes; a V3 keystore; a PEM.
RAW_SECRET: Final = re.compile(
    r"(0[xX])?[0-9a-fA-F]{64}|[0-9]{60,80}|b(['\"]).*\2|\[.*\]|\{.*\}|-----BEGIN.*", re.DOTALL
)

ChainIdText = Annotated[str, AfterValidator(lambda text: str(chain_id_of(text)))]
AddressText = Annotated[str, AfterValidator(lambda text: "0x" + word_of_text(text).hex())]
Bps = Annotated[int, Field(ge=0, le=10_000)]
BrokerUrl = Annotated[str, Field(pattern=r"^(amqps?|pyamqp|memory)://")]
# What a node is called wherever it is named; too narrow for a URL, which may hold a key.
NodeLabel = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")]
UsdText = Annotated[str, Field(pattern=r"^[0-9]{1,15}(\.[0-9]{1,18})?$")]


def _path_of_secret(value: object) -> object:
    """Refuse a secret where its file's path belongs; the message does not repeat it."""
    if isinstance(value, (bytes, int)) or RAW_SECRET.fullmatch(str(value).strip()):
        raise ValueError(
            "this is a secret itself, not the path of a file; write it into a file with mode "
            "0600, name that file here, and replace the secret: it was in the configuration"
        )
    return value


SecretPath = Annotated[Path, BeforeValidator(_path_of_secret)]
PositiveSeconds = Annotated[int, Field(gt=0, le=10 * 365 * 86_400)]


class Section(BaseModel):
    """A part of the file: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class VaultSettings(Section):
    """A vault that is watched and paid out of; on Solana it belongs to a program."""

    address: AddressText
    program: AddressText | None = None


class CreditLineSettings(Section):
    """A lending protocol's contract; operator signs its requests."""

    protocol: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")]
    address: AddressText
    token: AddressText
    operator: AddressText


class ConfirmationSettings(Section):
    """From a value on, how many blocks a lock must lie deep to count before it is final."""

    value_usd_min: Annotated[int, Field(ge=0)] = 0
    blocks: Annotated[int, Field(ge=0, le=100_000)]


class ChainSettings(Section):
    """One chain and what is watched on it."""

    chain_id: ChainIdText
    rpc_urls: Annotated[tuple[str, ...], Field(min_length=1, max_length=NODES_MAX, repr=False)]
    rpc_labels: Annotated[tuple[NodeLabel, ...], Field(max_length=NODES_MAX)] = ()
    rpc_own: Annotated[tuple[NodeLabel, ...], Field(max_length=NODES_MAX)] = ()
    rpc_quorum: Annotated[int, Field(ge=1, le=NODES_MAX)] | None = None
    websocket_url: Annotated[str | None, Field(repr=False)] = None
    rpc_timeout_seconds: PositiveSeconds = 10
    poll_milliseconds: Annotated[int, Field(ge=50, le=60_000)] = 1_000
    start_height: Annotated[int, Field(ge=0)] = 0
    blocks_per_run_max: Annotated[int, Field(ge=1, le=10_000)] = 200
    finalized_span_max: Annotated[int, Field(ge=1, le=10_000)] = 1_000
    reread_depth_blocks: Annotated[int, Field(ge=1, le=1_000_000)] = 100
    reread_age_seconds: PositiveSeconds = 600
    is_bloom_trusted: bool = True
    fee_bump_seconds: PositiveSeconds = 30
    confirmations: tuple[ConfirmationSettings, ...] | None = None
    watch_lease_seconds: Annotated[int, Field(ge=2, le=3_600)] = 10
    vaults: Annotated[tuple[VaultSettings, ...], Field(max_length=1)] = ()
    credit_lines: tuple[CreditLineSettings, ...] = ()
    lookup_tables: Annotated[tuple[AddressText, ...], Field(max_length=LOOKUP_TABLES_MAX)] = ()

    @model_validator(mode="before")
    @classmethod
    def _fit_slots(cls, values: Any) -> Any:
        chain_id = values.get("chain_id") if isinstance(values, dict) else None
        if isinstance(chain_id, str) and chain_id.startswith(SOLANA_NAMESPACE):
            return SLOT_DEFAULTS | values
        return values

    @property
    def is_solana(self) -> bool:
        """Whether heights are slots, and a vault is an account of a program."""
        return self.chain_id.startswith(SOLANA_NAMESPACE)

    @property
    def id(self) -> ChainId:
        """The chain id as its own type."""
        return ChainId(self.chain_id)

    @property
    def quorum(self) -> int:
        """How many nodes must give the same answer: as set, or two thirds, rounded up."""
        return self.rpc_quorum or -(-2 * len(self.rpc_urls) // 3)

    @property
    def labels(self) -> tuple[str, ...]:
        """What the nodes are called, in the order of rpc_urls: as set, or node-1, node-2 ..."""
        return self.rpc_labels or tuple(f"node-{n + 1}" for n in range(len(self.rpc_urls)))


class TokenSettings(Section):
    """The chain's own name of an asset."""

    chain_id: ChainIdText
    address: AddressText


class FeedSettings(Section):
    """One on-chain price source of an asset (AggregatorV3 shape)."""

    label: str
    chain_id: ChainIdText
    address: AddressText


class AssetSettings(Section):
    """An asset of the ledger, its tokens and its price rule."""

    asset_id: Annotated[str, Field(pattern=r"^[A-Z][A-Za-z0-9.]{0,15}$")]
    scale: Annotated[int, Field(ge=0, le=36)]
    tokens: tuple[TokenSettings, ...]
    feeds: tuple[FeedSettings, ...] = ()
    heartbeat_seconds: PositiveSeconds = 3_600
    sources_min: Annotated[int, Field(ge=1, le=15)] = 1
    deviation_bps_max: Bps = 500
    confidence_bps: Bps = 10
    debt_weight_bps: Annotated[int, Field(ge=10_000, le=100_000)] = 10_000


class PathSettings(Section):
    """How much collateral of an asset in the vaults of a chain counts."""

    asset_id: str
    chain_id: ChainIdText
    bridge: str = "guardian"
    initial_weight_bps: Bps
    maintenance_weight_bps: Bps
    latency_haircut_bps: Bps = 0
    bridge_haircut_bps: Bps = 0


class RiskSettings(Section):
    """Parameters of one epoch; see docs/decisions for their meaning."""

    epoch: Annotated[int, Field(ge=1, le=2**32 - 1)] = 1
    soft_credit_bps: Annotated[int, Field(ge=0, le=5_000)] = 5_000
    target_factor_bps: Annotated[int, Field(gt=10_000, le=20_000)] = 10_500
    bonus_base_bps: Bps = 100
    bonus_slope_bps: Annotated[int, Field(ge=0, le=100_000)] = 20_000
    bonus_max_bps: Bps = 1_000
    insurance_share_bps: Bps = 1_000
    leftover_min_usd: Annotated[int, Field(ge=0)] = 100
    paths: tuple[PathSettings, ...] = ()


class GuardianMemberSettings(Section):
    """A guardian as the others know it."""

    label: str
    address: AddressText
    url: Annotated[str, Field(repr=False)]
    token_file: SecretPath | None = None


def _threshold_of(checked: dict[str, Any]) -> int:
    return default_threshold(len(checked.get("members", ())))  # none: their mistake is reported


class GuardianSetSettings(Section):
    """Who attests; threshold of members must agree, without it floor(2n/3) + 1 of n."""

    index: Annotated[int, Field(ge=0)] = 0
    members: Annotated[tuple[GuardianMemberSettings, ...], Field(min_length=1, max_length=19)]
    threshold: Annotated[int, Field(ge=1, default_factory=_threshold_of)]


class GuardianSettings(Section):
    """What only the guardian process needs."""

    label: str
    key_file: SecretPath
    token_file: SecretPath | None = None
    listen_host: str = "127.0.0.1"
    listen_port: Annotated[int, Field(ge=1, le=65_535)]
    price_tolerance_bps: Bps = 100


class SenderSettings(Section):
    """The keys that pay fees; they cannot change what they submit."""

    key_file: SecretPath
    solana_key_file: SecretPath | None = None
    solana_fee_cap_micro_lamports: Annotated[int, Field(gt=0, le=10**9)] = 1_000_000
    solana_liquidation_fee_cap_micro_lamports: Annotated[int, Field(gt=0, le=10**9)] | None = None
    fee_cap_gwei: Annotated[int, Field(gt=0)] = 500
    liquidation_fee_cap_gwei: Annotated[int, Field(gt=0)] | None = None
    lease_seconds: Annotated[int, Field(ge=2, le=12)] = 10
    in_flight_max: Annotated[int, Field(ge=1, le=1_000)] = 16
    queued_max: Annotated[int, Field(ge=1, le=100_000)] = 250

    @property
    def urgent_cap_gwei(self) -> int:
        """What a seizure may cost per gas: as set, or twice the ordinary cap. [gwei]"""
        return self.liquidation_fee_cap_gwei or URGENT_CAP_FACTOR * self.fee_cap_gwei

    @property
    def solana_urgent_cap_micro_lamports(self) -> int:
        """What a seizure may offer: as set, or ten times the rest. [micro-lamports per unit]"""
        factored = SOLANA_URGENT_CAP_FACTOR * self.solana_fee_cap_micro_lamports
        return self.solana_liquidation_fee_cap_micro_lamports or factored

    @model_validator(mode="after")
    def _check_caps(self) -> "SenderSettings":
        if self.urgent_cap_gwei < self.fee_cap_gwei:
            raise ValueError("liquidation_fee_cap_gwei must not be below fee_cap_gwei")
        if self.solana_urgent_cap_micro_lamports < self.solana_fee_cap_micro_lamports:
            raise ValueError(
                "solana_liquidation_fee_cap_micro_lamports must not be below "
                "solana_fee_cap_micro_lamports"
            )
        return self


class AccountantSettings(Section):
    """What happens to a lock whose tokens did not come in: kept out, or only reported."""

    mode: Literal["enforce", "log"] = "enforce"

    @property
    def is_enforced(self) -> bool:
        """Return whether such a lock is parked and its chain halted."""
        return self.mode == "enforce"


class LiquidatorRecipientSettings(Section):
    """Where seized collateral goes on one chain."""

    chain_id: ChainIdText
    address: AddressText


LIQUIDATORS_MAX: Final = 16


class LiquidatorSettings(Section):
    """A margin account that takes over debt and collateral of unhealthy accounts."""

    account: AddressText
    recipients: tuple[LiquidatorRecipientSettings, ...]


class CorrectionSettings(Section):
    """Who may correct the ledger by hand; threshold of signers must agree. None: nobody."""

    signers: Annotated[tuple[AddressText, ...], Field(max_length=19)] = ()
    threshold: Annotated[int, Field(ge=1, le=19)] = 1


class ApiSettings(Section):
    """The message API."""

    listen_host: str = "127.0.0.1"
    listen_port: Annotated[int, Field(ge=1, le=65_535)] = 8_080


class MessageSettings(Section):
    """Life times of messages."""

    expiry_seconds: PositiveSeconds = 3_600
    attest_retry_seconds: PositiveSeconds = 1
    relay_retry_seconds: PositiveSeconds = 1
    lease_seconds: PositiveSeconds = 15


class OutflowLimitSettings(Section):
    """How much may leave a chain in any 24 hours; without asset_id, all assets together."""

    chain_id: ChainIdText
    bridge: str = "guardian"
    asset_id: str | None = None
    window_usd: Annotated[int, Field(ge=0)] | None = None
    big_transfer_usd: Annotated[int, Field(ge=1)] | None = None
    big_transfer_delay_seconds: PositiveSeconds = 86_400
    floor_price_usd: UsdText | None = None
    flow_cancel: bool = False


class BucketSettings(Section):
    """How fast value may leave along one lane; without origin, the lane begins at the hub."""

    origin: ChainIdText | None = None
    target: ChainIdText
    capacity_usd: Annotated[int, Field(ge=0)]
    refill_usd_per_second: UsdText


class ExposureSettings(Section):
    """How much collateral of one path may carry new credit."""

    chain_id: ChainIdText
    asset_id: str
    bridge: str = "guardian"
    collateral_usd: Annotated[int, Field(ge=0)]


class GovernorSettings(Section):
    """Limits by value; log evaluates and logs them, enforce also holds back and refuses."""

    mode: Literal["log", "enforce"] = "enforce"
    limits: tuple[OutflowLimitSettings, ...] = ()
    buckets: tuple[BucketSettings, ...] = ()
    exposures: tuple[ExposureSettings, ...] = ()


class SwitchSettings(Section):
    """Who may stop things: a guardian knows the operator's address, the hub's operator a key."""

    operator: AddressText | None = None
    key_file: SecretPath | None = None

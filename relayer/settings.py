"""The configuration of one process: environment over one TOML file, read once, frozen."""

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError as SourceError

from relayer.errors import SettingsError
from relayer.family_rules import family_mistakes, sending_mistakes
from relayer.sections import (
    LIQUIDATORS_MAX,
    AccountantSettings,
    ApiSettings,
    AssetSettings,
    BrokerUrl,
    ChainIdText,
    ChainSettings,
    CorrectionSettings,
    GovernorSettings,
    GuardianSetSettings,
    GuardianSettings,
    LiquidatorSettings,
    MessageSettings,
    RiskSettings,
    SenderSettings,
    SwitchSettings,
)

CONFIG_VARIABLE: Final = "RELAYER_CONFIG"
CONFIG_BYTES_MAX: Final = 1_048_576
CONFIG_DEFAULT: Final = "relayer.toml"
ANY: Final = "*"
GUARDIANS_PRODUCTION_MIN: Final = 3
THRESHOLD_PRODUCTION_MIN: Final = 2
NODES_PRODUCTION_MIN: Final = 3
POSTGRESQL_VARIABLE: Final = "RELAYER_DEMO_POSTGRESQL"
POSTGRESQL_DEFAULT: Final = "postgresql://postgres@127.0.0.1:5432/postgres"
RABBITMQ_VARIABLE: Final = "RELAYER_DEMO_RABBITMQ"
RABBITMQ_DEFAULT: Final = "amqp://guest:guest@127.0.0.1:5672//"


class Settings(BaseSettings):
    """The whole configuration of a process."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_prefix="RELAYER_",
        env_nested_delimiter="__",
        hide_input_in_errors=True,
    )

    hub: ChainIdText
    profile: Literal["development", "production"] = "production"
    database_url: Annotated[str, Field(repr=False)]
    broker_url: Annotated[BrokerUrl, Field(repr=False)] = "memory://"
    broker_prefix: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")] = "relayer"
    log_format: Literal["json", "pretty", "auto"] = "auto"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    chains: tuple[ChainSettings, ...]
    assets: tuple[AssetSettings, ...]
    risk: RiskSettings = RiskSettings()
    guardians: GuardianSetSettings
    guardian: GuardianSettings | None = None
    sender: SenderSettings | None = None
    accountant: AccountantSettings = AccountantSettings()
    liquidators: Annotated[tuple[LiquidatorSettings, ...], Field(max_length=LIQUIDATORS_MAX)] = ()
    api: ApiSettings = ApiSettings()
    messages: MessageSettings = MessageSettings()
    governor: GovernorSettings = GovernorSettings()
    switches: SwitchSettings = SwitchSettings()
    corrections: CorrectionSettings = CorrectionSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment first, then the file's values (given to the constructor)."""
        del settings_cls, dotenv_settings, file_secret_settings
        return (env_settings, init_settings)

    @model_validator(mode="after")
    def _check_references(self) -> "Settings":
        mistakes = [*_duplicates(self), *_dangling(self), *_nodes(self), *_unsafe(self)]
        mistakes += _corrections(self)
        mistakes += family_mistakes(self.chains, self.assets, self.liquidators)
        mistakes += sending_mistakes(self.chains, self.sender)
        if mistakes:
            raise ValueError("; ".join(mistakes))
        return self

    def chain(self, chain_id: str) -> ChainSettings:
        """
        Return the settings of one chain.

        Raises:
            SettingsError: the chain is not configured.
        """
        for chain in self.chains:
            if chain.chain_id == chain_id:
                return chain
        known = ", ".join(chain.chain_id for chain in self.chains)
        raise SettingsError((f"chains: {chain_id} is not configured; known: {known}",))


def _duplicates(settings: Settings) -> list[str]:
    mistakes = []
    lines = [(chain.chain_id, line) for chain in settings.chains for line in chain.credit_lines]
    named: dict[str, list[str]] = {
        "chains.chain_id": [chain.chain_id for chain in settings.chains],
        "assets.asset_id": [asset.asset_id for asset in settings.assets],
        "assets.tokens": [
            f"{token.chain_id} {token.address}"
            for asset in settings.assets
            for token in asset.tokens
        ],
        "guardians.members.address": [member.address for member in settings.guardians.members],
        "guardians.members.label": [member.label for member in settings.guardians.members],
        "assets.feeds.label": [feed.label for asset in settings.assets for feed in asset.feeds],
        "assets.feeds": [f"{f.chain_id} {f.address}" for a in settings.assets for f in a.feeds],
        "credit_lines.protocol": [line.protocol for _, line in lines],
        "credit_lines.address": [f"{chain_id} {line.address}" for chain_id, line in lines],
        "risk.paths": [f"{p.asset_id} {p.chain_id} {p.bridge}" for p in settings.risk.paths],
        "governor.limits": [
            f"{limit.chain_id} {limit.bridge if limit.asset_id else ANY} {limit.asset_id or ANY}"
            for limit in settings.governor.limits
        ],
        "governor.buckets": [
            f"{bucket.origin or settings.hub} -> {bucket.target}"
            for bucket in settings.governor.buckets
        ],
        "governor.exposures": [
            f"{each.asset_id} {each.chain_id} {each.bridge}" for each in settings.governor.exposures
        ],
        "chains.confirmations": [
            f"{chain.chain_id} value_usd_min {tier.value_usd_min}"
            for chain in settings.chains
            for tier in chain.confirmations or ()
        ],
        "corrections.signers": list(settings.corrections.signers),
        "liquidators.account": [liquidator.account for liquidator in settings.liquidators],
        "liquidators.recipients": [
            f"{each.account} {to.chain_id}"
            for each in settings.liquidators
            for to in each.recipients
        ],
    }
    for field, values in named.items():
        mistakes += [
            f"{field}: {value} stands twice" for value in set(values) if values.count(value) > 1
        ]
    return sorted(mistakes)


def _dangling(settings: Settings) -> list[str]:
    chain_ids = {chain.chain_id for chain in settings.chains}
    asset_ids = {asset.asset_id for asset in settings.assets}
    tokens = {
        (token.chain_id, token.address) for asset in settings.assets for token in asset.tokens
    }
    mistakes = []
    for asset in settings.assets:
        places = [token.chain_id for token in asset.tokens]
        places += [feed.chain_id for feed in asset.feeds]
        mistakes += [
            f"assets.{asset.asset_id}: chain {chain_id} is not configured"
            for chain_id in places
            if chain_id not in chain_ids
        ]
    for path in settings.risk.paths:
        if path.asset_id not in asset_ids or path.chain_id not in chain_ids:
            mistakes.append(f"risk.paths: {path.asset_id} on {path.chain_id} is not configured")
        if path.initial_weight_bps > path.maintenance_weight_bps:
            mistakes.append(
                f"risk.paths.{path.asset_id}: initial_weight_bps must not be above "
                "maintenance_weight_bps"
            )
    mistakes += _ungoverned(settings)
    for chain in settings.chains:
        mistakes += [
            f"credit_lines.{line.protocol}: token {line.token} of {chain.chain_id} is no asset"
            for line in chain.credit_lines
            if (chain.chain_id, line.token) not in tokens
        ]
    return mistakes


def _ungoverned(settings: Settings) -> list[str]:
    places = {
        (token.chain_id, asset.asset_id) for asset in settings.assets for token in asset.tokens
    }
    chain_ids = {chain.chain_id for chain in settings.chains}
    mistakes = []
    for limit in settings.governor.limits:
        if limit.chain_id not in chain_ids:
            mistakes.append(f"governor.limits: chain {limit.chain_id} is not configured")
        elif limit.asset_id is not None and (limit.chain_id, limit.asset_id) not in places:
            mistakes.append(f"governor.limits: {limit.asset_id} has no token on {limit.chain_id}")
        if limit.window_usd is None and limit.big_transfer_usd is None:
            mistakes.append(
                f"governor.limits: {limit.asset_id or 'all'} on {limit.chain_id} limits nothing; "
                "set window_usd, big_transfer_usd or both"
            )
        if limit.asset_id is None and limit.floor_price_usd is not None:
            mistakes.append(
                f"governor.limits: all on {limit.chain_id} has a floor_price_usd; a price belongs "
                "to a limit with asset_id"
            )
    for bucket in settings.governor.buckets:
        name = f"governor.buckets.{bucket.target}"
        if bucket.target not in chain_ids:
            mistakes.append(f"{name}: chain {bucket.target} is not configured; correct target")
        if bucket.origin not in (None, settings.hub):
            mistakes.append(
                f"{name}: origin {bucket.origin} sends nothing; all messages leave "
                f"{settings.hub}, so leave origin out"
            )
        if not bucket.refill_usd_per_second.strip("0."):
            mistakes.append(
                f"{name}: refill_usd_per_second is 0, so what left would never be refilled; set "
                "it above 0, or pause the direction instead"
            )
    mistakes += [
        f"governor.exposures: {each.asset_id} has no token on {each.chain_id}"
        for each in settings.governor.exposures
        if (each.chain_id, each.asset_id) not in places
    ]
    return mistakes


def _nodes(settings: Settings) -> list[str]:
    mistakes = []  # without the URLs: they may hold keys
    for chain in settings.chains:
        count = len(chain.rpc_urls)
        if len(set(chain.rpc_urls)) != count:
            mistakes.append(
                f"chains.{chain.chain_id}.rpc_urls: a URL stands twice; one node agrees with itself"
            )
        if settings.profile == "production" and count < NODES_PRODUCTION_MIN:
            mistakes.append(
                f"chains.{chain.chain_id}.rpc_urls: {count}; production needs "
                f"{NODES_PRODUCTION_MIN} or more independent nodes, so that one that lies is "
                'outvoted; add some, or set profile = "development"'
            )
        if chain.rpc_labels and len(chain.rpc_labels) != count:
            mistakes.append(
                f"chains.{chain.chain_id}.rpc_labels: {len(chain.rpc_labels)} for {count} nodes; "
                "name each node of rpc_urls, in its order, or none"
            )
        if len(set(chain.rpc_labels)) != len(chain.rpc_labels):
            mistakes.append(
                f"chains.{chain.chain_id}.rpc_labels: a label stands twice; each node needs its own"
            )
        mistakes += _own_nodes(chain)
        if not count // 2 < chain.quorum <= count:
            mistakes.append(
                f"chains.{chain.chain_id}.rpc_quorum: {chain.quorum} of {count}; two quorums must "
                f"share a node, so at least {count // 2 + 1} and at most {count}"
            )
    return mistakes


def _own_nodes(chain: ChainSettings) -> list[str]:
    field, known = f"chains.{chain.chain_id}.rpc_own", ", ".join(chain.labels)
    mistakes = [
        f"{field}: no node is called {label}; name nodes by their labels in rpc_labels: {known}"
        for label in dict.fromkeys(chain.rpc_own)
        if label not in chain.labels
    ]
    if len(set(chain.rpc_own)) != len(chain.rpc_own):
        mistakes.append(f"{field}: a label stands twice; name each own node once")
    return mistakes


def _unsafe(settings: Settings) -> list[str]:
    guardians = settings.guardians
    count = len(guardians.members)
    mistakes = []
    if not count // 2 < guardians.threshold <= count:
        mistakes.append(
            f"guardians.threshold: {guardians.threshold} of {count}; two quorums must share a "
            f"member, so at least {count // 2 + 1}"
        )
    if settings.profile == "production":
        if guardians.threshold < THRESHOLD_PRODUCTION_MIN:
            mistakes.append("guardians.threshold: 1 is refused in production; use at least 2")
        if count < GUARDIANS_PRODUCTION_MIN:
            mistakes.append(
                f"guardians.members: {count}; production needs {GUARDIANS_PRODUCTION_MIN} or more"
            )
    return mistakes


def _corrections(settings: Settings) -> list[str]:
    signers, threshold = settings.corrections.signers, settings.corrections.threshold
    if not signers:
        return []
    mistakes = []
    if not len(signers) // 2 < threshold <= len(signers):
        mistakes.append(
            f"corrections.threshold: {threshold} of {len(signers)}; more than half must agree, so "
            f"at least {len(signers) // 2 + 1} and at most {len(signers)}"
        )
    if settings.profile == "production" and threshold < THRESHOLD_PRODUCTION_MIN:
        mistakes.append("corrections.threshold: 1 is refused in production; use at least 2")
    return mistakes


def load_settings(path: Path | None = None) -> Settings:
    """
    Read the configuration once.

    Args:
        path: the TOML file; None takes $RELAYER_CONFIG, then ./relayer.toml.

    Raises:
        SettingsError: the file is missing or unreadable, or lists every mistake in it.
    """
    chosen = path or Path(os.environ.get(CONFIG_VARIABLE, CONFIG_DEFAULT))
    try:
        values: dict[str, Any] = tomllib.loads(_text_of(chosen))
    except FileNotFoundError as exc:
        raise SettingsError(
            (f"{chosen} does not exist; pass --config or set {CONFIG_VARIABLE}",)
        ) from exc
    except (OSError, ValueError) as exc:  # TOML's errors are ValueErrors, so are too many digits
        raise SettingsError((f"{chosen} cannot be read: {exc}",)) from exc
    except RecursionError as exc:
        raise SettingsError((f"{chosen} cannot be read: it is nested too deeply",)) from exc
    # The constructor would take these for its own options, such as another file to read.
    options = [name for name in values if name.startswith("_")]
    mistakes = tuple(f"{name}: Extra inputs are not permitted" for name in options)
    try:
        made = Settings(**{name: part for name, part in values.items() if name not in options})
    except ValidationError as exc:
        mistakes += tuple(
            f"{'.'.join(str(part) for part in error['loc']) or 'settings'}: {error['msg']}"
            for error in exc.errors()
        )
        raise SettingsError(mistakes) from exc
    except SourceError as exc:  # names the field, and not what the variable holds
        raise SettingsError((*mistakes, f"environment: {exc}")) from exc
    if mistakes:
        raise SettingsError(mistakes)
    return made


def _text_of(path: Path) -> str:
    """Return what a file says; a pipe or a device must not fill the memory."""
    with path.open("rb") as file:
        raw = file.read(CONFIG_BYTES_MAX + 1)
    if len(raw) > CONFIG_BYTES_MAX:
        raise ValueError(f"it has more than {CONFIG_BYTES_MAX} bytes")
    return raw.decode("utf-8")


def demo_server_urls() -> tuple[str, str]:
    """Return the PostgreSQL and the RabbitMQ that the demo of a fleet may use."""
    return (
        os.environ.get(POSTGRESQL_VARIABLE, POSTGRESQL_DEFAULT),
        os.environ.get(RABBITMQ_VARIABLE, RABBITMQ_DEFAULT),
    )

"""The doctor's checks of a Solana chain: each fault is found, named, and hides no other."""

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from chains.base58 import base58_of
from chains.errors import RpcUnavailableError
from chains.inspection import ExitTerms, ListedToken, ProgramFacts, VaultFacts
from chains.types import ChainId, chain_id_of, chain_key
from relayer.cli.check_solana import ProgramProbe, check_solana
from relayer.cli.checks import REMEDIES, Check, CheckState
from relayer.settings import Settings
from tests.relayer.api.kit import deployment_settings

CHAIN = ChainId("solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1")
PROGRAM, VAULT, MINT, OTHER = (bytes([number]) * 32 for number in range(1, 5))
NOW, DAY = 1_800_000_000, 86_400
FINAL = ProgramFacts(is_deployed=True, authority=None)
PLAIN = deployment_settings()


def settings_of(**chain: Any) -> Settings:
    """Return the settings of a deployment with a chain of Solana."""
    values = PLAIN.model_dump(mode="python")
    values["chains"] = [
        *(one.model_dump() for one in PLAIN.chains),
        {
            "chain_id": CHAIN,
            "rpc_urls": ["http://127.0.0.1:1"],
            "websocket_url": "ws://127.0.0.1:2",
            "start_height": 1_000,
            "vaults": [{"address": base58_of(VAULT), "program": base58_of(PROGRAM)}],
        }
        | chain,
    ]
    values["assets"] = [one.model_dump() for one in PLAIN.assets]
    values["assets"][1]["tokens"] = [
        *values["assets"][1]["tokens"],
        {"chain_id": CHAIN, "address": base58_of(MINT)},
    ]
    return Settings(**values)


def unavailable(reason: str) -> RpcUnavailableError:
    """Return what a node raises that is not well."""
    return RpcUnavailableError(chain_id=CHAIN, method="getHealth", reason=reason)


@dataclass
class FakeInspector:
    """ProgramInspector over given answers; where everything is right."""

    hub: str = PLAIN.hub
    well: Exception | None = None
    push: Exception | None = None
    first: int = 900
    facts: VaultFacts | None = field(
        default_factory=lambda: VaultFacts(
            PROGRAM,
            is_vault=True,
            hub_key=chain_key(chain_id_of(PLAIN.hub)),
            chain_key=chain_key(CHAIN),
            is_sealed=True,
            exit_terms=ExitTerms(NOW - 600, DAY, NOW),
        )
    )
    tokens: tuple[ListedToken, ...] | Exception = (ListedToken(MINT, 6),)
    found: ProgramFacts = FINAL

    async def version(self) -> str:
        """Return a version, or raise what was given."""
        if self.well is not None:
            raise self.well
        return "4.1.0"

    async def first_height(self) -> int:
        """Return what was given."""
        return self.first

    async def vault(self) -> VaultFacts | None:
        """Return what was given."""
        return self.facts

    async def listed(self) -> tuple[ListedToken, ...]:
        """Return what was given."""
        if isinstance(self.tokens, Exception):
            raise self.tokens
        return self.tokens

    async def program(self) -> ProgramFacts:
        """Return what was given."""
        return self.found

    async def subscribe(self, websocket_url: str) -> None:
        """Take it, or raise what was given."""
        if self.push is not None:
            raise self.push

    async def close(self) -> None:
        """Do nothing."""


def examine(
    *inspectors: FakeInspector, settings: Settings | None = None, needed_height: int = 1_000
) -> list[Check]:
    """Return the findings."""
    used = settings_of() if settings is None else settings
    probe = ProgramProbe(used, used.chain(CHAIN), inspectors, needed_height)
    return asyncio.run(check_solana(probe))


def facts(**changes: Any) -> VaultFacts:
    """Return a right vault, changed."""
    right = FakeInspector().facts
    assert right is not None
    return replace(right, **changes)


def test_a_right_chain_passes_every_check() -> None:
    """All of them run, all are OK, none has a remedy."""
    findings = examine(FakeInspector())

    assert [finding.code for finding in findings] == [
        "node.health",
        "node.history",
        "chain.websocket",
        "vault.program",
        "program.final",
        "vault.lane",
        "vault.sealed",
        "vault.exit",
        "vault.mints",
        "vault.mint",
    ]
    assert {finding.state for finding in findings} == {CheckState.OK}
    assert {finding.remedy for finding in findings} == {""}
    assert any(base58_of(VAULT) in finding.subject for finding in findings)


@pytest.mark.parametrize(
    ("inspector", "code", "text"),
    [
        (FakeInspector(first=1_001), "node.history", "begins at slot 1001, and slot 1000"),
        (FakeInspector(push=unavailable("ClosedError")), "chain.websocket", "ClosedError"),
        (FakeInspector(facts=None), "vault.program", "no account"),
        (FakeInspector(facts=facts(program=OTHER)), "vault.program", base58_of(OTHER)),
        (FakeInspector(facts=facts(is_vault=False)), "vault.program", "is no vault"),
        (FakeInspector(facts=facts(hub_key=OTHER)), "vault.lane", PLAIN.hub),
        (FakeInspector(facts=facts(chain_key=OTHER)), "vault.lane", CHAIN),
        (FakeInspector(facts=facts(is_sealed=False)), "vault.sealed", "not sealed"),
        (FakeInspector(facts=facts(exit_terms=None)), "vault.exit", "no usable clock"),
        (
            FakeInspector(facts=facts(exit_terms=ExitTerms(NOW - DAY - 1, DAY, NOW))),
            "vault.exit",
            "without a message since 1s; the exit delay is 1d 0h",
        ),
        (
            FakeInspector(facts=facts(exit_terms=ExitTerms(0, DAY, NOW))),
            "vault.exit",
            "without a message since",
        ),
        (FakeInspector(tokens=()), "vault.mint", "does not list"),
        (FakeInspector(tokens=(ListedToken(OTHER, 6),)), "vault.mint", "does not list"),
        (FakeInspector(tokens=(ListedToken(MINT, 9),)), "vault.mint", "has 9 decimals"),
        (FakeInspector(tokens=unavailable("busy")), "vault.mints", "busy"),
        (FakeInspector(found=ProgramFacts(False, None)), "program.final", "no program"),
        (FakeInspector(found=ProgramFacts(True, OTHER)), "program.final", base58_of(OTHER)),
    ],
)
def test_r20_each_mistake_is_one_finding_with_its_remedy(
    inspector: FakeInspector, code: str, text: str
) -> None:
    """The others are still checked."""
    findings = examine(inspector)

    (broken,) = [finding for finding in findings if finding.state is CheckState.BROKEN]
    assert broken.code == code
    assert text in broken.detail
    assert broken.remedy == REMEDIES[code]


@pytest.mark.parametrize(
    ("silence_seconds", "state", "text"),
    [
        (0, CheckState.OK, "owners may leave after 1d 0h"),
        (DAY // 2, CheckState.OK, "owners may leave after 12h 0m"),
        (DAY // 2 + 1, CheckState.WARNING, "owners may leave after 11h 59m"),
        (DAY, CheckState.WARNING, "owners may leave after 0s"),
    ],
)
def test_a_vault_that_no_message_reaches_is_a_warning_from_half_of_its_delay_on(
    silence_seconds: int, state: CheckState, text: str
) -> None:
    """Before owners may leave, with what keeps them in."""
    terms = ExitTerms(NOW - silence_seconds, DAY, NOW)

    findings = examine(FakeInspector(facts=facts(exit_terms=terms)))

    (found,) = [finding for finding in findings if finding.code == "vault.exit"]
    assert (found.state, text in found.detail) == (state, True)
    assert found.remedy == ("" if state is CheckState.OK else REMEDIES["vault.exit"])


def test_a_node_that_is_not_well_is_named_and_the_next_one_asked() -> None:
    """By its label; what the vault holds comes from the other."""
    settings = settings_of(
        rpc_urls=["http://127.0.0.1:1", "http://127.0.0.1:3"], rpc_labels=["one", "two"]
    )

    findings = examine(
        FakeInspector(well=unavailable("behind by 200 slots")), FakeInspector(), settings=settings
    )

    (broken,) = [finding for finding in findings if finding.state is CheckState.BROKEN]
    assert (broken.code, broken.subject) == ("node.health", f"{CHAIN} one")
    assert "behind by 200 slots" in broken.detail
    assert findings[-1].code == "vault.mint"


def test_without_a_node_that_is_well_nothing_more_is_asked() -> None:
    """One cause, one finding."""
    findings = examine(FakeInspector(well=unavailable("behind")))

    assert [(one.code, one.state) for one in findings] == [
        ("node.health", CheckState.BROKEN),
        ("vault.program", CheckState.SKIPPED),
    ]


def test_history_is_needed_only_from_what_is_still_to_be_read() -> None:
    """A node that has dropped old blocks is right for a chain that was read past them."""
    assert examine(FakeInspector(first=5_000), needed_height=5_000)[1].state is CheckState.OK
    assert examine(FakeInspector(first=5_001), needed_height=5_000)[1].state is CheckState.BROKEN

"""The doctor on a real cluster: a right deployment passes, and each wrong word is named."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from chains.base58 import base58_of
from relayer.cli.checks import Check, CheckState
from relayer.cli.diagnosis import examine_chain
from relayer.clock import SystemClock
from relayer.settings import Settings
from relayer.store.unit_of_work import Store
from tests.chains.solana.scenes import FORGER, GUARDIANS, HUB, Scene, scene
from tests.databases import TestDatabases
from tests.relayer.api.kit import deployment_settings


@dataclass(slots=True)
class Patient:
    """A deployment with one chain, on a real cluster."""

    world: Scene
    store: Store

    def settings(self, *, scale: int = 6, hub: str = HUB, **chain: Any) -> Settings:
        """Return its settings, with changes of the chain."""
        chain_id = self.world.net.chain_id
        vault = {"address": base58_of(self.world.vault), "program": base58_of(self.program)}
        mint = base58_of(bytes(self.world.mints[0]))
        changes = {
            "chain_id": chain_id,
            "rpc_urls": [self.world.net.url],
            "websocket_url": self.world.net.ws_url,
            "vaults": [vault],
        } | chain
        members = [
            {"label": f"g{place}", "address": "0x" + word.hex(), "url": "http://127.0.0.1:9"}
            for place, word in enumerate(GUARDIANS.members)
        ]
        return deployment_settings(
            hub=hub,
            chains=[changes],
            assets=[
                {
                    "asset_id": "USDC",
                    "scale": scale,
                    "tokens": [{"chain_id": chain_id, "address": mint}],
                }
            ],
            risk={"paths": []},
            guardians={"threshold": GUARDIANS.threshold, "members": members},
        )

    @property
    def program(self) -> bytes:
        """The vault's program."""
        return self.world.watched.program_id

    def examine(self, settings: Settings) -> dict[str, Check]:
        """Return the doctor's findings by code."""
        chain_id = self.world.net.chain_id
        found, _ = asyncio.run(examine_chain(settings, self.store, chain_id, True))
        return {check.code: check for check in found}


@pytest.fixture
def patient(databases: TestDatabases) -> Iterator[Patient]:
    """A sealed vault on a cluster that moves by command."""
    with scene() as world, databases.store("sqlite", SystemClock()) as store:
        world.net.advance(40)
        yield Patient(world, store)


def broken(findings: dict[str, Check]) -> set[str]:
    """Return the codes of what is broken."""
    return {code for code, found in findings.items() if found.state is CheckState.BROKEN}


def test_r20_a_right_deployment_on_solana_passes(patient: Patient) -> None:
    """Every check runs against real answers; only the resting cluster's clock may be off."""
    findings = patient.examine(patient.settings())

    assert broken(findings) <= {"chain.clock"}
    assert {
        "chain.node",
        "chain.genesis",
        "chain.finality",
        "vault.answers",
        "contract.guardians",
        "node.health",
        "node.history",
        "chain.websocket",
        "vault.program",
        "program.final",
        "vault.lane",
        "vault.sealed",
        "vault.exit",
        "vault.mint",
    } <= findings.keys()
    assert "slots behind the head" in findings["chain.finality"].detail
    assert base58_of(patient.world.vault) in findings["vault.program"].subject


@pytest.mark.parametrize(
    ("changes", "codes"),
    [
        ({"scale": 9}, {"vault.mint"}),
        ({"hub": "hub:another"}, {"vault.lane"}),
        ({"websocket_url": "ws://127.0.0.1:9"}, {"chain.websocket"}),
        ({"rpc_urls": ["http://127.0.0.1:9"]}, {"chain.node", "node.health"}),
    ],
)
def test_r20_each_wrong_word_is_named(
    patient: Patient, changes: dict[str, Any], codes: set[str]
) -> None:
    """And nothing else is broken by it."""
    findings = patient.examine(patient.settings(**changes))

    assert broken(findings) - {"chain.clock"} == codes


def test_r20_a_vault_of_another_program_is_named(patient: Patient) -> None:
    """What it holds cannot be read then either."""
    vault = {"address": base58_of(patient.world.vault), "program": str(FORGER)}

    findings = patient.examine(patient.settings(vaults=[vault]))

    assert {"vault.program"} <= broken(findings)
    assert base58_of(patient.program) in findings["vault.program"].detail

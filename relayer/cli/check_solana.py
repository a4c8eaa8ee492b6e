"""The doctor's checks of a Solana chain: its nodes' history, its vault, mints and program."""

from collections.abc import Sequence
from dataclasses import dataclass

from chains.inspection import ExitTerms, ListedToken, ProgramInspector, VaultFacts
from chains.types import ChainId, address_text, chain_id_of, chain_key, word_of_text
from relayer.cli.check_exit import exit_text
from relayer.cli.checks import BrokenError, Check, CheckState, attempt_async, skipped
from relayer.sections import ChainSettings
from relayer.settings import Settings


@dataclass(frozen=True, slots=True)
class ProgramProbe:
    """
    What is needed to look at a Solana chain.

    Args:
        inspectors: one for each node, in the order of the chain's labels.
        needed_height: the oldest height that is still to be read.
    """

    settings: Settings
    chain: ChainSettings
    inspectors: Sequence[ProgramInspector]
    needed_height: int

    @property
    def chain_id(self) -> ChainId:
        """The chain that is looked at."""
        return self.chain.id


async def check_solana(probe: ProgramProbe) -> list[Check]:
    """Return the findings; what the vault holds is asked of the first node that is well."""
    checks: list[Check] = []
    well: list[ProgramInspector] = []
    for label, inspector in zip(probe.chain.labels, probe.inspectors, strict=True):
        found = await _check_node(f"{probe.chain_id} {label}", inspector)
        checks.append(found)
        if found.state is CheckState.OK:
            well.append(inspector)
            checks.append(await _check_history(probe, label, inspector))
    if not well:
        return [*checks, skipped("vault.program", probe.chain_id, "no node is usable")]
    if probe.chain.websocket_url is not None:
        checks.append(await _check_websocket(probe, well[0], probe.chain.websocket_url))
    return [*checks, *await _check_vault(probe, well[0])]


async def _check_node(place: str, inspector: ProgramInspector) -> Check:
    async def run() -> str:
        return f"is well; version {await inspector.version()}"

    return await attempt_async("node.health", place, run)


async def _check_history(probe: ProgramProbe, label: str, inspector: ProgramInspector) -> Check:
    async def run() -> str:
        first = await inspector.first_height()
        if first > probe.needed_height:
            raise BrokenError(
                f"its history begins at slot {first}, and slot {probe.needed_height} is still to "
                "be read"
            )
        return f"its history begins at slot {first}"

    return await attempt_async("node.history", f"{probe.chain_id} {label}", run)


async def _check_websocket(probe: ProgramProbe, inspector: ProgramInspector, url: str) -> Check:
    async def run() -> str:
        await inspector.subscribe(url)
        return "takes subscriptions"

    return await attempt_async("chain.websocket", probe.chain_id, run)


async def _check_vault(probe: ProgramProbe, inspector: ProgramInspector) -> list[Check]:
    (vault,) = probe.chain.vaults
    program = word_of_text(vault.program or "")
    place = f"{probe.chain_id} {address_text(probe.chain_id, word_of_text(vault.address))}"
    facts: list[VaultFacts] = []

    async def owned() -> str:
        found = await inspector.vault()
        if found is None:
            raise BrokenError("there is no account at the vault's address")
        if found.program != program:
            owner = address_text(probe.chain_id, found.program)
            raise BrokenError(f"the account belongs to {owner}, not to the configured program")
        if not found.is_vault:
            raise BrokenError("the account belongs to the program and is no vault")
        facts.append(found)
        return f"a vault of {address_text(probe.chain_id, program)}"

    checks = [
        await attempt_async("vault.program", place, owned),
        await _check_final(probe, inspector, program),
    ]
    if not facts:
        return [*checks, skipped("vault.sealed", place, "there is no vault of the program")]

    async def laned() -> str:
        if facts[0].hub_key != chain_key(chain_id_of(probe.settings.hub)):
            raise BrokenError(f"it was made for another hub than {probe.settings.hub}")
        if facts[0].chain_key != chain_key(probe.chain_id):
            raise BrokenError(f"it was made for another chain than {probe.chain_id}")
        return f"made for {probe.settings.hub}"

    async def sealed() -> str:
        if not facts[0].is_sealed:
            raise BrokenError("not sealed: nothing moves yet")
        return "sealed"

    checks += [
        await attempt_async("vault.lane", place, laned),
        await attempt_async("vault.sealed", place, sealed),
        await _check_exit(place, facts[0].exit_terms),
    ]
    return [*checks, *await _check_mints(probe, inspector)]


async def _check_exit(place: str, terms: ExitTerms | None) -> Check:
    async def run() -> str:
        if terms is None:
            raise BrokenError("the node has no usable clock of its chain; ask another node")
        return exit_text(terms)

    return await attempt_async("vault.exit", place, run)


async def _check_final(probe: ProgramProbe, inspector: ProgramInspector, program: bytes) -> Check:
    async def run() -> str:
        found = await inspector.program()
        if not found.is_deployed:
            raise BrokenError("there is no program at this address")
        if found.authority is not None:
            owner = address_text(probe.chain_id, found.authority)
            raise BrokenError(f"{owner} may replace the program, and so take what the vault holds")
        return "nobody may replace it"

    place = f"{probe.chain_id} {address_text(probe.chain_id, program)}"
    return await attempt_async("program.final", place, run)


async def _check_mints(probe: ProgramProbe, inspector: ProgramInspector) -> list[Check]:
    found: list[ListedToken] = []

    async def asked() -> str:
        found.extend(await inspector.listed())
        return f"{len(found)} of the configured tokens are listed"

    checks = [await attempt_async("vault.mints", probe.chain_id, asked)]
    if checks[0].state is not CheckState.OK:
        return checks
    decimals = {listed.token: listed.decimals for listed in found}
    for asset in probe.settings.assets:
        for token in asset.tokens:
            if token.chain_id != probe.chain_id:
                continue
            word = word_of_text(token.address)

            async def run(word: bytes = word, scale: int = asset.scale) -> str:
                if word not in decimals:
                    raise BrokenError("the vault does not list this token")
                if decimals[word] != scale:
                    raise BrokenError(
                        f"has {decimals[word]} decimals, the asset's scale is {scale}"
                    )
                return f"listed, {scale} decimals"

            place = f"{asset.asset_id} {address_text(probe.chain_id, word)}"
            checks.append(await attempt_async("vault.mint", place, run))
    return checks

"""The doctor's checks of one chain: node, identity, heads, contracts, feeds."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from chains.attestation import GuardianSet
from chains.errors import WrongChainError
from chains.finality import ChainIdentity, Heads
from chains.inspection import ExitTerms
from chains.port import ChainReader, PriceSource, Quote
from chains.types import BlockHeader, ChainId, address_text, text_of_word, word_of_text
from relayer.cli.check_exit import exit_text
from relayer.cli.checks import BrokenError, Check, CheckState, WarningError, attempt_async, skipped
from relayer.cli.render import age_text
from relayer.sections import ChainSettings
from relayer.settings import Settings

HEAD_AGE_SECONDS_MAX: Final = 900
CLOCK_SKEW_SECONDS_MAX: Final = 60


@dataclass(frozen=True, slots=True)
class ChainProbe:
    """
    What is needed to look at one chain.

    reader is what the processes use; nodes are the single nodes behind it, to find one that is out.
    compare_identity raises WrongChainError when the database knows the chain by another identity,
    and returns what to say otherwise. exit_terms is for vaults that are contracts.
    """

    settings: Settings
    chain: ChainSettings
    reader: ChainReader
    nodes: tuple[ChainReader, ...]
    prices: PriceSource
    now_seconds: int
    compare_identity: Callable[[ChainIdentity], str]
    exit_terms: Callable[[bytes, BlockHeader], Awaitable[ExitTerms]]

    @property
    def chain_id(self) -> ChainId:
        """The chain that is looked at."""
        return self.chain.id


async def check_chain(probe: ChainProbe) -> tuple[tuple[Check, ...], dict[str, Quote]]:
    """Return the findings about a chain, and the quotes of its feeds by label."""
    identities: list[ChainIdentity] = []
    node = await _check_node(probe, identities)
    if node.state is not CheckState.OK:
        return (node, skipped("chain.finality", probe.chain_id, "no node is usable")), {}
    heads: list[Heads] = []
    checks = [node, await _check_nodes(probe), await _check_genesis(probe, identities[0])]
    checks.append(await _check_finality(probe, heads))
    if heads:
        checks += [await _check_head(probe, heads[0]), await _check_clock(probe, heads[0])]
        checks += await _check_contracts(probe, heads[0])
    quotes: dict[str, Quote] = {}
    checks += await _check_feeds(probe, quotes)
    return tuple(checks), quotes


async def _check_node(probe: ChainProbe, identities: list[ChainIdentity]) -> Check:
    wrong_chain: list[WrongChainError] = []

    async def run() -> str:
        try:
            identity = await probe.reader.identity()
        except WrongChainError as exc:
            wrong_chain.append(exc)
            raise
        identities.append(identity)
        return f"answers; chain number {identity.chain_reference}"

    found = await attempt_async("chain.node", probe.chain_id, run)
    if wrong_chain:
        return Check("chain.identity", probe.chain_id, CheckState.BROKEN, str(wrong_chain[0]))
    return found


async def _check_nodes(probe: ChainProbe) -> Check:
    async def run() -> str:
        count = len(probe.nodes)
        answers = await asyncio.gather(
            *(node.heads() for node in probe.nodes), return_exceptions=True
        )
        silent = [
            f"{label}: {type(answer).__name__}"
            for label, answer in zip(probe.chain.labels, answers, strict=True)
            if isinstance(answer, BaseException)
        ]
        text = f"{probe.chain.quorum} of {count} nodes must agree"
        if probe.chain.rpc_own:
            text += f", one of {', '.join(probe.chain.rpc_own)} (own) among them"
        if silent:
            raise WarningError(f"{text}; {', '.join(silent)}")
        if count == 1:
            return "one node: whatever it says is believed; production refuses this"
        return f"{text}; each answers"

    return await attempt_async("chain.nodes", probe.chain_id, run)


async def _check_genesis(probe: ChainProbe, identity: ChainIdentity) -> Check:
    async def run() -> str:
        return probe.compare_identity(identity)

    return await attempt_async("chain.genesis", probe.chain_id, run)


async def _check_finality(probe: ChainProbe, heads: list[Heads]) -> Check:
    async def run() -> str:
        found = await probe.reader.heads()
        heads.append(found)
        lag = found.latest.block.height - found.finalized.block.height
        unit = "slots" if probe.chain.is_solana else "blocks"
        return f"finalized {found.finalized.block.height}, {lag} {unit} behind the head"

    return await attempt_async("chain.finality", probe.chain_id, run)


async def _check_head(probe: ChainProbe, heads: Heads) -> Check:
    async def run() -> str:
        age_seconds = probe.now_seconds - heads.latest.timestamp_seconds
        text = f"head {heads.latest.block.height} is {age_text(max(age_seconds, 0))} old"
        if age_seconds <= HEAD_AGE_SECONDS_MAX:
            return text
        if probe.settings.profile == "development":
            raise WarningError(f"{text}; a development chain may rest")
        raise BrokenError(text)

    return await attempt_async("chain.head", probe.chain_id, run)


async def _check_clock(probe: ChainProbe, heads: Heads) -> Check:
    async def run() -> str:
        ahead_seconds = heads.latest.timestamp_seconds - probe.now_seconds
        if ahead_seconds > CLOCK_SKEW_SECONDS_MAX:
            raise BrokenError(
                f"the head is {age_text(ahead_seconds)} ahead of this machine's clock"
            )
        return "the chain's time is not ahead of this machine's clock"

    return await attempt_async("chain.clock", probe.chain_id, run)


async def _check_contracts(probe: ChainProbe, heads: Heads) -> list[Check]:
    checks = []
    for vault in probe.chain.vaults:
        word = word_of_text(vault.address)
        checks.append(await _check_vault(probe, word, heads))
        if not probe.chain.is_solana:  # the checks of its program tell it there
            checks.append(await _check_exit(probe, word, heads))
        checks.append(await _check_guardians(probe, word))
    for line in probe.chain.credit_lines:
        word = word_of_text(line.address)
        checks.append(await _check_credit_line(probe, word, heads))
        checks.append(await _check_guardians(probe, word))
    return checks


async def _check_vault(probe: ChainProbe, vault: bytes, heads: Heads) -> Check:
    async def run() -> str:
        tokens = [
            (asset.asset_id, word_of_text(token.address))
            for asset in probe.settings.assets
            for token in asset.tokens
            if token.chain_id == probe.chain_id
        ]
        if not tokens:
            raise WarningError(
                "no asset has a token on this chain, so the vault holds nothing known"
            )
        parts = []
        for asset_id, token in tokens:
            state = await probe.reader.vault_state(vault, token, heads.latest.block)
            parts.append(f"{asset_id} {state.held_units} units held")
            if state.balance_units < state.held_units:
                raise BrokenError(
                    f"{asset_id}: the vault accounts for {state.held_units} units and has "
                    f"{state.balance_units}"
                )
            if state.is_outflow_paused or state.is_lock_paused:
                raise WarningError(f"{asset_id} is paused on chain")
        return ", ".join(parts)

    return await attempt_async("vault.answers", _place(probe, vault), run)


async def _check_exit(probe: ChainProbe, vault: bytes, heads: Heads) -> Check:
    async def run() -> str:
        return exit_text(await probe.exit_terms(vault, heads.latest))

    return await attempt_async("vault.exit", _place(probe, vault), run)


async def _check_credit_line(probe: ChainProbe, credit_line: bytes, heads: Heads) -> Check:
    async def run() -> str:
        state = await probe.reader.credit_line_state(credit_line, heads.latest.block)
        return f"interest index {state.index_ray} (ray)"

    return await attempt_async("credit_line.answers", _place(probe, credit_line), run)


async def _check_guardians(probe: ChainProbe, contract: bytes) -> Check:
    async def run() -> str:
        found = await probe.reader.guardian_set(contract, None)
        expected = configured_set(probe.settings)
        if found != expected:
            raise BrokenError(
                f"the contract holds {_set_text(found)}, configured is {_set_text(expected)}"
            )
        return _set_text(found)

    return await attempt_async("contract.guardians", _place(probe, contract), run)


async def _check_feeds(probe: ChainProbe, quotes: dict[str, Quote]) -> list[Check]:
    checks = []
    for asset in probe.settings.assets:
        for feed in asset.feeds:
            if feed.chain_id != probe.chain_id:
                continue
            word, label = word_of_text(feed.address), feed.label

            async def run(word: bytes = word, label: str = label) -> str:
                quote = await probe.prices.quote(word, None)
                quotes[label] = quote
                age_seconds = probe.now_seconds - quote.updated_at_seconds
                return f"answer {quote.answer}, scale {quote.scale}, {age_text(age_seconds)} old"

            checks.append(await attempt_async("feed.answers", f"{probe.chain_id} {label}", run))
    return checks


def configured_set(settings: Settings) -> GuardianSet:
    """Return the guardian set of the settings, members ascending as contracts hold them."""
    return GuardianSet(
        index=settings.guardians.index,
        threshold=settings.guardians.threshold,
        members=tuple(
            sorted(word_of_text(member.address) for member in settings.guardians.members)
        ),
    )


def _set_text(guardians: GuardianSet) -> str:
    members = ", ".join(text_of_word(member) for member in guardians.members)
    return f"set {guardians.index}: {guardians.threshold} of {len(guardians.members)} ({members})"


def _place(probe: ChainProbe, contract: bytes) -> str:
    return f"{probe.chain_id} {address_text(probe.chain_id, contract)}"

"""The doctor: looks at everything that the settings name, and says what to do about it."""

from typing import TYPE_CHECKING

from relayer.cli.answer import (
    BROKEN,
    DONE,
    Answer,
    ConfigOption,
    JsonOption,
    answer,
    opened_store_unchecked,
    settings_of,
)

if TYPE_CHECKING:
    from chains.port import Quote
    from chains.types import ChainId
    from relayer.cli.checks import Check
    from relayer.settings import Settings
    from relayer.store.unit_of_work import Store

MARKS = {"ok": "ok", "warning": "WARN", "broken": "BROKEN", "skipped": "skip"}


def doctor(*, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Check settings, database, broker, nodes, contracts, prices, keys and guardians."""

    def make() -> Answer:
        import asyncio

        from relayer.cli.checks import Check, CheckState
        from relayer.errors import SettingsError

        try:
            settings = settings_of(config)
        except SettingsError as exc:
            return findings_answer(
                tuple(
                    Check("config", "settings", CheckState.BROKEN, mistake)
                    for mistake in exc.mistakes
                )
            )
        with opened_store_unchecked(config) as (_, store):
            found = asyncio.run(_examine(settings, store))
        return findings_answer(found)

    answer(make, as_json=as_json)


async def _examine(settings: "Settings", store: "Store") -> "tuple[Check, ...]":
    import asyncio

    from relayer.cli.check_fleet import (
        check_broker,
        check_database,
        check_guardian,
        check_key,
        check_price,
    )
    from relayer.cli.checks import Check, CheckState

    findings = [Check("config", "settings", CheckState.OK, f"{settings.hub}, {settings.profile}")]
    findings += await asyncio.to_thread(check_database, store)
    findings.append(await asyncio.to_thread(check_broker, settings))
    is_schema_right = all(
        finding.state is CheckState.OK
        for finding in findings
        if finding.code in ("database.reachable", "database.schema")
    )
    quotes: dict[str, Quote] = {}
    chains = [
        examine_chain(settings, store, chain.id, is_schema_right) for chain in settings.chains
    ]
    for chain_findings, chain_quotes in await asyncio.gather(*chains):
        findings += chain_findings
        quotes |= chain_quotes
    now_seconds = store.clock.now()
    findings += [check_price(a, quotes, now_seconds) for a in settings.assets if a.feeds]
    if settings.guardian is not None:
        findings.append(check_key("guardian.key", settings.guardian.key_file))
    findings += await _examine_sender(settings)
    findings += await asyncio.gather(*map(check_guardian, settings.guardians.members))
    return tuple(findings)


async def examine_chain(
    settings: "Settings", store: "Store", chain_id: str, is_schema_right: bool
) -> "tuple[list[Check], dict[str, Quote]]":
    """Return the findings about one chain, and the quotes of its feeds by label."""
    import asyncio
    from functools import partial

    from relayer import wiring
    from relayer.cli.check_chain import ChainProbe, check_chain
    from relayer.cli.check_fleet import compare_identity
    from relayer.cli.check_quorum import check_quorum
    from relayer.cli.checks import broken

    chain = settings.chain(chain_id)
    findings = [_halted(store, chain_id), check_quorum(store, chain)] if is_schema_right else []
    try:
        reader = wiring.chain_reader(settings, chain.id)
        nodes = wiring.node_readers(settings, chain.id)
    except Exception as exc:  # noqa: BLE001 - one chain's mistake must not hide the others
        return [*findings, broken("chain.node", chain_id, exc)], {}
    probe = ChainProbe(
        settings=settings,
        chain=chain,
        reader=reader,
        nodes=nodes,
        prices=wiring.price_source(reader),
        now_seconds=store.clock.now(),
        compare_identity=lambda identity: (
            compare_identity(store, chain.id, identity)
            if is_schema_right
            else "nothing is stored to compare it with"
        ),
        exit_terms=partial(wiring.exit_terms, reader),
    )
    try:
        found, quotes = await check_chain(probe)
    finally:
        await asyncio.gather(*(each.close() for each in (reader, *nodes)))
    if chain.is_solana:
        found = (*found, *await _examine_program(settings, store, chain.id, is_schema_right))
    return [*findings, *found], quotes


async def _examine_program(
    settings: "Settings", store: "Store", chain_id: "ChainId", is_schema_right: bool
) -> "list[Check]":
    import asyncio

    from relayer import wiring
    from relayer.cli.check_solana import ProgramProbe, check_solana

    chain = settings.chain(chain_id)
    needed_height = chain.start_height
    if is_schema_right:
        with store.read() as uow:
            reread_height = uow.chains.cursor(chain_id).reread_height
        needed_height = max(needed_height, -1 if reread_height is None else reread_height + 1)
    inspectors = wiring.program_inspectors(settings, chain_id)
    try:
        return await check_solana(ProgramProbe(settings, chain, inspectors, needed_height))
    finally:
        await asyncio.gather(*(inspector.close() for inspector in inspectors))


def _halted(store: "Store", chain_id: str) -> "Check":
    from relayer.cli.checks import BrokenError, attempt

    def run() -> str:
        with store.read() as uow:
            reasons = [halt.reason for halt in uow.chains.halts() if halt.chain_id == chain_id]
        if reasons:
            raise BrokenError(f"halted: {reasons[0]}")
        return "not halted"

    return attempt("chain.halted", chain_id, run)


async def _examine_sender(settings: "Settings") -> "list[Check]":
    from relayer import wiring_senders
    from relayer.cli.check_fleet import check_funds, check_key, check_lamports, check_sender
    from relayer.cli.checks import CheckState, broken

    if settings.sender is None:
        return []
    findings = [check_key("sender.key", settings.sender.key_file)]
    if findings[0].state is not CheckState.OK:
        return findings
    for chain in settings.chains:
        try:
            if wiring_senders.is_expiring(chain.id):
                expiring = wiring_senders.expiring_sender(settings, chain.id)
                findings.append(await check_lamports(expiring))
                await expiring.close()
                continue
            sender = wiring_senders.nonce_sender(settings, chain.id)
        except Exception as exc:  # noqa: BLE001 - one chain's mistake must not hide the others
            findings.append(broken("sender.chain", chain.chain_id, exc))
            continue
        try:
            findings.append(await check_sender(sender))
            if findings[-1].state is CheckState.OK:
                findings.append(await check_funds(sender))
        finally:
            await sender.close()
    return findings


def findings_answer(findings: "tuple[Check, ...]") -> Answer:
    """Return the findings, one a line; exit status 2 when one is broken."""
    from relayer.cli.checks import CheckState
    from relayer.cli.render import plain, table_of

    broken = sum(finding.state is CheckState.BROKEN for finding in findings)
    warnings = sum(finding.state is CheckState.WARNING for finding in findings)
    return Answer(
        value={
            "ok": not broken,
            "broken_count": broken,
            "warning_count": warnings,
            "checks": [
                {
                    "code": finding.code,
                    "subject": finding.subject,
                    "state": finding.state.value,
                    "detail": finding.detail,
                    "remedy": finding.remedy,
                }
                for finding in findings
            ],
        },
        shown=(
            table_of(
                "Doctor",
                ("", "check", "about", "found", "what to do"),
                [
                    (MARKS[f.state.value], f.code, f.subject, f.detail, f.remedy or None)
                    for f in findings
                ],
            ),
            plain(f"{len(findings)} checks: {broken} broken, {warnings} warnings"),
        ),
        exit_code=BROKEN if broken else DONE,
    )

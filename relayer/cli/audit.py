"""The audit command: the whole ledger derived again from the chains, compared entry by entry."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from relayer.cli.answer import (
    DONE,
    REFUSED,
    Answer,
    ConfigOption,
    JsonOption,
    answer,
    log_to_stderr,
    opened_store,
)

if TYPE_CHECKING:
    from rich.console import RenderableType

    from relayer.settings import Settings
    from relayer.steps.audit import Progress
    from relayer.steps.audit_report import AuditReport
    from relayer.store.unit_of_work import Store

SHOWN_MAX: Final = 50
COUNTER_NAMES: Final = ("debits_pending", "debits_posted", "credits_pending", "credits_posted")
UNBOOKED: Final = "events_unbooked"  # passes by itself while the workers run
ChainOption = Annotated[
    list[str] | None,
    typer.Option("--chain", help="Read only this chain again; may be repeated. All if none."),
]
IntoOption = Annotated[
    Path | None,
    typer.Option("--into", help="Keep the derived ledger in this new SQLite file."),
]


def audit(
    *,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    chain: ChainOption = None,
    into: IntoOption = None,
) -> None:
    """Derive the ledger again from the chains and compare; status 1 if different, 2 if undone."""

    def make() -> Answer:
        import asyncio

        with opened_store(config) as (settings, store):
            chosen = tuple(settings.chain(name).id for name in chain or ())
            with _scratch_url(into) as url, shown_progress(quiet=as_json) as progress:
                report = asyncio.run(_audited(settings, store, chosen, (url, progress)))
        return audit_answer(report)

    # Only a finished comparison ends with status 1; whatever kept it from that is status 2.
    try:
        answer(make, as_json=as_json)
    except typer.Exit as exc:
        if isinstance(exc.__cause__, Exception):
            raise typer.Exit(2) from exc.__cause__
        raise


@contextmanager
def _scratch_url(into: Path | None) -> Iterator[str]:
    import tempfile

    from relayer.errors import SettingsError

    if into is not None:
        if into.exists() or not into.absolute().parent.is_dir():
            raise SettingsError((f"--into: {into} must be a new file in a folder that exists",))
        yield f"sqlite:///{into.absolute()}"
        return
    with tempfile.TemporaryDirectory(prefix="relayer-audit-") as folder:
        yield f"sqlite:///{folder}/derived.sqlite3"


@contextmanager
def shown_progress(*, quiet: bool) -> Iterator["Progress"]:
    """Show bars on a terminal's error stream; nothing beside one JSON object."""
    from rich.console import Console
    from rich.progress import Progress as Bars

    if quiet:
        yield lambda _what, _done, _total: None
        return
    with Bars(console=Console(stderr=True), transient=True) as bars:
        tasks = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done, total=total)

        yield show


async def _audited(
    settings: "Settings",
    live: "Store",
    chosen: tuple[str, ...],
    output: tuple[str, "Progress"],
) -> "AuditReport":
    from functools import partial

    from relayer import wiring
    from relayer.cli.patience import ask_again
    from relayer.steps.audit import Audit, AuditClock
    from relayer.steps.audit import audit as compare
    from relayer.store.engine import engine_of
    from relayer.store.unit_of_work import Store

    url, progress = output
    catalog = wiring.catalog_of(settings)
    clock = AuditClock()
    with ExitStack() as stack:
        scratch = Store(engine_of(url), clock)
        stack.callback(scratch.close)
        scratch.upgrade()
        log_to_stderr(settings)  # not before: a migration has much to say
        readers = {
            chain_id: (
                wiring.chain_reader(settings, chain_id),
                wiring.observe_limits(settings, chain_id),
            )
            for chain_id in catalog.chain_ids
            if not chosen or chain_id in chosen
        }
        rule = wiring.correction_rule(settings)
        asked = Audit(live, scratch, clock, catalog, readers, progress, rule)
        try:
            return await ask_again(partial(compare, asked), only_reason=UNBOOKED)
        finally:
            for reader, _ in readers.values():
                await reader.close()


def audit_answer(report: "AuditReport") -> Answer:
    """Return what an audit found; status 1 when anything differs."""
    from relayer.cli.render import plain

    equal = sum(report.sources.values())
    word = "equals" if report.is_equal else "DIFFERS FROM"
    text = (
        f"ledger {word} what chains and signatures prove: {equal} of {report.entries_compared} "
        f"entries equal, {report.lines_compared - report.counts['balances']} of "
        f"{report.lines_compared} balances"
    )
    return Answer(
        value=audit_value(report) | {"summary": text},
        shown=(*_tables(report), plain(text)),
        exit_code=DONE if report.is_equal else REFUSED,
    )


def audit_value(report: "AuditReport") -> dict[str, object]:
    """Return a report as JSON."""
    return {
        "is_equal": report.is_equal,
        "pinned": _pinned_value(report),
        "last_seq": report.last_seq,
        "events_read": report.events_read,
        "entries_compared": report.entries_compared,
        "lines_compared": report.lines_compared,
        "parked": report.parked,
        "equal_by_source": {source.value: count for source, count in report.sources.items()},
        "unproven": _unproven_value(report),
        "differences": dict(report.counts),
        "entries": [
            {
                "verdict": found.verdict.value,
                "seq": found.seq,
                "entry_id": "0x" + found.entry_id.hex(),
                "kind": found.kind,
                "field": found.field,
                "detail": found.detail,
            }
            for found in report.entries
        ],
        "events": [
            {
                "verdict": found.verdict.value,
                "chain_id": found.chain_id,
                "height": found.height,
                "event_id": "0x" + found.event_id.hex(),
                "kind": found.kind,
                "detail": found.detail,
            }
            for found in report.events
        ],
        "balances": [
            {
                "code": found.line.code,
                "asset_id": found.line.asset_id,
                "chain_id": found.line.chain_id,
                **{
                    f"{name}_{side}": str(getattr(counters, name))
                    for side, counters in (("stored", found.stored), ("derived", found.derived))
                    for name in COUNTER_NAMES
                },
            }
            for found in report.balances
        ],
        "commands": list(report.commands),
    }


def _pinned_value(report: "AuditReport") -> dict[str, object]:
    from chains.types import raw_text

    return {
        chain_id: None
        if block is None
        else {"height": block.height, "block_hash": raw_text(chain_id, block.block_hash)}
        for chain_id, block in report.pinned.items()
    }


def _unproven_value(report: "AuditReport") -> list[dict[str, object]]:
    return [
        {
            "kind": kind,
            "asset_id": asset_id,
            "chain_id": chain_id,
            "entries": found.entries,
            "units": str(found.units),
        }
        for (kind, asset_id, chain_id), found in sorted(report.unproven.items())
    ]


def _tables(report: "AuditReport") -> "tuple[RenderableType, ...]":
    from relayer.cli.render import short_code, short_hex, table_of

    heights = [
        (chain_id, None if block is None else block.height)
        for chain_id, block in report.pinned.items()
    ]
    sources = [(source.value, count) for source, count in report.sources.items() if count]
    tables: list[RenderableType] = [
        table_of("Pinned", ("chain", "final block"), heights),
        table_of("Equal entries, by what proves them", ("source", "entries"), sources),
    ]
    if report.unproven:
        unproven = [
            (*key, found.entries, str(found.units))
            for key, found in sorted(report.unproven.items())
        ]
        names = ("kind", "asset", "chain", "entries", "units moved")
        tables.append(table_of("Unproven: equal on the hub's word alone", names, unproven))
    if report.events:
        columns = ("verdict", "chain", "block", "event", "kind", "why")
        rows: list[tuple[object, ...]] = [
            (
                *(e.verdict.value, e.chain_id, e.height),
                *(short_hex("0x" + e.event_id.hex()), e.kind, e.detail),
            )
            for e in report.events[:SHOWN_MAX]
        ]
        tables.append(table_of("Observed events that differ", columns, rows))
    if report.entries:
        columns = ("verdict", "seq", "entry", "kind", "field", "why")
        rows = [
            (
                *(e.verdict.value, e.seq, short_hex("0x" + e.entry_id.hex())),
                *(e.kind, e.field, e.detail),
            )
            for e in report.entries[:SHOWN_MAX]
        ]
        tables.append(table_of("Entries that differ", columns, rows))
    if report.balances:
        rows = [
            (
                *(short_code(b.line.code), b.line.asset_id, b.line.chain_id),
                str(b.stored.debits_posted - b.stored.credits_posted),
                str(b.derived.debits_posted - b.derived.credits_posted),
            )
            for b in report.balances[:SHOWN_MAX]
        ]
        columns5 = ("account", "asset", "chain", "stored (posted)", "derived (posted)")
        tables.append(table_of("Balances that differ", columns5, rows))
    if report.commands:
        listed = [(text,) for text in report.commands[:SHOWN_MAX]]
        tables.append(table_of("Commands whose signatures do not hold", ("why",), listed))
    return tuple(tables)

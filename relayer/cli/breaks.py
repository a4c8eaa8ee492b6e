"""The custody commands: compare now, list breaks, and clear one when nothing differs any more."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from relayer.cli.answer import (
    Answer,
    ConfigOption,
    JsonOption,
    answer,
    confirm,
    log_to_stderr,
    opened_reader,
    opened_store,
)
from relayer.cli.custody import custody
from relayer.cli.option_groups import takes
from relayer.cli.order import ByOption, OrderOptions, kept_name, kept_reason

if TYPE_CHECKING:
    from relayer.settings import Settings
    from relayer.steps.correct import Clearance
    from relayer.store.breaks import StoredBreak
    from relayer.store.unit_of_work import Store

app = typer.Typer(invoke_without_command=True, rich_markup_mode=None)


@app.callback(invoke_without_command=True)
def compare(
    context: typer.Context, *, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Compare custody and debts with the chains, each at one final block; status 2 if unequal."""
    if context.invoked_subcommand is None:
        custody(config=config, as_json=as_json)


@app.command()
def breaks(
    *,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    is_all: Annotated[bool, typer.Option("--all", help="Those that were cleared as well.")] = False,
) -> None:
    """List the differences between ledger and chains that nobody has cleared."""

    def make() -> Answer:
        with opened_store(config) as (_, store), store.read() as uow:
            found = uow.breaks.all_breaks() if is_all else uow.breaks.open_breaks()
            corrections = {
                one.break_id: [
                    "0x" + stored.correction_id.hex()
                    for stored in uow.corrections.of_break(one.break_id)
                ]
                for one in found
            }
        return breaks_answer(found, corrections)

    answer(make, as_json=as_json)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearOptions(OrderOptions):
    """What clear takes."""

    break_id: Annotated[int, typer.Argument(metavar="BREAK", help="Its number.")]
    by: ByOption = None


@app.command()
@takes("options", ClearOptions)
def clear(options: ClearOptions) -> None:
    """Clear a break with a reason; refused while ledger and chain still differ."""

    def make() -> Answer:
        from relayer.cli.render import plain
        from relayer.steps.correct import Clearance

        break_id = options.break_id
        clearance = Clearance(break_id, kept_reason(options.reason), kept_name(options.by))
        with opened_store(options.config) as (settings, store):
            log_to_stderr(settings)
            confirm(options.yes, f"clears break {break_id}")
            clear_checked(settings, store, clearance)
        value = {"break_id": break_id, "cleared_by": clearance.by, "reason": clearance.reason}
        return Answer(value, (plain(f"break {break_id} is cleared: {clearance.reason}"),))

    answer(make, as_json=options.as_json)


def clear_checked(settings: "Settings", store: "Store", clearance: "Clearance") -> None:
    """
    Look at the chain again, and clear a break if nothing differs.

    Raises:
        RefusedError: it is not open, or something still differs.
    """
    import asyncio

    from relayer import wiring
    from relayer.steps.correct import clear_break, open_break

    chain_id = open_break(store, clearance.break_id).difference.chain_id

    async def _clear() -> None:
        async with opened_reader(settings, settings.chain(chain_id).id) as reader:
            await clear_break(store, wiring.catalog_of(settings), reader, clearance)

    asyncio.run(_clear())


def breaks_answer(found: "tuple[StoredBreak, ...]", corrections: "dict[int, list[str]]") -> Answer:
    """Return breaks with what answers them; units are decimal texts."""
    from relayer.cli.progress import break_value
    from relayer.cli.render import plain, table_of, time_text

    rows = [
        (
            one.break_id,
            one.difference.chain_id,
            one.difference.asset_id,
            str(one.difference.ledger_units),
            str(one.difference.chain_units),
            one.difference.block.height,
            time_text(one.found_at),
            len(corrections[one.break_id]),
            "open" if one.cleared_at is None else f"{one.cleared_by}: {one.reason}",
        )
        for one in found
    ]
    columns = (
        *("break", "chain", "asset", "ledger units", "chain units", "block"),
        *("found", "corrections", "state"),
    )
    return Answer(
        value={
            "breaks": [
                {
                    **break_value(one),
                    "corrections": corrections[one.break_id],
                    "cleared_by": one.cleared_by,
                    "cleared_reason": one.reason,
                }
                for one in found
            ]
        },
        shown=(table_of("Breaks", columns, rows), plain(f"{len(found)} breaks")),
    )

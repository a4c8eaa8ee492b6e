"""Commands that read final blocks again and book what was missed."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from relayer.cli.answer import (
    Answer,
    ConfigOption,
    JsonOption,
    YesOption,
    answer,
    confirm,
    log_to_stderr,
    opened_reader,
    opened_store,
)
from relayer.cli.audit import shown_progress

if TYPE_CHECKING:
    from relayer.settings import Settings
    from relayer.steps.replay import Progress, Replayed
    from relayer.store.unit_of_work import Store

ChainOption = Annotated[str, typer.Option("--chain", help="For example eip155:1.")]


def replay(
    *,
    chain: ChainOption,
    first: Annotated[int, typer.Option("--from", min=0, help="First block to read again.")],
    last: Annotated[int, typer.Option("--to", min=0, help="Last block; it must be final.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Read a range of final blocks again and book what was missed; safe to repeat."""
    answer(lambda: _answer_of(config, chain, (first, last), as_json=as_json), as_json=as_json)


def reindex(
    *,
    chain: ChainOption,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    yes: YesOption = False,
) -> None:
    """Read every final block of a chain again; deletes nothing, safe to break off and repeat."""

    def make() -> Answer:
        confirm(yes, f"reads every final block of {chain} again and books what was missed")
        return _answer_of(config, chain, None, as_json=as_json)

    answer(make, as_json=as_json)


def _answer_of(
    config: Path | None, chain: str, heights: tuple[int, int] | None, *, as_json: bool
) -> Answer:
    import asyncio

    with opened_store(config) as (settings, store):
        log_to_stderr(settings)
        chain_id = settings.chain(chain).id
        with shown_progress(quiet=as_json) as progress:
            found = asyncio.run(_replayed(settings, store, (chain_id, heights), progress))
    return replay_answer(chain_id, found)


async def _replayed(
    settings: "Settings",
    store: "Store",
    asked: tuple[str, tuple[int, int] | None],
    progress: "Progress",
) -> "Replayed":
    from relayer import wiring
    from relayer.errors import NotYetError
    from relayer.steps.replay import Span
    from relayer.steps.replay import replay as read_again

    chain_id = settings.chain(asked[0]).id
    limits = wiring.observe_limits(settings, chain_id)
    heights = asked[1]
    if heights is None:
        with store.read() as uow:
            final = uow.chains.cursor(chain_id).finalized
        if final is None:
            raise NotYetError(reason="chain_unread", detail=f"{chain_id} has no final block yet")
        heights = (min(limits.start_height, final.height), final.height)
    catalog = wiring.catalog_of(settings)
    span = Span(*heights, limits.finalized_span_max, limits.is_movement_enforced)
    async with opened_reader(settings, chain_id) as reader:
        return await read_again(store, catalog, reader, span, progress=progress)


def replay_answer(chain_id: str, found: "Replayed") -> Answer:
    """Return what a replay brought."""
    from relayer.cli.render import fields_of

    value: dict[str, object] = {
        "chain_id": chain_id,
        "from": found.first_height,
        "to": found.last_height,
        "seen": found.seen,
        "known": found.known,
        "new": found.new,
        "unparked": found.unparked,
        "booked": found.booked,
        "parked": found.parked,
    }
    return Answer(value=value, shown=(fields_of("Read again", value),))

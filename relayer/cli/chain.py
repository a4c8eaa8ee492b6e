"""Commands that stop a chain and let it go on."""

from pathlib import Path
from typing import Annotated

import typer

from relayer.cli.answer import (
    Answer,
    ConfigOption,
    JsonOption,
    YesOption,
    answer,
    confirm,
    opened_store,
    text_of,
)

REASON_LENGTH_MAX = 500

app = typer.Typer(
    help="Stop a chain, or let it go on.", no_args_is_help=True, rich_markup_mode=None
)
ChainArgument = Annotated[str, typer.Argument(metavar="CHAIN", help="For example eip155:1.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why; it is kept with the change.")]


@app.command()
def halt(
    chain_id: ChainArgument,
    *,
    reason: ReasonOption,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    yes: YesOption = False,
) -> None:
    """Stop booking events of a chain and sending messages to it."""
    answer(lambda: _switch(chain_id, True, reason, config, yes), as_json=as_json)


@app.command()
def resume(
    chain_id: ChainArgument,
    *,
    reason: ReasonOption,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    yes: YesOption = False,
) -> None:
    """Let a halted chain go on; whatever halted it must be healed first."""
    answer(lambda: _switch(chain_id, False, reason, config, yes), as_json=as_json)


def _switch(chain_id: str, is_halt: bool, reason: str, config: Path | None, yes: bool) -> Answer:
    from relayer.cli.render import plain
    from relayer.errors import RefusedError

    kept = text_of(reason, "--reason").strip()
    if not kept or len(kept) > REASON_LENGTH_MAX:
        raise RefusedError(code="reason", detail=f"--reason: 1 to {REASON_LENGTH_MAX} characters")
    with opened_store(config) as (settings, store):
        chain = settings.chain(chain_id).id
        with store.read() as uow:
            was_halted = uow.chains.is_halted(chain)
        if was_halted == is_halt:
            state = "halted already" if is_halt else "not halted"
            raise RefusedError(code="no_change", detail=f"{chain} is {state}")
        confirm(yes, f"{'halts' if is_halt else 'resumes'} {chain}")
        with store.unit_of_work() as uow:
            if is_halt:
                uow.chains.halt(chain, kept)
            else:
                uow.chains.resume(chain, kept)
    word = "halted" if is_halt else "resumed"
    return Answer(
        value={"chain_id": chain_id, "is_halted": is_halt, "reason": kept},
        shown=(plain(f"{chain_id} is {word}: {kept}"),),
    )

"""Commands that stop a chain and let it go on."""

import typer

from relayer.cli import lookup_table, recovery
from relayer.cli.answer import Answer, answer, confirm, opened_store
from relayer.cli.option_groups import takes
from relayer.cli.order import OrderOptions, kept_reason
from relayer.cli.recovery import ChainArgument

app = typer.Typer(
    help="Stop a chain, or let it go on.", no_args_is_help=True, rich_markup_mode=None
)
app.command()(recovery.recover)
app.command()(lookup_table.table)


@app.command()
@takes("order", OrderOptions)
def halt(chain_id: ChainArgument, *, order: OrderOptions) -> None:
    """Stop booking events of a chain and sending messages to it."""
    answer(lambda: _switch(chain_id, True, order), as_json=order.as_json)


@app.command()
@takes("order", OrderOptions)
def resume(chain_id: ChainArgument, *, order: OrderOptions) -> None:
    """Let a halted chain go on; whatever halted it must be healed first."""
    answer(lambda: _switch(chain_id, False, order), as_json=order.as_json)


def _switch(chain_id: str, is_halt: bool, order: OrderOptions) -> Answer:
    from relayer.cli.render import plain
    from relayer.errors import RefusedError

    kept = kept_reason(order.reason)
    with opened_store(order.config) as (settings, store):
        chain = settings.chain(chain_id).id
        with store.read() as uow:
            was_halted = uow.chains.is_halted(chain)
        if was_halted == is_halt:
            state = "halted already" if is_halt else "not halted"
            raise RefusedError(code="no_change", detail=f"{chain} is {state}")
        if not is_halt:
            recovery.check_resume(settings, store, chain)
        confirm(order.yes, f"{'halts' if is_halt else 'resumes'} {chain}")
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

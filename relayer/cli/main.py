"""The relayer command: all verbs of an operator, imported late so that --help is quick."""

import typer

from relayer.cli import (
    accounts,
    breaks,
    chain,
    configuration,
    database,
    diagnosis,
    jobs,
    ledger,
    messages,
    processes,
    progress,
)

app = typer.Typer(
    name="relayer",
    help="Cross-chain collateral relayer. Exit status: 0 done, 1 refused, 2 broken.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command()(processes.demo)
app.command()(processes.up)
app.command()(processes.watch)
app.command()(processes.worker)
app.command()(processes.api)
app.command()(processes.guardian)
app.command()(processes.sweep)
app.command()(diagnosis.doctor)
app.command()(progress.status)
app.command()(messages.why)
app.add_typer(accounts.app, name="account")
app.add_typer(messages.app, name="message")
app.add_typer(breaks.app, name="custody")
app.add_typer(ledger.app, name="ledger")
app.add_typer(database.app, name="db")
app.add_typer(jobs.app, name="jobs")
app.add_typer(chain.app, name="chain")
app.add_typer(configuration.app, name="config")


def main() -> None:
    """Run the command line."""
    app()

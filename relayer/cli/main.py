"""The relayer command: all verbs of an operator, imported late so that --help is quick."""

import typer

from relayer.cli import (
    accounts,
    audit,
    breaks,
    chain,
    configuration,
    database,
    devnets,
    diagnosis,
    governor,
    jobs,
    ledger,
    letters,
    messages,
    processes,
    progress,
    proofs,
    replays,
    switches,
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
app.command()(audit.audit)
app.command()(replays.replay)
app.command()(replays.reindex)
app.command()(messages.why)
ledger.app.command()(proofs.root)
ledger.app.command()(proofs.roots)
ledger.app.command()(proofs.records)
ledger.app.command()(proofs.prove)
ledger.app.command("prove-growth")(proofs.prove_growth)
ledger.app.command("check-proof")(proofs.check_proof)
app.command()(switches.pause)
app.command()(switches.resume)
app.command()(switches.switches)
app.add_typer(accounts.app, name="account")
app.add_typer(messages.app, name="message")
app.add_typer(breaks.app, name="custody")
app.add_typer(ledger.app, name="ledger")
app.add_typer(database.app, name="db")
app.add_typer(jobs.app, name="jobs")
app.add_typer(letters.app, name="dlq")
app.add_typer(chain.app, name="chain")
app.add_typer(governor.app, name="governor")
app.add_typer(devnets.app, name="devnet")
app.add_typer(configuration.app, name="config")


def main() -> None:
    """Run the command line."""
    app()

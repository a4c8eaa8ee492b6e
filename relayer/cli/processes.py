"""Commands that run one process of the fleet until it is told to stop."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from relayer.cli.answer import (
    DONE,
    INTERRUPTED,
    ConfigOption,
    JsonOption,
    print_failure,
    settings_of,
)

if TYPE_CHECKING:
    from relayer.settings import Settings


def demo(
    *,
    fleet: Annotated[
        bool, typer.Option("--fleet", help="On PostgreSQL and RabbitMQ, one process per role.")
    ] = False,
    as_json: JsonOption = False,
    state: Annotated[
        Path | None, typer.Option("--state", help="Where it keeps its files; a new folder if none.")
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the files of --state behind.")
    ] = False,
) -> None:
    """Run the whole story on local chains, and prove that ledger and chains agree."""

    def run_demo() -> int:
        from relayer.cli.demo.run import run as play

        return play(is_fleet=fleet, as_json=as_json, state=state, keep=keep)

    exit_with(run_demo, as_json=as_json)


def up(*, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Run everything of a small deployment under one supervisor."""

    def start(settings: "Settings") -> None:
        from relayer.cli.supervisor import run_up

        run_up(settings)

    _run("up", start, config=config, as_json=as_json)


def watch(
    chain_id: Annotated[str, typer.Argument(metavar="CHAIN", help="For example eip155:1.")],
    *,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Read one chain and store what happens; one watcher per chain holds the lease."""

    def start(settings: "Settings") -> None:
        from relayer.worker.watcher import run_watcher

        run_watcher(settings, settings.chain(chain_id).id)

    _run("watcher", start, config=config, as_json=as_json)


def worker(
    *,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    queues: Annotated[
        str | None,
        typer.Option(
            "--queues", help="Separated by commas, for example decide,attest; all if none."
        ),
    ] = None,
) -> None:
    """Run the steps that are due in the given queues."""

    def start(settings: "Settings") -> None:
        from relayer.worker.runner import run_worker

        run_worker(settings, queue_names(queues))

    _run("worker", start, config=config, as_json=as_json)


def api(*, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Serve the message API."""

    def start(settings: "Settings") -> None:
        from relayer.api.serve import serve
        from relayer.worker.doorbell import open_doorbell
        from relayer.worker.link import is_embedded

        if is_embedded(settings.broker_url):
            serve(settings)  # no worker is in this process
            return
        with open_doorbell(settings) as doorbell:
            serve(settings, ring_due=doorbell.ring_soon)

    _run("api", start, config=config, as_json=as_json)


def guardian(*, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Check messages against an own view of the chains, and sign what holds."""

    def start(settings: "Settings") -> None:
        from relayer.api.guardian import run_guardian

        run_guardian(settings)

    _run("guardian", start, config=config, as_json=as_json)


def sweep(*, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Ring again for work whose doorbell was lost."""

    def start(settings: "Settings") -> None:
        from relayer.worker.sweeper import run_sweeper

        run_sweeper(settings)

    _run("sweeper", start, config=config, as_json=as_json)


def queue_names(text: str | None) -> tuple[str, ...]:
    """
    Return the queues named by --queues; none means all.

    Raises:
        SettingsError: a name is empty or holds a blank.
    """
    from relayer.errors import SettingsError

    if text is None:
        return ()
    names = tuple(name.strip() for name in text.split(","))
    if any(not name or " " in name for name in names):
        raise SettingsError((f"--queues: {text!r}; write it like decide,attest,relay.eip155-1",))
    return names


def _run(
    service: str, start: Callable[["Settings"], None], *, config: Path | None, as_json: bool
) -> None:
    def run_process() -> int:
        import os
        import socket

        from chains.errors import ChainError
        from relayer.cli.arenas import share_arenas
        from relayer.errors import InvariantError, RelayerError
        from relayer.telemetry import configure_logging, event_log

        share_arenas()
        settings = settings_of(config)
        configure_logging(
            service=service,
            node=f"{socket.gethostname()}:{os.getpid()}",
            log_format="json" if as_json else settings.log_format,
            log_level=settings.log_level,
        )
        log = event_log()
        log.info("process.started", hub=settings.hub)
        try:
            start(settings)
        except Exception as exc:
            is_expected = isinstance(exc, RelayerError | ChainError)
            if is_expected and not isinstance(exc, InvariantError):
                log.error("process.failed", hub=settings.hub, reason=str(exc))
            else:
                log.exception("process.failed", hub=settings.hub)
            raise
        log.info("process.stopped", hub=settings.hub)
        return DONE

    exit_with(run_process, as_json=as_json)


def exit_with(run: Callable[[], int], *, as_json: bool) -> None:
    """
    Run a process and exit with its status.

    Raises:
        Exit: always; 130 where it was interrupted.
    """
    try:
        code = run()
    except KeyboardInterrupt as exc:
        raise typer.Exit(INTERRUPTED) from exc
    except Exception as exc:  # the outermost edge: every failure becomes an exit code
        raise typer.Exit(print_failure(exc, as_json=as_json)) from exc
    raise typer.Exit(code)

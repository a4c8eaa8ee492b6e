"""Runs the story: builds the world, starts the processes, plays, and prints the statement."""

import json
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Final

from rich.console import Console

from chains.devnet.anvil import find_anvil
from chains.devnet.kit import Devnet, DevnetOptions
from chains.devnet.rpc import DevnetError
from chains.devnet.solana.options import SolanaOptions
from chains.devnet.solana_kit import SolanaKit
from relayer.cli.answer import BROKEN, DONE
from relayer.cli.demo.doors import MessageDoor, OperatorDoor
from relayer.cli.demo.processes import Processes
from relayer.cli.demo.servers import embedded_servers, fleet_servers
from relayer.cli.demo.statement import Run, Statement, statement_of
from relayer.cli.demo.statement_text import print_statement
from relayer.cli.demo.story import Story
from relayer.cli.demo.world import World, build_world
from relayer.errors import RefusedError
from relayer.steps.queues import SHARED_QUEUES, reconcile_queue, relay_queue

WORKERS: Final = 2
WIDTH_MIN: Final = 100
SLOT_MILLISECONDS: Final = 200
FINALIZED_LAG_SLOTS: Final = 10
SKIPPED_BPS: Final = 500
BEFORE_STATEMENT: Final = "statement"

Hook = Callable[[str, Processes], None]


def no_hook(name: str, processes: Processes) -> None:
    """Leave the story alone."""
    del name, processes


@dataclass(frozen=True, slots=True)
class Script:
    """
    What is played.

    Args:
        hook: called with the name of a moment and the processes: before each step, after the
            unlock was sent, before the statement. Tests interfere there.
        tell: plays the story, or a part of it.
    """

    hook: Hook = no_hook
    tell: Callable[[Story], None] = Story.tell


WHOLE: Final = Script()


def run(
    *,
    is_fleet: bool,
    as_json: bool,
    state: Path | None,
    keep: bool,
    script: Script = WHOLE,
) -> int:
    """
    Play the story once; return 0 when every equality holds, else 2.

    Args:
        is_fleet: on PostgreSQL and RabbitMQ, one process per role.
        state: the folder for files; a new one that is removed at the end if None.
        keep: leave the files of state.

    Raises:
        RefusedError: anvil, PostgreSQL or RabbitMQ is missing, or state holds files already.
        KeyboardInterrupt: SIGINT or SIGTERM; everything that was started is stopped by then.
    """
    console = Console(stderr=as_json)
    if not console.is_terminal:
        console = Console(stderr=as_json, width=max(WIDTH_MIN, console.width))
    with _interruptible(), _folder(state, keep=keep) as folder:
        statement = play(folder, is_fleet=is_fleet, console=console, script=script)
    if as_json:
        print(json.dumps(statement.value, indent=2))
    else:
        print_statement(statement, console)
    return DONE if statement.is_right else BROKEN


def play(folder: Path, *, is_fleet: bool, console: Console, script: Script = WHOLE) -> Statement:
    """
    Build, start, tell and account for one run.

    Raises:
        RefusedError: anvil, PostgreSQL or RabbitMQ is missing.
    """
    _check_anvil()
    start = time.monotonic()
    with ExitStack() as stack:
        status = stack.enter_context(console.status("starting four local chains"))
        servers = stack.enter_context(
            fleet_servers(folder) if is_fleet else embedded_servers(folder)
        )
        devnet = stack.enter_context(Devnet(DevnetOptions(is_ticking=True)))
        solana = stack.enter_context(SolanaKit(cluster=_cluster()))
        world = build_world(devnet, solana, folder, servers)
        status.update("starting the relayer and three guardians")
        processes = stack.enter_context(Processes(folder))
        _start(world, processes, is_fleet=is_fleet)
        door = MessageDoor(world.api_url, hub=devnet.options.hub, check=processes.check)
        stack.callback(door.close)
        setup_seconds = time.monotonic() - start
        console.print(f"[dim]set-up took {setup_seconds:.1f} s[/dim]")

        def _show(text: str, seconds: float | None) -> None:
            if seconds is None:
                status.update(text)
            else:
                console.print(f"[green]✓[/green] {seconds:6.2f} s  {text}", highlight=False)

        story = Story(world, door, show=_show, hook=lambda name: script.hook(name, processes))
        told = time.monotonic()
        script.tell(story)
        story_seconds = time.monotonic() - told
        status.update("comparing ledgers and chains")
        script.hook(BEFORE_STATEMENT, processes)
        processes.check()
        return statement_of(Run(story, setup_seconds, story_seconds))


def _cluster() -> SolanaOptions:
    """Return a cluster whose slots move by themselves, one of twenty without a block."""
    return SolanaOptions(
        slot_ms=SLOT_MILLISECONDS,
        finalized_lag_slots=FINALIZED_LAG_SLOTS,
        skipped_bps=SKIPPED_BPS,
        genesis_seconds=int(time.time()),
    )


def _check_anvil() -> None:
    try:
        find_anvil()
    except DevnetError as exc:
        raise RefusedError(code="anvil_missing", detail=str(exc)) from exc


def _start(world: World, processes: Processes, *, is_fleet: bool) -> None:
    """Migrate the databases and start every process; each starts while the next is prepared."""
    for place in range(len(world.guardian_ports)):
        config = world.guardian_config(place)
        OperatorDoor(config).run("db", "upgrade", "--yes")
        processes.start(f"guardian-{place + 1}", ["guardian", "--config", str(config)])
    OperatorDoor(world.config).run("db", "upgrade", "--yes")
    for name, arguments in _hub_commands(world, is_fleet=is_fleet).items():
        processes.start(name, [*arguments, "--config", str(world.config)])
    guardians = [f"http://127.0.0.1:{port}/v1/status" for port in world.guardian_ports]
    processes.wait_until_up([f"{world.api_url}/readyz", *guardians])


def _hub_commands(world: World, *, is_fleet: bool) -> dict[str, list[str]]:
    """Return the hub's processes: name and command line."""
    if not is_fleet:
        return {"relayer": ["up"]}
    chain_ids = {letter: place.chain_id for letter, place in world.places.items()}
    reconciling = [reconcile_queue(chain_id) for chain_id in chain_ids.values()]
    working = ["worker", "--queues", ",".join((*SHARED_QUEUES, *reconciling))]
    queues = ",".join(relay_queue(chain_id) for chain_id in chain_ids.values())
    sending = ["worker", "--queues", queues]
    return {
        "api": ["api"],
        **{
            f"watcher-{letter.lower()}": ["watch", chain_id]
            for letter, chain_id in chain_ids.items()
        },
        **{f"worker-{place + 1}": working for place in range(WORKERS)},
        "sender": sending,
        "sweeper": ["sweep"],
    }


@contextmanager
def _interruptible() -> Iterator[None]:
    """Make SIGTERM end the demo as SIGINT does; a second signal does not disturb the stopping."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM)

    def _interrupted(number: int, frame: FrameType | None) -> None:
        del number, frame
        for each in numbers:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, _interrupted) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _folder(state: Path | None, *, keep: bool) -> Iterator[Path]:
    if state is None:
        with tempfile.TemporaryDirectory(prefix="relayer-demo-") as name:
            yield Path(name)
        return
    if state.exists() and (not state.is_dir() or any(state.iterdir())):
        raise RefusedError(
            code="state_not_empty",
            detail=f"--state: {state} holds files already; name a new folder or empty it",
        )
    state.mkdir(parents=True, exist_ok=True)
    try:
        yield state.resolve()
    finally:
        if not keep:
            shutil.rmtree(state)

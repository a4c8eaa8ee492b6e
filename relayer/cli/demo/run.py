"""Runs the story: builds the world, starts the processes, plays, and prints the statement."""

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from rich.console import Console

from chains.devnet.kit import Devnet, DevnetOptions
from relayer.cli.demo.doors import MessageDoor, OperatorDoor
from relayer.cli.demo.processes import Processes
from relayer.cli.demo.servers import embedded_servers, fleet_servers
from relayer.cli.demo.statement import Statement, print_statement, statement_of
from relayer.cli.demo.story import Hook, Story
from relayer.cli.demo.world import Servers, World, build_world

DONE: Final = 0
BROKEN: Final = 2
WORKERS: Final = 2


def run(*, is_fleet: bool, as_json: bool, state: Path | None, keep: bool) -> int:
    """
    Play the story once; return 0 when every equality holds, else 2.

    Args:
        is_fleet: on PostgreSQL and RabbitMQ, one process per role.
        state: the folder for files; a new one that is removed at the end if None.
        keep: leave the files of state.
    """
    console = Console(stderr=as_json)
    with _folder(state, keep=keep) as folder:
        statement = play(folder, is_fleet=is_fleet, console=console, hook=lambda _: None)
    if as_json:
        print(json.dumps(statement.value, indent=2))
    else:
        print_statement(statement, console)
    return DONE if statement.is_right else BROKEN


def play(
    folder: Path,
    *,
    is_fleet: bool,
    console: Console,
    hook: Callable[[str, Processes], None] | Hook,
) -> Statement:
    """
    Build, start, tell and account for one run.

    Args:
        hook: called before each step with its name and, if it takes two arguments, the processes;
            tests interfere there.
    """
    start = time.monotonic()
    with ExitStack() as stack:
        status = stack.enter_context(console.status("starting three local chains"))
        servers = stack.enter_context(
            fleet_servers(folder) if is_fleet else embedded_servers(folder)
        )
        devnet = stack.enter_context(Devnet(DevnetOptions(is_ticking=True)))
        world = build_world(devnet, folder, servers)
        status.update("starting the relayer and three guardians")
        processes = stack.enter_context(Processes(folder))
        operator = OperatorDoor(world.config)
        _start(world, processes, servers, is_fleet=is_fleet)
        door = MessageDoor(world.api_url, hub=devnet.options.hub, check=processes.check)
        stack.callback(door.close)
        console.print(f"[dim]set-up took {time.monotonic() - start:.1f} s[/dim]")
        story = Story(
            world,
            door,
            show=lambda name, text: _show(console, story, name, text),
            hook=lambda name: _before(status, hook, processes, name),
        )
        told = time.monotonic()
        story.tell()
        status.update("comparing ledger and chains")
        return statement_of(
            operator, story, seconds_estimate=time.monotonic() - told, folder=folder
        )


def _before(status: object, hook: object, processes: Processes, name: str) -> None:
    update = getattr(status, "update", None)
    if update is not None:
        update(f"step {name}")
    if callable(hook):
        try:
            hook(name, processes)
        except TypeError:
            hook(name)


def _show(console: Console, story: Story, name: str, text: str) -> None:
    console.print(f"[green]✓[/green] {story.latencies_estimate[name]:6.2f} s  {text}")


def _start(world: World, processes: Processes, servers: Servers, *, is_fleet: bool) -> None:
    """Migrate the databases and start every process of the deployment."""
    del servers
    OperatorDoor(world.config).run("db", "upgrade", "--yes")
    count = len(world.guardian_ports)
    for place in range(count):
        OperatorDoor(world.guardian_config(place)).run("db", "upgrade", "--yes")
        processes.start(
            f"guardian-{place + 1}", ["guardian", "--config", str(world.guardian_config(place))]
        )
    config = ["--config", str(world.config)]
    if is_fleet:
        for place, chain in enumerate(world.devnet.chains):
            processes.start(f"watcher-{'abc'[place]}", ["watch", chain.chain_id, *config])
        shared, relaying = _queues(world)
        for place in range(WORKERS):
            processes.start(f"worker-{place + 1}", ["worker", "--queues", shared, *config])
        processes.start("sender", ["worker", "--queues", relaying, *config])
        processes.start("sweeper", ["sweep", *config])
        processes.start("api", ["api", *config])
    else:
        processes.start("relayer", ["up", *config])
    urls = [f"http://127.0.0.1:{port}/v1/status" for port in world.guardian_ports]
    processes.wait_until_up([*urls, f"{world.api_url}/readyz"])


def _queues(world: World) -> tuple[str, str]:
    from relayer.steps.queues import SHARED_QUEUES, reconcile_queue, relay_queue

    chain_ids = [chain.chain_id for chain in world.devnet.chains]
    shared = [*SHARED_QUEUES, *(reconcile_queue(chain_id) for chain_id in chain_ids)]
    return ",".join(shared), ",".join(relay_queue(chain_id) for chain_id in chain_ids)


@contextmanager
def _folder(state: Path | None, *, keep: bool) -> Iterator[Path]:
    if state is not None:
        state.mkdir(parents=True, exist_ok=True)
        yield state
        if not keep:
            shutil.rmtree(state)
        return
    with tempfile.TemporaryDirectory(prefix="relayer-demo-") as name:
        yield Path(name)

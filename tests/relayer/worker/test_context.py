"""The context: clients made once, an end for the first bug, and a close that leaves nothing."""

import asyncio
import threading

from relayer import wiring
from relayer.errors import InvariantError
from relayer.settings import Settings
from relayer.store.unit_of_work import Store
from relayer.worker.context import WorkContext
from tests.relayer.worker.kit import CHAIN


def context_of(settings: Settings, store: Store) -> WorkContext:
    """Return a context."""
    return WorkContext(settings, store, wiring.catalog_of(settings), ring_due=lambda: None)


def test_clients_are_made_once_however_many_threads_ask(
    memory_settings: Settings, store: Store
) -> None:
    """One connection pool per chain, one loop per process."""
    context = context_of(memory_settings, store)
    found: list[tuple[int, int, int]] = []
    threads = [
        threading.Thread(
            target=lambda: found.append(
                (id(context.loop), id(context.reader(CHAIN)), id(context.guardians))
            )
        )
        for _ in range(8)
    ]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    context.close()

    assert len(found) == 8
    assert len(set(found)) == 1


def test_the_first_bug_counts(memory_settings: Settings, store: Store) -> None:
    """Others may follow from it."""
    context = context_of(memory_settings, store)
    called: list[int] = []
    context.on_broken = lambda: called.append(1)

    context.break_off(InvariantError("first"))
    context.break_off(InvariantError("second"))

    assert str(context.broken) == "first"
    assert context.stopping.is_set()
    assert called
    context.close()


def test_closing_ends_the_loop(memory_settings: Settings, store: Store) -> None:
    """Its thread is gone, the readers' connections are closed."""
    context = context_of(memory_settings, store)
    context.reader(CHAIN)
    context.loop.run(asyncio.sleep(0))

    context.close()

    assert not any(thread.name == "chain-loop" for thread in threading.enumerate())


def test_nothing_is_cancelled_where_nothing_runs(memory_settings: Settings, store: Store) -> None:
    """A process that was told to stop before its first step."""
    context = context_of(memory_settings, store)

    context.cancel_steps()
    context.close()

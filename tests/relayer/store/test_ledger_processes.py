"""Tests of several processes that post at the same time."""

from collections import Counter as Tally
from collections.abc import Iterator
from multiprocessing.pool import Pool

import pytest
from sqlalchemy import URL

from relayer.clock import FixedClock
from relayer.ledger.admission import PostStatus
from relayer.ledger.journal import JournalEntry
from relayer.ledger.text import code_of_text, entry_of_text
from relayer.store.engine import engine_of
from relayer.store.unit_of_work import Store
from tests.databases import NOW
from tests.forked import FORKED

PROCESSES = 4
EVENTS = 400
BATCH = 25
WAIT_SECONDS_MAX = 90


def lock(number: int) -> JournalEntry:
    """Return the lock that event number makes."""
    units = 10**20 + number
    return entry_of_text(
        f"2026-01-02 vault:base +{units} USDC@eip155:1"
        f" | margin:a{number % 7} -{units} USDC@eip155:1"
    )


def hold(number: int) -> JournalEntry:
    """Return one of the holds that together exceed what there is."""
    return entry_of_text(
        f"2026-01-03T00:00:{number:02d}Z pending margin:ann +3 USDC@eip155:1"
        " | in_flight:base -3 USDC@eip155:1"
    )


def post_events(url: URL, process: int) -> list[str]:
    """Post every event, each process starting at another one; runs in a process of its own."""
    store = Store(engine_of(url.render_as_string(hide_password=False)), FixedClock(NOW))
    statuses = []
    for start in range(0, EVENTS, BATCH):
        first = (start + process * EVENTS // PROCESSES) % EVENTS
        with store.unit_of_work() as uow:
            results = uow.ledger.post_many([lock(first + offset) for offset in range(BATCH)])
        statuses += [result.status.value for result in results]
    store.close()
    return statuses


def post_hold(url: URL, number: int) -> str:
    """Try one hold; runs in a process of its own."""
    store = Store(engine_of(url.render_as_string(hide_password=False)), FixedClock(NOW))
    with store.unit_of_work() as uow:
        result = uow.ledger.post(hold(number))
    store.close()
    return result.status.value


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    """Processes that start once: each imports the whole store."""
    with FORKED.Pool(PROCESSES) as started:
        yield started


@pytest.mark.slow
def test_every_event_is_booked_once_however_many_processes_deliver_it(
    store: Store, pool: Pool
) -> None:
    """Four processes post the same 400 events: 400 entries, gapless, sound."""
    running = pool.starmap_async(
        post_events, [(store.engine.url, process) for process in range(PROCESSES)], chunksize=1
    )
    statuses = Tally(status for found in running.get(WAIT_SECONDS_MAX) for status in found)

    assert statuses == {
        PostStatus.CREATED.value: EVENTS,
        PostStatus.EXISTS.value: EVENTS * (PROCESSES - 1),
    }
    with store.read() as uow:
        report = uow.ledger.verify()
        assert (report.is_sound, report.entries_count) == (True, EVENTS)


@pytest.mark.slow
def test_racing_holds_never_exceed_what_is_available(store: Store, pool: Pool) -> None:
    """Ten units bear three holds of three, whichever process is first."""
    with store.unit_of_work() as uow:
        uow.ledger.post(
            entry_of_text("2026-01-02 vault:base +10 USDC@eip155:1 | margin:ann -10 USDC@eip155:1")
        )

    running = pool.starmap_async(
        post_hold, [(store.engine.url, number) for number in range(8)], chunksize=1
    )
    statuses = Tally(running.get(WAIT_SECONDS_MAX))

    assert statuses == {PostStatus.CREATED.value: 3, PostStatus.EXCEEDS_AVAILABLE.value: 5}
    with store.read() as uow:
        (line,) = uow.ledger.margin_lines(b"ann".ljust(32, b"\x00"))
        assert uow.ledger.verify().is_sound
    assert line.line.code == code_of_text("margin:ann")
    assert line.counters.debits_pending == 9

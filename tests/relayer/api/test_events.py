"""The feed: by sequence, replayable, with a bounded wait."""

import threading
import time

from fastapi.testclient import TestClient

from relayer.api.app import app_of
from relayer.api.doors import Doors
from relayer.steps.catalog import Catalog
from relayer.store.unit_of_work import Store
from tests.relayer.api.kit import ACCOUNT, HUB

PATH = "/v1/accounts/0x" + ACCOUNT.hex() + "/events"
QUICK_SECONDS = 8


def append(store: Store, account: bytes | None, count: int = 1) -> None:
    """Append events to the feed."""
    for _ in range(count):
        with store.unit_of_work() as uow:
            uow.feed.append(
                "test.happened",
                {"units": "1"},
                account=account,
                correlation_id=b"\x01" * 32,
                at=uow.clock.now(),
            )


def test_an_event_is_a_cloud_event_with_sequences(open_client: TestClient) -> None:
    """The envelope's attributes, both sequences, and the correlation id."""
    event = open_client.get(PATH).json()["events"][0]

    assert event["specversion"] == "1.0"
    assert (event["id"], event["source"]) == (f"{HUB}/1", HUB)
    assert (event["type"], event["subject"]) == ("account.opened", "0x" + ACCOUNT.hex())
    assert (event["seq"], event["accountseq"]) == (1, 1)
    assert event["time"] == "2027-01-15T08:00:00Z"
    assert event["correlationid"] == event["data"]["command_id"]


def test_each_account_has_its_own_sequence(open_client: TestClient, store: Store) -> None:
    """An account's sequence has no gaps though others' events lie between."""
    append(store, None, 3)
    append(store, ACCOUNT, 2)

    own = open_client.get(PATH).json()
    everything = open_client.get("/v1/events").json()

    assert [event["accountseq"] for event in own["events"]] == [1, 2, 3]
    assert own["last_seq"] == 3
    assert [event["seq"] for event in everything["events"]] == [1, 2, 3, 4, 5, 6]


def test_the_feed_is_replayed_from_any_sequence(open_client: TestClient, store: Store) -> None:
    """Pages by last_seq give every event once."""
    append(store, ACCOUNT, 6)

    seen, after = [], 0
    for _ in range(7):
        page = open_client.get(PATH, params={"after": after, "limit": 2}).json()
        seen += [event["accountseq"] for event in page["events"]]
        after = page["last_seq"]

    assert seen == [1, 2, 3, 4, 5, 6, 7]
    assert open_client.get(PATH, params={"after": after}).json() == {"events": [], "last_seq": 7}


def test_a_wait_ends_when_something_happens(open_client: TestClient, store: Store) -> None:
    """A long poll is answered by the event, not by the time."""
    started = time.monotonic()
    writer = threading.Timer(0.3, append, (store, ACCOUNT))
    writer.start()

    page = open_client.get(PATH, params={"after": 1, "wait_seconds": 30}).json()
    writer.join()

    assert [event["accountseq"] for event in page["events"]] == [2]
    assert time.monotonic() - started < QUICK_SECONDS


def test_a_wait_without_events_ends_empty(open_client: TestClient) -> None:
    """An empty page after the time, with the same place to go on from."""
    page = open_client.get(PATH, params={"after": 1, "wait_seconds": 1}).json()

    assert page == {"events": [], "last_seq": 1}


def test_a_wait_ends_when_the_process_stops(open_client: TestClient) -> None:
    """SIGTERM does not hang for thirty seconds on its waiters."""
    doors = open_client.app.state.doors  # type: ignore[attr-defined]
    started = time.monotonic()
    threading.Timer(0.3, doors.stopping.set).start()

    page = open_client.get(PATH, params={"after": 1, "wait_seconds": 30})

    assert page.status_code == 200
    assert time.monotonic() - started < QUICK_SECONDS


def test_waiters_are_bounded(store: Store, catalog: Catalog) -> None:
    """One waiter too many is told to poll, and to come back later."""
    app = app_of(store, catalog)
    app.state.doors = Doors(store, catalog, waiters=threading.BoundedSemaphore(1))
    app.state.doors.waiters.acquire()

    with TestClient(app) as client:
        answer = client.get("/v1/events", params={"wait_seconds": 1})

    assert answer.status_code == 503
    assert answer.json()["type"].endswith("waiters_exhausted")
    assert answer.headers["retry-after"] == "1"


def test_a_wait_longer_than_allowed_is_refused(client: TestClient) -> None:
    """At most thirty seconds."""
    answer = client.get("/v1/events", params={"wait_seconds": 31})

    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "query.wait_seconds")

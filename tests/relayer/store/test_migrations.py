"""Tests of the migrations, with rows in the tables."""

from collections.abc import Iterator
from typing import Any

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Column, MetaData, Table, delete, inspect, select, text, update
from sqlalchemy.exc import DBAPIError

from chains.correction import Correction, CorrectionPosting, SignedCorrection
from chains.events import facts_of, payload_of
from chains.nodes import NodeStatus, Standing
from chains.types import ChainId
from relayer.clock import FixedClock, UnixSeconds
from relayer.governor.buckets import Lane
from relayer.governor.switches import Subject, Switch
from relayer.ledger.text import entry_of_text
from relayer.money import AssetId
from relayer.store.brake_tables import (
    GOVERNOR_LOG,
    GOVERNOR_RELEASE,
    GOVERNOR_TAKE,
    SWITCH,
    SWITCH_ACK,
    SWITCH_LOG,
)
from relayer.store.breaks import CustodyDifference
from relayer.store.bulk import insert_rows
from relayer.store.chain_tables import OBSERVED_EVENT
from relayer.store.conditions import Condition
from relayer.store.engine import POSTGRESQL, engine_of
from relayer.store.feed import FeedItem
from relayer.store.fleet_tables import SEND
from relayer.store.holes import HoleKind
from relayer.store.leases import watch_lease_name
from relayer.store.ledger_tables import ACCOUNT, CHECKPOINT, ENTRY, HEAD, LINE, OWNER, POSTING
from relayer.store.observed_rows import EVENT_COLUMNS, EventState, row_of
from relayer.store.switches import Source, SwitchChange
from relayer.store.unit_of_work import MIGRATIONS, Store, newest_migration
from tests.databases import NOW, TestDatabases
from tests.forked import FORKED
from tests.relayer.store.samples import CHAIN, VAULT, block, header, lock

BRAKE_TABLES = (SWITCH, SWITCH_LOG, SWITCH_ACK, GOVERNOR_RELEASE, GOVERNOR_LOG, GOVERNOR_TAKE)
LEDGER_TABLES = (HEAD, ENTRY, LINE, POSTING, CHECKPOINT, ACCOUNT, OWNER)
LOCK = entry_of_text("2026-01-02 vault:base +5 USDC@eip155:1 | margin:ann -5 USDC@eip155:1")
WAIT_SECONDS_MAX = 90


@pytest.fixture
def empty_store(databases: TestDatabases, backend: str) -> Iterator[Store]:
    """A store on a database without any table."""
    url = databases.empty_url(backend)
    store = Store(engine_of(url), FixedClock(NOW))
    yield store
    store.close()
    databases.drop(url)


def test_every_later_migration_keeps_what_the_first_one_booked(empty_store: Store) -> None:
    """Rows written at 0001 are there, unchanged and sound, at the newest migration."""
    empty_store.upgrade("0001")
    with empty_store.unit_of_work() as uow:
        uow.ledger.post(LOCK)
        uow.accounts.open(
            b"\x01" * 32,
            opener=b"\x02" * 32,
            salt=bytes(32),
            command_id=bytes(32),
            at=LOCK.booked_at,
        )

    empty_store.upgrade()

    empty_store.check_schema()
    with empty_store.read() as uow:
        found = uow.ledger.entry(LOCK.entry_id)
        assert found is not None
        assert found.entry == LOCK
        assert uow.ledger.verify().is_sound
        assert len(uow.accounts.accounts()) == 1


def test_the_holes_come_to_a_database_that_has_read_chains(empty_store: Store) -> None:
    """Rows written before 0006 stay, and what they miss can be counted after it."""
    empty_store.upgrade("0004")
    with empty_store.unit_of_work() as uow:
        lease = uow.leases.acquire(watch_lease_name(CHAIN), "watcher", 60)
        assert lease is not None
        cursor = uow.chains.cursor(CHAIN)
        uow.chains.store_finalized_range(cursor, [lock(7, 1)], header(10), lease)

    empty_store.upgrade()
    with empty_store.unit_of_work() as uow:
        both = [lock(7, 1), lock(8, 2)]
        missed = uow.holes.store_second_reading(uow.chains.cursor(CHAIN), both, 10, lease)

    assert missed == (lock(8, 2),)
    with empty_store.read() as uow:
        assert uow.holes.counts(CHAIN)[HoleKind.MISSED] == 1


def test_a_journal_from_before_roots_gets_its_first_root(empty_store: Store) -> None:
    """Rows booked at 0004 are committed to after 0007."""
    empty_store.upgrade("0004")
    with empty_store.unit_of_work() as uow:
        uow.ledger.post(LOCK)

    empty_store.upgrade()

    with empty_store.unit_of_work() as uow:
        root = uow.roots.make(1)
    with empty_store.read() as uow:
        assert uow.roots.prove_entry(1, 1).check(root.root) == LOCK


def test_a_migration_that_fails_leaves_nothing(
    empty_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of an upgrade or nothing of it, on both databases."""
    original = ScriptDirectory.from_config

    def with_failing_head(config: object) -> ScriptDirectory:
        script = original(config)  # type: ignore[arg-type]
        head = script.get_revision(str(script.get_current_head()))
        monkeypatch.setattr(head.module, "upgrade", fail)
        return script

    def fail() -> None:
        with empty_store.engine.connect():
            raise RuntimeError("power cut")

    monkeypatch.setattr(ScriptDirectory, "from_config", with_failing_head)
    with pytest.raises(RuntimeError, match="power cut"):
        empty_store.upgrade()

    with empty_store.engine.connect() as connection:
        assert inspect(connection).get_table_names() == []


def upgrade_and_check(url: URL) -> str:
    """Upgrade and return the version found; runs in a process of its own."""
    store = Store(engine_of(url.render_as_string(hide_password=False)), FixedClock(NOW))
    store.upgrade()
    store.check_schema()
    version = store.schema_version()
    store.close()
    return version


@pytest.mark.slow
def test_two_upgrades_at_once_make_one_schema(empty_store: Store) -> None:
    """The second process waits for the first and finds nothing left to do."""
    with FORKED.Pool(2) as pool:
        running = pool.map_async(upgrade_and_check, [empty_store.engine.url] * 2, chunksize=1)
        versions = running.get(WAIT_SECONDS_MAX)

    assert len(set(versions)) == 1
    empty_store.check_schema()


def test_there_is_one_line_of_migrations_from_0001() -> None:
    """Numbers follow each other and nothing branches."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    script = ScriptDirectory.from_config(config)
    names = sorted(path.name[:4] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))

    assert names == [f"{number:04d}" for number in range(1, len(names) + 1)]
    assert [found.revision for found in script.walk_revisions()] == names[::-1]
    assert newest_migration() == script.get_current_head()


def test_every_table_and_column_says_what_it_holds(store: Store) -> None:
    """PostgreSQL keeps the comments; those of amounts and times carry a unit."""
    if store.engine.dialect.name != POSTGRESQL:
        return
    with store.engine.connect() as connection:
        inspector = inspect(connection)
        for table in (table.name for table in LEDGER_TABLES):
            assert inspector.get_table_comment(table)["text"]
            for column in inspector.get_columns(table):
                comment = column["comment"]
                assert comment, f"{table}.{column['name']}"
                if column["name"].endswith("_at"):
                    assert "[Unix seconds, UTC]" in comment
                if column["name"].startswith(("debits", "credits")) or column["name"] == "units":
                    assert "[base units]" in comment


def test_nonces_keep_their_rows_and_their_guards_when_they_may_be_lost(
    empty_store: Store,
) -> None:
    """A row of 0004 is there after 0008, may become LOST, and may not be removed."""
    empty_store.upgrade("0004")
    row = {
        "chain_id": "eip155:1",
        "key_address": b"\x01" * 32,
        "account_nonce": 7,
        "message_id": b"\x02" * 32,
        "state": "BROADCAST",
        "reserved_at": NOW,
    }
    with empty_store.unit_of_work() as uow:
        uow.connection.execute(SEND.insert(), [row])

    empty_store.upgrade()

    with empty_store.unit_of_work() as uow:
        found = uow.connection.execute(select(SEND)).one()
        assert {name: getattr(found, name) for name in row} == row
        uow.connection.execute(update(SEND).values(state="LOST"))
    for change in (
        delete(SEND),
        update(SEND).values(account_nonce=8),
        update(SEND).values(state="ELSEWHERE"),
    ):
        with pytest.raises(DBAPIError), empty_store.unit_of_work() as uow:
            uow.connection.execute(change)


def test_the_condition_of_chains_begins_empty_and_keeps_its_rules(empty_store: Store) -> None:
    """Rows of 0004 stay as they are; a name that the code does not know is refused."""
    empty_store.upgrade("0004")
    with empty_store.unit_of_work() as uow:
        uow.chains.halt(CHAIN, "before")

    empty_store.upgrade()

    with empty_store.unit_of_work() as uow:
        assert [halt.reason for halt in uow.chains.halts()] == ["before"]
        assert uow.conditions.condition(CHAIN) is None
        assert uow.conditions.nodes(CHAIN) == ()
        assert uow.conditions.set(CHAIN, Condition.QUORUM_LOST, "node-1 failed")
        status = NodeStatus("node-1", Standing.DEMOTED, "TIMEOUT", 2)
        uow.conditions.record_node(CHAIN, status, new_dissents=2)
    for statement in (
        "UPDATE chain_condition SET condition = 'fine'",
        "UPDATE chain_node SET standing = 'fine'",
        "UPDATE chain_node SET dissents = -1",
    ):
        with pytest.raises(DBAPIError), empty_store.unit_of_work() as uow:
            uow.connection.execute(text(statement))


def test_switches_and_the_governor_begin_empty_beside_what_is_there(empty_store: Store) -> None:
    """Rows of 0004 stay, and the new tables take rows at once."""
    empty_store.upgrade("0004")
    with empty_store.unit_of_work() as uow:
        uow.ledger.post(LOCK)

    empty_store.upgrade()

    change = SwitchChange(Source.OWN, Switch(Subject(), True, "x"), "ann", 1, UnixSeconds(NOW))
    with empty_store.unit_of_work() as uow:
        assert uow.ledger.entry(LOCK.entry_id) is not None
        assert (uow.switches.all(), uow.governor.waiting()) == ((), ())
        assert uow.switches.store(change)


def test_recoveries_and_corrections_come_beside_what_is_stored(empty_store: Store) -> None:
    """A break that was open before 0011 may be answered by a correction after it."""
    empty_store.upgrade("0004")
    with empty_store.unit_of_work() as uow:
        uow.chains.halt(CHAIN, "final block replaced")
        found = uow.breaks.record(CustodyDifference(CHAIN, AssetId("A"), VAULT, 1, 2, block(5)))

    empty_store.upgrade()

    made = Correction(CHAIN, "A", found.break_id, (CorrectionPosting("dust", 1),), "why")
    with empty_store.unit_of_work() as uow:
        uow.corrections.record(b"\x01" * 32, b"\x02" * 32, SignedCorrection(made, ()))
    with empty_store.read() as uow:
        assert uow.breaks.open_breaks() == (found,)
        assert uow.chains.is_halted(CHAIN)
        assert [one.correction for one in uow.corrections.of_break(found.break_id)] == [made]
        assert uow.recoveries.recoveries(CHAIN) == ()


def test_what_waited_before_buckets_expires_with_its_time_in_the_queue(
    empty_store: Store,
) -> None:
    """A row of 0011 stays as it is; all buckets begin full."""
    empty_store.upgrade("0011")
    row = {
        "message_id": b"\x01" * 32,
        "chain_id": CHAIN,
        "bridge": "guardian",
        "asset_id": "WETH",
        "units": 5,
        "value_wad": 2**200,
        "state": "QUEUED",
        "is_counted": 1,
        "queued_at": NOW,
        "due_at": NOW + 86_400,
        "reason": "full",
        "who": "governor",
    }
    before = Table("governor_release", MetaData(), *(_plain(name) for name in row))
    with empty_store.unit_of_work() as uow:
        uow.connection.execute(before.insert(), [row])

    empty_store.upgrade()

    with empty_store.read() as uow:
        (found,) = uow.governor.waiting()
        assert (found.message_id, found.value_wad) == (row["message_id"], 2**200)
        assert (found.due_at, found.expires_at) == (NOW + 86_400, NOW + 86_400)
        assert uow.governor.shortage(Lane(ChainId("hub:test"), CHAIN)) is None


def test_what_was_told_with_its_content_is_read_as_before(empty_store: Store) -> None:
    """Beside it stands what is told without a copy since 0014."""
    empty_store.upgrade("0013")
    event = lock(7, 1)
    flow, at = event.position.event_id, UnixSeconds(NOW)
    with empty_store.unit_of_work() as uow:
        uow.feed.append("before", {"units": "5"}, account=None, correlation_id=flow, at=at)

    empty_store.upgrade()

    with empty_store.unit_of_work() as uow:
        row = row_of(event, EventState.SEEN, at)
        insert_rows(uow.connection, OBSERVED_EVENT, EVENT_COLUMNS, [row])
        uow.feed.append_all([FeedItem("after", None, None, flow)], at)
    with empty_store.read() as uow:
        before, after = uow.feed.after(None, 0)
        assert (before.event_type, before.content) == ("before", {"units": "5"})
        assert after.content == facts_of(event.position, payload_of(event))


def _plain(name: str) -> Column[Any]:
    kind = GOVERNOR_RELEASE.c[name].type
    return Column(name, kind)

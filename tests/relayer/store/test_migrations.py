"""Tests of the migrations, with rows in the tables."""

import multiprocessing
from collections.abc import Iterator

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import URL, inspect

from chains.correction import Correction, CorrectionPosting, SignedCorrection
from relayer.clock import FixedClock
from relayer.ledger.text import entry_of_text
from relayer.money import AssetId
from relayer.store.breaks import CustodyDifference
from relayer.store.engine import POSTGRESQL, engine_of
from relayer.store.ledger_tables import ACCOUNT, CHECKPOINT, ENTRY, HEAD, LINE, OWNER, POSTING
from relayer.store.unit_of_work import MIGRATIONS, Store, newest_migration
from tests.databases import NOW, TestDatabases
from tests.relayer.store.samples import CHAIN, VAULT, block

LEDGER_TABLES = (HEAD, ENTRY, LINE, POSTING, CHECKPOINT, ACCOUNT, OWNER)
LOCK = entry_of_text("2026-01-02 vault:base +5 USDC@eip155:1 | margin:ann -5 USDC@eip155:1")
WAIT_SECONDS_MAX = 90
SPAWN = multiprocessing.get_context("spawn")


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


def test_recoveries_and_corrections_come_beside_what_is_stored(empty_store: Store) -> None:
    """A break that was open before 0007 may be answered by a correction after it."""
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
    with SPAWN.Pool(2) as pool:
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

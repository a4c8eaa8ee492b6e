"""Tests of units of work and of the schema check."""

import pytest
from sqlalchemy import text

from relayer.clock import FixedClock
from relayer.errors import SchemaVersionError
from relayer.ledger.admission import PostStatus
from relayer.ledger.text import entry_of_text
from relayer.store.engine import engine_of
from relayer.store.unit_of_work import Store
from tests.databases import NOW, TestDatabases

LOCK = entry_of_text("2026-01-02 vault:base +5 USDC@eip155:1 | margin:ann -5 USDC@eip155:1")
TABLES = (
    "ledger", "accounts", "chains", "jobs", "leases", "outbox", "nonces", "prices", "feed",
    "commands",
)  # fmt: skip


class PowerCutError(Exception):
    """Something failed in the middle."""


def test_everything_in_a_unit_is_kept_or_nothing(store: Store) -> None:
    """An error takes back all tables of the unit."""
    with pytest.raises(PowerCutError), store.unit_of_work() as uow:
        assert uow.ledger.post(LOCK).status is PostStatus.CREATED
        uow.accounts.open(
            b"\x01" * 32,
            opener=b"\x02" * 32,
            salt=bytes(32),
            command_id=bytes(32),
            at=LOCK.booked_at,
        )
        raise PowerCutError

    with store.read() as uow:
        assert uow.ledger.head().seq == 0
        assert uow.ledger.trial_balance() == []
        assert uow.accounts.accounts() == []


@pytest.mark.parametrize("name", TABLES)
def test_every_table_is_at_hand_and_made_once(store: Store, name: str) -> None:
    """A unit of work gives each table, the same one each time."""
    with store.unit_of_work() as uow:
        assert getattr(uow, name) is getattr(uow, name)


def test_a_migrated_database_passes_the_check(store: Store) -> None:
    """The newest migration is what the code needs; upgrading again changes nothing."""
    store.check_schema()
    version = store.schema_version()

    store.upgrade()

    assert store.schema_version() == version


def test_an_empty_database_is_refused_with_the_remedy(
    databases: TestDatabases, backend: str
) -> None:
    """The error says what was found and which command helps."""
    url = databases.empty_url(backend)
    store = Store(engine_of(url), FixedClock(NOW))
    try:
        with pytest.raises(SchemaVersionError, match=r"at migration none.*relayer db upgrade"):
            store.check_schema()
    finally:
        store.close()
        databases.drop(url)


def test_a_database_of_another_version_is_refused(store: Store) -> None:
    """A database that a newer release has migrated is not touched."""
    with store.unit_of_work() as uow:
        uow.connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    with pytest.raises(SchemaVersionError, match="9999") as caught:
        store.check_schema()

    assert caught.value.found == "9999"

"""Tests that the tables of the code are those of the migrations, with comments and guards."""

import pytest
from sqlalchemy import MetaData, Table, inspect, text
from sqlalchemy.exc import DBAPIError

from relayer.clock import FixedClock, UnixSeconds
from relayer.money import AssetId
from relayer.store import chain_tables, fleet_tables, recovery_tables
from relayer.store.breaks import CustodyDifference
from relayer.store.engine import engine_of
from relayer.store.observed_rows import MalformedLog
from relayer.store.prices import PricePoint
from relayer.store.unit_of_work import Store
from tests.databases import NOW, TestDatabases
from tests.relayer.store.samples import (
    ANN,
    CHAIN,
    VAULT,
    block,
    header,
    lock,
    started_chain,
    watch_lease,
)

TABLES = [
    value
    for module in (chain_tables, fleet_tables, recovery_tables)
    for value in vars(module).values()
    if isinstance(value, Table)
]
APPEND_ONLY = ("chain_log", "malformed_log", "custody_break", "break_clearance", "price")


def filled(store: Store) -> None:
    """Put a row into each table that is append-only, and an observed event."""
    lease = watch_lease(store)
    cursor = started_chain(store, lease)
    with store.unit_of_work() as uow:
        uow.chains.store_block(cursor, header(11), [lock(11, 1)], lease)
        uow.chains.halt(CHAIN, "test")
        uow.chains.add_malformed([MalformedLog(CHAIN, block(3), ANN, 0, VAULT, "shape")])
        found = uow.breaks.record(CustodyDifference(CHAIN, AssetId("A"), VAULT, 1, 2, block(5)))
        uow.breaks.clear(found.break_id, "reason", "ann")
        at = UnixSeconds(NOW)
        uow.prices.record(PricePoint("feed", CHAIN, AssetId("A"), 1, 8, at, at, None))


def refused(store: Store, statement: str) -> None:
    """Run raw SQL that the database must refuse."""
    with pytest.raises(DBAPIError), store.unit_of_work() as uow:
        uow.connection.execute(text(statement))


@pytest.mark.parametrize("table", TABLES, ids=lambda table: str(table.name))
def test_the_code_and_the_database_name_the_same_columns(
    databases: TestDatabases, table: Table
) -> None:
    """Names, keys and what may be null agree on both databases, and each column is explained."""
    for backend in ("sqlite", "postgresql"):
        with databases.store(backend, FixedClock(NOW)) as store:
            found = inspect(store.engine)
            columns = found.get_columns(table.name)
            keys = found.get_pk_constraint(table.name)["constrained_columns"]
        assert [column["name"] for column in columns] == list(table.columns.keys())
        assert sorted(keys) == sorted(column.name for column in table.primary_key)
        for column in columns:
            assert column["nullable"] == table.columns[column["name"]].nullable, column["name"]
            if backend == "postgresql":
                assert column["comment"], column["name"]


@pytest.mark.parametrize("table", APPEND_ONLY)
def test_what_was_recorded_cannot_be_changed(store: Store, table: str) -> None:
    """Raw SQL is refused by the database itself."""
    filled(store)

    with store.read() as uow:
        count = uow.connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()
    assert count == 1
    name = {"price": "answer", "custody_break": "asset_id", "chain_log": "action"}
    refused(store, f"UPDATE {table} SET {name.get(table, 'reason')} = 'x'")
    refused(store, f"DELETE FROM {table}")


def test_an_observed_event_keeps_its_facts(store: Store) -> None:
    """Only its state moves; it is never deleted, and unknown states are refused."""
    filled(store)

    refused(store, "UPDATE observed_event SET payload = '{}'")
    refused(store, "UPDATE observed_event SET height = 1")
    refused(store, "UPDATE observed_event SET state = 'MAYBE'")
    refused(store, "DELETE FROM observed_event")
    refused(store, "DELETE FROM chain")
    refused(store, "UPDATE checkpoint SET parent_hash = block_hash")


def test_rows_survive_the_later_migrations(databases: TestDatabases, backend: str) -> None:
    """An upgrade of a database in use adds tables and touches nothing."""
    url = databases.empty_url(backend)
    store = Store(engine_of(url), FixedClock(NOW))
    store.upgrade("0001")
    with store.unit_of_work() as uow:
        uow.accounts.open(ANN, opener=ANN, salt=ANN, command_id=ANN, at=UnixSeconds(NOW))
    store.upgrade("0002")
    with store.unit_of_work() as uow:
        uow.chains.halt(CHAIN, "test")
    store.upgrade()
    store.check_schema()

    with store.read() as uow:
        assert uow.accounts.account(ANN) is not None
        assert uow.chains.is_halted(CHAIN)
    known = MetaData()
    known.reflect(store.engine)
    assert {table.name for table in TABLES} <= set(known.tables)
    store.close()
    databases.drop(url)

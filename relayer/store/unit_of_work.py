"""Units of work: one transaction each, with every table at hand."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, inspect, text

from relayer.clock import Clock
from relayer.errors import SchemaVersionError
from relayer.store.accounts import AccountTable
from relayer.store.attempts import AttemptTable
from relayer.store.breaks import BreakTable
from relayer.store.chains import ChainTable
from relayer.store.commands import CommandTable
from relayer.store.conditions import ConditionTable
from relayer.store.corrections import CorrectionTable
from relayer.store.credit_lines import CreditLineTable
from relayer.store.dead_letters import DeadLetterTable
from relayer.store.debt_events import DebtEventTable
from relayer.store.debts import DebtTable
from relayer.store.deficits import DeficitTable
from relayer.store.engine import read_transaction, write_transaction
from relayer.store.feed import FeedTable
from relayer.store.governor import GovernorTable
from relayer.store.grants import GrantTable
from relayer.store.holes import HoleTable
from relayer.store.jobs import JobTable
from relayer.store.leases import LeaseTable
from relayer.store.ledger import LedgerTable
from relayer.store.nonces import NonceTable
from relayer.store.outbox import OutboxTable
from relayer.store.prices import PriceTable
from relayer.store.recoveries import RecoveryTable
from relayer.store.requests import RequestTable
from relayer.store.roots import RootTable
from relayer.store.send_queue import SendQueueTable
from relayer.store.switches import SwitchTable

MIGRATIONS: Final = Path(__file__).with_name("migrations")
NO_MIGRATION: Final = "none"


class UnitOfWork:
    """
    The tables, inside one transaction.

    Every table is built as XTable(connection, clock), when it is first used.
    """

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self.connection = connection
        self.clock = clock

    @cached_property
    def ledger(self) -> LedgerTable:
        """The journal and the counters derived from it."""
        return LedgerTable(self.connection, self.clock)

    @cached_property
    def roots(self) -> RootTable:
        """Published roots of the journal, and proofs under them."""
        return RootTable(self.connection, self.clock)

    @cached_property
    def accounts(self) -> AccountTable:
        """Margin accounts and the owners linked to them."""
        return AccountTable(self.connection, self.clock)

    @cached_property
    def chains(self) -> ChainTable:
        """Cursors, checkpoints and observed events."""
        return ChainTable(self.connection, self.clock)

    @cached_property
    def conditions(self) -> ConditionTable:
        """Whether enough nodes of each chain agree, and how each node stands."""
        return ConditionTable(self.connection, self.clock)

    @cached_property
    def jobs(self) -> JobTable:
        """Work to claim."""
        return JobTable(self.connection, self.clock)

    @cached_property
    def dead_letters(self) -> DeadLetterTable:
        """What people did with work that waited for them."""
        return DeadLetterTable(self.connection, self.clock)

    @cached_property
    def leases(self) -> LeaseTable:
        """Leases with fencing tokens."""
        return LeaseTable(self.connection, self.clock)

    @cached_property
    def outbox(self) -> OutboxTable:
        """Messages and their life."""
        return OutboxTable(self.connection, self.clock)

    @cached_property
    def nonces(self) -> NonceTable:
        """Account nonces of the sending keys."""
        return NonceTable(self.connection, self.clock)

    @cached_property
    def attempts(self) -> AttemptTable:
        """Transactions of keys whose chain has no account nonces."""
        return AttemptTable(self.connection, self.clock)

    @cached_property
    def send_queue(self) -> SendQueueTable:
        """What waits for a sending key."""
        return SendQueueTable(self.connection, self.clock)

    @cached_property
    def prices(self) -> PriceTable:
        """The price log."""
        return PriceTable(self.connection, self.clock)

    @cached_property
    def feed(self) -> FeedTable:
        """Outgoing events."""
        return FeedTable(self.connection, self.clock)

    @cached_property
    def commands(self) -> CommandTable:
        """Signed commands and idempotency keys."""
        return CommandTable(self.connection, self.clock)

    @cached_property
    def requests(self) -> RequestTable:
        """Requests and what was decided."""
        return RequestTable(self.connection, self.clock)

    @cached_property
    def credit_lines(self) -> CreditLineTable:
        """The newest state seen of each credit line."""
        return CreditLineTable(self.connection, self.clock)

    @cached_property
    def debts(self) -> DebtTable:
        """Debts of accounts on credit lines, as seen and as final."""
        return DebtTable(self.connection, self.clock)

    @cached_property
    def debt_events(self) -> DebtEventTable:
        """Borrowings and repayments among the observed events."""
        return DebtEventTable(self.connection, self.clock)

    @cached_property
    def grants(self) -> GrantTable:
        """Credit grants and their states."""
        return GrantTable(self.connection, self.clock)

    @cached_property
    def holes(self) -> HoleTable:
        """Second readings of final blocks, and what they found."""
        return HoleTable(self.connection, self.clock)

    @cached_property
    def recoveries(self) -> RecoveryTable:
        """Chains taken back below their final block."""
        return RecoveryTable(self.connection, self.clock)

    @cached_property
    def corrections(self) -> CorrectionTable:
        """Signed corrections of the ledger."""
        return CorrectionTable(self.connection, self.clock)

    @cached_property
    def deficits(self) -> DeficitTable:
        """What accounts owe the hub after a recovery."""
        return DeficitTable(self.connection, self.clock)

    @cached_property
    def breaks(self) -> BreakTable:
        """Differences between ledger and chain."""
        return BreakTable(self.connection, self.clock)

    @cached_property
    def switches(self) -> SwitchTable:
        """What people switched off."""
        return SwitchTable(self.connection, self.clock)

    @cached_property
    def governor(self) -> GovernorTable:
        """What the governor holds back and released."""
        return GovernorTable(self.connection, self.clock)


class Store:
    """One database; hands out units of work."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self.engine = engine
        self.clock = clock

    @contextmanager
    def unit_of_work(self) -> Iterator[UnitOfWork]:
        """Yield one transaction: committed at the end of the block, rolled back on any error."""
        with write_transaction(self.engine) as connection:
            yield UnitOfWork(connection, self.clock)

    @contextmanager
    def read(self) -> Iterator[UnitOfWork]:
        """Yield one snapshot that the database refuses to write in."""
        with read_transaction(self.engine) as connection:
            yield UnitOfWork(connection, self.clock)

    def upgrade(self, revision: str = "head") -> None:
        """Bring the schema to a migration, the newest by default; safe to run twice."""
        # Only an upgrade needs alembic, and importing it takes a good part of a second.
        from alembic import command  # noqa: PLC0415
        from alembic.config import Config  # noqa: PLC0415

        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
        with write_transaction(self.engine) as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, revision)

    def schema_version(self) -> str:
        """Return the migration that the database is at, or none."""
        with read_transaction(self.engine) as connection:
            if not inspect(connection).has_table("alembic_version"):
                return NO_MIGRATION
            found = connection.scalar(text("SELECT version_num FROM alembic_version"))
        return NO_MIGRATION if found is None else str(found)

    def check_schema(self) -> None:
        """
        Refuse a database that is not at the newest migration.

        Raises:
            SchemaVersionError: it is older or newer than the code.
        """
        expected = newest_migration()
        found = self.schema_version()
        if found != expected:
            raise SchemaVersionError(found=found, expected=expected)

    def close(self) -> None:
        """Close the pooled connections; the store is not used afterwards."""
        self.engine.dispose()


def newest_migration() -> str:
    """Return the number of the newest migration that the code has, from the name of its file."""
    return max(path.name[:4] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))

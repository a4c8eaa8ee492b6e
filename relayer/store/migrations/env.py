"""Run migrations on the connection that Store.upgrade hands over, in its one transaction."""

from alembic import context
from sqlalchemy import Connection, text

UPGRADE_LOCK = 7_265_148_021  # any constant: two upgrades at once wait for each other


def run(connection: Connection) -> None:
    """Run what is missing; all of it or nothing."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": UPGRADE_LOCK})
    context.configure(connection=connection, transactional_ddl=True)
    context.run_migrations()


run(context.config.attributes["connection"])

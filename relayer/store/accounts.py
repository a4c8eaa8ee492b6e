"""Margin accounts and the addresses that may act for them."""

from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from sqlalchemy import Connection, Row, Table, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from chains.types import ChainId, chain_id_of
from relayer.clock import Clock, UnixSeconds
from relayer.errors import RefusedError
from relayer.store.engine import POSTGRESQL
from relayer.store.ledger_tables import ACCOUNT, OWNER

ACCOUNTS_PER_PAGE_MAX: Final = 10_000
ACCOUNT_START: Final = bytes(32)


class AccountStatus(Enum):
    """What became of an opening or a link."""

    CREATED = "created"
    EXISTS = "exists"


@dataclass(frozen=True, slots=True)
class MarginAccount:
    """One margin account; account is derived from opener and salt."""

    account: bytes
    opener: bytes
    salt: bytes
    command_id: bytes
    opened_at: UnixSeconds


@dataclass(frozen=True, slots=True)
class AccountOwner:
    """An address that may act for an account on one chain."""

    account: bytes
    chain_id: ChainId
    owner: bytes
    command_id: bytes
    linked_at: UnixSeconds


class AccountTable:
    """Margin accounts, inside one transaction."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock

    def open(
        self,
        account: bytes,
        *,
        opener: bytes,
        salt: bytes,
        command_id: bytes,
        at: UnixSeconds,
    ) -> AccountStatus:
        """Store an account; EXISTS when it is there already, which a replay makes it."""
        row = {
            "account": account,
            "opener": opener,
            "salt": salt,
            "command_id": command_id,
            "opened_at": at,
        }
        return self._insert_once(ACCOUNT, row)

    def link(
        self,
        account: bytes,
        *,
        chain_id: ChainId,
        owner: bytes,
        command_id: bytes,
        at: UnixSeconds,
    ) -> AccountStatus:
        """
        Store that an address may act for an account on a chain; EXISTS when it may already.

        Raises:
            RefusedError: the account is not open.
        """
        if self.account(account) is None:
            raise RefusedError(
                code="unknown_account",
                detail=f"account 0x{account.hex()} is not open; open it before linking owners",
            )
        row = {
            "account": account,
            "chain_id": chain_id_of(chain_id),
            "owner": owner,
            "command_id": command_id,
            "linked_at": at,
        }
        return self._insert_once(OWNER, row)

    def account(self, account: bytes) -> MarginAccount | None:
        """Return an account, or None when it is not open."""
        row = self._connection.execute(
            select(ACCOUNT).where(ACCOUNT.c.account == account)
        ).one_or_none()
        return None if row is None else _account_of(row)

    def accounts(
        self, *, after: bytes = ACCOUNT_START, limit: int = ACCOUNTS_PER_PAGE_MAX
    ) -> list[MarginAccount]:
        """Return the accounts whose ids follow the given one, in order of id."""
        rows = self._connection.execute(
            select(ACCOUNT)
            .where(ACCOUNT.c.account > after)
            .order_by(ACCOUNT.c.account)
            .limit(min(limit, ACCOUNTS_PER_PAGE_MAX))
        )
        return [_account_of(row) for row in rows]

    def owners(self, account: bytes) -> list[AccountOwner]:
        """Return the owners linked to an account, in order of chain and address."""
        rows = self._connection.execute(
            select(OWNER)
            .where(OWNER.c.account == account)
            .order_by(OWNER.c.chain_id, OWNER.c.owner)
        )
        return [_owner_of(row) for row in rows]

    def is_owner(self, account: bytes, chain_id: ChainId | None, address: bytes) -> bool:
        """
        Return whether an address may act for an account.

        The opener may on every chain. A linked address may on the chain it is linked to;
        chain_id None asks whether it may on any.
        """
        opening = self.account(account)
        if opening is None:
            return False
        if opening.opener == address:
            return True
        statement = select(OWNER.c.owner).where(
            OWNER.c.account == account, OWNER.c.owner == address
        )
        if chain_id is not None:
            statement = statement.where(OWNER.c.chain_id == chain_id)
        return self._connection.execute(statement.limit(1)).first() is not None

    def _insert_once(self, table: Table, row: dict[str, Any]) -> AccountStatus:
        is_postgresql = self._connection.dialect.name == POSTGRESQL
        insert = postgresql_insert(table) if is_postgresql else sqlite_insert(table)
        statement = insert.values(row).on_conflict_do_nothing().returning(table.c.account)
        stored = self._connection.execute(statement).first()
        return AccountStatus.EXISTS if stored is None else AccountStatus.CREATED


def _account_of(row: Row[Any]) -> MarginAccount:
    return MarginAccount(
        row.account, row.opener, row.salt, row.command_id, UnixSeconds(row.opened_at)
    )


def _owner_of(row: Row[Any]) -> AccountOwner:
    return AccountOwner(
        row.account, ChainId(row.chain_id), row.owner, row.command_id, UnixSeconds(row.linked_at)
    )

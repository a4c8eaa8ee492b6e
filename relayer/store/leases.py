"""Leases with fencing tokens: who may move a cursor or use a sending key."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, or_, select, update

from chains.types import ChainId
from relayer.clock import Clock, UnixSeconds
from relayer.errors import LeaseLostError
from relayer.store.fleet_tables import LEASE
from relayer.store.statements import excluded_of, insert_into, rows_changed

NOBODY: Final = ""


def watch_lease_name(chain_id: ChainId) -> str:
    """Return the name of the lease that guards a chain's cursor."""
    return f"watch:{chain_id}"


def sender_lease_name(chain_id: ChainId, key_address: bytes) -> str:
    """Return the name of the lease that guards a sending key on one chain."""
    return f"send:{chain_id}:0x{key_address.hex()}"


@dataclass(frozen=True, slots=True)
class Lease:
    """
    A right that ends by itself; token rises with each new holder and never repeats.

    expires_at is the Unix second at which another holder may take it.
    """

    name: str
    holder: str
    token: int
    expires_at: UnixSeconds


class LeaseTable:
    """Leases by name, inside one transaction."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock

    def acquire(self, name: str, holder: str, ttl_seconds: int) -> Lease | None:
        """
        Take a lease that nobody holds, or whose time is over.

        Args:
            holder: unique for the process; after a restart it is another holder.
            ttl_seconds: > 0.

        Returns:
            The lease with a new token; None while somebody holds it.

        Raises:
            ValueError: an empty holder or a time that is not positive.
        """
        if holder == NOBODY or ttl_seconds <= 0:
            raise ValueError("a lease needs a holder's name and ttl_seconds > 0")
        now = self._clock.now()
        expires_at = UnixSeconds(now + ttl_seconds)
        statement = insert_into(self._connection, LEASE).values(
            name=name, holder=holder, token=1, expires_at=expires_at
        )
        token = self._connection.execute(
            statement.on_conflict_do_update(
                index_elements=[LEASE.c.name],
                set_={
                    "holder": excluded_of(LEASE).holder,
                    "token": LEASE.c.token + 1,
                    "expires_at": excluded_of(LEASE).expires_at,
                },
                where=or_(LEASE.c.expires_at <= now, LEASE.c.holder == NOBODY),
            ).returning(LEASE.c.token)
        ).scalar_one_or_none()
        if token is None:
            return None
        return Lease(name=name, holder=holder, token=token, expires_at=expires_at)

    def renew(self, lease: Lease, ttl_seconds: int) -> Lease:
        """
        Return the lease with a later end.

        Raises:
            LeaseLostError: another holder has it, or it was released.
        """
        expires_at = UnixSeconds(self._clock.now() + ttl_seconds)
        statement = update(LEASE).where(LEASE.c.name == lease.name, LEASE.c.token == lease.token)
        if not rows_changed(
            self._connection,
            statement.where(LEASE.c.holder == lease.holder).values(expires_at=expires_at),
        ):
            raise LeaseLostError(name=lease.name, holder=self._holder(lease.name))
        return Lease(name=lease.name, holder=lease.holder, token=lease.token, expires_at=expires_at)

    def release(self, lease: Lease) -> bool:
        """Give a lease up; False when it was lost before."""
        statement = (
            update(LEASE)
            .where(LEASE.c.name == lease.name, LEASE.c.token == lease.token)
            .where(LEASE.c.holder == lease.holder)
        )
        return bool(rows_changed(self._connection, statement.values(holder=NOBODY, expires_at=0)))

    def check(self, name: str, token: int) -> None:
        """
        Hold the lease's row until the transaction ends, if the token is still the newest.

        Nobody else can take the lease before this transaction ends, so what it writes is fenced.
        A lease that ran out but was taken by nobody still passes.

        Raises:
            LeaseLostError: there is a newer token, or the lease was released.
        """
        row = self._connection.execute(
            select(LEASE.c.token, LEASE.c.holder)
            .where(LEASE.c.name == name)
            .with_for_update(read=True)
        ).one_or_none()
        if row is None or row.token != token or row.holder == NOBODY:
            raise LeaseLostError(name=name, holder=self._holder(name))

    def lease(self, name: str) -> Lease | None:
        """Return who holds a lease; None when nobody does. Its time may be over."""
        row = self._connection.execute(select(LEASE).where(LEASE.c.name == name)).one_or_none()
        if row is None or row.holder == NOBODY:
            return None
        return Lease(
            name=name, holder=row.holder, token=row.token, expires_at=UnixSeconds(row.expires_at)
        )

    def _holder(self, name: str) -> str:
        lease = self.lease(name)
        return "nobody" if lease is None else lease.holder

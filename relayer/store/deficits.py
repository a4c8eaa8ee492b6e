"""Deficits: what accounts owe the hub because more was taken of them than they had."""

from dataclasses import dataclass
from enum import Enum

from sqlalchemy import Connection, select

from chains.types import ChainId
from relayer.clock import Clock
from relayer.money import AssetId
from relayer.store.recovery_tables import DEFICIT


class DeficitAction(Enum):
    """BOOKED: it arose. CURED: a part was taken from what the account got later."""

    BOOKED = "BOOKED"
    CURED = "CURED"


@dataclass(frozen=True, slots=True)
class Deficit:
    """
    What one account owes in one asset on one chain. [base units]

    entries_count is the number of entries that booked or cured it so far.
    """

    account: bytes
    asset_id: AssetId
    chain_id: ChainId
    units: int
    entries_count: int = 0


class DeficitTable:
    """Deficits, inside one transaction."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock

    def record(self, entry_id: bytes, action: DeficitAction, deficit: Deficit) -> None:
        """Keep what an entry booked or cured, in the transaction that posted it."""
        self._connection.execute(
            DEFICIT.insert().values(
                entry_id=entry_id,
                account=deficit.account,
                asset_id=deficit.asset_id,
                chain_id=deficit.chain_id,
                action=action.value,
                units=deficit.units,
                at=self._clock.now(),
            )
        )

    def booked_ids(self, account: bytes) -> list[bytes]:
        """Return the entries that made an account owe, paid since or not."""
        statement = select(DEFICIT.c.entry_id).where(
            DEFICIT.c.account == account, DEFICIT.c.action == DeficitAction.BOOKED.value
        )
        return [bytes(entry_id) for entry_id in self._connection.scalars(statement)]

    def open(
        self, chain_id: ChainId | None = None, account: bytes | None = None
    ) -> tuple[Deficit, ...]:
        """Return what is still owed, by chain, account and asset; None means any."""
        statement = select(DEFICIT)
        if chain_id is not None:
            statement = statement.where(DEFICIT.c.chain_id == chain_id)
        if account is not None:
            statement = statement.where(DEFICIT.c.account == account)
        owed: dict[tuple[ChainId, bytes, AssetId], list[int]] = {}
        for row in self._connection.execute(statement):
            key = (ChainId(row.chain_id), row.account, AssetId(row.asset_id))
            sign = 1 if row.action == DeficitAction.BOOKED.value else -1
            owed.setdefault(key, []).append(sign * row.units)
        return tuple(
            Deficit(ower, asset_id, chain, sum(parts), len(parts))
            for (chain, ower, asset_id), parts in sorted(owed.items())
            if sum(parts)
        )

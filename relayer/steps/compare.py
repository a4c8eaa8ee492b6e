"""Compare: ledger custody against the vaults, both at one final block, to the unit."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from chains.port import ChainReader, VaultState
from chains.types import BlockRef, ChainId
from relayer.errors import NotYetError
from relayer.ledger.chart import Side, vault_code
from relayer.money import AssetId
from relayer.steps.catalog import Catalog
from relayer.steps.fence import Fence
from relayer.steps.tell import tell
from relayer.store.breaks import CustodyDifference
from relayer.store.unit_of_work import Store, UnitOfWork

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Custody:
    """
    One custody account on both sides. [token base units]

    surplus_units are tokens that came to the vault without a lock: shown, owed to nobody.
    """

    chain_id: ChainId
    asset_id: AssetId
    vault: bytes
    block: BlockRef
    ledger_units: int
    held_units: int
    balance_units: int
    ledger_locks: int
    vault_locks: int

    @property
    def is_equal(self) -> bool:
        """Return whether ledger and vault agree, and the vault really has the tokens."""
        return (
            self.ledger_units == self.held_units
            and self.balance_units >= self.held_units
            and self.ledger_locks == self.vault_locks
        )

    @property
    def surplus_units(self) -> int:
        """Return what the vault has beyond what it counts."""
        return self.balance_units - self.held_units


@dataclass(frozen=True, slots=True)
class _Booked:
    """What the ledger says as of a final block: units per asset, and the number of locks."""

    block: BlockRef
    units: dict[AssetId, int]
    locks: int


async def compare(
    store: Store, catalog: Catalog, reader: ChainReader, *, fence: Fence
) -> tuple[Custody, ...]:
    """
    Compare every token of a chain's vault; a difference is recorded as a break and shown.

    Raises:
        NotYetError: events up to the final block are not booked yet.
        TransientChainError: the node failed.
    """
    chain_id = reader.chain_id
    vault = catalog.vaults.get(chain_id)
    if vault is None:
        return ()
    booked = await asyncio.to_thread(_booked, store, catalog, chain_id, vault)
    found = []
    for asset_id, units in booked.units.items():
        token = catalog.token_of(asset_id, chain_id)
        state = await reader.vault_state(vault, token, booked.block)
        found.append(_custody(chain_id, asset_id, units, booked, state))
    differing = [custody for custody in found if not custody.is_equal]
    if differing:
        await asyncio.to_thread(record_differences, store, differing, fence)
    return tuple(found)


def _booked(store: Store, catalog: Catalog, chain_id: ChainId, vault: bytes) -> _Booked:
    with store.read() as uow:
        block = uow.chains.cursor(chain_id).finalized
        if block is None:
            raise NotYetError(reason="chain_unread", detail=f"{chain_id} has no final block yet")
        waiting = uow.chains.unbooked_events(chain_id, 1)
        if waiting:
            raise NotYetError(reason="events_unbooked", detail=f"{chain_id}: events wait")
        return _Booked(
            block,
            {
                asset_id: _vault_units(uow, vault, asset_id, chain_id)
                for asset_id in catalog.assets_on(chain_id)
            },
            uow.chains.count_locks(chain_id, vault, height=block.height, is_final_only=True),
        )


def _vault_units(uow: UnitOfWork, vault: bytes, asset_id: AssetId, chain_id: ChainId) -> int:
    return uow.ledger.counters(vault_code(vault), asset_id, chain_id).posted(Side.DEBIT)


def _custody(
    chain_id: ChainId, asset_id: AssetId, units: int, booked: _Booked, state: VaultState
) -> Custody:
    return Custody(
        chain_id=chain_id,
        asset_id=asset_id,
        vault=state.vault,
        block=booked.block,
        ledger_units=units,
        held_units=state.held_units,
        balance_units=state.balance_units,
        ledger_locks=booked.locks,
        vault_locks=state.lock_count,
    )


def record_differences(store: Store, differing: Sequence[Custody], fence: Fence) -> None:
    """Record a break for each comparison that is unequal, and tell those that are new."""
    with store.unit_of_work() as uow:
        fence(uow)
        known = {found.break_id for found in uow.breaks.open_breaks()}
        for custody in differing:
            found = uow.breaks.record(
                CustodyDifference(
                    chain_id=custody.chain_id,
                    asset_id=custody.asset_id,
                    contract=custody.vault,
                    ledger_units=custody.ledger_units,
                    chain_units=min(custody.held_units, custody.balance_units),
                    block=custody.block,
                )
            )
            if found.break_id in known:
                continue  # it was told when it was found
            tell(
                uow,
                "break.found",
                {
                    "chain_id": custody.chain_id,
                    "asset_id": custody.asset_id,
                    "ledger_units": str(custody.ledger_units),
                    "held_units": str(custody.held_units),
                    "balance_units": str(custody.balance_units),
                    "ledger_locks": str(custody.ledger_locks),
                    "vault_locks": str(custody.vault_locks),
                },
                account=None,
                correlation_id=custody.block.block_hash,
            )
            log.error(
                "break.found",
                chain_id=custody.chain_id,
                asset_id=custody.asset_id,
                ledger_units=str(custody.ledger_units),
                held_units=str(custody.held_units),
                balance_units=str(custody.balance_units),
            )

"""Debts: the ledger against the credit lines, both at one final block."""

import asyncio
from dataclasses import dataclass

from chains.port import ChainReader
from chains.types import BlockRef, ChainId
from relayer.errors import NotYetError
from relayer.ledger.chart import Side, parse_code
from relayer.money import AssetId
from relayer.steps.catalog import Catalog, CreditLine
from relayer.store.debts import DebtView
from relayer.store.unit_of_work import Store, UnitOfWork


@dataclass(frozen=True, slots=True)
class DebtComparison:
    """
    What one account's collateral stands for at a credit line, on both sides. [token base units]

    ledger_units are the account's own debt and what liquidators took over of it, interest up to
    its last event; chain_units hold the interest up to the block too. The scaled debts are free
    of interest, so they are equal at every final block, and both are zero together.
    """

    chain_id: ChainId
    protocol: str
    account: bytes
    asset_id: AssetId
    block: BlockRef
    ledger_units: int
    chain_units: int
    ledger_scaled: int
    chain_scaled: int

    @property
    def is_equal(self) -> bool:
        """Return whether ledger and credit line agree."""
        return self.ledger_scaled == self.chain_scaled and (
            self.chain_scaled > 0 or self.ledger_units == self.chain_units == 0
        )

    def value(self, scale: int | None) -> dict[str, object]:
        """Return it as JSON; units are decimal texts, scale is the digits behind the point."""
        return {
            "chain_id": self.chain_id,
            "protocol": self.protocol,
            "account": "0x" + self.account.hex(),
            "asset_id": self.asset_id,
            "scale": scale,
            "height": str(self.block.height),
            "ledger_units": str(self.ledger_units),
            "chain_units": str(self.chain_units),
            "ledger_scaled": str(self.ledger_scaled),
            "chain_scaled": str(self.chain_scaled),
            "is_equal": self.is_equal,
        }


@dataclass(frozen=True, slots=True)
class _Booked:
    block: BlockRef
    debts: tuple[tuple[CreditLine, bytes, int, int], ...]  # line, account, units, scaled


async def compare_debts(
    store: Store, catalog: Catalog, reader: ChainReader
) -> tuple[DebtComparison, ...]:
    """
    Compare every debt that a chain's credit lines ever reported.

    Raises:
        NotYetError: events up to the final block are not booked yet, or a debt moved since.
        TransientChainError: the node failed.
    """
    lines = [line for line in catalog.credit_lines if line.chain_id == reader.chain_id]
    if not lines:
        return ()
    booked = await asyncio.to_thread(_booked, store, reader.chain_id, lines)
    found = []
    for line, account, units, scaled in booked.debts:
        found.append(
            DebtComparison(
                chain_id=line.chain_id,
                protocol=line.protocol,
                account=account,
                asset_id=line.asset_id,
                block=booked.block,
                ledger_units=units,
                chain_units=await reader.debt_units(line.contract, account, booked.block),
                ledger_scaled=scaled,
                chain_scaled=await reader.scaled_debt(line.contract, account, booked.block),
            )
        )
    return tuple(found)


def _booked(store: Store, chain_id: ChainId, lines: list[CreditLine]) -> _Booked:
    with store.read() as uow:
        block = uow.chains.cursor(chain_id).finalized
        if block is None:
            raise NotYetError(reason="chain_unread", detail=f"{chain_id} has no final block yet")
        if uow.chains.unbooked_events(chain_id, 1):
            raise NotYetError(reason="events_unbooked", detail=f"{chain_id}: events wait")
        of_contract = {line.contract: line for line in lines}
        of_contract = {line.contract: line for line in lines}
        debts = []
        for position in uow.debts.all(DebtView.SOFT):
            line = of_contract.get(position.credit_line)
            if line is not None and position.chain_id == chain_id:
                if position.seen_height > block.height:
                    detail = f"{chain_id}: a debt moved after final block {block.height}"
                    raise NotYetError(reason="debt_not_final", detail=detail)
                units = _ledger_units(uow, line, position.account)
                debts.append((line, position.account, units, position.scaled))
        return _Booked(block, tuple(debts))


def _ledger_units(uow: UnitOfWork, line: CreditLine, account: bytes) -> int:
    """Return what an account owes and what others took over of it, final only."""
    return sum(
        found.counters.posted(Side.DEBIT)
        for kind in ("debt", "assumed")
        for found in uow.ledger.counters_of_prefix(f"{kind}:{line.protocol}:")
        if parse_code(found.line.code).word == account and found.line.chain_id == line.chain_id
    )

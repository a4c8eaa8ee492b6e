"""Methods about blocks, signatures and transactions that are there."""

from itertools import islice
from typing import Any, Final

from chains.devnet.solana.codec import pubkey_of, signature_of
from chains.devnet.solana.methods.node import Method, Node
from chains.devnet.solana.options import BLOCKHASHES_VALID
from chains.devnet.solana.params import (
    LEVEL_NAMES,
    Params,
    check_context_slot,
    checked_integer,
    in_context,
    sure_level_of,
)
from chains.devnet.solana.records import Block, Landed
from chains.devnet.solana.refusals import (
    block_cleaned_up,
    block_not_available,
    block_status_not_yet,
    invalid,
    slot_skipped,
)
from chains.devnet.solana.views import (
    block_fields,
    encoding_of,
    memo_of,
    transaction_fields,
)
from chains.finality import Finality

SIGNATURES_MAX: Final = 1_000
STATUSES_MAX: Final = 256
STATUS_SLOTS: Final = 2 * BLOCKHASHES_VALID  # statuses of older slots need a search
BLOCKS_MAX: Final = 500_000


class HistoryMethods:
    """Answers from the blocks."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.methods: dict[str, Method] = {
            "getSignatureStatuses": self._statuses,
            "getSignaturesForAddress": self._signatures,
            "getTransaction": self._transaction,
            "getBlock": self._block,
            "getBlockTime": lambda params: self.sure_block(params.integer(0), {}).seconds,
            "getBlocks": self._blocks,
            "getBlocksWithLimit": self._blocks_with_limit,
            "getFirstAvailableBlock": lambda _: node.ledger.blocks[0].slot,
            "minimumLedgerSlot": lambda _: node.ledger.blocks[0].slot,
        }

    def level_of_slot(self, slot: int) -> Finality:
        """Return how sure a slot is."""
        ledger = self.node.ledger
        if slot <= ledger.block_at(Finality.FINALIZED).slot:
            return Finality.FINALIZED
        is_confirmed = slot <= ledger.block_at(Finality.SAFE).slot
        return Finality.SAFE if is_confirmed else Finality.LATEST

    def sure_block(self, slot: int, config: dict[str, Any]) -> Block:
        """
        Return the block of a slot if it is as sure as asked for.

        Raises:
            RefusalError: it is not yet, never was, or is no longer kept.
        """
        ledger, level = self.node.ledger, sure_level_of(config)
        if slot < ledger.blocks[0].slot:
            raise block_cleaned_up(slot, ledger.blocks[0].slot)
        final_slot = ledger.block_at(Finality.FINALIZED).slot
        block = ledger.block_of(slot)
        if slot <= final_slot and block is None:
            is_long_ago = final_slot - slot > self.node.faults.skips_known_slots
            raise slot_skipped(slot, is_long_ago=is_long_ago)
        if block is None or slot > ledger.block_at(level).slot:
            raise block_not_available(slot)
        if slot > ledger.tip.slot - self.node.faults.history_lag_slots:
            raise block_status_not_yet(slot)
        return block

    def _statuses(self, params: Params) -> dict[str, Any]:
        signatures = [signature_of(one) for one in params.listed(0, most=STATUSES_MAX)]
        is_searching = params.config(1).get("searchTransactionHistory") is True
        tip_slot = self.node.ledger.tip.slot
        shown: list[dict[str, Any] | None] = []
        for signature in signatures:
            landed = self.node.ledger.landed.get(signature)
            is_old = landed is not None and tip_slot - landed.slot > STATUS_SLOTS
            if landed is None or (is_old and not is_searching):
                shown.append(None)
            else:
                shown.append(self._status(landed))
        return in_context(tip_slot, shown)

    def _status(self, landed: Landed) -> dict[str, Any]:
        ledger, level = self.node.ledger, self.level_of_slot(landed.slot)
        is_final = level is Finality.FINALIZED
        newer = () if is_final else ledger.blocks_between(landed.slot + 1, ledger.tip.slot)
        return {
            "slot": landed.slot,
            "confirmations": None if is_final else len(newer),
            "err": landed.err,
            "status": {"Ok": None} if landed.err is None else {"Err": landed.err},
            "confirmationStatus": LEVEL_NAMES[level],
        }

    def _signatures(self, params: Params) -> list[dict[str, Any]]:
        key, config = pubkey_of(params.required(0)), params.config(1)
        limit = checked_integer(config.get("limit", SIGNATURES_MAX), "limit")
        if not 1 <= limit <= SIGNATURES_MAX:
            raise invalid(f"Invalid limit; max {SIGNATURES_MAX}")
        before, until = (
            signature_of(config[name]) if name in config else None for name in ("before", "until")
        )
        newest_slot = self.node.ledger.block_at(sure_level_of(config)).slot
        check_context_slot(config, newest_slot)
        if before is not None and before not in self.node.ledger.landed:
            return []
        return [
            {
                "signature": landed.signature,
                "slot": landed.slot,
                "err": landed.err,
                "memo": memo_of(landed),
                "blockTime": self.node.options.time_of(landed.slot),
                "confirmationStatus": LEVEL_NAMES[self.level_of_slot(landed.slot)],
            }
            for landed in islice(self._older(key, before, until, newest_slot), limit)
        ]

    def _older(self, key: Any, before: str | None, until: str | None, newest_slot: int) -> Any:
        """Yield an address's transactions below before and above until, the newest first."""
        first = None if before is None else self.node.ledger.landed[before]
        is_open = first is None
        for landed in self.node.ledger.of_address(key):
            if landed.signature == until:
                return
            if first is not None and landed.slot < first.slot:
                is_open = True  # before is of another address
            if is_open and landed.slot <= newest_slot:
                yield landed
            is_open = is_open or landed is first

    def _transaction(self, params: Params) -> dict[str, Any] | None:
        signature, config = signature_of(params.required(0)), _history_config(params, 1)
        level = sure_level_of(config)
        encoding_of(config)
        landed = self.node.ledger.landed.get(signature)
        if landed is None or landed.slot > self.node.ledger.block_at(level).slot:
            return None
        if landed.slot > self.node.ledger.tip.slot - self.node.faults.history_lag_slots:
            return None
        shown = transaction_fields(landed, config)
        return {"slot": landed.slot, "blockTime": self.node.options.time_of(landed.slot)} | shown

    def _block(self, params: Params) -> dict[str, Any]:
        slot, config = params.integer(0), _history_config(params, 1)
        encoding_of(config)
        return block_fields(self.sure_block(slot, config), config)

    def _blocks(self, params: Params) -> list[int]:
        first = params.integer(0)
        is_config = isinstance(params.get(1), dict)
        config = params.config(1 if is_config else 2)
        newest = self.node.ledger.block_at(sure_level_of(config)).slot
        has_last = not is_config and params.get(1) is not None
        last = params.integer(1) if has_last else newest
        if last - first > BLOCKS_MAX:
            raise invalid(f"Slot range too large; max {BLOCKS_MAX}")
        return [block.slot for block in self.node.ledger.blocks_between(first, min(last, newest))]

    def _blocks_with_limit(self, params: Params) -> list[int]:
        first, limit = params.integer(0), params.integer(1)
        if limit > BLOCKS_MAX:
            raise invalid(f"Limit too large; max {BLOCKS_MAX}")
        newest = self.node.ledger.block_at(sure_level_of(params.config(2))).slot
        found = self.node.ledger.blocks_between(first, newest)
        return [block.slot for block in islice(found, limit)]


def _history_config(params: Params, place: int) -> dict[str, Any]:
    """Return the config of a method whose encoding may also stand there by itself."""
    given = params.get(place)
    return {"encoding": given} if isinstance(given, str) else params.config(place)

"""What transactions offer for their place in a block."""

from typing import Final

from solders.compute_budget import ID as COMPUTE_BUDGET
from solders.transaction import VersionedTransaction

SET_UNIT_PRICE: Final = 3
SET_UNIT_PRICE_BYTES: Final = 9


def unit_price_of(tx: VersionedTransaction) -> int:
    """Return what a transaction offers for a compute unit. [millionths of a lamport]"""
    keys = tx.message.account_keys
    for one in tx.message.instructions:
        content = bytes(one.data)
        is_budget = (
            one.program_id_index < len(keys) and keys[one.program_id_index] == COMPUTE_BUDGET
        )
        if is_budget and len(content) == SET_UNIT_PRICE_BYTES and content[0] == SET_UNIT_PRICE:
            return int.from_bytes(content[1:], "little")
    return 0

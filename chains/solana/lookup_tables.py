"""Lookup tables: what stands in one, and the instructions that make and extend one."""

import struct
from collections.abc import Iterable
from typing import Final

from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

from chains.line.shapes import AnswerShapeError
from chains.port import ProgramCall
from chains.solana.compiling import call_accounts
from chains.solana.vault_addresses import SYSTEM_PROGRAM
from chains.types import UINT64_MAX, WORD_BYTES, ChainId

LOOKUP_PROGRAM: Final = Pubkey.from_string("AddressLookupTab1e1111111111111111111111111")
# type u32 | gone since slot u64 | last extended in slot u64 | entries before that u8 | authority
HEAD: Final = struct.Struct("<IQQB")
HEAD_BYTES: Final = 56
TABLE_TYPE: Final = 1
CREATE: Final = 0
EXTEND: Final = 2
ENTRIES_MAX: Final = 256
UNITS_CREATING: Final = 30_000


def decode_entries(raw: bytes, height: int) -> tuple[bytes, ...]:
    """
    Return what may be used of a table at a slot; nothing of one that is given up.

    Raises:
        AnswerShapeError: not the content of a lookup table.
    """
    if len(raw) < HEAD_BYTES or (len(raw) - HEAD_BYTES) % WORD_BYTES:
        raise AnswerShapeError(f"a lookup table of {len(raw)} bytes")
    kind, gone_since, extended_in, count_before = HEAD.unpack_from(raw)
    if kind != TABLE_TYPE or gone_since != UINT64_MAX:
        return ()
    entries = tuple(raw[at : at + WORD_BYTES] for at in range(HEAD_BYTES, len(raw), WORD_BYTES))
    return entries[:count_before] if extended_in >= height else entries


def table_address(authority: Pubkey, recent_slot: int) -> tuple[Pubkey, int]:
    """Return where an authority's table that names a slot is kept, and its seed."""
    seeds = [bytes(authority), recent_slot.to_bytes(8, "little")]
    return Pubkey.find_program_address(seeds, LOOKUP_PROGRAM)


def create_table(authority: Pubkey, recent_slot: int) -> Instruction:
    """Return the making of a table; its authority pays for it and may extend it."""
    key, bump = table_address(authority, recent_slot)
    content = CREATE.to_bytes(4, "little") + recent_slot.to_bytes(8, "little") + bytes((bump,))
    return Instruction(LOOKUP_PROGRAM, content, _metas(key, authority))


def table_call(chain_id: ChainId, authority: bytes, recent_slot: int) -> tuple[bytes, ProgramCall]:
    """Return where a table will be, and the call that makes it when its authority sends it."""
    key, _ = table_address(Pubkey(authority), recent_slot)
    making = create_table(Pubkey(authority), recent_slot)
    return bytes(key), ProgramCall(
        chain_id=chain_id,
        program=bytes(LOOKUP_PROGRAM),
        accounts=call_accounts(making, Pubkey(authority)),
        content=bytes(making.data),
        compute_units=UNITS_CREATING,
        context_height=recent_slot,
    )


def extend_table(table: Pubkey, authority: Pubkey, entries: Iterable[Pubkey]) -> Instruction:
    """Return the adding of entries to a table; its authority pays for the room."""
    added = [bytes(entry) for entry in entries]
    head = EXTEND.to_bytes(4, "little") + len(added).to_bytes(8, "little")
    return Instruction(LOOKUP_PROGRAM, head + b"".join(added), _metas(table, authority))


def _metas(table: Pubkey, authority: Pubkey) -> list[AccountMeta]:
    return [
        AccountMeta(table, is_signer=False, is_writable=True),
        AccountMeta(authority, is_signer=True, is_writable=False),
        AccountMeta(authority, is_signer=True, is_writable=True),
        AccountMeta(SYSTEM_PROGRAM, is_signer=False, is_writable=False),
    ]

"""Makes messages of calls: the short form where it fits, with lookup tables where it must be."""

from typing import Final

from solders.address_lookup_table_account import AddressLookupTableAccount
from solders.compute_budget import set_compute_unit_limit, set_compute_unit_price
from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.message import Message, MessageV0
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.transaction import VersionedTransaction

from chains.errors import PermanentChainError
from chains.port import AccountUse, LookupTable, ProgramCall
from chains.sending import PriorityFee
from chains.types import ChainId

PACKET_BYTES_MAX: Final = 1_232
AnyMessage = Message | MessageV0


class CallTooLargeError(PermanentChainError):
    """A call does not fit into one transaction, with the lookup tables that it may use."""

    def __init__(self, *, chain_id: ChainId, size_bytes: int) -> None:
        super().__init__(
            f"{chain_id}: the transaction has {size_bytes} bytes, {PACKET_BYTES_MAX} fit; "
            "make a lookup table (relayer chain table) and name it in chains.lookup_tables"
        )
        self.chain_id = chain_id
        self.size_bytes = size_bytes


def compiled(
    call: ProgramCall, payer: Pubkey, fee: PriorityFee, recent: Hash
) -> VersionedTransaction:
    """
    Return a call as a transaction that is not signed.

    Raises:
        CallTooLargeError: neither form fits.
    """
    forms = _forms(call, payer, fee, recent)
    for unsigned in forms:
        if _size(unsigned) <= PACKET_BYTES_MAX:
            return unsigned
    raise CallTooLargeError(chain_id=call.chain_id, size_bytes=min(map(_size, forms)))


def size_of(call: ProgramCall) -> int:
    """Return how long a call's transaction is in its shortest form; who pays is no matter."""
    payer = Pubkey(bytes(31) + b"\x01")
    return min(map(_size, _forms(call, payer, PriorityFee(0), Hash.default())))


def fits(call: ProgramCall) -> bool:
    """Return whether a call fits into one transaction."""
    return size_of(call) <= PACKET_BYTES_MAX


def _size(unsigned: VersionedTransaction) -> int:
    return len(bytes(unsigned))


def instruction_of(call: ProgramCall, payer: Pubkey) -> Instruction:
    """Return a call as an instruction; the key that sends stands where the call says so."""
    metas = [_meta(use, payer) for use in call.accounts]
    return Instruction(Pubkey(call.program), call.content, metas)


def call_accounts(instruction: Instruction, payer: Pubkey) -> tuple[AccountUse, ...]:
    """Return the accounts of an instruction that was made for a payer."""
    return tuple(
        AccountUse(None if meta.pubkey == payer else bytes(meta.pubkey), meta.is_writable)
        for meta in instruction.accounts
    )


def writable_accounts(call: ProgramCall) -> tuple[bytes, ...]:
    """Return the accounts that a call locks for writing, its preparations' among them."""
    calls = (*call.before, call)
    keys = {use.key for one in calls for use in one.accounts if use.is_writable and use.key}
    return tuple(sorted(keys))


def _forms(
    call: ProgramCall, payer: Pubkey, fee: PriorityFee, recent: Hash
) -> "list[VersionedTransaction]":
    instructions = [
        set_compute_unit_limit(call.compute_units),
        set_compute_unit_price(fee.micro_lamports),
        *(instruction_of(one, payer) for one in (*call.before, call)),
    ]
    forms: list[AnyMessage] = [Message.new_with_blockhash(instructions, payer, recent)]
    if call.lookup_tables:
        tables = [_table(table) for table in call.lookup_tables]
        forms.append(MessageV0.try_compile(payer, instructions, tables, recent))
    return [VersionedTransaction.populate(form, [Signature.default()]) for form in forms]


def _meta(use: AccountUse, payer: Pubkey) -> AccountMeta:
    key = payer if use.key is None else Pubkey(use.key)
    return AccountMeta(key, is_signer=use.is_signer, is_writable=use.is_writable)


def _table(table: LookupTable) -> AddressLookupTableAccount:
    return AddressLookupTableAccount(Pubkey(table.key), [Pubkey(key) for key in table.entries])

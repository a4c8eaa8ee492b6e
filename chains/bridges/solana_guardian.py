"""The guardian bridge to Solana: an attested message becomes calls of the vault program."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

from chains.attestation import Attestation, GuardianSet
from chains.bridges.guardian import AttestedBridge
from chains.errors import MessageFormatError
from chains.message import Message, MessageKind
from chains.port import ChainReader, ProgramCall
from chains.solana.accounts import AccountSource
from chains.solana.compiling import CallTooLargeError, call_accounts, fits, size_of
from chains.solana.lookup_tables import ENTRIES_MAX, extend_table
from chains.solana.vault_addresses import (
    ASSOCIATED_TOKEN_PROGRAM,
    SYSTEM_PROGRAM,
    TOKEN_2022_PROGRAM,
    TOKEN_PROGRAM,
    VaultAddresses,
    associated_token_account,
)
from chains.solana.vault_instructions import (
    CAPACITY,
    PARAMETER_BYTES,
    execute,
    rotate_set,
    stage_set,
)
from chains.types import UINT64_MAX

# Somebody who sends, while nobody has signed: the key's place in the calls.
SENDER: Final = Pubkey(b"the key that sends stands here!!")
UNITS_BASE: Final = 90_000  # listing by message needs most, and addresses are searched for
UNITS_PER_SIGNATURE: Final = 26_000
UNITS_OPENING: Final = 60_000
UNITS_STAGING: Final = 90_000
UNITS_EXTENDING: Final = 20_000
OPEN_IDEMPOTENT: Final = b"\x01"
PAYOUT_KINDS: Final = (MessageKind.RELEASE, MessageKind.SEIZE)


class SolanaGuardianBridge(AttestedBridge):
    """
    chains.port.Bridge to the vaults of one program on one cluster.

    Args:
        reader: reads the target chain.
        accounts: reads whose the accounts of a delivery are.
        program: the vault program.
        lookup_tables: tables that may be named where a quorum's signatures leave no room.
        next_sets: guardian sets that a guardian_set message may announce.
    """

    def __init__(
        self,
        reader: ChainReader,
        accounts: AccountSource,
        *,
        program: bytes,
        lookup_tables: Iterable[bytes] = (),
        next_sets: Iterable[GuardianSet] = (),
    ) -> None:
        super().__init__(reader, next_sets)
        self._accounts = accounts
        self._program = Pubkey(program)
        self._table_keys = tuple(lookup_tables)
        self._token_programs: dict[bytes, bytes] = {}  # a mint never changes its program

    async def deliver(self, message: Message, attestation: Attestation) -> tuple[ProgramCall, ...]:
        """
        Return the calls that a message's delivery still needs, in order; the last delivers.

        A recipient's token account that is not open is opened in the delivery itself where that
        fits, else by a call before it; a guardian set that is not staged is staged before.

        Raises:
            AttestationError: the attestation is of another message.
            MessageFormatError: another target chain, a guardian set that was not announced, or
                fields that the vault program does not take.
        """
        self._check_target(message)
        self._check_attested(message, attestation)
        _check_numbers(message)
        at = VaultAddresses(self._program, Pubkey(message.vault))
        if message.kind is MessageKind.GUARDIAN_SET:
            return await self._rotation(at, message, attestation)
        delivery = await self._execution(at, message, attestation)
        if message.kind in PAYOUT_KINDS:
            return await self._payout(at, message, delivery)
        return await self._with_room(at, message, delivery)

    async def _payout(
        self, at: VaultAddresses, message: Message, delivery: ProgramCall
    ) -> tuple[ProgramCall, ...]:
        """Return the payment; where the recipient's account is not open it is opened first."""
        token_program = Pubkey(self._token_programs[message.token])
        wallet, mint = Pubkey(message.recipient), Pubkey(message.token)
        home = associated_token_account(wallet=wallet, mint=mint, token_program=token_program)
        read = await self._accounts.owner_of(bytes(home))
        delivery = replace(delivery, context_height=max(delivery.context_height, read.height))
        if read.owner == bytes(token_program):
            return await self._with_room(at, message, delivery)
        opening = self._call(_opening(home, wallet, mint, token_program), units=UNITS_OPENING)
        together = _after(opening, delivery)
        if fits(together):
            return (together,)
        *preparations, delivery = await self._with_room(at, message, delivery)
        if preparations:
            return _after(opening, preparations[0]), delivery
        return replace(opening, is_preparation=True, context_height=read.height), delivery

    async def _execution(
        self, at: VaultAddresses, message: Message, attestation: Attestation
    ) -> ProgramCall:
        token_program, height = await self._token_program(message)
        instruction = execute(
            at,
            SENDER,
            message=message,
            attestation=attestation,
            token_program=token_program,
        )
        return self._call(instruction, units=_units(attestation), height=height)

    async def _rotation(
        self, at: VaultAddresses, message: Message, attestation: Attestation
    ) -> tuple[ProgramCall, ...]:
        announced = self._announced(message)
        staged = at.staged_set(
            index=announced.index, threshold=announced.threshold, members=announced.members
        )
        read = await self._accounts.owner_of(bytes(staged))
        rotation = rotate_set(
            at, SENDER, message=message, attestation=attestation, guardian_set=announced
        )
        delivery = self._call(rotation, units=_units(attestation), height=read.height)
        if read.owner == bytes(self._program):
            return await self._with_room(at, message, delivery)
        staging = self._call(
            stage_set(at, SENDER, guardian_set=announced), units=UNITS_STAGING, height=read.height
        )
        return replace(staging, is_preparation=True), delivery

    async def _with_room(
        self, at: VaultAddresses, message: Message, delivery: ProgramCall
    ) -> tuple[ProgramCall, ...]:
        """
        Return a delivery as it fits into a transaction, with what must make it fit first.

        With a table whose entries do not make it short enough, its accounts are added to the table;
        all but the mark of execution, which no other message ever names.

        Raises:
            CallTooLargeError: no table is configured, or none of them has room.
        """
        if fits(delivery):
            return (delivery,)
        tables = tuple([await self._accounts.lookup_table(key) for key in self._table_keys])
        tabled = replace(delivery, lookup_tables=tables)
        if fits(tabled):
            return (tabled,)
        unlisted = {delivery.program, bytes(at.executed(message.message_id)), None}
        unlisted |= {entry for table in tables for entry in table.entries}
        missing = [use.key for use in delivery.accounts if use.key not in unlisted]
        added = [Pubkey(key) for key in dict.fromkeys(missing) if key is not None]
        for table in tables:
            if added and len(table.entries) + len(added) <= ENTRIES_MAX:
                extension = extend_table(Pubkey(table.key), SENDER, added)
                extending = self._call(extension, units=UNITS_EXTENDING)
                return replace(extending, is_preparation=True), tabled
        raise CallTooLargeError(chain_id=delivery.chain_id, size_bytes=size_of(tabled))

    async def _token_program(self, message: Message) -> tuple[Pubkey, int]:
        """Return the program of a message's token, and when it was read, 0 for long ago."""
        needs_it = message.kind in PAYOUT_KINDS or message.recipient == CAPACITY
        if not needs_it:
            return TOKEN_PROGRAM, 0
        known = self._token_programs.get(message.token)
        if known is not None:
            return Pubkey(known), 0
        read = await self._accounts.owner_of(message.token)
        if read.owner not in (bytes(TOKEN_PROGRAM), bytes(TOKEN_2022_PROGRAM)):
            raise MessageFormatError(
                field="token", reason=f"{Pubkey(message.token)} is no mint of a token program"
            )
        self._token_programs[message.token] = read.owner
        return Pubkey(read.owner), read.height

    def _call(self, instruction: Instruction, *, units: int, height: int = 0) -> ProgramCall:
        return ProgramCall(
            chain_id=self._reader.chain_id,
            program=bytes(instruction.program_id),
            accounts=call_accounts(instruction, SENDER),
            content=bytes(instruction.data),
            compute_units=units,
            context_height=height,
        )


def _units(attestation: Attestation) -> int:
    return UNITS_BASE + UNITS_PER_SIGNATURE * len(attestation.signatures)


def _after(first: ProgramCall, then: ProgramCall) -> ProgramCall:
    """Return a call that another one precedes in the same transaction."""
    units = first.compute_units + then.compute_units
    return replace(then, before=(first,), compute_units=units)


def _check_numbers(message: Message) -> None:
    """Refuse what the program cannot even be told, before anything is sent."""
    numbers = {"amount_units": message.amount_units, "nonce": message.nonce}
    for field, number in numbers.items():
        if number > UINT64_MAX:
            raise MessageFormatError(
                field=field, reason=f"{number} is above 64 bits; the vault on Solana takes no more"
            )
    if message.kind is MessageKind.PARAMETER and message.recipient not in PARAMETER_BYTES:
        raise MessageFormatError(
            field="recipient",
            reason=f"0x{message.recipient.hex()} is no parameter of the vault on Solana",
        )
    if message.kind is MessageKind.CREDIT_GRANT:
        raise MessageFormatError(field="kind", reason="there are no credit lines on Solana")


def _opening(home: Pubkey, wallet: Pubkey, mint: Pubkey, token_program: Pubkey) -> Instruction:
    """Return the opening of a wallet's associated account; where it is open already it is left."""
    plain = [wallet, mint, SYSTEM_PROGRAM, token_program]
    metas = [
        AccountMeta(SENDER, is_signer=True, is_writable=True),
        AccountMeta(home, is_signer=False, is_writable=True),
        *(AccountMeta(key, is_signer=False, is_writable=False) for key in plain),
    ]
    return Instruction(ASSOCIATED_TOKEN_PROGRAM, OPEN_IDEMPOTENT, metas)

"""LiteSVM with the vault program in it, a clock that tests set, and tokens made as bytes."""

import struct
from dataclasses import dataclass, field
from pathlib import Path

from eth_hash.auto import keccak
from solders.account import Account
from solders.address_lookup_table_account import AddressLookupTableAccount
from solders.compute_budget import set_compute_unit_limit
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.litesvm import LiteSVM
from solders.message import Message, MessageV0
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction
from solders.transaction_metadata import FailedTransactionMetadata, TransactionMetadata

from chains.devnet.solana_vectors import PROGRAM_ID
from chains.solana.vault_addresses import (
    ASSOCIATED_TOKEN_PROGRAM,
    SYSTEM_PROGRAM,
    TOKEN_PROGRAM,
    associated_token_account,
)
from chains.solana.vault_errors import VaultProgramError
from chains.solana.vault_events import VaultEvent, decode_event
from chains.solana.vault_instructions import Token

ARTIFACTS = Path(__file__).parents[2] / "contracts" / "artifacts" / "solana"
PACKET_BYTES = 1_232
BEGIN_SECONDS = 1_800_000_000
LAMPORTS = 10**12
COMPUTE_UNITS = 1_400_000
TRANSFER_FEE_EXTENSION = 1
TRANSFER_FEE_AMOUNT_EXTENSION = 2
NATIVE_MINT = Pubkey.from_string("So11111111111111111111111111111111111111112")


class RefusedError(Exception):
    """A transaction failed; code is the program's error, None for an error of the runtime."""

    def __init__(self, failed: FailedTransactionMetadata) -> None:
        self.code: VaultProgramError | None = None
        self.text = str(failed.err())
        fields = getattr(failed.err(), "err", None)
        number = getattr(fields, "code", None)
        if number is not None and number in VaultProgramError._value2member_map_:
            self.code = VaultProgramError(number)
        super().__init__(f"{self.code!r} {self.text} {failed.meta().logs()[-4:]}")


class PacketError(AssertionError):
    """A transaction has more bytes than a packet."""


def key_named(label: str) -> Keypair:
    """Return a key made from a label."""
    return Keypair.from_seed(keccak(label.encode()))


@dataclass(frozen=True, slots=True)
class Sent:
    """A transaction that succeeded."""

    metadata: TransactionMetadata
    size_bytes: int
    events: tuple[VaultEvent, ...]

    @property
    def compute_units(self) -> int:
        """What it used."""
        return self.metadata.compute_units_consumed()


@dataclass(slots=True)
class Runtime:
    """A chain in memory. Every transaction that fits in a packet may be sent."""

    svm: LiteSVM = field(default_factory=LiteSVM)
    now: int = BEGIN_SECONDS
    payer: Keypair = field(default_factory=lambda: key_named("payer"))

    def __post_init__(self) -> None:
        self.svm.add_program(PROGRAM_ID, (ARTIFACTS / "vault-v0.so").read_bytes())
        self.fund(self.payer.pubkey())
        self.set_time(self.now)

    def fund(self, key: Pubkey, lamports: int = LAMPORTS) -> None:
        """Give lamports to an address."""
        found = self.svm.get_account(key)
        account = Account(
            (found.lamports if found else 0) + lamports,
            found.data if found else b"",
            found.owner if found else SYSTEM_PROGRAM,
        )
        self.svm.set_account(key, account)

    def set_time(self, seconds: int) -> None:
        """Set the clock of the chain."""
        self.now = seconds
        clock = self.svm.get_clock()
        clock.unix_timestamp = seconds
        self.svm.set_clock(clock)

    def send(
        self,
        *instructions: Instruction,
        signers: tuple[Keypair, ...] = (),
        tables: tuple[AddressLookupTableAccount, ...] = (),
    ) -> Sent:
        """
        Send one transaction, legacy unless there are tables; keys sign where they are asked to.

        Raises:
            RefusedError: it failed.
            PacketError: it is too large to be sent.
        """
        self.svm.expire_blockhash()
        blockhash = self.svm.latest_blockhash()
        limit = set_compute_unit_limit(COMPUTE_UNITS)
        everything = [limit, *instructions]
        payer = self.payer.pubkey()
        message = (
            MessageV0.try_compile(payer, everything, list(tables), blockhash)
            if tables
            else Message.new_with_blockhash(everything, payer, blockhash)
        )
        required = message.account_keys[: message.header.num_required_signatures]
        keys = {key.pubkey(): key for key in (self.payer, *signers)}
        transaction = VersionedTransaction(message, [keys[each] for each in required])
        size_bytes = len(bytes(transaction))
        if size_bytes > PACKET_BYTES:
            raise PacketError(f"{size_bytes} bytes do not fit in a packet")
        answer = self.svm.send_transaction(transaction)
        if isinstance(answer, FailedTransactionMetadata):
            raise RefusedError(answer)
        return Sent(answer, size_bytes, events_of(answer, message.account_keys))

    def content(self, key: Pubkey) -> bytes:
        """Return an account's data; empty where there is none."""
        account = self.svm.get_account(key)
        return account.data if account else b""

    def tamper(self, key: Pubkey, content: bytes, owner: Pubkey | None = None) -> None:
        """Replace an account's data, and its owner if one is given."""
        found = self.svm.get_account(key)
        lamports = found.lamports if found else LAMPORTS
        old_owner = found.owner if found else PROGRAM_ID
        self.svm.set_account(key, Account(lamports, content, owner or old_owner))

    def token_units(self, key: Pubkey) -> int:
        """Return what is in a token account. [base units]"""
        return int.from_bytes(self.content(key)[64:72], "little")

    def make_mint(
        self, label: str, *, program: Pubkey = TOKEN_PROGRAM, extra: bytes = b""
    ) -> Token:
        """Return a new mint of 6 digits; extra is its extensions, as type, length and value."""
        key = key_named(f"mint:{label}").pubkey()
        self.svm.set_account(key, Account(LAMPORTS, mint_content(extra), program))
        return Token(key, program)

    def make_token_account(
        self, label: str, token: Token, *, wallet: Pubkey, units: int, has_fees: bool = False
    ) -> Pubkey:
        """Return a token account that is not an associated one."""
        key = key_named(f"token account:{label}").pubkey()
        content = token_account_content(token.mint, wallet, units)
        if has_fees:
            content += b"\x02" + struct.pack("<HHQ", TRANSFER_FEE_AMOUNT_EXTENSION, 8, 0)
        self.svm.set_account(key, Account(LAMPORTS, content, token.program))
        return key

    def open_wallet(self, wallet: Pubkey, token: Token) -> Pubkey:
        """Return the associated token account of a wallet, made by the program that makes them."""
        key = associated_token_account(wallet=wallet, mint=token.mint, token_program=token.program)
        metas = [
            AccountMeta(self.payer.pubkey(), is_signer=True, is_writable=True),
            AccountMeta(key, is_signer=False, is_writable=True),
            *(
                AccountMeta(each, is_signer=False, is_writable=False)
                for each in (wallet, token.mint, SYSTEM_PROGRAM, token.program)
            ),
        ]
        self.send(Instruction(ASSOCIATED_TOKEN_PROGRAM, b"\x01", metas))
        return key


def events_of(metadata: TransactionMetadata, keys: list[Pubkey]) -> tuple[VaultEvent, ...]:
    """Return the events among the instructions that the vault program made to itself."""
    found = []
    for group in metadata.inner_instructions():
        for inner in group:
            compiled = inner.instruction()
            is_static = compiled.program_id_index < len(keys)
            if is_static and keys[compiled.program_id_index] == PROGRAM_ID:
                event = decode_event(compiled.data)
                assert event is not None, "the vault calls itself for events only"
                found.append(event)
    return tuple(found)


def mint_content(extra: bytes = b"") -> bytes:
    """Return an initialised mint, with extensions where there are any."""
    base = struct.pack("<I32sQBBI32s", 1, bytes([7] * 32), 10**18, 6, 1, 0, bytes(32))
    return base if not extra else base.ljust(165, b"\0") + b"\x01" + extra


def token_account_content(mint: Pubkey, wallet: Pubkey, units: int) -> bytes:
    """Return an initialised token account."""
    native = (1, 2_039_280) if mint == NATIVE_MINT else (0, 0)
    return struct.pack(
        "<32s32sQI32sBIQQI32s",
        *(bytes(mint), bytes(wallet), units, 0, bytes(32), 1, *native, 0, 0, bytes(32)),
    )


def extension(kind: int, value: bytes) -> bytes:
    """Return one extension of a mint."""
    return struct.pack("<HH", kind, len(value)) + value


def transfer_fee(bps: int) -> bytes:
    """Return the extension of a mint that keeps a share of every transfer."""
    fee = struct.pack("<QQH", 0, 2**64 - 1, bps)
    return extension(TRANSFER_FEE_EXTENSION, bytes(32) + bytes(32) + bytes(8) + fee + fee)

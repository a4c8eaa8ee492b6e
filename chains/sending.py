"""
Ports of those who send: what both families of chains share, and what each has alone.

A chain with account nonces orders a key's transactions: one replaces another with its nonce. On a
chain whose transactions expire nothing is ordered and nothing replaced: a transaction lands until
its last block has passed, and only then may another one do the same.
"""

from dataclasses import dataclass
from typing import Protocol

from chains.port import ContractCall, Fees, ProgramCall, Receipt, SignedTransaction
from chains.types import ChainId


@dataclass(frozen=True, slots=True)
class PriorityFee:
    """What an attempt offers for its place in a block. [micro-lamports per compute unit]"""

    micro_lamports: int

    def __post_init__(self) -> None:
        if self.micro_lamports < 0:
            raise ValueError(f"priority fee {self.micro_lamports} is below zero")


@dataclass(frozen=True, slots=True)
class ExpiringTransaction:
    """
    A transaction that can land up to a block and never after; store it before it is sent.

    Args:
        tx_hash: its signature, 64 bytes.
        last_block_number: number of the last block that may hold it. Blocks are counted here, not
            slots: a slot without a block has no number.
        signed_height: newest confirmed height when it was signed; it is in no older block.
    """

    chain_id: ChainId
    tx_hash: bytes
    raw: bytes
    fee: PriorityFee
    last_block_number: int
    signed_height: int


@dataclass(frozen=True, slots=True)
class Landed:
    """In a confirmed block, with its effect or with its error."""

    receipt: Receipt
    is_final: bool


@dataclass(frozen=True, slots=True)
class Waiting:
    """In no confirmed block; it may yet land."""


@dataclass(frozen=True, slots=True)
class Expired:
    """In no block up to a final one that is past its last block: it never lands."""


Sighting = Landed | Waiting | Expired


class TransactionSender(Protocol):
    """Signs and sends with one key on one chain. Holds no state between calls."""

    @property
    def chain_id(self) -> ChainId:
        """The chain that is written to."""
        ...

    @property
    def address(self) -> bytes:
        """The key's address, a word."""
        ...

    async def balance_units(self) -> int:
        """Return what the key can pay fees with, as of the newest block. [wei, lamports]"""
        ...

    async def receipt(self, tx_hash: bytes) -> Receipt | None:
        """Return where a transaction stands, None while it is in no block."""
        ...

    async def close(self) -> None:
        """Give the connections back."""
        ...


class NonceSender(TransactionSender, Protocol):
    """Sends where each transaction of a key has its number."""

    async def pending_account_nonce(self) -> int:
        """Return the next nonce, transactions in the node's pool included."""
        ...

    async def final_account_nonce(self) -> int:
        """Return the next nonce as of the newest final block; below it all are used for ever."""
        ...

    async def suggest_fees(self) -> Fees:
        """Return fees for a transaction to enter one of the next blocks, within the limits."""
        ...

    def bump_fees(self, old: Fees, suggested: Fees) -> Fees:
        """
        Return fees that replace an attempt; the old ones where they beat the market by far.

        Raises:
            FeeAboveCapError: the key may not pay more.
        """
        ...

    async def simulate(self, call: ContractCall) -> None:
        """
        Run a call without sending it.

        Raises:
            CallRevertedError: the contract would refuse; the reason is decoded.
        """
        ...

    async def prepare(
        self, call: ContractCall, account_nonce: int, fees: Fees
    ) -> SignedTransaction:
        """
        Sign a call; nothing is sent.

        Raises:
            CallRevertedError: the contract would refuse.
        """
        ...

    async def broadcast(self, transaction: SignedTransaction) -> None:
        """
        Send a signed transaction; sending it twice is fine.

        Raises:
            AccountNonceUsedError: another transaction has this nonce.
            FeeTooLowError: the node wants higher fees.
            GasFundsError: the key cannot pay.
        """
        ...


class ExpiringSender(TransactionSender, Protocol):
    """Sends where a transaction is valid for some blocks only."""

    async def suggest_fee(self, call: ProgramCall) -> PriorityFee:
        """Return what a call should offer now, within the limits."""
        ...

    def bump_fee(self, old: PriorityFee, suggested: PriorityFee) -> PriorityFee:
        """Return the fee of the attempt after an expired one: dearer, up to the limit."""
        ...

    async def simulate(self, call: ProgramCall) -> None:
        """
        Run a call without sending it.

        Raises:
            CallRevertedError: the program would refuse; the reason is its numbered error.
        """
        ...

    async def prepare(self, call: ProgramCall, fee: PriorityFee) -> ExpiringTransaction:
        """
        Sign a call with a fresh blockhash; nothing that is signed leaves the process.

        Raises:
            CallRevertedError: the program would refuse.
            GasFundsError: the key cannot pay.
        """
        ...

    async def broadcast(self, transaction: ExpiringTransaction) -> None:
        """Send a signed transaction; sending it twice is fine."""
        ...

    async def sighting(self, transaction: ExpiringTransaction) -> Sighting:
        """
        Return what became of a transaction; Waiting where it is not certain.

        Raises:
            TransientChainError: the node cannot know, for example because it is behind.
        """
        ...

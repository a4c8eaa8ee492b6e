"""
Ports: what the relayer asks of a chain, and the values that come back.

Everything asynchronous may raise any TransientChainError (ask again) or RpcAnswerError (the node
answered with something that cannot be true). Reads that name a block are pinned to exactly it.
"""

from dataclasses import dataclass
from typing import Final, Protocol

from chains.attestation import Attestation, GuardianSet
from chains.errors import MalformedLogError, MovementMissingError
from chains.events import ObservedEvent
from chains.finality import ChainIdentity, Heads
from chains.message import Message
from chains.types import BlockHeader, BlockRef, ChainId

Argument = int | bytes | bool | tuple["Argument", ...]
RAY: Final = 10**27


@dataclass(frozen=True, slots=True)
class EventRead:
    """
    The events of a block or a range, ordered by (height, log_index).

    malformed holds the logs of watched contracts that do not have the shape their topic promises:
    they never block the others, and must be reported. A lock that its token does not confirm is
    among the events, and its MovementMissingError among the malformed: nobody may count it unseen.
    """

    events: tuple[ObservedEvent, ...]
    malformed: tuple[MalformedLogError, ...]

    @property
    def unproven(self) -> dict[bytes, str]:
        """The ids of the locks without a token movement behind them, each with its reason."""
        reasons = {
            (error.block, error.log_index): error.reason
            for error in self.malformed
            if isinstance(error, MovementMissingError)
        }
        if not reasons:
            return {}
        places = {
            (event.position.block, event.position.log_index): event.position.event_id
            for event in self.events
        }
        return {places[place]: reason for place, reason in reasons.items() if place in places}

    @property
    def unreadable(self) -> tuple[MalformedLogError, ...]:
        """The logs that could not be read at all."""
        return tuple(e for e in self.malformed if not isinstance(e, MovementMissingError))


@dataclass(frozen=True, slots=True)
class VaultState:
    """What a vault says about one token at one block. [token base units]"""

    block: BlockRef
    vault: bytes
    token: bytes
    held_units: int
    balance_units: int
    outflow_available_units: int
    lock_count: int
    is_outflow_paused: bool
    is_lock_paused: bool


@dataclass(frozen=True, slots=True)
class CreditLineState:
    """The interest index as last written; debt accrues from last_accrued_seconds on."""

    index_ray: int
    last_accrued_seconds: int
    rate_per_second_ray: int


@dataclass(frozen=True, slots=True)
class Grant:
    """The grant in force for an account; all zero where there was none. [debt token base units]"""

    borrower: bytes
    limit_units: int
    expiry_seconds: int
    nonce: int


@dataclass(frozen=True, slots=True)
class Quote:
    """One raw answer of a price feed; answer is USD x 10^scale and may be zero or negative."""

    feed: bytes
    answer: int
    scale: int
    updated_at_seconds: int
    round_id: int


@dataclass(frozen=True, slots=True)
class ContractCall:
    """
    One call to one contract, not yet encoded.

    Args:
        function: canonical signature, for example lock(bytes32,address,uint256); empty for a
            transfer of nothing, which only uses a nonce up.
        arguments: one value per parameter; an address is a 32-byte left-padded word.
        gas_limit: None to estimate; give it where a contract swallows inner failures.
    """

    chain_id: ChainId
    contract: bytes
    function: str
    arguments: tuple[Argument, ...]
    gas_limit: int | None = None


@dataclass(frozen=True, slots=True)
class AccountUse:
    """
    An account that a program is handed.

    Args:
        key: 32 bytes; None stands for the key that sends, as a call does not say who that is.
    """

    key: bytes | None
    is_writable: bool

    @property
    def is_signer(self) -> bool:
        """Whether it signs: nobody but the key that sends does."""
        return self.key is None


@dataclass(frozen=True, slots=True)
class LookupTable:
    """A table of addresses on the chain, and what stands in it."""

    key: bytes
    entries: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class ProgramCall:
    """
    One instruction to one program of a chain whose transactions expire.

    Args:
        compute_units: what the whole transaction may use, the calls before this one included.
        lookup_tables: tables of addresses that may shorten the transaction.
        before: calls that go into the same transaction, before this one.
        is_preparation: it only makes room for a later call of the same delivery.
        context_height: what the call rests on was read at this height; none older is to be used.
    """

    chain_id: ChainId
    program: bytes
    accounts: tuple[AccountUse, ...]
    content: bytes
    compute_units: int
    lookup_tables: tuple[LookupTable, ...] = ()
    before: tuple["ProgramCall", ...] = ()
    is_preparation: bool = False
    context_height: int = 0


Call = ContractCall | ProgramCall


@dataclass(frozen=True, slots=True)
class Fees:
    """EIP-1559 fees of one transaction attempt. [wei per gas]"""

    max_fee_wei: int
    priority_fee_wei: int

    def __post_init__(self) -> None:
        if not 0 <= self.priority_fee_wei <= self.max_fee_wei:
            raise ValueError(
                f"priority fee {self.priority_fee_wei} is outside 0..max fee {self.max_fee_wei}"
            )


@dataclass(frozen=True, slots=True)
class SignedTransaction:
    """A transaction with an account nonce, ready to broadcast; store it before it is sent."""

    chain_id: ChainId
    tx_hash: bytes
    raw: bytes
    account_nonce: int
    fees: Fees


@dataclass(frozen=True, slots=True)
class Receipt:
    """
    A transaction's place on the chain; the block may still be reorganised away.

    gas_used: None where the chain counts otherwise. reason: why it failed, where the chain says so.
    """

    tx_hash: bytes
    block: BlockRef
    is_success: bool
    gas_used: int | None
    reason: str = ""
    contract: bytes | None = None  # what the transaction created, if it did


@dataclass(frozen=True, slots=True)
class DispatchReceipt:
    """A bridge took a message; reference is the bridge's own name for it."""

    message_id: bytes
    bridge: str
    reference: bytes


class ContractReader(Protocol):
    """Anything that can run a view of a contract."""

    @property
    def chain_id(self) -> ChainId:
        """The chain that is asked."""
        ...

    async def view(self, call: ContractCall, block: BlockRef | None) -> bytes:
        """
        Return the raw answer of a view at a block, or at the newest block.

        Raises:
            BlockGoneError: the block is not on the node's chain.
            CallRevertedError: the contract refused.
        """
        ...


class ChainReader(ContractReader, Protocol):
    """Reads one chain through one node."""

    @property
    def suggested_span(self) -> int:
        """How many blocks the next range should hold; grows and shrinks by experience."""
        ...

    async def identity(self) -> ChainIdentity:
        """
        Return the chain's number and first block.

        Raises:
            WrongChainError: the node serves another chain than the configured one.
        """
        ...

    async def heads(self) -> Heads:
        """Return the newest and the newest final header."""
        ...

    async def header_at(self, height: int) -> BlockHeader:
        """
        Return the newest block at or below a height of the node's chain.

        Where every height has a block that is the block there. On a chain with heights without a
        block it may be a lower one: compare its height before it is taken for the one asked for.

        Raises:
            BlockGoneError: the height is above the node's newest block, or below its history.
        """
        ...

    async def header_of(self, block_hash: bytes) -> BlockHeader:
        """
        Return the header with a hash.

        Raises:
            BlockGoneError: the hash is not on the node's chain.
        """
        ...

    async def events_in_block(self, block: BlockRef) -> EventRead:
        """
        Return the events of exactly this block, asked by its hash.

        Raises:
            BlockGoneError: the block is not on the node's chain.
        """
        ...

    async def events_in_range(self, first_height: int, last_height: int) -> EventRead:
        """
        Return the events of a range of final blocks, both ends included.

        Raises:
            RangeTooLargeError: halve the range and ask again.
        """
        ...

    async def vault_state(self, vault: bytes, token: bytes, block: BlockRef) -> VaultState:
        """Return what a vault says about a token at a block."""
        ...

    async def collateral_units(
        self, vault: bytes, account: bytes, token: bytes, block: BlockRef
    ) -> int:
        """Return what a vault holds for one account at a block. [token base units]"""
        ...

    async def guardian_set(self, contract: bytes, block: BlockRef | None) -> GuardianSet:
        """Return the current guardian set of a vault or a credit line."""
        ...

    async def is_executed(self, contract: bytes, message_id: bytes, block: BlockRef | None) -> bool:
        """Return whether a contract has executed a message."""
        ...

    async def credit_line_state(self, credit_line: bytes, block: BlockRef) -> CreditLineState:
        """Return the interest index of a credit line at a block."""
        ...

    async def debt_units(self, credit_line: bytes, account: bytes, block: BlockRef) -> int:
        """Return an account's debt at a block, interest included. [debt token base units]"""
        ...

    async def scaled_debt(self, credit_line: bytes, account: bytes, block: BlockRef) -> int:
        """Return an account's scaled debt: debt = ceil(scaled * index / 1e27)."""
        ...

    async def grant(self, credit_line: bytes, account: bytes, block: BlockRef) -> Grant:
        """Return the grant in force for an account at a block."""
        ...

    async def close(self) -> None:
        """Give the connections back; the reader may be used again afterwards."""
        ...


class PriceSource(Protocol):
    """Reads price feeds of one chain; the answers are raw and unjudged."""

    async def quote(self, feed: bytes, block: BlockRef | None) -> Quote:
        """Return the latest round of a feed, at a block or at the newest one."""
        ...


class Bridge(Protocol):
    """Carries messages to contracts; the contract judges what it is handed."""

    async def dispatch(self, message: Message) -> DispatchReceipt:
        """Hand a message to the bridge; doing it twice is fine."""
        ...

    def proof(self, message: Message, attestation: Attestation) -> bytes:
        """Return the bytes that prove the message to its target."""
        ...

    async def deliver(self, message: Message, attestation: Attestation) -> tuple[Call, ...]:
        """Return the calls that a message's delivery still needs, in order; the last delivers."""
        ...

    async def status(self, message: Message, block: BlockRef | None) -> bool:
        """Return whether the target has executed the message, at a block or at the newest."""
        ...

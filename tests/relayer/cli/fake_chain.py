"""A chain for the doctor's tests that answers as it is told."""

from dataclasses import dataclass, field, replace

from chains.attestation import GuardianSet
from chains.errors import RpcAnswerError, RpcTimeoutError
from chains.finality import ChainIdentity, Heads
from chains.port import (
    ContractCall,
    CreditLineState,
    EventRead,
    Fees,
    Grant,
    Quote,
    VaultState,
)
from chains.types import BlockHeader, BlockRef, ChainId

GENESIS = BlockRef(0, b"\x90" * 32)


def header(height: int, timestamp_seconds: int) -> BlockHeader:
    """Return a header with a hash of its own."""
    return BlockHeader(BlockRef(height, height.to_bytes(32, "big")), bytes(32), timestamp_seconds)


@dataclass
class FakeChain:
    """ChainReader, PriceSource and TransactionSender over given answers; errors are raised."""

    chain_id: ChainId
    heads_answer: Heads
    set_answer: GuardianSet
    identity_answer: ChainIdentity | Exception = field(
        default_factory=lambda: ChainIdentity("1", GENESIS)
    )
    quotes: dict[bytes, Quote] = field(default_factory=dict)
    missing_contracts: set[bytes] = field(default_factory=set)
    shortfall_units: int = 0
    is_paused: bool = False
    is_mute: bool = False
    numbers: dict[str, int] = field(
        default_factory=lambda: {"lastAttestedAt()": 0, "exitDelay()": 2**63}
    )
    suggested_span: int = 1
    address: bytes = bytes(31) + b"\x01"
    sender_balance_wei: int = 10**18

    async def identity(self) -> ChainIdentity:
        """Return or raise what was given."""
        if isinstance(self.identity_answer, Exception):
            raise self.identity_answer
        return self.identity_answer

    async def heads(self) -> Heads:
        """Return what was given; a mute node does not know the finalized tag."""
        if self.is_mute:
            raise RpcTimeoutError(chain_id=self.chain_id, method="eth_getBlockByNumber")
        return self.heads_answer

    async def guardian_set(self, contract: bytes, block: BlockRef | None) -> GuardianSet:
        """Return what was given."""
        self._refuse_missing(contract)
        return self.set_answer

    async def vault_state(self, vault: bytes, token: bytes, block: BlockRef) -> VaultState:
        """Return a vault that holds 100 units."""
        self._refuse_missing(vault)
        return VaultState(
            block=block,
            vault=vault,
            token=token,
            held_units=100,
            balance_units=100 - self.shortfall_units,
            outflow_available_units=100,
            lock_count=1,
            is_outflow_paused=self.is_paused,
            is_lock_paused=False,
        )

    async def credit_line_state(self, credit_line: bytes, block: BlockRef) -> CreditLineState:
        """Return a fresh index."""
        self._refuse_missing(credit_line)
        return CreditLineState(index_ray=10**27, last_accrued_seconds=0, rate_per_second_ray=0)

    async def quote(self, feed: bytes, block: BlockRef | None) -> Quote:
        """Return what was given for the feed."""
        self._refuse_missing(feed)
        return replace(self.quotes[feed])

    async def pending_account_nonce(self) -> int:
        """Return three sent."""
        return 3

    async def final_account_nonce(self) -> int:
        """Return two final."""
        return 2

    async def balance_units(self) -> int:
        """Return what was given."""
        return self.sender_balance_wei

    async def suggest_fees(self) -> Fees:
        """Return 10 gwei."""
        return Fees(max_fee_wei=10 * 10**9, priority_fee_wei=10**9)

    async def close(self) -> None:
        """Do nothing."""

    async def view(self, call: ContractCall, block: BlockRef | None) -> bytes:
        """Return the number that was given for it, at the newest block only."""
        self._refuse_missing(call.contract)
        assert block == self.heads_answer.latest.block
        return self.numbers[call.function].to_bytes(32, "big")

    async def header_at(self, height: int) -> BlockHeader:
        """Return the head."""
        return self.heads_answer.latest

    async def header_of(self, block_hash: bytes) -> BlockHeader:
        """Return the head."""
        return self.heads_answer.latest

    async def events_in_block(self, block: BlockRef) -> EventRead:
        """Return none."""
        return EventRead((), ())

    async def events_in_range(self, first_height: int, last_height: int) -> EventRead:
        """Return none."""
        return EventRead((), ())

    async def collateral_units(
        self, vault: bytes, account: bytes, token: bytes, block: BlockRef
    ) -> int:
        """Return none."""
        return 0

    async def is_executed(self, contract: bytes, message_id: bytes, block: BlockRef | None) -> bool:
        """Return not."""
        return False

    async def debt_units(self, credit_line: bytes, account: bytes, block: BlockRef) -> int:
        """Return none."""
        return 0

    async def scaled_debt(self, credit_line: bytes, account: bytes, block: BlockRef) -> int:
        """Return none."""
        return 0

    async def grant(self, credit_line: bytes, account: bytes, block: BlockRef) -> Grant:
        """Return none."""
        return Grant(borrower=bytes(32), limit_units=0, expiry_seconds=0, nonce=0)

    def _refuse_missing(self, contract: bytes) -> None:
        if contract in self.missing_contracts:
            raise RpcAnswerError(
                chain_id=self.chain_id, method="eth_call", reason="0 bytes; no code there?"
            )

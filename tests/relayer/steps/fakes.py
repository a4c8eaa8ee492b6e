"""Small honest stand-ins for guardians, nodes and bridges: they keep state and record calls."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from eth_hash.auto import keccak

from chains.attestation import Attestation, attestation_digest
from chains.errors import CallRevertedError, RpcUnavailableError
from chains.finality import Heads
from chains.message import Message, decode_message
from chains.port import (
    Call,
    ContractCall,
    DispatchReceipt,
    Fees,
    Receipt,
    SignedTransaction,
    VaultState,
)
from chains.types import BlockHeader, BlockRef, ChainId
from relayer.steps.ports import GuardianAnswer
from tests.databases import NOW
from tests.relayer.api.kit import CHAIN_A, Signer, signer
from tests.relayer.steps.world import block_of, header_of


@dataclass(frozen=True, slots=True)
class Answer:
    """What a guardian says."""

    signature: bytes | None = None
    is_final: bool = False
    code: str = "signed"
    detail: str = ""


REFUSED = Answer(None, is_final=True, code="insufficient_margin", detail="1 of 2 units")
AWAY = Answer(None, is_final=False, code="unreachable", detail="no answer")
BEHIND = Answer(None, is_final=False, code="behind", detail="eip155:1: at 1, the hub was at 2")


def signature_of(key: Signer, request: Mapping[str, Any], **changes: Any) -> bytes:
    """Return a guardian's signature over the message of a request, or over something else."""
    message = decode_message(bytes.fromhex(request["message"][2:]))
    values: dict[str, Any] = {
        "chain_id": ChainId(request["target_chain"]),
        "contract": message.vault,
        "message_id": message.message_id,
        "guardian_set_index": 0,
    }
    return bytes.fromhex(key.sign(attestation_digest(**(values | changes)))[2:])


class FakeDoor:
    """A guardian: signs unless told what to answer instead."""

    def __init__(self, key: Signer, answer: Answer | None = None) -> None:
        self._key = key
        self.answer = answer
        self.asked: list[Mapping[str, Any]] = []

    @property
    def label(self) -> str:
        """The guardian's name."""
        return "g" + self._key.address.hex()[-4:]

    @property
    def address(self) -> bytes:
        """The guardian's key."""
        return self._key.address

    async def ask(self, request: Mapping[str, Any]) -> GuardianAnswer:
        """Answer and remember."""
        self.asked.append(request)
        return self.answer or Answer(signature_of(self._key, request))


class FakeBridge:
    """A target contract that remembers what it executed, and at which height."""

    def __init__(self) -> None:
        self.executed: dict[bytes, int] = {}
        self.on_status: Callable[[], None] = lambda: None

    async def dispatch(self, message: Message) -> DispatchReceipt:
        """Take nothing: guardians read the outbox."""
        return DispatchReceipt(message.message_id, "fake", message.message_id)

    def proof(self, message: Message, attestation: Attestation) -> bytes:
        """Return nothing: the calls carry everything."""
        return b""

    async def deliver(self, message: Message, attestation: Attestation) -> tuple[Call, ...]:
        """Return the one call."""
        raw = (message.encode(), attestation.guardian_set_index, attestation.signatures)
        return (ContractCall(CHAIN_A, message.vault, "execute(bytes,uint32,bytes[])", raw),)

    async def status(self, message: Message, block: BlockRef | None) -> bool:
        """Return whether it was executed, as of a block."""
        self.on_status()
        height = self.executed.get(message.message_id)
        return height is not None and (block is None or height <= block.height)


class FakeSender:
    """A key and its node: signs deterministically, records what is broadcast, keeps receipts."""

    def __init__(self, key: Signer | None = None) -> None:
        self._key = key or signer("gas")
        self.account_nonce = 7
        self.final_nonce = 7
        self.revert_reason: str | None = None
        self.broadcast_error: Exception | None = None
        self.sent: list[bytes] = []
        self.receipts: dict[bytes, Receipt] = {}
        self.on_prepare: Callable[[], None] = lambda: None
        self.on_broadcast: Callable[[], None] = lambda: None

    @property
    def chain_id(self) -> ChainId:
        """The chain that is written to."""
        return CHAIN_A

    @property
    def address(self) -> bytes:
        """The key's address."""
        return self._key.address

    async def balance_units(self) -> int:
        """Return what the key can pay with."""
        return 10**18

    async def pending_account_nonce(self) -> int:
        """Return the next nonce, the pool included."""
        return self.account_nonce

    async def final_account_nonce(self) -> int:
        """Return the next nonce as of the final block."""
        return self.final_nonce

    async def suggest_fees(self) -> Fees:
        """Return the market's fees."""
        return Fees(100, 10)

    def bump_fees(self, old: Fees, suggested: Fees) -> Fees:
        """Return fees that replace an attempt."""
        return Fees(old.max_fee_wei * 9 // 8 + 1, old.priority_fee_wei * 9 // 8 + 1)

    async def simulate(self, call: ContractCall) -> None:
        """Refuse as the contract would."""
        if self.revert_reason is not None:
            raise CallRevertedError(chain_id=CHAIN_A, reason=self.revert_reason)

    async def prepare(
        self, call: ContractCall, account_nonce: int, fees: Fees
    ) -> SignedTransaction:
        """Sign: the same call, nonce and fees give the same bytes."""
        self.on_prepare()
        if call.function:
            await self.simulate(call)
        raw = repr((call, account_nonce, fees, self.address)).encode()
        return SignedTransaction(CHAIN_A, keccak(raw), raw, account_nonce, fees)

    async def broadcast(self, transaction: SignedTransaction) -> None:
        """Record what is sent."""
        self.on_broadcast()
        if self.broadcast_error is not None:
            raise self.broadcast_error
        self.sent.append(transaction.raw)

    async def receipt(self, tx_hash: bytes) -> Receipt | None:
        """Return where a transaction stands."""
        return self.receipts.get(tx_hash)

    async def close(self) -> None:
        """Do nothing."""

    def mine(self, raw: bytes, height: int, *, is_success: bool = True) -> None:
        """Put a transaction into a block."""
        tx_hash = keccak(raw)
        self.receipts[tx_hash] = Receipt(tx_hash, block_of(height), is_success, 21_000)


@dataclass(slots=True)
class FakeReader:
    """A node: heads and vaults as a test sets them."""

    chain_id: ChainId = CHAIN_A
    latest: BlockHeader = field(default_factory=lambda: header_of(200, NOW))
    finalized: BlockHeader = field(default_factory=lambda: header_of(190, NOW - 120))
    vaults: dict[bytes, VaultState] = field(default_factory=dict)
    is_down: bool = False

    async def heads(self) -> Heads:
        """Return the newest and the newest final header."""
        if self.is_down:
            raise RpcUnavailableError(chain_id=self.chain_id, method="heads", reason="down")
        return Heads(self.latest, self.finalized)

    async def vault_state(self, vault: bytes, token: bytes, block: BlockRef) -> VaultState:
        """Return what a vault says about a token."""
        return self.vaults[token]

"""One sender out of several nodes: all hear the same bytes, a quorum says what became of them."""

import asyncio
from dataclasses import dataclass, field, replace

import pytest

from chains.agreement.board import Terms
from chains.errors import (
    BlockGoneError,
    CallRevertedError,
    ChainError,
    QuorumLostError,
    RpcDisagreementError,
    RpcTimeoutError,
)
from chains.port import ProgramCall, Receipt
from chains.sending import (
    Expired,
    ExpiringTransaction,
    Landed,
    PriorityFee,
    Sighting,
    Waiting,
)
from chains.solana.agreeing_sender import EXPIRY_SLACK_BLOCKS, AgreeingExpiringSender
from chains.types import BlockRef, ChainId

CHAIN = ChainId("solana:2bUSYaZ9pFRH2JRiwbvkpzFNJ61hk4yS")
CALL = ProgramCall(CHAIN, bytes(32), (), b"", 200_000)
RECEIPT = Receipt(bytes(64), BlockRef(7, b"\x07" * 32), True, None)
OTHER = replace(RECEIPT, block=BlockRef(8, b"\x08" * 32))


@dataclass
class NodeSender:
    """What one node says; an error in a place is raised."""

    last_block_number: int = 150
    seen: Sighting | ChainError = field(default_factory=Waiting)
    known: frozenset[int] = frozenset({149, 150, 151})
    fee: int = 1_000
    refusal: ChainError | None = None
    heard: list[bytes] = field(default_factory=list)
    chain_id: ChainId = CHAIN
    address: bytes = b"\x01" * 32

    async def balance_units(self) -> int:
        """Return what it says the key has."""
        return self.fee

    async def suggest_fee(self, call: ProgramCall) -> PriorityFee:
        """Return its suggestion."""
        return PriorityFee(self.fee)

    def bump_fee(self, old: PriorityFee, suggested: PriorityFee) -> PriorityFee:
        """Return one more."""
        return PriorityFee(max(old.micro_lamports, suggested.micro_lamports) + 1)

    async def simulate(self, call: ProgramCall) -> None:
        """Refuse what it refuses."""
        if self.refusal is not None:
            raise self.refusal

    async def prepare(self, call: ProgramCall, fee: PriorityFee) -> ExpiringTransaction:
        """Sign with its own newest blockhash."""
        await self.simulate(call)
        number = self.last_block_number
        tx_hash = number.to_bytes(64, "big")
        return ExpiringTransaction(CHAIN, tx_hash, tx_hash, fee, number, number - 150)

    async def is_taken(self, transaction: ExpiringTransaction) -> bool:
        """Return whether it knows the blockhash."""
        return transaction.last_block_number in self.known

    async def broadcast(self, transaction: ExpiringTransaction) -> None:
        """Remember."""
        if self.refusal is not None:
            raise self.refusal
        self.heard.append(transaction.raw)

    async def receipt(self, tx_hash: bytes) -> Receipt | None:
        """Return where it sees it."""
        return self.seen.receipt if isinstance(self.seen, Landed) else None

    async def sighting(self, transaction: ExpiringTransaction) -> Sighting:
        """Return what it sees."""
        if isinstance(self.seen, ChainError):
            raise self.seen
        return self.seen

    async def close(self) -> None:
        """Do nothing."""


def prepared(*nodes: NodeSender) -> ExpiringTransaction:
    """Return what is signed through nodes of which two must agree."""
    sender = AgreeingExpiringSender(nodes, Terms(2))
    return asyncio.run(sender.prepare(CALL, PriorityFee(5)))


def seen_by(*seen: Sighting | ChainError) -> Sighting:
    """Return what two of the nodes say."""
    sender = AgreeingExpiringSender([NodeSender(seen=one) for one in seen], Terms(2))
    signed = ExpiringTransaction(CHAIN, bytes(64), b"", PriorityFee(5), 150, 1)
    return asyncio.run(sender.sighting(signed))


GONE = BlockGoneError(chain_id=CHAIN, reference="9")


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ((Waiting(), Waiting(), Waiting()), Waiting()),
        ((Expired(), Expired(), Waiting()), Expired()),
        ((Expired(), Waiting(), Waiting()), Waiting()),
        ((Expired(), Expired(), Landed(RECEIPT, True)), Expired()),
        ((Expired(), Waiting(), GONE), Waiting()),
        ((Landed(RECEIPT, True), Landed(RECEIPT, True), Waiting()), Landed(RECEIPT, True)),
        ((Landed(RECEIPT, True), Landed(RECEIPT, False), Waiting()), Landed(RECEIPT, False)),
        ((Landed(RECEIPT, True), Landed(OTHER, True), Waiting()), Waiting()),
        ((Landed(RECEIPT, True), Waiting(), Waiting()), Waiting()),
    ],
)
def test_a_quorum_says_what_became_of_it(
    seen: tuple[Sighting | ChainError, ...], expected: Sighting
) -> None:
    """One node alone neither lands it nor lets it expire; without a quorum it still waits."""
    assert seen_by(*seen) == expected


def test_without_enough_nodes_nothing_is_said() -> None:
    """Silence is no sighting."""
    timeout = RpcTimeoutError(chain_id=CHAIN, method="getSignatureStatuses")

    with pytest.raises(QuorumLostError):
        seen_by(Expired(), timeout, timeout)


def test_the_blockhash_lasts_no_longer_than_a_quorum_has_reached() -> None:
    """And it is waited for longer than any of them says."""
    signed = prepared(
        NodeSender(149, known=frozenset({149})),
        NodeSender(150, known=frozenset({149, 150})),
        NodeSender(151),
    )

    assert signed.tx_hash == (150).to_bytes(64, "big")
    assert signed.last_block_number == 150 + EXPIRY_SLACK_BLOCKS
    assert signed.signed_height == -1


def test_a_blockhash_that_one_node_made_up_is_not_taken() -> None:
    """The next longest that a quorum knows is."""
    knows = frozenset({148, 149})

    signed = prepared(
        NodeSender(150, known=frozenset({150})),
        NodeSender(151, known=knows),
        NodeSender(149, known=knows),
    )

    assert signed.tx_hash == (149).to_bytes(64, "big")


def test_where_no_blockhash_is_known_to_a_quorum_nothing_is_signed() -> None:
    """It is asked again."""
    with pytest.raises(RpcDisagreementError):
        prepared(*(NodeSender(number, known=frozenset()) for number in (149, 150, 151)))


def test_a_refusal_counts_when_a_quorum_says_it() -> None:
    """One node alone cannot keep a message from being sent."""
    refusal = CallRevertedError(chain_id=CHAIN, reason="PAUSED (7070)")

    assert prepared(NodeSender(refusal=refusal), NodeSender(), NodeSender()).fee == PriorityFee(5)
    with pytest.raises(CallRevertedError):
        prepared(NodeSender(refusal=refusal), NodeSender(refusal=refusal), NodeSender())


def test_every_node_hears_the_same_bytes() -> None:
    """One that takes them is enough."""
    away = RpcTimeoutError(chain_id=CHAIN, method="sendTransaction")
    nodes = [NodeSender(refusal=away), NodeSender(), NodeSender()]
    sender = AgreeingExpiringSender(nodes, Terms(2))
    signed = ExpiringTransaction(CHAIN, bytes(64), b"raw", PriorityFee(5), 150, 1)

    asyncio.run(sender.broadcast(signed))

    assert [node.heard for node in nodes] == [[], [b"raw"], [b"raw"]]
    for node in nodes:
        node.refusal = away
    with pytest.raises(QuorumLostError):
        asyncio.run(sender.broadcast(signed))


def test_fees_and_balance_are_what_a_quorum_stands_for() -> None:
    """The middle fee, and at least so much money."""
    sender = AgreeingExpiringSender([NodeSender(fee=fee) for fee in (7, 10**9, 8)], Terms(2))

    async def asked() -> tuple[PriorityFee, int]:
        return await sender.suggest_fee(CALL), await sender.balance_units()

    assert asyncio.run(asked()) == (PriorityFee(8), 8)
    assert sender.bump_fee(PriorityFee(1), PriorityFee(5)) == PriorityFee(6)

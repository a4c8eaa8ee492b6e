"""
One sender out of several nodes: what is sent goes to all of them, what is read needs a quorum.

All nodes get the same signed bytes, so that nobody who answers for a single node can keep a
transaction back, invent its receipt, or name a nonce of their own.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from eth_account.typed_transactions.typed_transaction import TypedTransaction
from hexbytes import HexBytes

from chains.agreement.board import Terms
from chains.agreement.quorum import Quorum
from chains.agreement.votes import values, values_or_refusals
from chains.nodes import NodeStatus
from chains.port import ContractCall, Fees, Receipt, SignedTransaction, TransactionSender
from chains.types import ChainId


class AgreeingSender:
    """
    chains.port.TransactionSender over several senders with one key.

    Args:
        senders: one for each node, all with the same key.
        terms: how many must agree, and how the nodes are called.
    """

    def __init__(self, senders: Sequence[TransactionSender], terms: Terms) -> None:
        if len({(sender.chain_id, sender.address) for sender in senders}) > 1:
            raise ValueError("the nodes of an agreement serve one chain and one key")
        chain_id = senders[0].chain_id if senders else ChainId("")
        self._senders = tuple(senders)
        self._quorum: Quorum[TransactionSender] = Quorum(chain_id, senders, terms)

    @property
    def chain_id(self) -> ChainId:
        """The chain that is written to."""
        return self._quorum.chain_id

    @property
    def address(self) -> bytes:
        """The key's address, left-padded."""
        return self._senders[0].address

    def nodes(self) -> tuple[NodeStatus, ...]:
        """Return how each node stands, in the order of the senders."""
        return self._quorum.board.statuses()

    async def close(self) -> None:
        """Give the connections back."""
        await asyncio.gather(*(sender.close() for sender in self._senders))

    async def pending_account_nonce(self) -> int:
        """Return the next nonce that a quorum has reached, pools included."""
        return await self._reached("account_nonce", lambda node: node.pending_account_nonce())

    async def final_account_nonce(self) -> int:
        """Return the next final nonce that a quorum has reached; below it all are used for ever."""
        return await self._reached("account_nonce", lambda node: node.final_account_nonce())

    async def balance_units(self) -> int:
        """Return what a quorum says the key has at least. [wei]"""
        return await self._reached("balance", lambda node: node.balance_units())

    async def suggest_fees(self) -> Fees:
        """Return the middle one of the suggestions of at least a quorum, the lower of two."""
        found = await self._quorum.reached("fees", lambda node: node.suggest_fees())
        fees = sorted(
            (fees for _, fees in found), key=lambda fees: (fees.max_fee_wei, fees.priority_fee_wei)
        )
        return fees[(len(fees) - 1) // 2]

    def bump_fees(self, old: Fees, suggested: Fees) -> Fees:
        """Return fees that replace an attempt, or the old ones when the limits allow none."""
        return self._senders[0].bump_fees(old, suggested)

    async def simulate(self, call: ContractCall) -> None:
        """Run a call without sending it; raise CallRevertedError if a quorum says so."""
        await self._quorum.agreed("simulate", lambda node: node.simulate(call), is_settled=False)

    async def prepare(
        self, call: ContractCall, account_nonce: int, fees: Fees
    ) -> SignedTransaction:
        """
        Sign a call with the middle one of the gas estimates of at least a quorum.

        Nothing is sent. Raise CallRevertedError if a quorum says that the contract would refuse.
        """
        if call.gas_limit is not None:
            return await self._senders[0].prepare(call, account_nonce, fees)
        poll = await self._quorum.asked(
            lambda node: node.prepare(call, account_nonce, fees), values_or_refusals
        )
        (prepared,) = values(poll.answers)
        if not self._quorum.carries(prepared):
            self._quorum.refuse("prepare", poll, is_settled=False)
        signed: list[SignedTransaction] = [answer.value for answer in prepared]
        return sorted(signed, key=_gas_limit)[(len(signed) - 1) // 2]

    async def broadcast(self, transaction: SignedTransaction) -> None:
        """
        Send a signed transaction to every node; one that takes it, or knows it, is enough.

        Raises:
            AccountNonceUsedError, FeeTooLowError, GasFundsError: no node took it, and a quorum
                refuses it for this.
            QuorumLostError: no node took it, and no quorum says why.
        """
        poll = await self._quorum.told(lambda node: node.broadcast(transaction))
        if not any(answer.error is None for answer in poll.answers):
            self._quorum.refuse("broadcast", poll, is_settled=False)

    async def receipt(self, tx_hash: bytes) -> Receipt | None:
        """Return where a quorum sees a transaction, None while a quorum sees it in no block."""
        return await self._quorum.agreed(
            "receipt", lambda node: node.receipt(tx_hash), is_settled=False
        )

    async def _reached(
        self, method: str, ask: Callable[[TransactionSender], Awaitable[int]]
    ) -> int:
        """Return what a quorum has reached: so many nodes say at least this."""
        return self._quorum.reached_value(await self._quorum.reached(method, ask))


def _gas_limit(transaction: SignedTransaction) -> int:
    """Return the gas limit that was signed."""
    gas: int = TypedTransaction.from_bytes(HexBytes(transaction.raw)).as_dict()["gas"]
    return gas

"""
What senders over several nodes share: what is sent goes to all, what is read needs a quorum.

All nodes get the same signed bytes, so that nobody who answers for a single node can keep a
transaction back or invent its receipt.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from chains.agreement.board import Terms
from chains.agreement.quorum import Quorum
from chains.nodes import NodeStatus
from chains.port import Receipt
from chains.sending import TransactionSender
from chains.types import ChainId

S = TypeVar("S", bound=TransactionSender)


class AgreeingNodes(Generic[S]):
    """
    The part of a sender that both families have, over several senders with one key.

    Args:
        senders: one for each node, all with the same key.
        terms: how many must agree, and how the nodes are called.
    """

    def __init__(self, senders: Sequence[S], terms: Terms) -> None:
        if len({(sender.chain_id, sender.address) for sender in senders}) > 1:
            raise ValueError("the nodes of an agreement serve one chain and one key")
        chain_id = senders[0].chain_id if senders else ChainId("")
        self._senders = tuple(senders)
        self._quorum: Quorum[S] = Quorum(chain_id, senders, terms)

    @property
    def chain_id(self) -> ChainId:
        """The chain that is written to."""
        return self._quorum.chain_id

    @property
    def address(self) -> bytes:
        """The key's address, a word."""
        return self._senders[0].address

    def nodes(self) -> tuple[NodeStatus, ...]:
        """Return how each node stands, in the order of the senders."""
        return self._quorum.board.statuses()

    async def close(self) -> None:
        """Give the connections back."""
        await asyncio.gather(*(sender.close() for sender in self._senders))

    async def balance_units(self) -> int:
        """Return what a quorum says the key has at least. [wei, lamports]"""
        return await self._reached("balance", lambda node: node.balance_units())

    async def receipt(self, tx_hash: bytes) -> Receipt | None:
        """Return where a quorum sees a transaction, None while a quorum sees it in no block."""
        return await self._quorum.agreed(
            "receipt", lambda node: node.receipt(tx_hash), is_settled=False
        )

    async def _told(self, tell: Callable[[S], Awaitable[None]]) -> None:
        """
        Tell every node; one that takes it, or knows it, is enough.

        Raises:
            QuorumLostError: no node took it, and no quorum says why.
            ChainError: no node took it, and a quorum refuses it for this.
        """
        poll = await self._quorum.told(tell)
        if not any(answer.error is None for answer in poll.answers):
            self._quorum.refuse("broadcast", poll, is_settled=False)

    async def _reached(self, method: str, ask: Callable[[S], Awaitable[int]]) -> int:
        """Return what a quorum has reached: so many nodes say at least this."""
        return self._quorum.reached_value(await self._quorum.reached(method, ask))

"""One sender of a Solana cluster out of several nodes."""

from dataclasses import replace
from typing import Final, Protocol

from chains.agreement.sender import AgreeingNodes
from chains.agreement.votes import values_or_refusals
from chains.errors import RpcDisagreementError
from chains.port import ProgramCall, Receipt
from chains.sending import (
    Expired,
    ExpiringSender,
    ExpiringTransaction,
    Landed,
    PriorityFee,
    Sighting,
    Waiting,
)

# A node may know newer blocks than the quorum has reached, and name a newer blockhash than it says.
EXPIRY_SLACK_BLOCKS: Final = 32


class NodeExpiringSender(ExpiringSender, Protocol):
    """A sender through one node that can also be asked about another node's blockhash."""

    async def is_taken(self, transaction: ExpiringTransaction) -> bool:
        """Return whether the node knows a transaction's blockhash, and takes it still."""
        ...


class AgreeingExpiringSender(AgreeingNodes[NodeExpiringSender]):
    """
    chains.sending.ExpiringSender over several senders with one key.

    A transaction has landed, is final or has expired when a quorum says so; else it still waits.
    """

    async def suggest_fee(self, call: ProgramCall) -> PriorityFee:
        """Return the middle one of the suggestions of at least a quorum, the lower of two."""
        found = await self._quorum.reached("fees", lambda node: node.suggest_fee(call))
        fees = sorted((fee for _, fee in found), key=lambda fee: fee.micro_lamports)
        return fees[(len(fees) - 1) // 2]

    def bump_fee(self, old: PriorityFee, suggested: PriorityFee) -> PriorityFee:
        """Return the fee of the attempt after an expired one: dearer, up to the limit."""
        return self._senders[0].bump_fee(old, suggested)

    async def simulate(self, call: ProgramCall) -> None:
        """Run a call without sending it; raise CallRevertedError if a quorum says so."""
        await self._quorum.agreed("simulate", lambda node: node.simulate(call), is_settled=False)

    async def prepare(self, call: ProgramCall, fee: PriorityFee) -> ExpiringTransaction:
        """
        Sign a call with a blockhash that lasts as long as a quorum's at most.

        Each node names its own newest blockhash. The one that is taken lasts no longer than what a
        quorum has reached, a quorum knows it, and it is taken to last a little longer than that:
        waiting too long costs seconds, signing again too early could do the same twice.

        Raises:
            CallRevertedError: a quorum says that the program would refuse.
        """
        poll = await self._quorum.asked(lambda node: node.prepare(call, fee), values_or_refusals)
        prepared = [answer for answer in poll.answers if answer.error is None]
        if not self._quorum.carries(prepared):
            self._quorum.refuse("prepare", poll, is_settled=False)
        by_node = {answer.node: answer.value for answer in prepared}
        reached = self._quorum.reached_value(
            (node, signed.last_block_number) for node, signed in by_node.items()
        )
        chosen = await self._taken(
            [signed for signed in by_node.values() if signed.last_block_number <= reached]
        )
        return replace(
            chosen,
            last_block_number=reached + EXPIRY_SLACK_BLOCKS,
            signed_height=min(signed.signed_height for signed in by_node.values()),
        )

    async def _taken(self, candidates: list[ExpiringTransaction]) -> ExpiringTransaction:
        """Return the longest lasting one whose blockhash a quorum knows: one node may invent it."""
        lasting = sorted(candidates, key=lambda signed: signed.last_block_number, reverse=True)
        for signed in lasting:
            if await self._is_known(signed):
                return signed
        raise RpcDisagreementError(
            chain_id=self.chain_id, method="prepare", detail="no blockhash is known to a quorum"
        )

    async def _is_known(self, signed: ExpiringTransaction) -> bool:
        found = await self._quorum.reached("prepare", lambda node: node.is_taken(signed))
        return self._is_quorum([node for node, is_taken in found if is_taken])

    async def broadcast(self, transaction: ExpiringTransaction) -> None:
        """Send a signed transaction to every node; one that takes it is enough."""
        await self._told(lambda node: node.broadcast(transaction))

    async def sighting(self, transaction: ExpiringTransaction) -> Sighting:
        """Return what a quorum says became of a transaction; Waiting where none agrees."""
        found = await self._quorum.reached("sighting", lambda node: node.sighting(transaction))
        sightings = [(node, seen) for node, seen in found]
        if self._is_quorum([node for node, seen in sightings if isinstance(seen, Expired)]):
            return Expired()
        landed = {node: seen for node, seen in sightings if isinstance(seen, Landed)}
        for receipt in {seen.receipt for seen in landed.values()}:
            same = [node for node, seen in landed.items() if seen.receipt == receipt]
            if self._is_quorum(same):
                return Landed(receipt, self._is_quorum(_final(landed, receipt)))
        return Waiting()

    def _is_quorum(self, nodes: list[int]) -> bool:
        return len(nodes) >= self._quorum.size and self._quorum.board.has_own(nodes)


def _final(landed: dict[int, Landed], receipt: Receipt) -> list[int]:
    """Return the nodes that call a receipt final."""
    return [node for node, seen in landed.items() if seen.receipt == receipt and seen.is_final]

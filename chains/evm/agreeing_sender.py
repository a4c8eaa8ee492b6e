"""One sender of an EVM chain out of several nodes."""

from eth_account.typed_transactions.typed_transaction import TypedTransaction
from hexbytes import HexBytes

from chains.agreement.sender import AgreeingNodes
from chains.agreement.votes import values, values_or_refusals
from chains.port import ContractCall, Fees, SignedTransaction
from chains.sending import NonceSender


class AgreeingSender(AgreeingNodes[NonceSender]):
    """
    chains.sending.NonceSender over several senders with one key.

    Nobody who answers for a single node can name a nonce of their own either.
    """

    async def pending_account_nonce(self) -> int:
        """Return the next nonce that a quorum has reached, pools included."""
        return await self._reached("account_nonce", lambda node: node.pending_account_nonce())

    async def final_account_nonce(self) -> int:
        """Return the next final nonce that a quorum has reached; below it all are used for ever."""
        return await self._reached("account_nonce", lambda node: node.final_account_nonce())

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
        await self._told(lambda node: node.broadcast(transaction))


def _gas_limit(transaction: SignedTransaction) -> int:
    """Return the gas limit that was signed."""
    gas: int = TypedTransaction.from_bytes(HexBytes(transaction.raw)).as_dict()["gas"]
    return gas

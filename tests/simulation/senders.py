"""The sender's key and its node: the pool takes, drops and forgets what it was sent."""

from dataclasses import dataclass
from typing import Final

from eth_hash.auto import keccak

from chains.errors import (
    AccountNonceUsedError,
    CallRevertedError,
    FeeTooLowError,
    RpcTimeoutError,
    RpcUnavailableError,
)
from chains.events import EventPosition
from chains.port import ContractCall, Fees, Receipt, SignedTransaction
from chains.types import ChainId
from tests.relayer.api.kit import signer
from tests.simulation.chain import SimulatedChain, Transaction
from tests.simulation.contracts import Deliver, Nothing, RevertError, apply
from tests.simulation.process import Process, ViolationError

GAS_KEY: Final = signer("gas")
EXECUTE: Final = ("execute(bytes,uint32,bytes[])", "grant(bytes,uint32,bytes[])")
FEES: Final = Fees(100, 10)


@dataclass(slots=True)
class SimulatedSender:
    """chains.port.TransactionSender of one process on one chain."""

    process: Process
    chain: SimulatedChain

    @property
    def chain_id(self) -> ChainId:
        """The chain that is written to."""
        return self.chain.chain_id

    @property
    def address(self) -> bytes:
        """The key's address."""
        return GAS_KEY.address

    def _ask(self, method: str) -> None:
        self.process.call_point(method)
        chance = self.process.around.chance
        if chance.hits(chance.rates.rpc_error):
            raise RpcUnavailableError(chain_id=self.chain_id, method=method, reason="simulated")

    async def balance_units(self) -> int:
        """Return enough."""
        return 10**18

    async def pending_account_nonce(self) -> int:
        """Return the next nonce, what follows in the pool included."""
        self._ask("pending_account_nonce")
        nonce = self.chain.newest.state.account_nonces.get(self.address, 0)
        waiting = {one.account_nonce for one in self.chain.pool if one.sender == self.address}
        while nonce in waiting:
            nonce += 1
        return nonce

    async def final_account_nonce(self) -> int:
        """Return the next nonce as of the final block."""
        self._ask("final_account_nonce")
        return self.chain.final.state.account_nonces.get(self.address, 0)

    async def suggest_fees(self) -> Fees:
        """Return the market's fees."""
        self._ask("suggest_fees")
        return FEES

    def bump_fees(self, old: Fees, suggested: Fees) -> Fees:
        """Return fees that replace an attempt."""
        del suggested
        return Fees(old.max_fee_wei * 9 // 8 + 1, old.priority_fee_wei * 9 // 8 + 1)

    async def simulate(self, call: ContractCall) -> None:
        """Run a call on the newest block's storage without keeping what it does."""
        self._ask("simulate")
        delivery = _call_of(call)
        if isinstance(delivery, Nothing):
            return
        block = self.chain.newest
        at = max(self.chain.clock.now(), block.header.timestamp_seconds)
        try:
            position = EventPosition(self.chain_id, block.ref, bytes(32), 0, call.contract)
            apply(delivery, block.state.copy(), self.chain.site, at, position)
        except RevertError as exc:
            raise CallRevertedError(chain_id=self.chain_id, reason=str(exc)) from exc

    async def prepare(
        self, call: ContractCall, account_nonce: int, fees: Fees
    ) -> SignedTransaction:
        """Sign: the same call, nonce and fees give the same bytes."""
        await self.simulate(call)
        raw = keccak(repr((self.chain_id, call, account_nonce, fees)).encode())
        self.chain.signed[raw] = _call_of(call)
        return SignedTransaction(self.chain_id, keccak(raw), raw, account_nonce, fees)

    async def broadcast(self, transaction: SignedTransaction) -> None:
        """Put a transaction into the pool, unless it is dropped on the way."""
        self._ask("broadcast")
        self._check_stored(transaction)
        chance, chain = self.process.around.chance, self.chain
        if self._is_mined(transaction.tx_hash):
            return
        nonce = chain.newest.state.account_nonces.get(self.address, 0)
        if transaction.account_nonce < nonce:
            raise AccountNonceUsedError(
                chain_id=self.chain_id, account_nonce=transaction.account_nonce
            )
        for other in chain.pool:
            if (other.sender, other.account_nonce) == (self.address, transaction.account_nonce):
                if other.tx_hash == transaction.tx_hash:
                    return
                if other.fees.max_fee_wei >= transaction.fees.max_fee_wei:
                    raise FeeTooLowError(chain_id=self.chain_id, reason="underpriced")
        is_lost = chance.hits(chance.rates.pool)
        if is_lost:
            self.process.around.note(f"! {self.chain_id} drops nonce {transaction.account_nonce}")
        else:
            self._take(transaction)
        if chance.hits(chance.rates.pool):
            raise RpcTimeoutError(chain_id=self.chain_id, method="broadcast")

    def _take(self, transaction: SignedTransaction) -> None:
        call = self.chain.signed[transaction.raw]
        self.chain.submit(
            Transaction(
                tx_hash=transaction.tx_hash,
                name=f"{type(call).__name__.lower()}.{transaction.account_nonce}",
                call=call,
                sender=self.address,
                account_nonce=transaction.account_nonce,
                fees=transaction.fees,
            )
        )

    def _check_stored(self, transaction: SignedTransaction) -> None:
        """Check that what is broadcast is in the sender's database already, by the same nonce."""
        found = self.process.database.raw.execute(
            "SELECT account_nonce FROM send_attempt WHERE chain_id = ? AND tx_hash = ?",
            (self.chain_id, transaction.tx_hash),
        ).fetchone()
        if found is None or found[0] != transaction.account_nonce:
            raise ViolationError("stored_before_sent", f"nonce {transaction.account_nonce}")

    def _is_mined(self, tx_hash: bytes) -> bool:
        return any(
            one.tx_hash == tx_hash for block in self.chain.blocks for one in block.transactions
        )

    async def receipt(self, tx_hash: bytes) -> Receipt | None:
        """Return where a transaction stands on the living branch."""
        self._ask("receipt")
        for block in reversed(self.chain.blocks):
            for transaction in block.transactions:
                if transaction.tx_hash == tx_hash:
                    return Receipt(tx_hash, block.ref, tx_hash in block.successes, 21_000)
        return None

    async def close(self) -> None:
        """Nothing is open."""


def _call_of(call: ContractCall) -> Deliver | Nothing:
    if not call.function and call.contract == GAS_KEY.address:
        return Nothing()
    if call.function not in EXECUTE:
        raise AssertionError(f"nothing sends {call.function}")
    raw, index, signatures = call.arguments
    assert isinstance(raw, bytes)
    assert isinstance(index, int)
    assert isinstance(signatures, tuple)
    return Deliver(raw, index, tuple(one for one in signatures if isinstance(one, bytes)))

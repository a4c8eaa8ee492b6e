"""The way of a transaction: checked, tried, executed, put into a block."""

import json
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from solders.account import Account
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction
from solders.transaction_metadata import FailedTransactionMetadata, TransactionMetadata

from chains.devnet.exchange import RefusalError
from chains.devnet.solana.bank import Bank
from chains.devnet.solana.faults import Faults
from chains.devnet.solana.ledger import Ledger
from chains.devnet.solana.nonces import (
    inward,
    is_usable,
    nonce_key_of,
    outward,
    translated,
    with_value,
)
from chains.devnet.solana.records import (
    Landed,
    balances_of,
    keys_of,
    writable_keys,
)
from chains.devnet.solana.refusals import SIGNATURE_FAILURE, node_behind, preflight_failure
from chains.devnet.solana.views import return_fields
from chains.finality import Finality

WAITING_MAX: Final = 100_000


@dataclass(frozen=True, slots=True)
class Simulated:
    """What a transaction would do; accounts are those it may change, afterwards."""

    err: Any
    outcome: TransactionMetadata | None = None
    accounts: tuple[tuple[Pubkey, Account], ...] = ()

    def fields(self) -> dict[str, Any]:
        """Return it as a cluster shows it."""
        outcome = self.outcome
        return {
            "err": self.err,
            "logs": [] if outcome is None else outcome.logs(),
            "accounts": None,
            "unitsConsumed": 0 if outcome is None else outcome.compute_units_consumed(),
            "returnData": None if outcome is None else return_fields(outcome),
            "innerInstructions": None,
            "replacementBlockhash": None,
        }


class Pipeline:
    """Takes transactions for a ledger. Hold the ledger's lock."""

    def __init__(self, ledger: Ledger, faults: Faults) -> None:
        self.ledger = ledger
        self.faults = faults
        self._waiting: deque[tuple[int, VersionedTransaction]] = deque()

    def check(self, tx: VersionedTransaction, finality: Finality) -> None:
        """
        Try a transaction as a node does before it sends it on.

        Raises:
            RefusalError: the node is behind, a signature is wrong, or the transaction would fail.
        """
        if self.faults.behind_slots:
            raise node_behind(self.faults.behind_slots)
        self.check_signatures(tx)
        simulated = self.simulate(tx, finality)
        if simulated.err is not None:
            raise preflight_failure(simulated.fields())

    def check_signatures(self, tx: VersionedTransaction) -> None:
        """
        Check the signatures of a transaction.

        Raises:
            RefusalError: one is wrong.
        """
        if not all(tx.verify_with_results()):
            raise RefusalError(SIGNATURE_FAILURE, "Transaction signature verification failure")

    def simulate(
        self, tx: VersionedTransaction, finality: Finality, *, is_any_hash: bool = False
    ) -> Simulated:
        """
        Return what a transaction would do to the accounts of a level; signatures are not checked.

        Args:
            is_any_hash: take it whatever its blockhash is.
        """
        slot = self.ledger.block_at(finality).slot
        before = self.ledger.landed.get(str(tx.signatures[0]))
        if before is not None and before.slot <= slot and not is_any_hash:
            return Simulated("AlreadyProcessed")
        if not is_any_hash and not self._is_fresh(tx, finality):
            return Simulated("BlockhashNotFound")
        bank = self.ledger.bank
        keys = keys_of(tx, bank)
        writable = writable_keys(tx, keys)
        with bank.staged(self._marked(tx, writable) | bank.as_of(keys.all, slot)):
            if not _has_programs(tx, bank):
                return Simulated("ProgramAccountNotFound")
            bank.svm.with_sigverify(False)
            try:
                done = bank.svm.simulate_transaction(tx)
            finally:
                bank.svm.with_sigverify(True)
        if isinstance(done, FailedTransactionMetadata):
            return Simulated(json.loads(done.to_json())["err"], done.meta())
        accounts = tuple((key, self._unmarked(tx, one)) for key, one in done.post_accounts())
        return Simulated(None, done.meta(), accounts)

    def send(self, tx: VersionedTransaction) -> str:
        """Take a transaction in, at once or as the faults say, and return its signature."""
        signature = str(tx.signatures[0])
        if self.faults.drops(signature):
            return signature
        if self.faults.inclusion_delay_slots:
            if len(self._waiting) < WAITING_MAX:
                due_slot = self.ledger.tip.slot + self.faults.inclusion_delay_slots
                self._waiting.append((due_slot, tx))
        else:
            self.execute(tx)
        return signature

    @property
    def is_waiting(self) -> bool:
        """Whether a delayed transaction has not landed yet."""
        return bool(self._waiting)

    def execute_due(self) -> None:
        """Execute what has waited long enough."""
        for _ in range(len(self._waiting)):
            due_slot, tx = self._waiting.popleft()
            if due_slot <= self.ledger.tip.slot:
                self.execute(tx)
            else:
                self._waiting.append((due_slot, tx))

    def include_again(self, dropped: Sequence[Landed]) -> list[str]:
        """Execute what a rollback dropped; return the signatures that land again."""
        return [one.signature for one in dropped if self.execute(one.tx) is not None]

    def execute(self, tx: VersionedTransaction) -> Landed | None:
        """
        Run a transaction in the open block.

        Returns:
            None if it does not land: known already, too old, without its program or its fee.
        """
        ledger, bank = self.ledger, self.ledger.bank
        is_by_hash = ledger.is_hash_valid(tx.message.recent_blockhash, Finality.LATEST)
        if str(tx.signatures[0]) in ledger.landed or not self._is_fresh(tx, Finality.LATEST):
            return None
        if not _has_programs(tx, bank):
            return None
        keys = keys_of(tx, bank)
        writable = writable_keys(tx, keys)
        before = {key: bank.newest(key) for key in writable}
        balances = balances_of(keys, bank)
        for key, account in self._marked(tx, writable).items():
            if account is not None:
                bank.svm.set_account(key, account)
        done = bank.svm.send_transaction(tx)
        is_failed = isinstance(done, FailedTransactionMetadata)
        outcome = done.meta() if isinstance(done, FailedTransactionMetadata) else done
        payer_lamports = bank.svm.get_balance(keys.static[0]) or 0
        is_paid = balances.lamports[0] - payer_lamports >= outcome.fee() > 0
        self._settle_nonces(tx, writable, is_advanced=is_failed and is_paid and not is_by_hash)
        if is_failed and not is_paid:
            return None
        for key, account in before.items():
            bank.note(key, account, ledger.tip.slot)
        err = json.loads(done.to_json())["err"] if is_failed else None
        landed = Landed(
            signature=str(tx.signatures[0]),
            tx=tx,
            keys=keys,
            slot=ledger.tip.slot,
            err=err,
            outcome=outcome,
            before=balances,
            after=balances_of(keys, bank),
        )
        ledger.land(landed)
        return landed

    def _is_fresh(self, tx: VersionedTransaction, finality: Finality) -> bool:
        """Return whether a blockhash or a nonce of a level lets a transaction in."""
        if self.ledger.is_hash_valid(tx.message.recent_blockhash, finality):
            return True
        key = nonce_key_of(tx)
        if key is None:
            return False
        account = self.ledger.bank.account(key, self.ledger.block_at(finality).slot)
        return is_usable(account, tx, self.ledger.durable)

    def _settle_nonces(
        self, tx: VersionedTransaction, writable: Sequence[Pubkey], *, is_advanced: bool
    ) -> None:
        """Give nonces true values; is_advanced: that of a failed transaction goes on too."""
        bank, durable = self.ledger.bank, self.ledger.durable
        for key in writable:
            account = bank.newest(key)
            settled = translated(account, outward(tx, durable))
            if settled is not None and settled is not account:
                bank.svm.set_account(key, settled)
        nonce_key = nonce_key_of(tx) if is_advanced else None
        nonce = None if nonce_key is None else bank.newest(nonce_key)
        if nonce_key is not None and nonce is not None:
            bank.svm.set_account(nonce_key, with_value(nonce, durable))

    def _marked(
        self, tx: VersionedTransaction, writable: Sequence[Pubkey]
    ) -> dict[Pubkey, Account | None]:
        """Return the nonces that the runtime must see with another value."""
        found: dict[Pubkey, Account | None] = {}
        for key in writable:
            account = self.ledger.bank.newest(key)
            marked = translated(account, inward(tx, self.ledger.durable))
            if marked is not account:
                found[key] = marked
        return found

    def _unmarked(self, tx: VersionedTransaction, account: Account) -> Account:
        settled = translated(account, outward(tx, self.ledger.durable))
        return account if settled is None else settled


def _has_programs(tx: VersionedTransaction, bank: Bank) -> bool:
    """Return whether all programs that a transaction calls are there; the runtime takes it so."""
    called = {one.program_id_index for one in tx.message.instructions}
    return all(bank.svm.get_balance(tx.message.account_keys[place]) for place in called)

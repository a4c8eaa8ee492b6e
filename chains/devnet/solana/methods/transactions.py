"""Methods that send and try transactions, and the faucet."""

from typing import Any, Final

from solders.compute_budget import set_compute_unit_limit
from solders.hash import Hash
from solders.message import Message
from solders.system_program import TransferParams, transfer
from solders.transaction import VersionedTransaction

from chains.devnet.solana.codec import account_fields, pubkey_of, transaction_of
from chains.devnet.solana.methods.node import Method, Node
from chains.devnet.solana.params import Params, check_context_slot, in_context, level_of
from chains.devnet.solana.pipeline import Simulated
from chains.devnet.solana.refusals import invalid
from chains.devnet.solana.views import inner_fields
from chains.finality import Finality

AIRDROP_LAMPORTS_MAX: Final = 1_000_000 * 10**9
AIRDROP_UNITS: Final = 10_000
SIMULATED_ACCOUNTS_MAX: Final = 64


class TransactionMethods:
    """Takes transactions."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self._airdrops = 0
        self.methods: dict[str, Method] = {
            "sendTransaction": self._send,
            "simulateTransaction": self._simulate,
            "requestAirdrop": self._airdrop,
        }

    def _send(self, params: Params) -> str:
        config = params.config(1)
        tx = transaction_of(params.required(0), config.get("encoding", "base58"))
        level = level_of(config, "preflightCommitment")
        check_context_slot(config, self.node.ledger.block_at(level).slot)
        if config.get("skipPreflight") is not True:
            self.node.pipeline.check(tx, level)
        return self.node.pipeline.send(tx)

    def _simulate(self, params: Params) -> dict[str, Any]:
        config = params.config(1)
        tx = transaction_of(params.required(0), config.get("encoding", "base58"))
        level = level_of(config)
        slot = self.node.slot_of(config)
        is_any_hash = config.get("replaceRecentBlockhash") is True
        if config.get("sigVerify") is True:
            if is_any_hash:
                raise invalid("sigVerify may not be used with replaceRecentBlockhash")
            self.node.pipeline.check_signatures(tx)
        simulated = self.node.pipeline.simulate(tx, level, is_any_hash=is_any_hash)
        fields = simulated.fields()
        if "accounts" in config:
            fields["accounts"] = _accounts(simulated, config["accounts"], self.node, slot)
        if config.get("innerInstructions") is True and simulated.outcome is not None:
            fields["innerInstructions"] = inner_fields(simulated.outcome)
        if is_any_hash:
            block_hash, _ = self.node.ledger.newest_hash(level)
            fields["replacementBlockhash"] = {
                "blockhash": str(Hash(block_hash)),
                "lastValidBlockHeight": self.node.last_valid_height(level),
            }
        return in_context(slot, fields)

    def _airdrop(self, params: Params) -> str:
        receiver, lamports = pubkey_of(params.required(0)), params.integer(1)
        if lamports > AIRDROP_LAMPORTS_MAX:
            raise invalid("Invalid param: airdrop request exceeds what the faucet gives at once")
        faucet = self.node.options.faucet
        # The limit differs each time, so that equal airdrops are different transactions.
        self._airdrops += 1
        instructions = [
            set_compute_unit_limit(AIRDROP_UNITS + self._airdrops % AIRDROP_UNITS),
            transfer(
                TransferParams(from_pubkey=faucet.pubkey(), to_pubkey=receiver, lamports=lamports)
            ),
        ]
        block_hash, _ = self.node.ledger.newest_hash(Finality.LATEST)
        message = Message.new_with_blockhash(instructions, faucet.pubkey(), Hash(block_hash))
        return self.node.pipeline.send(VersionedTransaction(message, [faucet]))


def _accounts(simulated: Simulated, asked: object, node: Node, slot: int) -> list[Any]:
    """Return the accounts that were asked for, as they would be afterwards."""
    if not isinstance(asked, dict) or not isinstance(asked.get("addresses"), list):
        raise invalid("Invalid params: accounts is an object with addresses")
    changed = {} if simulated.err is not None else dict(simulated.accounts)
    if len(asked["addresses"]) > SIMULATED_ACCOUNTS_MAX:
        raise invalid(f"Too many accounts provided; max {SIMULATED_ACCOUNTS_MAX}")
    config = {name: one for name, one in asked.items() if one is not None}
    shown: list[dict[str, Any] | None] = []
    for key in map(pubkey_of, asked["addresses"]):
        account = changed.get(key) or node.ledger.bank.account(key, slot)
        if account is None or account.lamports == 0:
            shown.append(None)
        else:
            shown.append(account_fields(account, {"encoding": "base64"} | config))
    return shown

"""Steps of a scenario as transactions; runs in both environments, so only solders is imported."""

from typing import Any

from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.message import Message
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction


def transaction_of(step: dict[str, Any], blockhash: Hash) -> VersionedTransaction:
    """Return the transaction of a step; the first of its keys pays."""
    keys = [Keypair.from_seed(bytes.fromhex(seed)) for seed in step["seeds"]]
    instructions = [
        Instruction(
            Pubkey.from_string(each["program"]),
            bytes.fromhex(each["content"]),
            [AccountMeta(Pubkey.from_string(key), *flags) for key, *flags in each["accounts"]],
        )
        for each in step["instructions"]
    ]
    message = Message.new_with_blockhash(instructions, keys[0].pubkey(), blockhash)
    signers = {key.pubkey(): key for key in keys}
    required = message.account_keys[: message.header.num_required_signatures]
    return VersionedTransaction(message, [signers[key] for key in required])

"""Transactions, their effects and blocks as a cluster shows them."""

from typing import Any, Final

from solders.hash import Hash
from solders.message import Message, MessageV0, MessageV1
from solders.pubkey import Pubkey
from solders.transaction import Legacy, VersionedTransaction
from solders.transaction_metadata import TransactionMetadata

from chains.base58 import base58_of
from chains.devnet.solana.codec import base64_of
from chains.devnet.solana.records import Block, Landed, TokenBalance, writable_keys
from chains.devnet.solana.refusals import invalid, unsupported_version

MEMO_PROGRAMS: Final = (
    Pubkey.from_string("Memo1UhkJRfHyvLMcVucJwxXeuD728EqVDDwQDxFMNo"),
    Pubkey.from_string("MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr"),
)
TOP_STACK_HEIGHT: Final = 1
ENCODINGS: Final = ("json", "base64", "base58")
DETAILS: Final = ("full", "accounts", "signatures", "none")


def encoding_of(config: dict[str, Any]) -> str:
    """
    Return how transactions are asked for.

    Raises:
        RefusalError: an encoding that is unknown or not served.
    """
    encoding = config.get("encoding", "json")
    if encoding not in ENCODINGS:
        served = ", ".join(ENCODINGS)
        raise invalid(f"encoding {encoding} is not served by this devnet; it has {served}")
    return str(encoding)


def check_version(tx: VersionedTransaction, config: dict[str, Any]) -> None:
    """
    Check that the asker understands a transaction.

    Raises:
        RefusalError: it is of a version that was not asked for.
    """
    version = tx.version()
    if isinstance(version, Legacy):
        return
    highest = config.get("maxSupportedTransactionVersion")
    if type(highest) is not int or highest < version:
        raise unsupported_version(version)


def transaction_fields(landed: Landed, config: dict[str, Any]) -> dict[str, Any]:
    """Return a transaction and its effects: transaction, meta, and version where asked for."""
    encoding = encoding_of(config)
    check_version(landed.tx, config)
    shown: dict[str, Any] = {"transaction": _encoded(landed.tx, encoding), "meta": meta_of(landed)}
    return shown | _version_fields(landed.tx, config)


def _version_fields(tx: VersionedTransaction, config: dict[str, Any]) -> dict[str, Any]:
    if config.get("maxSupportedTransactionVersion") is None:
        return {}
    version = tx.version()
    return {"version": "legacy" if isinstance(version, Legacy) else version}


def _encoded(tx: VersionedTransaction, encoding: str) -> object:
    match encoding:
        case "base64":
            return [base64_of(bytes(tx)), encoding]
        case "base58":
            return [base58_of(bytes(tx)), encoding]
        case _:
            return {
                "signatures": list(map(str, tx.signatures)),
                "message": message_fields(tx.message),
            }


def message_fields(message: Message | MessageV0 | MessageV1) -> dict[str, Any]:
    """Return a message with its accounts and instructions by number."""
    header = message.header
    fields: dict[str, Any] = {
        "header": {
            "numRequiredSignatures": header.num_required_signatures,
            "numReadonlySignedAccounts": header.num_readonly_signed_accounts,
            "numReadonlyUnsignedAccounts": header.num_readonly_unsigned_accounts,
        },
        "accountKeys": list(map(str, message.account_keys)),
        "recentBlockhash": str(message.recent_blockhash),
        "instructions": [_instruction(one, TOP_STACK_HEIGHT) for one in message.instructions],
    }
    if isinstance(message, MessageV0):
        fields["addressTableLookups"] = [
            {
                "accountKey": str(lookup.account_key),
                "writableIndexes": list(bytes(lookup.writable_indexes)),
                "readonlyIndexes": list(bytes(lookup.readonly_indexes)),
            }
            for lookup in message.address_table_lookups
        ]
    return fields


def _instruction(compiled: Any, stack_height: int | None) -> dict[str, Any]:
    return {
        "programIdIndex": compiled.program_id_index,
        "accounts": list(compiled.accounts),
        "data": base58_of(compiled.data),
        "stackHeight": stack_height,
    }


def meta_of(landed: Landed) -> dict[str, Any]:
    """Return the effects of a transaction."""
    outcome, err = landed.outcome, landed.err
    fields = {
        "err": err,
        "status": {"Ok": None} if err is None else {"Err": err},
        "fee": landed.fee_lamports,
        "preBalances": landed.before.lamports,
        "postBalances": landed.after.lamports,
        "innerInstructions": inner_fields(outcome),
        "logMessages": outcome.logs(),
        "preTokenBalances": list(map(_token_balance, landed.before.tokens)),
        "postTokenBalances": list(map(_token_balance, landed.after.tokens)),
        "rewards": [],
        "loadedAddresses": {
            "writable": list(map(str, landed.keys.loaded_writable)),
            "readonly": list(map(str, landed.keys.loaded_readonly)),
        },
        "computeUnitsConsumed": outcome.compute_units_consumed(),
    }
    returned = return_fields(outcome)
    return fields if returned is None else fields | {"returnData": returned}


def inner_fields(outcome: TransactionMetadata) -> list[dict[str, Any]]:
    """Return what programs called, by the instruction that it came of."""
    return [
        {
            "index": place,
            "instructions": [_instruction(one.instruction(), one.stack_height()) for one in calls],
        }
        for place, calls in enumerate(outcome.inner_instructions())
        if calls
    ]


def return_fields(outcome: TransactionMetadata) -> dict[str, Any] | None:
    """Return what the last program gave back, None if nothing."""
    returned = outcome.return_data()
    if not returned.data:
        return None
    program = str(returned.program_id)
    return {"programId": program, "data": [base64_of(bytes(returned.data)), "base64"]}


def token_amount(units: int, decimals: int) -> dict[str, Any]:
    """Return an amount of tokens in all the forms of a cluster."""
    digits = str(units).rjust(decimals + 1, "0")
    whole, rest = digits[: len(digits) - decimals], digits[len(digits) - decimals :].rstrip("0")
    text = f"{whole}.{rest}" if rest else whole
    return {
        "amount": str(units),
        "decimals": decimals,
        "uiAmount": float(text),
        "uiAmountString": text,
    }


def _token_balance(balance: TokenBalance) -> dict[str, Any]:
    return {
        "accountIndex": balance.place,
        "mint": str(balance.mint),
        "owner": str(balance.owner),
        "programId": str(balance.program),
        "uiTokenAmount": token_amount(balance.units, balance.decimals),
    }


def memo_of(landed: Landed) -> str | None:
    """Return the memos of a transaction with their lengths, None if it has none."""
    static = landed.keys.static
    memos = [
        f"[{len(one.data)}] {bytes(one.data).decode(errors='replace')}"
        for one in landed.tx.message.instructions
        if one.program_id_index < len(static) and static[one.program_id_index] in MEMO_PROGRAMS
    ]
    return "; ".join(memos) or None


def block_fields(block: Block, config: dict[str, Any]) -> dict[str, Any]:
    """
    Return a closed block as far as transactionDetails asks for.

    Raises:
        RefusalError: details or encoding that are unknown, or a transaction's version.
    """
    details = config.get("transactionDetails", "full")
    if details not in DETAILS:
        raise invalid(f"Invalid params: unknown variant `{details}`, expected {', '.join(DETAILS)}")
    fields: dict[str, Any] = {
        "blockHeight": block.height,
        "blockTime": block.seconds,
        "blockhash": str(Hash(block.block_hash)),
        "parentSlot": block.parent_slot,
        "previousBlockhash": str(Hash(block.parent_hash)),
    }
    if config.get("rewards", True):
        fields["rewards"] = []
    if details == "full":
        fields["transactions"] = [transaction_fields(one, config) for one in block.landed]
    elif details == "accounts":
        fields["transactions"] = [_accounts_fields(one, config) for one in block.landed]
    elif details == "signatures":
        fields["signatures"] = [one.signature for one in block.landed]
    return fields


def _accounts_fields(landed: Landed, config: dict[str, Any]) -> dict[str, Any]:
    check_version(landed.tx, config)
    writable = frozenset(writable_keys(landed.tx, landed.keys))
    keys = [
        {
            "pubkey": str(key),
            "signer": place < landed.tx.message.header.num_required_signatures,
            "writable": key in writable,
            "source": "transaction" if place < len(landed.keys.static) else "lookupTable",
        }
        for place, key in enumerate(landed.keys.all)
    ]
    meta = meta_of(landed)
    kept = (
        "err",
        "status",
        "fee",
        "preBalances",
        "postBalances",
        "preTokenBalances",
        "postTokenBalances",
    )
    shown: dict[str, Any] = {
        "transaction": {"signatures": list(map(str, landed.tx.signatures)), "accountKeys": keys},
        "meta": {name: meta[name] for name in kept},
    }
    return shown | _version_fields(landed.tx, config)

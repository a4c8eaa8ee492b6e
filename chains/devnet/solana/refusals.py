"""The error objects of a cluster, with its codes and its words."""

from typing import Any, Final

from chains.devnet.exchange import CODE_INVALID_PARAMS, RefusalError

BLOCK_CLEANED_UP: Final = -32001
PREFLIGHT_FAILURE: Final = -32002
SIGNATURE_FAILURE: Final = -32003
BLOCK_NOT_AVAILABLE: Final = -32004
NODE_UNHEALTHY: Final = -32005
SLOT_SKIPPED: Final = -32007
LONG_TERM_SLOT_SKIPPED: Final = -32009
BLOCK_STATUS_NOT_YET: Final = -32014
UNSUPPORTED_VERSION: Final = -32015
MIN_CONTEXT_SLOT: Final = -32016

TRANSACTION_ERRORS: Final = {
    "AccountNotFound": "Attempt to debit an account but found no record of a prior credit.",
    "AccountLoadedTwice": "Account loaded twice",
    "AddressLookupTableNotFound": "Transaction loads an address table account that doesn't exist",
    "AlreadyProcessed": "This transaction has already been processed",
    "BlockhashNotFound": "Blockhash not found",
    "InsufficientFundsForFee": "Insufficient funds for fee",
    "InvalidAccountForFee": "This account may not be used to pay transaction fees",
    "InvalidProgramForExecution": "This program may not be used for executing instructions",
    "ProgramAccountNotFound": "Attempt to load a program that does not exist",
    "SanitizeFailure": "Transaction failed to sanitize accounts offsets correctly",
}


def invalid(text: str) -> RefusalError:
    """Return the refusal of wrong parameters."""
    return RefusalError(CODE_INVALID_PARAMS, text)


def node_behind(slots: int) -> RefusalError:
    """Return what a node says that has not caught up."""
    text = f"Node is behind by {slots} slots"
    return RefusalError(NODE_UNHEALTHY, text, {"numSlotsBehind": slots})


def block_not_available(slot: int) -> RefusalError:
    """Return the refusal of a block that is not there yet, or not sure enough."""
    return RefusalError(BLOCK_NOT_AVAILABLE, f"Block not available for slot {slot}")


def block_status_not_yet(slot: int) -> RefusalError:
    """Return the refusal of a block whose history is not written yet."""
    return RefusalError(BLOCK_STATUS_NOT_YET, f"Block status not yet available for slot {slot}")


def block_cleaned_up(slot: int, first_slot: int) -> RefusalError:
    """Return the refusal of a block that is no longer kept."""
    text = f"Block {slot} cleaned up, does not exist on node. First available block: {first_slot}"
    return RefusalError(BLOCK_CLEANED_UP, text)


def slot_skipped(slot: int, *, is_long_ago: bool) -> RefusalError:
    """Return the refusal of a slot without a block; long ago the archive answers."""
    if is_long_ago:
        text = f"Slot {slot} was skipped, or missing in long-term storage"
        return RefusalError(LONG_TERM_SLOT_SKIPPED, text)
    text = f"Slot {slot} was skipped, or missing due to ledger jump to recent snapshot"
    return RefusalError(SLOT_SKIPPED, text)


def min_context_slot(slot: int) -> RefusalError:
    """Return the refusal of a node that has not reached what was asked for."""
    text = "Minimum context slot has not been reached"
    return RefusalError(MIN_CONTEXT_SLOT, text, {"contextSlot": slot})


def unsupported_version(version: int) -> RefusalError:
    """Return the refusal to show a transaction of a version that was not asked for."""
    text = (
        f"Transaction version ({version}) is not supported by the requesting client. Please try the"
        " request again with the following configuration parameter:"
        f' "maxSupportedTransactionVersion": {version}'
    )
    return RefusalError(UNSUPPORTED_VERSION, text)


def preflight_failure(simulated: dict[str, Any]) -> RefusalError:
    """Return the refusal of a transaction that fails when tried."""
    text = f"Transaction simulation failed: {error_text(simulated['err'])}"
    return RefusalError(PREFLIGHT_FAILURE, text, simulated)


def error_text(err: Any) -> str:
    """Return a transaction's error in words."""
    match err:
        case str():
            return TRANSACTION_ERRORS.get(err, err)
        case {"InstructionError": [int(place), {"Custom": int(code)}]}:
            return f"Error processing Instruction {place}: custom program error: {code:#x}"
        case {"InstructionError": [int(place), reason]}:
            name = reason if isinstance(reason, str) else next(iter(reason))
            return f"Error processing Instruction {place}: {_words(name)}"
        case {"InsufficientFundsForRent": {"account_index": int(place)}}:
            return f"Transaction results in an account ({place}) with insufficient funds for rent"
        case _:
            return str(next(iter(err)))


def _words(name: str) -> str:
    """Return `insufficient funds` for `InsufficientFunds`."""
    return "".join(" " + c.lower() if c.isupper() else c for c in name).strip()

"""What a transaction's error means: a program's refusal, or something that passes."""

from collections.abc import Sequence
from typing import Final

from chains.errors import BlockGoneError, CallRevertedError, ChainError, GasFundsError
from chains.line.shapes import shown
from chains.solana.vault_errors import VaultProgramError
from chains.types import ChainId

VAULT_NUMBERS: Final = {error.value: error.name for error in VaultProgramError}
FUNDS_ERRORS: Final = (
    *("AccountNotFound", "InsufficientFundsForFee", "InsufficientFundsForRent"),
    "InvalidAccountForFee",
)
PASSING_ERRORS: Final = ("BlockhashNotFound", "AccountInUse", "ClusterMaintenance")
# What the system program says in its log when a payer lacks what an account must hold.
RENT_LOG: Final = "insufficient lamports"


def reason_of(err: object) -> str:
    """Return a transaction's error in words; those of the vault program by name and number."""
    if isinstance(err, dict) and len(err) == 1:
        ((name, content),) = err.items()
        if name == "InstructionError" and isinstance(content, list) and content:
            return _instruction_reason(content[-1])
        return shown(name)
    return shown(err)


def refusal_of(chain_id: ChainId, payer: str, err: object, logs: Sequence[object]) -> ChainError:
    """
    Return the error of a transaction that was tried and would fail.

    Args:
        payer: the sending key's address, for what it cannot pay.
    """
    name = next(iter(err)) if isinstance(err, dict) and err else err
    if name in PASSING_ERRORS:
        return BlockGoneError(chain_id=chain_id, reference=shown(name))
    is_rent = any(isinstance(line, str) and RENT_LOG in line for line in logs)
    if name in FUNDS_ERRORS or is_rent:
        return GasFundsError(chain_id=chain_id, address=payer)
    return CallRevertedError(chain_id=chain_id, reason=reason_of(err))


def _instruction_reason(content: object) -> str:
    if not isinstance(content, dict) or type(content.get("Custom")) is not int:
        return shown(content)
    number = content["Custom"]
    if number in VAULT_NUMBERS:
        return f"{VAULT_NUMBERS[number]} ({number})"
    return f"error {number} of the token or the system program"

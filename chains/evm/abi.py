"""Selectors, topics and encodings, computed from canonical signatures."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError, EncodingError
from eth_hash.auto import keccak

from chains.port import Argument
from chains.types import WORD_BYTES, checksum_address, evm_address_of_word, word_of_evm_address

SELECTOR_BYTES: Final = 4
REVERT_TEXT_LENGTH_MAX: Final = 300
ERROR_SIGNATURES: Final = (
    "Error(string reason)",
    "Panic(uint256 code)",
    "CollateralVaultAccountZero()",
    "CollateralVaultAmountZero(bytes32 account,address token)",
    "CollateralVaultExitTooEarly(uint256 timestamp,uint256 allowedAfter)",
    "CollateralVaultInsufficient(bytes32 account,address token,uint256 amount,uint256 available)",
    "CollateralVaultListLengths(uint256 tokens,uint256 capacities)",
    "CollateralVaultNonceOutdated(uint8 kind,uint64 nonce,uint256 nonceMin)",
    "CollateralVaultOutflowAboveCapacity(address token,uint256 amount,uint256 capacity)",
    (
        "CollateralVaultOutflowLimited(address token,uint256 amount,uint256 available,"
        "uint256 waitSeconds)"
    ),
    "CollateralVaultOverpaid(address token,uint256 expectedBalance,uint256 balance)",
    (
        "CollateralVaultParameterOutOfRange(bytes32 key,uint256 value,uint256 valueMin,"
        "uint256 valueMax)"
    ),
    "CollateralVaultParameterUnknown(bytes32 key)",
    "CollateralVaultPauseFlagsInvalid(uint256 flags)",
    "CollateralVaultPaused(address token,uint256 flags)",
    "CollateralVaultRecipientInvalid(address recipient)",
    "CollateralVaultTokenNotListed(address token)",
    "CollateralVaultTokenTwice(address token)",
    "CreditLineAccountZero()",
    "CreditLineAmountZero()",
    "CreditLineArrivalMismatch(uint256 amount,uint256 received)",
    "CreditLineGrantExpired(bytes32 account,uint64 expiry,uint256 timestamp)",
    "CreditLineLimitExceeded(bytes32 account,uint256 debtAfter,uint256 limit)",
    "CreditLineLiquidityShort(uint256 amount,uint256 available)",
    "CreditLineNoDebt(bytes32 account)",
    "CreditLineNonceOutdated(bytes32 account,uint64 nonce,uint256 nonceMin)",
    "CreditLineNotBorrower(bytes32 account,address caller,address borrower)",
    "CreditLineOverpaid(uint256 expectedBalance,uint256 balance)",
    "CreditLineRateTooHigh(uint256 ratePerSecondRay,uint256 rateMaxRay)",
    "CreditLineRecipientInvalid(address recipient)",
    "CreditLineRepaymentTooSmall(bytes32 account,uint256 amount)",
    "CreditLineSupplyShort(address supplier,uint256 amount,uint256 supplied)",
    "CreditLineWrongToken(address token,address expected)",
    "GuardianSetMembersNotAscending(uint256 position,address previous,address member)",
    "GuardianSetNotAMember(address signer,uint32 index)",
    "GuardianSetOutdated(uint32 index,uint64 validUntil,uint256 timestamp)",
    "GuardianSetOverlapTooLong(uint64 overlapSeconds,uint64 overlapSecondsMax)",
    "GuardianSetQuorumMissing(uint256 signatures,uint8 threshold)",
    "GuardianSetSignatureLength(uint256 position,uint256 length)",
    "GuardianSetSignatureMalformed(uint256 position)",
    "GuardianSetSignersNotAscending(uint256 position,address previous,address signer)",
    "GuardianSetSizeOutOfRange(uint256 size,uint256 sizeMax)",
    "GuardianSetThresholdOutOfRange(uint8 threshold,uint256 thresholdMin,uint256 thresholdMax)",
    "GuardianSetUnknown(uint32 index,uint32 currentIndex)",
    "MessageLibNotAnAddress(bytes32 word)",
    "MessageLibUnknownKind(uint8 kind)",
    "MessageLibWrongLength(uint256 length,uint256 expected)",
    "MessageLibWrongVersion(uint8 version,uint8 expected)",
    "MessageReceiverAlreadyExecuted(bytes32 messageId)",
    "MessageReceiverExpired(bytes32 messageId,uint64 expiry,uint256 timestamp)",
    "MessageReceiverFieldNotZero(bytes32 word)",
    "MessageReceiverNotCurrentSet(uint32 index,uint32 currentIndex)",
    "MessageReceiverWrongKind(uint8 kind)",
    "MessageReceiverWrongOrigin(bytes32 origin,bytes32 expected)",
    "MessageReceiverWrongSetHash(bytes32 setHash,bytes32 expected)",
    "MessageReceiverWrongSetIndex(uint256 index,uint32 expected)",
    "MessageReceiverWrongTarget(bytes32 target,bytes32 expected)",
    "MessageReceiverWrongVault(bytes32 vault,bytes32 expected)",
    "ReentrancyGuardReentrantCall()",
    "SafeERC20FailedOperation(address token)",
    "InvalidShortString()",
    "StringTooLong(string str)",
    "ERC20InsufficientAllowance(address spender,uint256 allowance,uint256 needed)",
    "ERC20InsufficientBalance(address sender,uint256 balance,uint256 needed)",
    "ERC20InvalidApprover(address approver)",
    "ERC20InvalidReceiver(address receiver)",
    "ERC20InvalidSender(address sender)",
    "ERC20InvalidSpender(address spender)",
    "FeeOnTransferTokenFeeTooHigh(uint256 feeBps,uint256 feeMaxBps)",
    "NoReturnTokenInsufficient(address owner,uint256 available,uint256 amount)",
    "PriceFeedNoRound(uint80 roundId,uint80 latestRound)",
    "PriceFeedNotOwner(address caller,address owner)",
)


@dataclass(frozen=True, slots=True)
class ErrorShape:
    """A custom error: its name, and the type and name of each value."""

    name: str
    types: tuple[str, ...]
    names: tuple[str, ...]


def topic_of(signature: str) -> bytes:
    """Return the first topic of an event, keccak256 of its canonical signature."""
    return keccak(signature.encode())


@cache
def selector_of(signature: str) -> bytes:
    """Return the first four bytes of keccak256 of a canonical signature."""
    return keccak(signature.encode())[:SELECTOR_BYTES]


@cache
def parameter_types(signature: str) -> tuple[str, ...]:
    """Return the parameter types of a signature without tuples."""
    inner = signature[signature.index("(") + 1 : -1]
    return tuple(inner.split(",")) if inner else ()


def encode_call(function: str, arguments: Sequence[Argument]) -> bytes:
    """
    Return the bytes that call a function; none for a bare transfer.

    Args:
        function: canonical signature, for example lock(bytes32,address,uint256), or empty.
        arguments: one value per parameter; an address is a 32-byte left-padded word.

    Raises:
        ValueError: another number of arguments, or a value that its type cannot hold.
    """
    if not function and not arguments:
        return b""
    return selector_of(function) + encode_arguments(parameter_types(function), arguments)


def encode_arguments(types: Sequence[str], arguments: Sequence[object]) -> bytes:
    """
    Return the ABI encoding of values.

    Raises:
        ValueError: another number of values, or a value that its type cannot hold.
    """
    values = [_plain(kind, value) for kind, value in zip(types, arguments, strict=True)]
    try:
        return encode(types, values)
    except (EncodingError, TypeError) as exc:
        raise ValueError(f"arguments do not fit ({','.join(types)}): {exc}") from exc


def _plain(kind: str, value: object) -> object:
    if kind == "address" and isinstance(value, bytes):
        return "0x" + evm_address_of_word(value).hex()
    if kind.endswith("[]") and isinstance(value, tuple | list):
        return [_plain(kind[:-2], member) for member in value]
    return value


def _error_shape(signature: str) -> tuple[bytes, ErrorShape]:
    name, _, rest = signature.partition("(")
    parts = [part.split(" ") for part in rest[:-1].split(",") if part]
    types = tuple(part[0] for part in parts)
    shape = ErrorShape(name, types, tuple(part[1] for part in parts))
    return selector_of(f"{name}({','.join(types)})"), shape


ERRORS: Final[dict[bytes, ErrorShape]] = dict(map(_error_shape, ERROR_SIGNATURES))


def decode_revert(raw: bytes) -> str:
    """
    Return what a contract said when it refused, as Name(value=..., ...).

    Never raises: unknown or broken bytes come back as hexadecimal, cut to a readable length.
    """
    shape = ERRORS.get(raw[:SELECTOR_BYTES])
    if shape is None:
        return f"0x{raw.hex()}"[:REVERT_TEXT_LENGTH_MAX] if raw else "no reason given"
    try:
        values = decode(shape.types, raw[SELECTOR_BYTES:])
    except (DecodingError, ValueError, OverflowError):
        return f"{shape.name}(0x{raw[SELECTOR_BYTES:].hex()})"[:REVERT_TEXT_LENGTH_MAX]
    if shape.types == ("string",):
        return f"{shape.name}({str(values[0])[:REVERT_TEXT_LENGTH_MAX]!r})"
    words = (
        f"{name}={_readable(kind, value)}"
        for name, kind, value in zip(shape.names, shape.types, values, strict=True)
    )
    return f"{shape.name}({', '.join(words)})"


def _readable(kind: str, value: object) -> str:
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if kind == "address":
        return checksum_address(word_of_evm_address(bytes.fromhex(str(value)[2:])))
    return str(value)


def words_of(raw: bytes, count: int) -> tuple[bytes, ...]:
    """
    Split an answer of exactly count words.

    Raises:
        ValueError: another length.
    """
    if len(raw) != count * WORD_BYTES:
        raise ValueError(f"{len(raw)} bytes, {count * WORD_BYTES} are needed")
    return tuple(raw[at : at + WORD_BYTES] for at in range(0, len(raw), WORD_BYTES))


def number_of(word: bytes, bits: int = 256) -> int:
    """
    Return an unsigned integer.

    Raises:
        ValueError: more bits than its type has.
    """
    value = int.from_bytes(word, "big")
    if value >> bits:
        raise ValueError(f"0x{word.hex()} does not fit uint{bits}")
    return value

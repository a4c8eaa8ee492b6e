"""
Commands of owners and protocols, and hub decisions, as EIP-712 digests.

A wallet on any chain can sign them: the domain binds the hub (as salt), not a chain number. The
digest is the command's id, so the same command sent twice is one command. A Solana wallet signs
what it can show: a text with every field, and the digest at its end.
"""

import re
from dataclasses import dataclass
from typing import ClassVar, Final

from eth_hash.auto import keccak

from chains.attestation import SIGNATURE_BYTES, recover_signer, salted_domain
from chains.base58 import base58_of
from chains.ed25519 import ED25519_PROOF_BYTES, ed25519_signer
from chains.errors import AttestationError, MessageFormatError
from chains.types import (
    EVM_ADDRESS_PAD,
    UINT64_MAX,
    UINT256_MAX,
    WORD_BYTES,
    ChainId,
    chain_id_of,
    chain_key,
    checksum_address,
)

DECIMAL_DIGITS_MAX: Final = 78  # of 2^256
WORD_DIGITS: Final = re.compile(r"0x[0-9a-fA-F]*")
SURROGATE: Final = re.compile("[\ud800-\udfff]")  # JSON can say it, UTF-8 cannot
SHOWN_LENGTH_MAX: Final = 80
ACCOUNT_TAG: Final = keccak(b"relayer.account.v1")
TEXT_TITLE: Final = "Collateral relayer"
ADDRESS_FIELDS: Final = frozenset(
    {"opener", "owner", "vault", "token", "recipient", "credit_line", "borrower"}
)


def account_id(*, opener: bytes, salt: bytes) -> bytes:
    """Return the margin account's id; a vault derives the same to know who may exit."""
    return keccak(ACCOUNT_TAG + opener + salt)


def command_domain(hub: ChainId) -> bytes:
    """Return the EIP-712 domain separator of a hub's commands."""
    return salted_domain(chain_key(hub))


@dataclass(frozen=True, slots=True)
class _Command:
    """Shared checks and digest; the type string names each field once, in order."""

    TYPE: ClassVar[str]

    def __post_init__(self) -> None:
        for kind, name in self.members():
            value = getattr(self, _snake(name))
            if kind == "bytes32" and len(value) != WORD_BYTES:
                raise MessageFormatError(field=_snake(name), reason="32 bytes are needed")
            if kind == "string" and SURROGATE.search(value):
                raise MessageFormatError(field=_snake(name), reason="half a character is in it")
            if kind == "uint256" and not 0 <= value <= UINT256_MAX:
                raise MessageFormatError(field=_snake(name), reason="outside 0..2^256-1")
            if kind == "uint64" and not 0 <= value <= UINT64_MAX:
                raise MessageFormatError(field=_snake(name), reason="outside 0..2^64-1")

    @classmethod
    def members(cls) -> tuple[tuple[str, str], ...]:
        """Return (Solidity type, camelCase name) of each field, in signing order."""
        inner = cls.TYPE[cls.TYPE.index("(") + 1 : -1]
        return tuple((part.split(" ")[0], part.split(" ")[1]) for part in inner.split(","))

    def digest(self, hub: ChainId) -> bytes:
        """Return the EIP-712 digest: what is signed, and the command's id."""
        words = [keccak(self.TYPE.encode())]
        for kind, name in self.members():
            value = getattr(self, _snake(name))
            match kind:
                case "string":
                    words.append(keccak(value.encode()))
                case "bytes32":
                    words.append(value)
                case _:
                    words.append(value.to_bytes(WORD_BYTES, "big"))
        return keccak(b"\x19\x01" + command_domain(hub) + keccak(b"".join(words)))

    def signing_text(self, hub: ChainId) -> bytes:
        """
        Return what a Solana wallet shows and signs: one `name: value` a line, no line end at last.

        The title, the hub, the command's name, its fields in signing order as a person reads them,
        and the digest, which binds what the lines above say.

        Raises:
            MessageFormatError: a chain's name is none; with line ends in it, it could show lies.
        """
        lines = [TEXT_TITLE, f"hub: {hub}", f"command: {type(self).__name__}"]
        for kind, name in self.members():
            lines.append(f"{_snake(name)}: {self._shown(kind, _snake(name))}")
        lines.append(f"id: 0x{self.digest(hub).hex()}")
        return "\n".join(lines).encode()

    def _shown(self, kind: str, name: str) -> str:
        value = getattr(self, name)
        match kind:
            case "bytes32":
                return address_shown(value) if name in ADDRESS_FIELDS else "0x" + value.hex()
            case "string":
                try:
                    return chain_id_of(value)
                except ValueError as exc:
                    raise MessageFormatError(field=name, reason=str(exc)) from exc
            case _:
                return str(value)


def address_shown(word: bytes) -> str:
    """Return an address as its own wallets spell it: EIP-55 where it is padded, else base58."""
    if word.startswith(EVM_ADDRESS_PAD) and any(word):
        return checksum_address(word)
    return base58_of(word)


def _snake(name: str) -> str:
    return "".join("_" + letter.lower() if letter.isupper() else letter for letter in name)


@dataclass(frozen=True, slots=True)
class OpenAccount(_Command):
    """Open the margin account of (opener, salt); signed by the opener."""

    TYPE: ClassVar[str] = "OpenAccount(bytes32 opener,bytes32 salt)"
    opener: bytes
    salt: bytes

    @property
    def account(self) -> bytes:
        """The account that this command opens."""
        return account_id(opener=self.opener, salt=self.salt)


@dataclass(frozen=True, slots=True)
class LinkOwner(_Command):
    """Let an address of one chain act for an account; signed by an owner and by the new one."""

    TYPE: ClassVar[str] = "LinkOwner(bytes32 account,string chainId,bytes32 owner)"
    account: bytes
    chain_id: str
    owner: bytes


@dataclass(frozen=True, slots=True)
class RequestUnlock(_Command):
    """Ask for collateral back; signed by an owner. Amount in base units of token on chain_id."""

    TYPE: ClassVar[str] = (
        "RequestUnlock(bytes32 account,string chainId,bytes32 vault,bytes32 token,uint256 amount,"
        "bytes32 recipient,uint64 deadline,bytes32 nonce)"
    )
    account: bytes
    chain_id: str
    vault: bytes
    token: bytes
    amount: int
    recipient: bytes
    deadline: int
    nonce: bytes


@dataclass(frozen=True, slots=True)
class RequestCredit(_Command):
    """
    Ask for a credit grant: limit is the cap on the account's debt, in debt token base units.

    Signed by an owner of the account (it pledges the collateral) and by the protocol's operator.
    """

    TYPE: ClassVar[str] = (
        "RequestCredit(bytes32 account,string chainId,bytes32 creditLine,bytes32 token,"
        "uint256 limit,bytes32 borrower,uint64 expiry,uint64 deadline,bytes32 nonce)"
    )
    account: bytes
    chain_id: str
    credit_line: bytes
    token: bytes
    limit: int
    borrower: bytes
    expiry: int
    deadline: int
    nonce: bytes


@dataclass(frozen=True, slots=True)
class Liquidation(_Command):
    """
    The hub's decision to move debt and collateral of an account to a liquidator's account.

    Nobody signs it; guardians re-derive it. repaid is in base units of the debt token, seized and
    insured in base units of the collateral token; recipient receives seized on collateral_chain.
    """

    TYPE: ClassVar[str] = (
        "Liquidation(bytes32 account,bytes32 liquidator,string debtChain,bytes32 creditLine,"
        "uint256 repaid,string collateralChain,bytes32 vault,bytes32 token,uint256 seized,"
        "uint256 insured,bytes32 recipient,uint64 decidedAt)"
    )
    account: bytes
    liquidator: bytes
    debt_chain: str
    credit_line: bytes
    repaid: int
    collateral_chain: str
    vault: bytes
    token: bytes
    seized: int
    insured: int
    recipient: bytes
    decided_at: int


Command = OpenAccount | LinkOwner | RequestUnlock | RequestCredit | Liquidation
COMMAND_TYPES: Final[dict[str, type[Command]]] = {
    command_type.__name__: command_type
    for command_type in (OpenAccount, LinkOwner, RequestUnlock, RequestCredit, Liquidation)
}


@dataclass(frozen=True, slots=True)
class SignedCommand:
    """A command and its signatures, in the order that the command's description names."""

    command: Command
    signatures: tuple[bytes, ...]

    def signers(self, hub: ChainId) -> tuple[bytes, ...]:
        """
        Return the word of each signer: a left-padded EVM address, or an ed25519 public key.

        A signature is 65 bytes of secp256k1 over the digest, or 96 bytes, ed25519 public key and
        signature, over the signing text.

        Raises:
            AttestationError: a signature is malformed, or not over this command for this hub.
        """
        return tuple(self._signer(hub, signature) for signature in self.signatures)

    def _signer(self, hub: ChainId, signature: bytes) -> bytes:
        length = len(signature)
        if length == SIGNATURE_BYTES:
            return recover_signer(self.command.digest(hub), signature)
        if length != ED25519_PROOF_BYTES:
            raise AttestationError(
                reason=f"a signature has {SIGNATURE_BYTES} bytes (secp256k1) or "
                f"{ED25519_PROOF_BYTES} (ed25519 key and signature), this one has {length}"
            )
        try:
            text = self.command.signing_text(hub)
        except MessageFormatError as exc:
            raise AttestationError(reason=f"no wallet shows this command: {exc}") from exc
        return ed25519_signer(text, signature)


def command_fields(command: Command) -> dict[str, str]:
    """Return the fields as text: bytes as 0x-hex, integers as decimals."""
    payload: dict[str, str] = {}
    for kind, name in command.members():
        value = getattr(command, _snake(name))
        match kind:
            case "bytes32":
                payload[_snake(name)] = "0x" + value.hex()
            case _:
                payload[_snake(name)] = str(value)
    return payload


def command_of_fields(kind: str, payload: dict[str, str]) -> Command:
    """
    Parse a command from its text fields.

    Raises:
        MessageFormatError: unknown kind, missing or unknown field, or a value of the wrong form.
    """
    command_type = COMMAND_TYPES.get(kind)
    if command_type is None:
        raise MessageFormatError(
            field="kind", reason=f"{kind!r} is not one of {list(COMMAND_TYPES)}"
        )
    members = {_snake(name): solidity_type for solidity_type, name in command_type.members()}
    for name in members:
        if name not in payload:
            raise MessageFormatError(field=name, reason="is missing")
    for name in payload:
        if name not in members:
            raise MessageFormatError(field=name, reason=f"is not a field of {kind}")
    values: dict[str, str | bytes | int] = {
        name: _parsed(name, solidity_type, payload[name]) for name, solidity_type in members.items()
    }
    return command_type(**values)  # type: ignore[arg-type]


def _parsed(name: str, solidity_type: str, text: str) -> str | bytes | int:
    match solidity_type:
        case "string":
            return text
        case "bytes32":
            if not WORD_DIGITS.fullmatch(text) or len(text) % 2:
                raise _misshapen(name, text, "is not 0x-hex")
            return bytes.fromhex(text[2:])
        case _:
            if not (text.isascii() and text.isdecimal()) or len(text) > DECIMAL_DIGITS_MAX:
                raise _misshapen(name, text, "is not a decimal integer")
            if text != str(int(text)):
                raise _misshapen(name, text, "has zeros in front")
            return int(text)


def _misshapen(name: str, text: str, what: str) -> MessageFormatError:
    return MessageFormatError(field=name, reason=f"{text[:SHOWN_LENGTH_MAX]!r} {what}")

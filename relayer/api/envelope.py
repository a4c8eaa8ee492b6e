"""The envelope of every message (CloudEvents 1.0, JSON) and the data of each type, parsed once."""

from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from chains.command import ADDRESS_FIELDS, SignedCommand, command_of_fields
from chains.types import (
    EVM_ADDRESS_BYTES,
    SOLANA_NAMESPACE,
    UINT64_MAX,
    UINT256_MAX,
    chain_id_of,
    checksum_address,
    word_of_base58,
    word_of_text,
)

ADDRESS_DIGITS: Final = 2 * EVM_ADDRESS_BYTES
PLACE_FIELDS: Final = frozenset({"owner", "vault", "token", "recipient"})


def _checked_address(text: str) -> str:
    digits = text.removeprefix("0x")
    is_mixed_case = digits not in (digits.lower(), digits.upper())
    if len(digits) == ADDRESS_DIGITS and is_mixed_case:
        spelled = checksum_address(word_of_text(text))
        if spelled != text:
            raise ValueError(f"the EIP-55 checksum is wrong, it would be {spelled}")
    return text


def _readable_place(text: str) -> str:
    if not text.startswith("0x"):
        word_of_base58(text)
        return text
    return _checked_address(text)


def _below(limit: int, name: str) -> AfterValidator:
    def check(text: str) -> str:
        if int(text) > limit:
            raise ValueError(f"is above {name}")
        return text

    return AfterValidator(check)


DECIMAL: Final = StringConstraints(pattern=r"^(0|[1-9][0-9]{0,77})$")
WordText = Annotated[str, StringConstraints(pattern=r"^0x[0-9a-fA-F]{64}$")]
AddressText = Annotated[
    str,
    StringConstraints(pattern=r"^0x([0-9a-fA-F]{40}|[0-9a-fA-F]{64})$"),
    AfterValidator(_checked_address),
]
PlaceText = Annotated[
    str,
    StringConstraints(
        pattern=r"^(0x([0-9a-fA-F]{40}|[0-9a-fA-F]{64})|[1-9A-HJ-NP-Za-km-z]{32,44})$"
    ),
    AfterValidator(_readable_place),
]
SignatureText = Annotated[
    str,  # secp256k1: r | s | v; ed25519: public key | signature
    StringConstraints(pattern=r"^0x([0-9a-fA-F]{130}|[0-9a-fA-F]{192})$"),
]
ChainText = Annotated[
    str,
    StringConstraints(pattern=r"^[-a-z0-9]{3,8}:[-_a-zA-Z0-9]{1,32}$"),
    AfterValidator(lambda text: str(chain_id_of(text))),
]
AmountText = Annotated[str, DECIMAL, _below(UINT256_MAX, "2^256-1")]
SecondsText = Annotated[str, DECIMAL, _below(UINT64_MAX, "2^64-1")]
Name = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,128}$")]
Reference = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,256}$")]
TimeText = Annotated[
    str,
    StringConstraints(
        pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})$"
    ),
]
OneSignature = Annotated[list[SignatureText], Field(min_length=1, max_length=1)]
TwoSignatures = Annotated[list[SignatureText], Field(min_length=2, max_length=2)]


class Strict(BaseModel):
    """A part of a message: text stays text and an unknown key is an error."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class OnChain(Strict):
    """Fields that name addresses of one chain: 0x-hex, or base 58 on a chain of Solana."""

    chain_id: ChainText

    @model_validator(mode="after")
    def _check_spelling(self) -> Self:
        for name in PLACE_FIELDS & type(self).model_fields.keys():
            is_hex = getattr(self, name).startswith("0x")
            if not is_hex and not self.chain_id.startswith(SOLANA_NAMESPACE):
                raise ValueError(f"{name}: base 58 is for chains of Solana; write 0x-hex")
        return self


class SignedData(Strict):
    """
    Fields of a command and its signatures.

    A signature is 65 bytes over the EIP-712 digest, r | s | v, or for a Solana wallet 96 bytes:
    its public key | its ed25519 signature over the command's text.
    """

    COMMAND: ClassVar[str]

    def signed_command(self) -> SignedCommand:
        """
        Return the command that was signed.

        Raises:
            MessageFormatError: a field does not fit the command.
        """
        values: dict[str, Any] = self.model_dump(mode="json")
        signatures = values.pop("signatures")
        payload = {
            name: "0x" + word_of_text(text).hex() if name in ADDRESS_FIELDS else text
            for name, text in values.items()
        }
        return SignedCommand(
            command=command_of_fields(self.COMMAND, payload),
            signatures=tuple(bytes.fromhex(text.removeprefix("0x")) for text in signatures),
        )


class OpenAccountData(SignedData):
    """Open the margin account of (opener, salt). signatures: [opener]."""

    COMMAND: ClassVar[str] = "OpenAccount"
    opener: AddressText
    salt: WordText
    signatures: OneSignature


class LinkOwnerData(OnChain, SignedData):
    """Let an address of one chain act for an account. signatures: [an owner, the new owner]."""

    COMMAND: ClassVar[str] = "LinkOwner"
    account: WordText
    chain_id: ChainText
    owner: PlaceText
    signatures: TwoSignatures


class RequestUnlockData(OnChain, SignedData):
    """
    Ask for collateral back. signatures: [an owner].

    amount is in base units of token; deadline is the last Unix second at which it is accepted.
    """

    COMMAND: ClassVar[str] = "RequestUnlock"
    account: WordText
    chain_id: ChainText
    vault: PlaceText
    token: PlaceText
    amount: AmountText
    recipient: PlaceText
    deadline: SecondsText
    nonce: WordText
    signatures: OneSignature


class RequestCreditData(SignedData):
    """
    Ask for a credit grant. signatures: [an owner, the protocol's operator].

    limit caps the account's debt, in base units of token; borrower may draw until expiry.
    """

    COMMAND: ClassVar[str] = "RequestCredit"
    account: WordText
    chain_id: ChainText
    credit_line: AddressText
    token: AddressText
    limit: AmountText
    borrower: AddressText
    expiry: SecondsText
    deadline: SecondsText
    nonce: WordText
    signatures: TwoSignatures


class UnlockQuestion(OnChain):
    """Would an unlock of amount base units of token pass now?"""

    chain_id: ChainText
    token: PlaceText
    amount: AmountText


class CreditQuestion(Strict):
    """Would a debt limit of limit base units on a credit line pass now?"""

    chain_id: ChainText
    credit_line: AddressText
    limit: AmountText


class MarginCheckData(Strict):
    """Ask for an account's health and limits; changes nothing and needs no signature."""

    account: WordText
    unlock: UnlockQuestion | None = None
    credit: CreditQuestion | None = None


class _Envelope(Strict):
    """The attributes of CloudEvents 1.0 that are used; others are refused."""

    specversion: Literal["1.0"]
    id: Name
    source: Reference
    subject: Reference | None = None
    time: TimeText | None = None
    datacontenttype: Literal["application/json"] = "application/json"


class OpenAccountMessage(_Envelope):
    """Open a margin account."""

    type: Literal["relayer.account.open"]
    data: OpenAccountData


class LinkOwnerMessage(_Envelope):
    """Link an owner's address."""

    type: Literal["relayer.owner.link"]
    data: LinkOwnerData


class MarginCheckMessage(_Envelope):
    """Ask for health and limits."""

    type: Literal["relayer.margin.check"]
    data: MarginCheckData


class UnlockMessage(_Envelope):
    """Ask for collateral back."""

    type: Literal["relayer.unlock.request"]
    data: RequestUnlockData


class CreditMessage(_Envelope):
    """Ask for credit."""

    type: Literal["relayer.credit.request"]
    data: RequestCreditData


CommandMessage = OpenAccountMessage | LinkOwnerMessage | UnlockMessage | CreditMessage
AnyMessage = Annotated[
    OpenAccountMessage | LinkOwnerMessage | MarginCheckMessage | UnlockMessage | CreditMessage,
    Field(discriminator="type"),
]
MESSAGE_TYPES: Final = (
    "relayer.account.open",
    "relayer.owner.link",
    "relayer.margin.check",
    "relayer.unlock.request",
    "relayer.credit.request",
)

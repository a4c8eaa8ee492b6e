"""The chart of accounts: what a code names, on which side it grows, whether it may be overdrawn."""

import re
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from typing import Final, NewType

AccountCode = NewType("AccountCode", str)

WORD_BYTES: Final = 32
PARSED_CODES_MAX: Final = 65_536
PROTOCOL: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
WORD: Final = re.compile(r"0x[0-9a-f]{64}")
MALFORMED: Final = "account code {text!r} is malformed; write it like margin:0x<64 hex digits>"


class Side(Enum):
    """On which side an account grows."""

    DEBIT = "debit"
    CREDIT = "credit"


class AccountKind(Enum):
    """
    The kinds of account: value is the first word of the code.

    VAULT is what a contract on a chain holds. MARGIN is what the hub owes an owner for it.
    IN_FLIGHT is what a message under way will take out of a vault. DEBT is what an account owes a
    protocol, ASSUMED what a liquidator took over of it, LENT what that protocol gave out, INTEREST
    what it earned. FEES, INSURANCE, BAD_DEBT and DUST are the hub's own.
    """

    VAULT = "vault"
    MARGIN = "margin"
    IN_FLIGHT = "in_flight"
    DEBT = "debt"
    ASSUMED = "assumed"
    LENT = "lent"
    INTEREST = "interest"
    FEES = "fees"
    INSURANCE = "insurance"
    BAD_DEBT = "bad_debt"
    DUST = "dust"


DEBIT_KINDS: Final = frozenset(
    {AccountKind.VAULT, AccountKind.DEBT, AccountKind.ASSUMED, AccountKind.BAD_DEBT}
)
# Debts are not here: a repayment is announced (pending) while the borrowing that it repays is
# announced too; the rules of relayer.reconcile refuse a debt below zero over all phases.
CONSTRAINED_KINDS: Final = frozenset(
    {
        AccountKind.VAULT,
        AccountKind.MARGIN,
        AccountKind.IN_FLIGHT,
        AccountKind.INSURANCE,
    }
)
# What leaves a vault in a block that may go is announced while the lock behind it may be announced
# too, and an exit may take what others announced to take: only what is posted is what it has.
POSTED_KINDS: Final = frozenset({AccountKind.VAULT})
# What follows the kind in a code, in order; kinds that are not here stand alone.
PARTS: Final[dict[AccountKind, tuple[str, ...]]] = {
    AccountKind.VAULT: ("word",),
    AccountKind.MARGIN: ("word",),
    AccountKind.IN_FLIGHT: ("word",),
    AccountKind.DEBT: ("protocol", "word"),
    AccountKind.ASSUMED: ("protocol", "word", "assumer"),
    AccountKind.LENT: ("protocol",),
    AccountKind.INTEREST: ("protocol",),
}

FEES: Final = AccountCode(AccountKind.FEES.value)
INSURANCE: Final = AccountCode(AccountKind.INSURANCE.value)
BAD_DEBT: Final = AccountCode(AccountKind.BAD_DEBT.value)
DUST: Final = AccountCode(AccountKind.DUST.value)


@dataclass(frozen=True, slots=True)
class ChartAccount:
    """
    What a code says.

    word is the contract (vault, in_flight) or the margin account (margin, debt), 32 bytes;
    protocol is the lender (debt, assumed, lent, interest). None where the kind has none. For
    assumed, word is the account that borrowed and assumer the one that owes now. side is where
    the account grows; is_constrained says that it may never be overdrawn, is_held_back that what is
    reserved to leave it counts as gone already.
    """

    kind: AccountKind
    word: bytes | None = None
    protocol: str | None = None
    assumer: bytes | None = None
    side: Side = field(init=False, repr=False, compare=False)
    is_constrained: bool = field(init=False, repr=False, compare=False)
    is_held_back: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        side = Side.DEBIT if self.kind in DEBIT_KINDS else Side.CREDIT
        object.__setattr__(self, "side", side)
        object.__setattr__(self, "is_constrained", self.kind in CONSTRAINED_KINDS)
        object.__setattr__(self, "is_held_back", self.kind not in POSTED_KINDS)


@lru_cache(maxsize=PARSED_CODES_MAX)
def vault_code(contract: bytes) -> AccountCode:
    """Return the account of what a vault contract holds."""
    return AccountCode(f"vault:{_hex(contract)}")


@lru_cache(maxsize=PARSED_CODES_MAX)
def margin_code(account: bytes) -> AccountCode:
    """Return the account of what a margin account owns."""
    return AccountCode(f"margin:{_hex(account)}")


def in_flight_code(contract: bytes) -> AccountCode:
    """Return the account of what messages under way will take out of a contract."""
    return AccountCode(f"in_flight:{_hex(contract)}")


def debt_code(protocol: str, account: bytes) -> AccountCode:
    """Return the account of what a margin account owes a protocol."""
    return AccountCode(f"debt:{_protocol(protocol)}:{_hex(account)}")


def assumed_code(protocol: str, borrower: bytes, assumer: bytes) -> AccountCode:
    """Return the account of what one margin account took over of another's debt."""
    return AccountCode(f"assumed:{_protocol(protocol)}:{_hex(borrower)}:{_hex(assumer)}")


def lent_code(protocol: str) -> AccountCode:
    """Return the account of what a protocol gave out."""
    return AccountCode(f"lent:{_protocol(protocol)}")


def interest_code(protocol: str) -> AccountCode:
    """Return the account of what a protocol earned."""
    return AccountCode(f"interest:{_protocol(protocol)}")


@lru_cache(maxsize=PARSED_CODES_MAX)
def parse_code(text: str) -> ChartAccount:
    """
    Return what a code says; the reverse of the constructors above.

    Raises:
        ValueError: no code of this chart.
    """
    head, *rest = text.split(":")
    try:
        kind = AccountKind(head)
    except ValueError as exc:
        raise ValueError(f"account code {text!r}: {head!r} is no kind of account") from exc
    names = PARTS.get(kind, ())
    if len(rest) != len(names):
        raise ValueError(MALFORMED.format(text=text))
    protocol: str | None = None
    words: dict[str, bytes] = {}
    for name, part in zip(names, rest, strict=True):
        if not (PROTOCOL if name == "protocol" else WORD).fullmatch(part):
            raise ValueError(MALFORMED.format(text=text))
        if name == "protocol":
            protocol = part
        else:
            words[name] = bytes.fromhex(part[2:])
    return ChartAccount(kind, words.get("word"), protocol, words.get("assumer"))


def _hex(word: bytes) -> str:
    if len(word) != WORD_BYTES:
        raise ValueError(f"an account code names 32 bytes, 0x{word.hex()} has {len(word)}")
    return "0x" + word.hex()


def _protocol(name: str) -> str:
    if not PROTOCOL.fullmatch(name):
        raise ValueError(f"protocol {name!r}: use 1 to 64 of a-z 0-9 . _ -, no capitals")
    return name

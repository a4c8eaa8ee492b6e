"""Tests of the chart of accounts."""

import pytest

from relayer.ledger.chart import (
    BAD_DEBT,
    DUST,
    FEES,
    INSURANCE,
    AccountCode,
    AccountKind,
    ChartAccount,
    Side,
    assumed_code,
    debt_code,
    in_flight_code,
    interest_code,
    lent_code,
    margin_code,
    parse_code,
    vault_code,
)

ANN = b"\xaa" * 32
BOB = b"\xbb" * 32

EVERY_CODE = (
    vault_code(ANN),
    margin_code(ANN),
    in_flight_code(ANN),
    debt_code("credit-line", ANN),
    assumed_code("credit-line", ANN, BOB),
    lent_code("credit-line"),
    interest_code("credit-line"),
    FEES,
    INSURANCE,
    BAD_DEBT,
    DUST,
)


def test_every_constructor_makes_a_code_that_parses() -> None:
    """Each kind of account has a constructor and its code is read back as that kind."""
    kinds = {parse_code(code).kind for code in EVERY_CODE}

    assert kinds == set(AccountKind)


def test_a_code_gives_back_what_it_was_made_from() -> None:
    """The word and the protocol survive the way through text."""
    assert parse_code(margin_code(ANN)) == ChartAccount(AccountKind.MARGIN, word=ANN)
    debt = parse_code(debt_code("credit-line", ANN))
    assert (debt.kind, debt.word, debt.protocol) == (AccountKind.DEBT, ANN, "credit-line")


@pytest.mark.parametrize(
    ("code", "side", "is_constrained"),
    [
        (vault_code(ANN), Side.DEBIT, True),
        (margin_code(ANN), Side.CREDIT, True),
        (in_flight_code(ANN), Side.CREDIT, True),
        (debt_code("p", ANN), Side.DEBIT, False),
        (lent_code("p"), Side.CREDIT, False),
        (INSURANCE, Side.CREDIT, True),
        (BAD_DEBT, Side.DEBIT, False),
        (FEES, Side.CREDIT, False),
        (DUST, Side.CREDIT, False),
    ],
)
def test_each_kind_has_its_side_and_its_limit(
    code: AccountCode, side: Side, is_constrained: bool
) -> None:
    """What may never be overdrawn is a property of the kind."""
    account = parse_code(code)

    assert (account.side, account.is_constrained) == (side, is_constrained)
    assert account.is_held_back is not (account.kind is AccountKind.VAULT)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "margin",
        "margin:",
        "margin:0x12",
        "margin:0x" + "AA" * 32,
        "margin:0x" + "aa" * 32 + ":x",
        "margin:0x" + "aa" * 32 + "\n",
        "fees:x",
        "lent:Aave",
        "lent:",
        "debt:p",
        "debt:0x" + "aa" * 32,
        "savings:0x" + "aa" * 32,
    ],
)
def test_a_malformed_code_is_refused(text: str) -> None:
    """Anything but the canonical spelling is refused, so one account has one code."""
    with pytest.raises(ValueError, match="account code"):
        parse_code(text)


def test_a_short_word_and_a_wild_protocol_are_refused() -> None:
    """Constructors refuse what the parser would refuse."""
    with pytest.raises(ValueError, match="32 bytes"):
        margin_code(b"\x01")
    with pytest.raises(ValueError, match="protocol"):
        lent_code("a:b")

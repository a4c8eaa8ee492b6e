"""Tests of counters and the balances derived from them."""

from chains.types import ChainId
from relayer.ledger.balances import Counters, apply, replay
from relayer.ledger.chart import AccountCode, Side, margin_code
from relayer.ledger.journal import Line, Phase
from relayer.ledger.text import code_of_text, entry_of_text
from relayer.money import UNITS_MAX, AssetId

LOCK = entry_of_text("2026-01-02 vault:base +5 USDC@eip155:1 | margin:ann -5 USDC@eip155:1")
ANN = Line(code_of_text("margin:ann"), AssetId("USDC"), ChainId("eip155:1"))
BASE = Line(code_of_text("vault:base"), AssetId("USDC"), ChainId("eip155:1"))


def test_a_posted_entry_moves_the_posted_counters() -> None:
    """A debit and its credit are counted on their lines."""
    after = replay([LOCK])

    assert after == {BASE: Counters(debits_posted=5), ANN: Counters(credits_posted=5)}
    assert after[ANN].available(Side.CREDIT) == after[BASE].available(Side.DEBIT) == 5


def test_what_is_announced_is_soft_and_not_available() -> None:
    """A pending credit on a margin account is soft; a pending debit of a vault likewise."""
    pending = Counters().plus(-5, Phase.PENDING)

    assert (pending.soft(Side.CREDIT), pending.available(Side.CREDIT)) == (5, 0)
    assert Counters().plus(5, Phase.PENDING).soft(Side.DEBIT) == 5


def test_what_is_reserved_is_held_and_no_longer_available() -> None:
    """A pending debit of a margin account reduces what is available, not what is posted."""
    counters = Counters(credits_posted=9).plus(4, Phase.PENDING)

    assert counters.held(Side.CREDIT) == 4
    assert counters.available(Side.CREDIT) == 5
    assert counters.posted(Side.CREDIT) == 9


def test_settling_moves_pending_to_posted_and_voiding_takes_it_back() -> None:
    """Both ends leave nothing pending."""
    held = Counters(credits_posted=9).plus(4, Phase.PENDING)

    assert held.plus(4, Phase.SETTLE) == Counters(debits_posted=4, credits_posted=9)
    assert held.plus(4, Phase.VOID) == Counters(credits_posted=9)


def test_counters_pass_two_to_the_256() -> None:
    """Each amount has a limit, their sum has none."""
    counters = Counters().plus(UNITS_MAX, Phase.POSTED).plus(UNITS_MAX, Phase.POSTED)

    assert counters.debits_posted == 2 * UNITS_MAX


def test_applying_an_entry_leaves_the_given_counters_alone() -> None:
    """apply returns new counters of the moved lines only."""
    before = {ANN: Counters(credits_posted=1)}
    other = Line(AccountCode(margin_code(b"\x0b" * 32)), AssetId("USDC"), ChainId("eip155:1"))
    before[other] = Counters()

    after = apply(before, LOCK)

    assert before[ANN] == Counters(credits_posted=1)
    assert set(after) == {ANN, BASE}
    assert after[ANN].credits_posted == 6


def test_the_net_counts_what_is_pending_on_both_sides() -> None:
    """Debits less credits, below zero where credits prevail."""
    assert Counters(1, 20, 300, 4_000).net_units == 1 + 20 - 300 - 4_000

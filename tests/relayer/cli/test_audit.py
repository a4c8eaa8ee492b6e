"""The audit command: its statuses and its answer; what it finds is in the tests of the step."""

import json
from io import StringIO
from pathlib import Path

from rich.console import Console

from chains.types import BlockRef
from relayer.cli.answer import Answer
from relayer.cli.audit import audit_answer
from relayer.ledger.balances import Counters
from relayer.ledger.chart import FEES
from relayer.ledger.journal import Line
from relayer.steps.audit_report import (
    FINDINGS_MAX,
    AuditReport,
    BalanceFinding,
    EntryFinding,
    EventFinding,
    Source,
    Verdict,
)
from tests.relayer.cli.conftest import Ask
from tests.relayer.cli.samples import CHAIN_ID, WETH, lock_entry


def report() -> AuditReport:
    """Return a report of one equal entry."""
    made = AuditReport({CHAIN_ID: BlockRef(7, b"\x01" * 32)}, 1, lines_compared=2)
    made.equal(Source.CHAIN, lock_entry(5, b"\x05" * 32))
    return made


def test_an_equal_ledger_is_status_0() -> None:
    """And says what proves it."""
    answer = audit_answer(report())

    assert answer.exit_code == 0
    assert answer.value["is_equal"] is True
    assert "ledger equals" in str(answer.value["summary"])
    assert "1 of 1 entries equal, 2 of 2 balances" in str(answer.value["summary"])
    json.dumps(answer.value)


def test_unproven_entries_are_shown_with_their_sums() -> None:
    """By kind, asset and chain, in JSON and as a table; proven ones are not among them."""
    made = report()
    for units in (5, 7):
        made.equal(Source.UNPROVEN, lock_entry(units, units.to_bytes(32, "big")))

    answer = audit_answer(made)

    kind = lock_entry(5, bytes(32)).kind
    assert answer.value["unproven"] == [
        {"kind": kind, "asset_id": WETH, "chain_id": CHAIN_ID, "entries": 2, "units": "12"}
    ]
    assert "Unproven" in shown_text(answer)
    assert "12" in shown_text(answer)
    assert "Unproven" not in shown_text(audit_answer(report()))


def shown_text(answer: Answer) -> str:
    """Return what a person sees."""
    console = Console(width=200, file=StringIO(), record=True)
    for shown in answer.shown:
        console.print(shown)
    return console.export_text()


def test_each_kind_of_difference_is_status_1_and_named() -> None:
    """Entries, events, balances, commands."""
    made = report()
    made.entry(EntryFinding(Verdict.EXTRA, 2, b"\x02" * 32, "gift", "evidence", "none"))
    made.event(EventFinding(Verdict.MISSING, CHAIN_ID, 5, b"\x03" * 32, "Lock", "not stored"))
    made.balance(BalanceFinding(Line(FEES, WETH, CHAIN_ID), Counters(), Counters(0, 1, 0, 0)))
    made.command("command 0x00: nobody signed")

    answer = audit_answer(made)

    assert answer.exit_code == 1
    assert answer.value["differences"] == {
        "entries": 1, "events": 1, "balances": 1, "commands": 1,
    }  # fmt: skip
    assert len(answer.shown) == 7
    json.dumps(answer.value)


def test_findings_are_cut_and_counts_are_not() -> None:
    """A ruined ledger does not fill the memory."""
    made = report()
    for _ in range(FINDINGS_MAX + 5):
        made.command("refused")

    assert len(made.commands) == FINDINGS_MAX
    assert made.counts["commands"] == FINDINGS_MAX + 5


def test_what_could_not_be_done_is_status_2(ask: Ask, tmp_path: Path) -> None:
    """A chain that was never read, a file that exists, an unknown chain: 1 is a difference."""
    there = tmp_path / "there.sqlite3"
    there.touch()

    assert ask("audit", exit_code=2)["error"]["code"] == "chain_unread"
    assert "error" in ask("audit", "--into", str(there), exit_code=2)
    assert "error" in ask("audit", "--chain", "eip155:999999", exit_code=2)

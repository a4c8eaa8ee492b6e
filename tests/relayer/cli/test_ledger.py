"""Commands that read the journal and prove it."""

import sqlite3

from tests.relayer.cli.conftest import Ask, Run
from tests.relayer.cli.samples import CORRELATION_ID, Deployment, post_locks


def tamper(deployment: Deployment) -> None:
    """Change a booked entry behind the triggers' back, as somebody with the file could."""
    connection = sqlite3.connect(deployment.config.parent / "hub.db")
    with connection:
        connection.execute("DROP TRIGGER journal_entry_no_update")
        connection.execute("UPDATE journal_entry SET kind = 'collateral.forged' WHERE seq = 1")
    connection.close()


def test_a_sound_ledger_is_verified(ask: Ask, deployment: Deployment) -> None:
    """Exit status 0 and the number of entries."""
    post_locks(deployment.store)

    report = ask("ledger", "verify")

    assert report["ok"] is True
    assert report["entries_count"] == 2
    assert report["first_bad_seq"] is None


def test_an_empty_ledger_is_sound(ask: Ask) -> None:
    """Nothing booked, nothing wrong."""
    assert ask("ledger", "verify")["entries_count"] == 0


def test_a_tampered_ledger_is_broken(ask: Ask, run: Run, deployment: Deployment) -> None:
    """Exit status 2, and the first bad place by its seq."""
    post_locks(deployment.store)
    tamper(deployment)

    report = ask("ledger", "verify", exit_code=2)
    shown = run("ledger", "verify", *deployment.options)

    assert report["ok"] is False
    assert report["first_bad_seq"] == 1
    assert shown.exit_code == 2
    assert "NOT sound" in shown.stdout


def test_entries_are_listed_with_their_postings(ask: Ask, deployment: Deployment) -> None:
    """Units are decimal texts; debit is positive; postings sum to zero."""
    post_locks(deployment.store)

    listed = ask("ledger", "entries")

    assert listed["last_seq"] == 2
    assert [entry["phase"] for entry in listed["entries"]] == ["POSTED", "PENDING"]
    assert [posting["units"] for posting in listed["entries"][0]["postings"]] == [
        str(2 * 10**18),
        str(-2 * 10**18),
    ]


def test_entries_go_on_behind_a_seq(ask: Ask, deployment: Deployment) -> None:
    """--after-seq and --limit page."""
    post_locks(deployment.store)

    assert [entry["seq"] for entry in ask("ledger", "entries", "--limit", "1")["entries"]] == [1]
    assert [e["seq"] for e in ask("ledger", "entries", "--after-seq", "1")["entries"]] == [2]


def test_entries_of_one_cause_are_found(ask: Ask, deployment: Deployment) -> None:
    """--correlation follows one id through the journal."""
    post_locks(deployment.store)

    found = ask("ledger", "entries", "--correlation", "0x" + CORRELATION_ID.hex())
    none = ask("ledger", "entries", "--correlation", "0x" + "00" * 32)

    assert len(found["entries"]) == 2
    assert none["entries"] == []


def test_a_person_sees_debits_and_credits(run: Run, deployment: Deployment) -> None:
    """One line for each posting."""
    post_locks(deployment.store)

    shown = run("ledger", "entries", *deployment.options).stdout

    assert "collateral.locked POSTED" in shown
    assert "-2 WETH (-2000000000000000000)" in shown


def test_a_seq_that_no_database_holds_is_a_usage_error(run: Run, deployment: Deployment) -> None:
    """It was a fault."""
    result = run("ledger", "entries", "--after-seq", str(2**64), *deployment.options)

    assert result.exit_code == 2
    assert "--after-seq" in result.output

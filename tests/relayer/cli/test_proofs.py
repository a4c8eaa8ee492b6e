"""Commands that publish roots, prove entries, and check proofs without a database."""

import json
from pathlib import Path

from tests.relayer.cli.conftest import Ask, Run
from tests.relayer.cli.samples import Deployment, post_locks
from tests.relayer.cli.test_ledger import tamper


def first_entry_id(ask: Ask) -> str:
    """Return the id of the first entry."""
    return str(ask("ledger", "entries")["entries"][0]["entry_id"])


def test_a_proof_is_written_and_checked_offline(
    ask: Ask, run: Run, deployment: Deployment, tmp_path: Path
) -> None:
    """Root, prove, check: the file and the root alone say what was booked."""
    post_locks(deployment.store)
    root = ask("ledger", "root", "--yes")
    file = tmp_path / "proof.json"

    ask("ledger", "prove", first_entry_id(ask), "--out", str(file))
    checked = run("ledger", "check-proof", str(file), "--root", root["root"], "--json")

    assert checked.exit_code == 0
    value = json.loads(checked.stdout)
    assert (value["ok"], value["seq"], value["size"]) == (True, 1, 2)
    assert value["entry"]["postings"][0]["units"] == str(2 * 10**18)


def test_checking_reads_no_configuration(
    ask: Ask, run: Run, deployment: Deployment, tmp_path: Path
) -> None:
    """The deployment may be gone."""
    post_locks(deployment.store)
    root = ask("ledger", "root", "--yes")["root"]
    file = tmp_path / "proof.json"
    ask("ledger", "prove", first_entry_id(ask), "--out", str(file))
    deployment.config.unlink()

    assert run("ledger", "check-proof", str(file), "--root", root).exit_code == 0


def test_a_changed_proof_is_not_proven(
    ask: Ask, run: Run, deployment: Deployment, tmp_path: Path
) -> None:
    """Exit status 2 and the field where it fails; what is no JSON too."""
    post_locks(deployment.store)
    root = ask("ledger", "root", "--yes")["root"]
    file = tmp_path / "proof.json"
    fields = ask("ledger", "prove", first_entry_id(ask))
    file.write_text(json.dumps(fields | {"seq": 2}))

    checked = run("ledger", "check-proof", str(file), "--root", root, "--json")
    file.write_text("{")
    broken = run("ledger", "check-proof", str(file), "--root", root)

    assert checked.exit_code == 2
    assert json.loads(checked.stdout)["field"] == "path"
    assert broken.exit_code == 2
    assert "NOT proven: file: is not JSON" in broken.stdout


def test_growth_is_proven_and_checked(
    ask: Ask, run: Run, deployment: Deployment, tmp_path: Path
) -> None:
    """Both roots are asked for; exchanged they prove nothing."""
    post_locks(deployment.store)
    with deployment.store.unit_of_work() as uow:
        old = "0x" + uow.roots.make(1).root.hex()
    new = ask("ledger", "root", "--yes")["root"]
    file = tmp_path / "growth.json"

    ask("ledger", "prove-growth", "1", "2", "--out", str(file))
    right = run("ledger", "check-proof", str(file), "--root", new, "--old-root", old)
    wrong = run("ledger", "check-proof", str(file), "--root", old, "--old-root", new)
    unasked = run("ledger", "check-proof", str(file), "--root", new)

    assert right.exit_code == 0
    assert "the first 1 of 2 entries are unchanged" in right.stdout
    assert wrong.exit_code == 2
    assert unasked.exit_code == 1


def test_roots_are_listed_newest_first(ask: Ask, deployment: Deployment) -> None:
    """With size and hash."""
    post_locks(deployment.store)
    with deployment.store.unit_of_work() as uow:
        uow.roots.make(1)
    root = ask("ledger", "root", "--yes")

    listed = ask("ledger", "roots")["roots"]

    assert [found["size"] for found in listed] == [2, 1]
    assert listed[0] == root


def test_what_cannot_be_proven_is_refused(ask: Ask, deployment: Deployment, tmp_path: Path) -> None:
    """No root yet, no such entry, no such size, no confirmation, no place to write to."""
    post_locks(deployment.store)
    entry_id = first_entry_id(ask)

    def code_of(*line: str) -> str:
        return str(ask(*line, exit_code=1)["error"]["code"])

    assert code_of("ledger", "prove", entry_id) == "no_root"
    assert code_of("ledger", "root") == "not_confirmed"
    ask("ledger", "root", "--yes")
    assert code_of("ledger", "prove", "0x" + "00" * 32) == "unknown_entry"
    assert code_of("ledger", "prove", entry_id, "--size", "1") == "no_root"
    assert code_of("ledger", "prove-growth", "1", "2") == "no_root"
    assert code_of("ledger", "prove", entry_id, "--out", str(tmp_path)) == "out"


def test_records_are_checked_quickly(ask: Ask, deployment: Deployment) -> None:
    """Sound, then changed: exit status 2 and the seq."""
    post_locks(deployment.store)
    ask("ledger", "root", "--yes")
    assert ask("ledger", "records")["entries_count"] == 2

    tamper(deployment)

    assert ask("ledger", "records", exit_code=2)["first_bad_seq"] == 1


def test_a_changed_journal_gets_no_root(ask: Ask, deployment: Deployment) -> None:
    """Exit status 2 with the seq and the way on."""
    post_locks(deployment.store)
    tamper(deployment)

    error = ask("ledger", "root", "--yes", exit_code=2)["error"]

    assert error["code"] == "journal_broken"
    assert "journal entry 1" in error["details"][0]

"""Commands about dead letters."""

from tests.relayer.cli.conftest import Ask, Run
from tests.relayer.cli.samples import Deployment, quarantine_job

LETTER = "job:relay:0xabc"


def test_a_dead_letter_is_listed_shown_and_put_back(ask: Ask, deployment: Deployment) -> None:
    """With reason and remedy; afterwards the list is empty and the job is due."""
    quarantine_job(deployment.store)

    (listed,) = ask("dlq", "list")["letters"]
    shown = ask("dlq", "show", LETTER)
    done = ask("dlq", "replay", LETTER, "--reason", "gas refilled", "--yes")

    assert listed["id"] == LETTER == shown["id"]
    assert (shown["reason"], shown["attempts"]) == ("target_reverts", 5)
    assert "relayer dlq replay" in shown["remedy"]
    assert done == {"replayed": [LETTER]}
    assert ask("dlq", "list")["letters"] == []
    assert [job["state"] for job in ask("jobs", "list")["jobs"]] == ["DUE"]


def test_what_was_done_is_kept(ask: Ask, deployment: Deployment) -> None:
    """A letter that dies again shows who put it back before, and why."""
    quarantine_job(deployment.store)
    ask("dlq", "replay", "all", "--reason", "node was down", "--yes")
    quarantine_job(deployment.store)

    (handling,) = ask("dlq", "show", LETTER)["history"]

    assert (handling["action"], handling["reason"]) == ("replay", "node was down")
    assert "@" in handling["by"]


def test_refusals_have_status_1(ask: Ask, deployment: Deployment) -> None:
    """Without --yes, without a reason, and for what is not there."""
    quarantine_job(deployment.store)

    def code_of(*line: str) -> str:
        return str(ask("dlq", *line, exit_code=1)["error"]["code"])

    assert code_of("replay", LETTER, "--reason", "x") == "not_confirmed"
    assert code_of("replay", LETTER, "--reason", " ", "--yes") == "reason"
    assert code_of("show", "job:relay:0xdef") == "unknown_letter"
    assert code_of("close", LETTER, "--reason", "x", "--yes") == "letter_alive"
    assert len(ask("dlq", "list")["letters"]) == 1


def test_a_person_sees_what_to_do(run: Run, deployment: Deployment) -> None:
    """The list names the next command, the letter its remedy."""
    quarantine_job(deployment.store)

    assert "relayer dlq show ID" in run("dlq", "list", *deployment.options).stdout
    assert "heal what the reason names" in run("dlq", "show", LETTER, *deployment.options).stdout

"""Commands about work that waits."""

from tests.relayer.cli.conftest import Ask, Run
from tests.relayer.cli.samples import Deployment, quarantine_job


def test_jobs_are_counted_and_the_quarantined_named(ask: Ask, deployment: Deployment) -> None:
    """The reason of each is there."""
    quarantine_job(deployment.store)

    listed = ask("jobs", "list")

    assert [(j["kind"], j["state"], j["count"]) for j in listed["jobs"]] == [
        ("relay", "QUARANTINED", 1)
    ]
    (job,) = listed["quarantined"]
    assert (job["key"], job["reason"], job["attempts"]) == ("0xabc", "target_reverts", 5)


def test_a_quarantined_job_is_replayed(ask: Ask, deployment: Deployment) -> None:
    """It is due again, and no longer in quarantine."""
    quarantine_job(deployment.store)

    assert ask("jobs", "replay", "relay", "0xabc", "--yes")["state"] == "DUE"
    listed = ask("jobs", "list")
    assert listed["quarantined"] == []
    assert [job["state"] for job in listed["jobs"]] == ["DUE"]


def test_without_yes_nothing_is_replayed(ask: Ask, deployment: Deployment) -> None:
    """The refusal names what stopped the job."""
    quarantine_job(deployment.store)

    error = ask("jobs", "replay", "relay", "0xabc", exit_code=1)["error"]

    assert error["code"] == "not_confirmed"
    assert "it was stopped by: target_reverts" in error["details"][0]
    assert len(ask("jobs", "list")["quarantined"]) == 1


def test_an_unknown_job_is_refused(ask: Ask) -> None:
    """Exit status 1."""
    error = ask("jobs", "replay", "relay", "0xabc", "--yes", exit_code=1)["error"]

    assert error["code"] == "unknown_job"


def test_a_job_that_is_not_quarantined_is_refused(ask: Ask, deployment: Deployment) -> None:
    """Replaying twice does nothing twice."""
    quarantine_job(deployment.store)
    ask("jobs", "replay", "relay", "0xabc", "--yes")

    error = ask("jobs", "replay", "relay", "0xabc", "--yes", exit_code=1)["error"]

    assert error["code"] == "not_quarantined"


def test_a_person_sees_the_way_out(run: Run, deployment: Deployment) -> None:
    """The table of the quarantined says how to replay."""
    quarantine_job(deployment.store)

    shown = run("jobs", "list", *deployment.options).stdout

    assert "relayer jobs replay KIND KEY --yes" in shown
    assert "target_reverts" in shown


def test_a_name_that_is_not_utf_8_is_refused(ask: Ask) -> None:
    """By its argument."""
    error = ask("jobs", "replay", "relay", "\udcff", "--yes", exit_code=2)["error"]

    assert error["code"] == "settings"
    assert "KEY" in error["details"][0]

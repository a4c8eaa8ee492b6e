"""Commands that stop a chain and let it go on."""

from tests.relayer.cli.conftest import Ask, Run
from tests.relayer.cli.samples import CHAIN_ID, Deployment

HALT = ("chain", "halt", CHAIN_ID, "--reason", "node disagrees")
RESUME = ("chain", "resume", CHAIN_ID, "--reason", "node replaced")


def is_halted(deployment: Deployment) -> bool:
    """Return what the store says."""
    with deployment.store.read() as uow:
        return uow.chains.is_halted(CHAIN_ID)


def test_a_chain_is_halted_and_resumed(ask: Ask, deployment: Deployment) -> None:
    """Both keep their reason."""
    assert ask(*HALT, "--yes")["is_halted"] is True
    assert is_halted(deployment)

    assert ask(*RESUME, "--yes") == {
        "chain_id": CHAIN_ID,
        "is_halted": False,
        "reason": "node replaced",
    }
    assert not is_halted(deployment)


def test_without_yes_nothing_is_halted(ask: Ask, deployment: Deployment) -> None:
    """Exit status 1."""
    assert ask(*HALT, exit_code=1)["error"]["code"] == "not_confirmed"
    assert not is_halted(deployment)


def test_a_reason_is_needed(run: Run, deployment: Deployment) -> None:
    """Without --reason it is a usage error, with an empty one it is refused."""
    missing = run("chain", "halt", CHAIN_ID, "--yes", *deployment.options)
    empty = run("chain", "halt", CHAIN_ID, "--yes", "--reason", "  ", *deployment.options)

    assert (missing.exit_code, empty.exit_code) == (2, 1)
    assert not is_halted(deployment)


def test_a_chain_that_is_not_configured_is_broken(ask: Ask) -> None:
    """A slip in the name is told with the known names."""
    error = ask("chain", "halt", "eip155:5", "--reason", "x", "--yes", exit_code=2)["error"]

    assert "eip155:5 is not configured; known: eip155:1" in error["details"][0]


def test_a_halt_that_changes_nothing_is_refused(ask: Ask) -> None:
    """Halting twice, or resuming what runs, is a slip."""
    assert ask(*RESUME, "--yes", exit_code=1)["error"]["code"] == "no_change"
    ask(*HALT, "--yes")
    assert ask(*HALT, "--yes", exit_code=1)["error"]["code"] == "no_change"


def test_a_reason_that_is_not_utf_8_is_refused(ask: Ask, deployment: Deployment) -> None:
    """It cannot be kept."""
    line = ("chain", "halt", CHAIN_ID, "--reason", "\udcff", "--yes")

    assert ask(*line, exit_code=2)["error"]["code"] == "settings"
    assert not is_halted(deployment)

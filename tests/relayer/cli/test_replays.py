"""Commands that read final blocks again: what they refuse before a node is asked."""

from tests.relayer.cli.conftest import Ask
from tests.relayer.cli.samples import CHAIN_ID, Deployment, store_final_head


def test_no_chain_is_read_as_a_whole_without_yes(ask: Ask) -> None:
    """It may take hours of a node's time."""
    assert ask("reindex", "--chain", CHAIN_ID, exit_code=1)["error"]["code"] == "not_confirmed"


def test_blocks_above_the_final_one_are_refused(ask: Ask, deployment: Deployment) -> None:
    """The error names the newest final block."""
    store_final_head(deployment.store, 100)

    error = ask(*("replay", "--chain", CHAIN_ID, "--from", "90", "--to", "101"), exit_code=1)[
        "error"
    ]

    assert error["code"] == "not_final"
    assert "100" in error["details"][0]


def test_a_halted_chain_and_an_unread_one_are_refused(ask: Ask, deployment: Deployment) -> None:
    """Each with its reason."""
    unread = ask("reindex", "--chain", CHAIN_ID, "--yes", exit_code=1)["error"]
    with deployment.store.unit_of_work() as uow:
        uow.chains.halt(CHAIN_ID, "looked at")
    store_final_head(deployment.store, 100)

    halted = ask("reindex", "--chain", CHAIN_ID, "--yes", exit_code=1)["error"]

    assert unread["code"] == "chain_unread"
    assert halted["code"] == "chain_halted"


def test_an_unknown_chain_is_named(ask: Ask) -> None:
    """Exit status 2: the command line is wrong."""
    assert "error" in ask("reindex", "--chain", "eip155:999999", "--yes", exit_code=2)

"""Commands about margin accounts."""

from tests.relayer.cli.conftest import Ask, Run
from tests.relayer.cli.samples import (
    ACCOUNT,
    Deployment,
    enqueue_release,
    open_account,
    post_locks,
)

ACCOUNT_TEXT = "0x" + ACCOUNT.hex()


def test_accounts_are_listed(ask: Ask, deployment: Deployment) -> None:
    """Each account has its opener; paging goes on behind an id."""
    open_account(deployment.store)

    assert [found["account"] for found in ask("account", "list")["accounts"]] == [ACCOUNT_TEXT]
    assert ask("account", "list", "--after", ACCOUNT_TEXT) == {"accounts": []}


def test_an_account_shows_its_owners_collateral_and_messages(
    ask: Ask, deployment: Deployment
) -> None:
    """Final collateral is available, collateral that is not final is soft."""
    open_account(deployment.store)
    post_locks(deployment.store)
    message_id = enqueue_release(deployment.store)

    shown = ask("account", "show", ACCOUNT_TEXT)

    (line,) = shown["collateral"]
    assert line["available_units"] == str(2 * 10**18)
    assert line["soft_units"] == str(25 * 10**16)
    assert line["held_units"] == "0"
    assert shown["owners"][0]["chain_id"] == "eip155:1"
    assert shown["messages"][0]["message_id"] == "0x" + message_id.hex()
    assert shown["debts"] == []


def test_a_person_sees_whole_tokens_and_base_units(run: Run, deployment: Deployment) -> None:
    """The table shows both."""
    open_account(deployment.store)
    post_locks(deployment.store)

    result = run("account", "show", ACCOUNT_TEXT, *deployment.options)

    assert result.exit_code == 0
    assert "2 WETH (2000000000000000000)" in result.stdout
    assert "0.25 WETH (250000000000000000)" in result.stdout


def test_an_unknown_account_is_refused(ask: Ask) -> None:
    """Exit status 1, and where to look."""
    error = ask("account", "show", ACCOUNT_TEXT, exit_code=1)["error"]

    assert error["code"] == "unknown_account"
    assert "relayer account list" in error["details"][0]


def test_half_an_id_is_a_usage_error(ask: Ask) -> None:
    """Exit status 2, naming the argument."""
    error = ask("account", "show", "0x1234", exit_code=2)["error"]

    assert error["details"] == ["ID: 2 bytes; 32 bytes as 0x-hex are needed"]

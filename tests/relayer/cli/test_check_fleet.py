"""The doctor's checks of database, broker, keys, guardians and prices."""

import asyncio
import json
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from chains.errors import WrongChainError
from chains.finality import ChainIdentity
from chains.port import Quote
from chains.types import BlockRef, ChainId
from relayer.cli.check_fleet import (
    DELIVERIES_MIN,
    GAS_PER_DELIVERY,
    LAMPORTS_PER_DELIVERY,
    check_broker,
    check_database,
    check_funds,
    check_guardian,
    check_key,
    check_lamports,
    check_price,
    check_sender,
    compare_identity,
)
from relayer.cli.checks import CheckState
from relayer.clock import SystemClock
from relayer.settings import Settings
from tests.chains.bridges.guardian_server import serving
from tests.relayer.cli.samples import CHAIN_ID, Deployment, example_values, open_at
from tests.relayer.cli.test_check_chain import FEED, fake_chain

SETTINGS = Settings(**example_values())
MEMBER = SETTINGS.guardians.members[0]
WETH = SETTINGS.assets[0]
NOW = 1_800_000_000


def states(deployment: Deployment) -> dict[str, CheckState]:
    """Return what the database's checks find."""
    return {found.code: found.state for found in check_database(deployment.store)}


def test_a_right_database_passes(deployment: Deployment) -> None:
    """Reachable, at the newest migration, every trigger in place."""
    assert set(states(deployment).values()) == {CheckState.OK}


def test_a_dropped_trigger_is_named(deployment: Deployment) -> None:
    """Somebody made the journal writable."""
    connection = sqlite3.connect(deployment.config.parent / "hub.db")
    with connection:
        connection.execute("DROP TRIGGER journal_entry_no_delete")
    connection.close()

    (found,) = [c for c in check_database(deployment.store) if c.state is not CheckState.OK]

    assert found.code == "database.append_only"
    assert "journal_entry_no_delete" in found.detail


def test_a_database_that_is_behind_is_broken(tmp_path: Path) -> None:
    """The triggers of another schema are not looked at."""
    store = open_at(f"sqlite:///{tmp_path / 'empty.db'}", SystemClock())

    found = {check.code: check for check in check_database(store)}
    store.close()

    assert found["database.schema"].state is CheckState.BROKEN
    assert "relayer db upgrade" in found["database.schema"].remedy
    assert found["database.append_only"].state is CheckState.SKIPPED


def test_a_database_that_cannot_be_reached_is_broken_and_shows_no_password() -> None:
    """The other checks of the database are skipped."""
    store = open_at("postgresql://bob:hunter22@127.0.0.1:1/hub", SystemClock())

    found = check_database(store)
    store.close()

    assert [check.state for check in found] == [
        CheckState.BROKEN,
        CheckState.SKIPPED,
        CheckState.SKIPPED,
    ]
    assert "hunter22" not in str(found)


def test_comparing_an_identity_stores_nothing(deployment: Deployment) -> None:
    """A doctor changes nothing; another genesis than the stored one is refused."""
    first = ChainIdentity("1", BlockRef(0, b"\x01" * 32))
    second = ChainIdentity("1", BlockRef(0, b"\x02" * 32))

    compare_identity(deployment.store, CHAIN_ID, first)
    compare_identity(deployment.store, CHAIN_ID, second)
    with deployment.store.unit_of_work() as uow:
        uow.chains.remember_identity(CHAIN_ID, "1", b"\x01" * 32)

    assert "contradicts nothing" in compare_identity(deployment.store, CHAIN_ID, first)
    with pytest.raises(WrongChainError):
        compare_identity(deployment.store, CHAIN_ID, second)


def test_a_broker_inside_the_process_is_fine(deployment: Deployment) -> None:
    """memory:// needs nobody."""
    assert check_broker(deployment.settings).state is CheckState.OK


def test_a_broker_that_is_down_is_broken_and_shows_no_password() -> None:
    """The remedy says that work goes on."""
    settings = Settings(**(example_values() | {"broker_url": "amqp://bob:hunter22@127.0.0.1:1//"}))

    found = check_broker(settings)

    assert found.state is CheckState.BROKEN
    assert "hunter22" not in found.detail


@pytest.mark.parametrize(
    ("text", "mode", "state"),
    [
        ("0x" + "11" * 32, 0o600, CheckState.OK),
        ("11" * 32, 0o400, CheckState.OK),
        ('{"crypto": {}}', 0o600, CheckState.OK),
        ("  " + "11" * 32 + " \n", 0o600, CheckState.OK),
        ("0x" + "11" * 32, 0o644, CheckState.BROKEN),
        ("0x" + "11" * 32, 0o640, CheckState.BROKEN),
        ("0x" + "11" * 32, 0o606, CheckState.BROKEN),
        ("0x" + "11" * 31, 0o600, CheckState.BROKEN),
        ("not a key", 0o600, CheckState.BROKEN),
        ("", 0o600, CheckState.BROKEN),
    ],
)
def test_a_key_file_is_private_and_holds_a_key(
    text: str, mode: int, state: CheckState, tmp_path: Path
) -> None:
    """Its content is never shown."""
    path = tmp_path / "key"
    path.write_text(text)
    path.chmod(mode)

    found = check_key("sender.key", path)

    assert found.state is state
    assert "11" * 8 not in found.detail


def test_a_missing_key_file_is_broken(tmp_path: Path) -> None:
    """The path is in the finding; a folder is no key file either."""
    assert check_key("guardian.key", tmp_path / "none").state is CheckState.BROKEN
    assert check_key("guardian.key", tmp_path).state is CheckState.BROKEN


def test_a_sender_shows_what_is_not_final() -> None:
    """Its address and its nonces come from the chain."""
    found = asyncio.run(check_sender(fake_chain()))  # type: ignore[arg-type]

    assert found.state is CheckState.OK
    assert "3 sent, 1 of them not final" in found.detail


ONE_DELIVERY_WEI = GAS_PER_DELIVERY * 10 * 10**9


@pytest.mark.parametrize(
    ("balance_wei", "state"),
    [
        (0, CheckState.BROKEN),
        (ONE_DELIVERY_WEI - 1, CheckState.BROKEN),
        (ONE_DELIVERY_WEI, CheckState.WARNING),
        (DELIVERIES_MIN * ONE_DELIVERY_WEI - 1, CheckState.WARNING),
        (DELIVERIES_MIN * ONE_DELIVERY_WEI, CheckState.OK),
    ],
)
def test_a_sender_that_cannot_pay_is_found(balance_wei: int, state: CheckState) -> None:
    """Counted in deliveries at today's fees; the finding says where to send coins."""
    chain = replace(fake_chain(), sender_balance_wei=balance_wei)

    found = asyncio.run(check_funds(chain))  # type: ignore[arg-type]

    assert found.state is state
    assert f"has {balance_wei} wei" in found.detail
    assert (found.remedy == "") == (state is CheckState.OK)


@pytest.mark.parametrize(
    ("status", "body", "code", "state"),
    [
        (200, {"address": MEMBER.address}, "guardian.identity", CheckState.OK),
        (200, {"address": "0x" + "99" * 20}, "guardian.identity", CheckState.BROKEN),
        (200, {"address": 7}, "guardian.reachable", CheckState.BROKEN),
        (200, ["x"], "guardian.reachable", CheckState.BROKEN),
        (200, {"address": "zz"}, "guardian.identity", CheckState.BROKEN),
        (500, {"address": MEMBER.address}, "guardian.reachable", CheckState.BROKEN),
    ],
)
def test_a_guardian_answers_under_its_own_address(
    status: int, body: object, code: str, state: CheckState
) -> None:
    """A url that leads to somebody else is found."""
    with serving() as server:
        server.status, server.body = status, json.dumps(body).encode()

        found = asyncio.run(check_guardian(MEMBER.model_copy(update={"url": server.url})))

    assert (found.code, found.state) == (code, state)
    assert server.asked == [("/v1/status", b"")]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_guardian_that_sends_elsewhere_is_broken_and_nobody_else_is_asked(status: int) -> None:
    """Not even another place of its own, and no address that nobody can read is an error."""
    found = []
    with serving() as server:
        member = MEMBER.model_copy(update={"url": server.url})
        server.status, server.body = status, json.dumps({"address": MEMBER.address}).encode()
        for location in ("/v1/other", "http://[", "http://a:99999/", "//"):
            server.headers = {"Location": location}
            found.append(asyncio.run(check_guardian(member)))

    assert {(check.code, check.state) for check in found} == {
        ("guardian.reachable", CheckState.BROKEN)
    }
    assert server.asked == [("/v1/status", b"")] * len(found)
    assert f"HTTP {status}" in found[0].detail


def test_a_guardian_that_answers_without_end_is_broken() -> None:
    """The doctor reads so much as shows it."""
    with serving() as server:
        server.endless = True

        found = asyncio.run(check_guardian(MEMBER.model_copy(update={"url": server.url})))

    assert (found.code, found.state) == ("guardian.reachable", CheckState.BROKEN)


def test_a_guardian_that_is_down_is_broken() -> None:
    """Nobody listens at the port."""
    member = MEMBER.model_copy(update={"url": "http://127.0.0.1:1"})

    assert asyncio.run(check_guardian(member)).state is CheckState.BROKEN


@pytest.mark.parametrize(
    ("answer", "age_seconds", "state"),
    [
        (200_000_000_000, 30, CheckState.OK),
        (200_000_000_000, 2 * WETH.heartbeat_seconds, CheckState.BROKEN),
        (0, 30, CheckState.BROKEN),
        (-1, 30, CheckState.BROKEN),
    ],
)
def test_a_price_is_judged_as_decisions_judge_it(
    answer: int, age_seconds: int, state: CheckState
) -> None:
    """Stale, zero and negative answers give no price."""
    quotes = {"weth-mainnet": Quote(FEED, answer, 8, NOW - age_seconds, 1)}

    found = check_price(WETH, quotes, NOW)

    assert found.state is state
    assert (found.detail == "2,000.00 USD from 1 feeds") == (state is CheckState.OK)


def test_a_price_without_quotes_is_broken() -> None:
    """Feeds that did not answer leave nothing to decide on."""
    assert check_price(WETH, {}, NOW).state is CheckState.BROKEN


def test_chain_ids_of_the_sample_and_the_settings_agree() -> None:
    """The sample chain is configured."""
    assert SETTINGS.chain(ChainId("eip155:1")).id == CHAIN_ID


@pytest.mark.parametrize(
    ("lamports", "state"),
    [
        (LAMPORTS_PER_DELIVERY - 1, CheckState.BROKEN),
        (LAMPORTS_PER_DELIVERY, CheckState.WARNING),
        (DELIVERIES_MIN * LAMPORTS_PER_DELIVERY, CheckState.OK),
    ],
)
def test_a_solana_key_that_cannot_pay_is_found(lamports: int, state: CheckState) -> None:
    """Counted in deliveries, with what their accounts must hold."""
    chain = replace(fake_chain(), sender_balance_wei=lamports)

    found = asyncio.run(check_lamports(chain))  # type: ignore[arg-type]

    assert found.state is state
    assert f"has {lamports} lamports" in found.detail

"""Commands about what the governor holds back."""

from dataclasses import replace

import pytest

from chains.types import ChainId
from relayer.assets import Path
from relayer.clock import UnixSeconds
from relayer.governor.buckets import Lane, Shortage
from relayer.money import WAD
from relayer.store.governor import GOVERNOR, GovernorRelease, ReleaseState
from tests.relayer.cli.conftest import Ask, Run
from tests.relayer.cli.samples import CHAIN_ID, WETH, Deployment, enqueue_release


def hold_back(deployment: Deployment) -> str:
    """Let the governor hold the sample release back; return its id as typed."""
    message_id = enqueue_release(deployment.store)
    now = deployment.store.clock.now()
    queued = GovernorRelease(
        message_id=message_id,
        path=Path(WETH, CHAIN_ID, "guardian"),
        units=5,
        value_wad=4_500 * WAD,
        state=ReleaseState.QUEUED,
        is_counted=True,
        queued_at=now,
        due_at=UnixSeconds(now + 600),
        expires_at=UnixSeconds(now + 90_000),
        decided_at=None,
        reason="the window is full",
        who=GOVERNOR,
    )
    used = replace(
        queued,
        message_id=b"u" * 32,
        state=ReleaseState.RELEASED,
        value_wad=1_000 * WAD,
        decided_at=now,
    )
    with deployment.store.unit_of_work() as uow:
        uow.governor.add(queued)
        uow.governor.add(used)
    return "0x" + message_id.hex()


def test_status_shows_windows_queue_and_log(ask: Ask, deployment: Deployment) -> None:
    """What is used, the limit, and when room comes next."""
    message = hold_back(deployment)
    now = deployment.store.clock.now()

    status = ask("governor", "status")

    (window,) = status["windows"]
    assert (window["used_wad"], window["limit_wad"]) == (str(1_000 * WAD), str(10**7 * WAD))
    assert window["next_free_at"] == now + 86_400
    assert [each["message_id"] for each in status["waiting"]] == [message]
    assert [each["action"] for each in status["log"]] == ["release", "queue"]


def test_status_shows_what_is_in_each_bucket(ask: Ask, deployment: Deployment) -> None:
    """What is there, what it holds, and when it is full again."""
    hold_back(deployment)
    ahead = UnixSeconds(deployment.store.clock.now() + 1_000)  # so that nothing refills meanwhile
    lane = Lane(ChainId(deployment.settings.hub), CHAIN_ID)
    with deployment.store.unit_of_work() as uow:
        uow.governor.take(b"t" * 32, lane, 5, Shortage(100 * WAD, ahead))

    (bucket,) = ask("governor", "status")["buckets"]

    assert bucket == {
        "origin": deployment.settings.hub,
        "target": CHAIN_ID,
        "level_wad": str(1_999_900 * WAD),
        "missing_wad": str(100 * WAD),
        "capacity_wad": str(2_000_000 * WAD),
        "refill_wad_per_second": str(25 * WAD),
        "full_at": ahead + 4,
    }


@pytest.mark.parametrize(("value_usd", "leaves_by"), [(4_500, "bucket"), (2_000_001, "person")])
def test_status_says_what_lets_a_message_leave(
    ask: Ask, run: Run, deployment: Deployment, value_usd: int, leaves_by: str
) -> None:
    """Time alone does where its lane has no bucket."""
    message = hold_back(deployment)
    with deployment.store.unit_of_work() as uow:
        before = uow.governor.get(bytes.fromhex(message[2:]))
        assert before is not None
        uow.governor.change(before, replace(before, value_wad=value_usd * WAD), "queue")

    (waiting,) = ask("governor", "status")["waiting"]

    assert waiting["leaves_by"] == leaves_by
    words = {"bucket": "when its bucket holds it", "person": "when a person releases it"}
    shown = run("governor", "status", *deployment.options).output
    assert words[leaves_by] in " ".join(shown.split())


def test_status_is_readable(run: Run, deployment: Deployment) -> None:
    """Whole ids, dollars, reasons."""
    message = hold_back(deployment)

    shown = run("governor", "status", *deployment.options).output

    for words in (message[:20], "4500.000000 USD", "the window is full", "mode enforce"):
        assert words in shown


def test_a_person_extends_and_releases(ask: Ask, deployment: Deployment) -> None:
    """Both are in the log with name and reason."""
    message = hold_back(deployment)

    longer = ask("governor", "extend", message, "--seconds", "60", "--reason", "checking", "--yes")
    released = ask("governor", "release", message, "--reason", "checked", "--yes")

    assert (longer["state"], released["state"]) == ("DELAYED", "RELEASED")
    log = ask("governor", "status")["log"]
    assert [(each["action"], each["reason"]) for each in log][:2] == [
        ("release", "checked"),
        ("extend", "checking"),
    ]
    assert log[0]["who"] not in ("", GOVERNOR)


def test_nothing_changes_without_yes_or_for_an_unknown_message(
    ask: Ask, deployment: Deployment
) -> None:
    """Exit status 1."""
    message = hold_back(deployment)
    options = ("--reason", "x")

    unconfirmed = ask("governor", "release", message, *options, exit_code=1)
    unknown = ask("governor", "drop", "0x" + "00" * 32, *options, "--yes", exit_code=1)

    assert unconfirmed["error"]["code"] == "not_confirmed"
    assert unknown["error"]["code"] == "not_held_back"
    assert [each["message_id"] for each in ask("governor", "status")["waiting"]] == [message]

"""The status command."""

from chains.events import CollateralLocked, EventPosition
from chains.nodes import NodeStatus, Standing
from chains.types import BlockRef
from relayer.money import AssetId
from relayer.store.breaks import CustodyDifference
from relayer.store.conditions import Condition
from relayer.store.holes import HoleKind, HoleSource
from tests.relayer.cli.conftest import Ask, Run
from tests.relayer.cli.samples import (
    CHAIN_ID,
    VAULT,
    Deployment,
    enqueue_release,
    post_locks,
    quarantine_job,
    store_final_head,
)


def find_break(deployment: Deployment) -> None:
    """Let ledger and chain disagree by one unit."""
    with deployment.store.unit_of_work() as uow:
        uow.breaks.record(
            CustodyDifference(
                chain_id=CHAIN_ID,
                asset_id=AssetId("WETH"),
                contract=VAULT,
                ledger_units=10**18,
                chain_units=10**18 - 1,
                block=BlockRef(7, b"\xb1" * 32),
            )
        )


def test_a_new_deployment_has_a_status(ask: Ask) -> None:
    """Nothing read, nothing booked, nothing waiting."""
    status = ask("status")

    assert status["hub"] == "hub:example"
    assert status["ledger"]["seq"] == 0
    assert (status["jobs"], status["messages"], status["breaks"]) == ([], [], [])
    assert [chain["head_height"] for chain in status["chains"]] == [None] * 4
    assert [guardian["label"] for guardian in status["guardians"]] == [
        "guardian-1",
        "guardian-2",
        "guardian-3",
    ]


def test_status_shows_how_far_everything_is(ask: Ask, deployment: Deployment) -> None:
    """Chains, jobs, messages, breaks and the ledger."""
    post_locks(deployment.store)
    message_id = enqueue_release(deployment.store)
    store_final_head(deployment.store, 120)
    find_break(deployment)
    quarantine_job(deployment.store)

    status = ask("status")

    assert status["ledger"]["seq"] == 2
    chain = status["chains"][0]
    assert (chain["head_height"], chain["finalized_height"], chain["lag_blocks"]) == (120, 120, 0)
    (group,) = status["messages"]
    assert (group["state"], group["reason"], group["count"]) == ("PENDING", "composed", 1)
    assert group["oldest_message_id"] == "0x" + message_id.hex()
    assert group["oldest_seconds"] >= 60
    (found,) = status["breaks"]
    assert (found["ledger_units"], found["chain_units"]) == (str(10**18), str(10**18 - 1))
    assert status["jobs"][0]["state"] == "QUARANTINED"


def test_r3_holes_are_counted_per_chain(ask: Ask, deployment: Deployment) -> None:
    """Whoever looks sees that nodes lose logs, and how far the second reading is."""
    position = EventPosition(CHAIN_ID, BlockRef(7, b"\xb1" * 32), b"\x01" * 32, 0, VAULT)
    missed = CollateralLocked(position, 1, VAULT, VAULT, VAULT, 5, 5)
    with deployment.store.unit_of_work() as uow:
        uow.holes.record([missed], HoleKind.MISSED, HoleSource.REREAD)

    first, second, *_ = ask("status")["chains"]

    assert first["holes"] == {"missed": 1, "unconfirmed": 0, "disputed": 0}
    assert second["holes"] == {"missed": 0, "unconfirmed": 0, "disputed": 0}
    assert first["reread_height"] is None


def test_a_halted_chain_is_shown_with_its_reason(ask: Ask, deployment: Deployment) -> None:
    """The operator sees why work stands still."""
    with deployment.store.unit_of_work() as uow:
        uow.chains.halt(CHAIN_ID, "final block replaced")

    chain = ask("status")["chains"][0]

    assert chain["is_halted"] is True
    assert chain["halted_reason"] == "final block replaced"


def test_r5_a_lost_quorum_is_shown_with_its_nodes_by_label(
    ask: Ask, run: Run, deployment: Deployment
) -> None:
    """Who failed, how each stands, how often it dissented; no URL, which may hold a key."""
    with deployment.store.unit_of_work() as uow:
        uow.conditions.set(CHAIN_ID, Condition.QUORUM_LOST, "failed: own-2, rented-1")
        for status in (
            NodeStatus("own-1", Standing.HEALTHY, "", 0),
            NodeStatus("own-2", Standing.OUT, "3 disputes in 600 s", 3),
            NodeStatus("gone", Standing.DEMOTED, "TIMEOUT", 0),
        ):
            uow.conditions.record_node(CHAIN_ID, status, new_dissents=status.dissents)

    shown = ask("status")
    text = " ".join(run("status", *deployment.options).stdout.split())

    chain = shown["chains"][0]
    now_seconds = deployment.store.clock.now()
    assert chain["condition"] == "quorum_lost"
    assert chain["condition_since"] == now_seconds
    assert chain["condition_detail"] == "failed: own-2, rented-1"
    assert [(node["label"], node["standing"], node["dissents"]) for node in chain["nodes"]] == [
        ("own-1", "HEALTHY", 0),
        ("own-2", "OUT", 3),
    ]
    assert chain["nodes"][1]["dissented_at"] == now_seconds
    assert shown["chains"][1]["condition"] is None
    assert "quorum_lost" in text
    assert "own-2" in text
    for url in deployment.settings.chains[0].rpc_urls:
        assert url not in f"{shown} {text}"


def test_a_person_sees_breaks_in_whole_tokens(run: Run, deployment: Deployment) -> None:
    """A break of one unit is visible."""
    find_break(deployment)

    shown = run("status", *deployment.options).stdout

    assert "BREAKS" in shown
    assert "0.999999999999999999 WETH (999999999999999999)" in shown

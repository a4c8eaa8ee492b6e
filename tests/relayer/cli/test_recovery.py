"""chain recover: a dry run first, --yes to do it, and resume only afterwards."""

from typing import Any

import pytest

from chains.events import CollateralLocked, EventPosition
from relayer import wiring
from relayer.settings import Settings
from relayer.steps.catalog import Catalog
from relayer.steps.fence import open_fence
from relayer.steps.reconcile import reconcile
from tests.relayer.cli.conftest import Ask, Run
from tests.relayer.cli.samples import ACCOUNT, CHAIN_ID, VAULT, WETH_TOKEN, Deployment
from tests.relayer.steps.bookings import Bench
from tests.simulated_chain import SimulatedChain, Tx

RECOVER = ("chain", "recover", CHAIN_ID, "--reason", "checked with three nodes")
RESUME = ("chain", "resume", CHAIN_ID, "--reason", "recovered")


def lock(units: int) -> Tx:
    """Return a lock of the sample account."""

    def _build(position: EventPosition, lock_id: int) -> CollateralLocked:
        return CollateralLocked(position, lock_id, ACCOUNT, WETH_TOKEN, ACCOUNT, units, units)

    return Tx(f"lock {units}", VAULT, _build)


@pytest.fixture
def bench(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A chain whose final lock was replaced, halted, and its watcher gone."""
    chain = SimulatedChain(CHAIN_ID)
    catalog: Catalog = wiring.catalog_of(deployment.settings)
    bench = Bench(deployment.store, chain, catalog=catalog)
    chain.mine()
    chain.finalize()
    bench.follow()
    chain.mine(lock(5))
    bench.follow()
    chain.finalize()
    bench.catch_up()
    chain.reorg(1, [], [])
    with bench.store.unit_of_work() as uow:
        uow.chains.halt(CHAIN_ID, "a final block was replaced")
        uow.leases.release(bench.lease())

    def _reader(settings: Settings, chain_id: str) -> Any:
        assert chain_id == CHAIN_ID
        return chain

    monkeypatch.setattr(wiring, "chain_reader", _reader)
    return bench


def test_r2_a_dry_run_shows_and_changes_nothing(ask: Ask, bench: Bench) -> None:
    """Events, entries, target and former final block; the chain is as it was."""
    shown = ask(*RECOVER)

    assert (shown["is_done"], shown["target"]["height"]) == (False, "1")
    assert (shown["events_total"], shown["final_entries"], shown["checkpoints"]) == (1, 1, 1)
    assert shown["events"][0]["units"] == "5"
    assert ask(*RECOVER)["is_done"] is False


def test_r2_a_recovered_chain_may_be_resumed(ask: Ask, bench: Bench) -> None:
    """Before it, resuming is refused with the remedy; after it, once the entries are reversed."""
    before = ask(*RESUME, "--yes", exit_code=1)["error"]
    done = ask(*RECOVER, "--by", "ann", "--yes")
    waiting = ask(*RESUME, "--yes", exit_code=1)["error"]["code"]
    reconcile(bench.store, bench.catalog, CHAIN_ID, fence=open_fence)
    after = ask(*RESUME, "--yes")

    assert (before["code"], done["is_done"], waiting) == (
        "finality_violated",
        True,
        "entries_waiting",
    )
    assert f"relayer chain recover {CHAIN_ID}" in before["details"][0]
    assert after["is_halted"] is False
    with bench.store.read() as uow:
        (recovery,) = uow.recoveries.recoveries(CHAIN_ID)
    assert (recovery.order.by, recovery.order.reason) == ("ann", "checked with three nodes")


def test_people_see_the_same_as_tables(run: Run, deployment: Deployment, bench: Bench) -> None:
    """And are told what to do next."""
    shown = run(*RECOVER, *deployment.options)

    assert shown.exit_code == 0
    assert "CollateralLocked" in shown.stdout
    assert "repeat it with --yes" in shown.stdout


def test_a_reason_and_a_name_are_needed(ask: Ask, bench: Bench) -> None:
    """Both are kept for good."""
    no_reason = ask("chain", "recover", CHAIN_ID, "--reason", " ", "--yes", exit_code=1)
    no_name = ask(*RECOVER, "--by", " ", "--yes", exit_code=1)

    assert (no_reason["error"]["code"], no_name["error"]["code"]) == ("reason", "by")


def test_a_chain_that_runs_is_refused(ask: Ask, bench: Bench) -> None:
    """The refusal names the command that halts it."""
    with bench.store.unit_of_work() as uow:
        uow.chains.resume(CHAIN_ID, "test")

    error = ask(*RECOVER, "--yes", exit_code=1)["error"]

    assert error["code"] == "not_halted"
    assert f"relayer chain halt {CHAIN_ID}" in error["details"][0]

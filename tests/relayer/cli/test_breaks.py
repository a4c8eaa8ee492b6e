"""custody breaks, custody clear, ledger correct: who says what, and what is left open."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chains.correction import Correction, CorrectionPosting, correction_fields
from chains.events import CollateralLocked, EventPosition
from chains.types import chain_id_of
from relayer import wiring
from relayer.clock import FixedClock, SystemClock
from relayer.ledger.chart import margin_code, vault_code
from relayer.money import AssetId
from relayer.settings import Settings, load_settings
from relayer.store.breaks import CustodyDifference
from tests.databases import TestDatabases
from tests.properties.test_custody import HonestVault
from tests.relayer.api.kit import signer
from tests.relayer.cli.conftest import Ask, Run
from tests.relayer.cli.samples import (
    ACCOUNT,
    CHAIN_ID,
    VAULT,
    WETH_TOKEN,
    Deployment,
    open_at,
    write_config,
)
from tests.relayer.steps.bookings import Bench
from tests.simulated_chain import Tx

SIGNERS = tuple(sorted((signer(f"accountant {n}") for n in range(3)), key=lambda s: s.address))
EXAMPLE_SIGNERS = tuple(f"0x{'0' * 36}0c0{number}" for number in (1, 2, 3))


@pytest.fixture
def deployment(tmp_path: Path, databases: TestDatabases) -> Iterator[Deployment]:
    """The sample deployment with three accountants, two of whom must sign."""
    url = databases.migrated_file(tmp_path / "hub.db")
    addresses = ("0x" + key.address[12:].hex() for key in SIGNERS)
    config = write_config(tmp_path, url, *zip(EXAMPLE_SIGNERS, addresses, strict=True))
    store = open_at(url, FixedClock(SystemClock().now()))
    yield Deployment(config=config, settings=load_settings(config), store=store)
    store.close()


@pytest.fixture
def bench(ask: Ask, deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A ledger with 5 units fewer than its vault, and the break that says so."""
    chain = HonestVault(CHAIN_ID)
    catalog = wiring.catalog_of(deployment.settings)
    bench = Bench(deployment.store, chain, catalog=catalog)

    def _build(position: EventPosition, lock_id: int) -> CollateralLocked:
        return CollateralLocked(position, lock_id, ACCOUNT, WETH_TOKEN, ACCOUNT, 7, 7)

    chain.mine(Tx("lock", VAULT, _build))
    chain.finalize()
    bench.catch_up()
    chain.counted = {"held_units": 5, "balance_units": 5}

    def _reader(settings: Settings, chain_id: str) -> Any:
        del settings, chain_id
        return chain

    monkeypatch.setattr(wiring, "chain_reader", _reader)
    error = ask("custody", "clear", "1", "--reason", "x", "--yes", exit_code=1)["error"]
    assert error["code"] == "unknown_break"
    with bench.store.unit_of_work() as uow:
        uow.breaks.record(difference(bench))
    return bench


def difference(bench: Bench) -> CustodyDifference:
    """Return the difference as a comparison records it."""
    block = bench.chain.blocks[1].header.block
    return CustodyDifference(CHAIN_ID, AssetId("WETH"), VAULT, 7, 12, block)


def write_correction(folder: Path, deployment: Deployment, units: int = 5) -> Path:
    """Write a correction that two accountants signed."""
    made = Correction(
        CHAIN_ID,
        "WETH",
        1,
        (
            CorrectionPosting(vault_code(VAULT), units),
            CorrectionPosting(margin_code(ACCOUNT), -units),
        ),
        "the first node hid it",
    )
    digest = made.digest(chain_id_of(deployment.settings.hub))
    signatures = [key.sign(digest) for key in SIGNERS[:2]]
    path = folder / "correction.json"
    path.write_text(json.dumps({**correction_fields(made), "signatures": signatures}))
    return path


def test_r14_a_break_that_still_differs_is_not_cleared(ask: Ask, bench: Bench) -> None:
    """The difference and the remedy are named; the break stays."""
    error = ask("custody", "clear", "1", "--reason", "looks fine", "--yes", exit_code=1)["error"]
    (left,) = ask("custody", "breaks")["breaks"]

    assert error["code"] == "still_differs"
    assert "relayer ledger correct" in error["details"][0]
    assert (left["break_id"], left["corrections"]) == (1, [])


def test_r14_a_correction_is_posted_and_clears_its_break(
    ask: Ask, bench: Bench, deployment: Deployment, tmp_path: Path
) -> None:
    """Without --yes nothing happens; a second time it exists."""
    file = str(write_correction(tmp_path, deployment))
    dry = ask("ledger", "correct", "--file", file, exit_code=1)["error"]["code"]

    done = ask("ledger", "correct", "--file", file, "--yes")
    again = ask("ledger", "correct", "--file", file, "--yes")

    assert (dry, done["status"], done["is_break_cleared"]) == ("not_confirmed", "created", True)
    assert (again["status"], again["entry_id"]) == ("exists", done["entry_id"])
    assert ask("custody", "breaks")["breaks"] == []
    (cleared,) = ask("custody", "breaks", "--all")["breaks"]
    assert cleared["corrections"] == [done["correction_id"]]
    assert cleared["cleared_by"] == "correction " + done["correction_id"]
    assert ask("ledger", "verify")["ok"] is True


def test_a_correction_that_does_not_suffice_leaves_the_break(
    ask: Ask, bench: Bench, deployment: Deployment, tmp_path: Path
) -> None:
    """It is posted, and what still differs is told."""
    file = str(write_correction(tmp_path, deployment, units=4))

    done = ask("ledger", "correct", "--file", file, "--yes")

    assert (done["status"], done["is_break_cleared"]) == ("created", False)
    assert "still_differs" in done["break_still_open"]


def test_a_break_that_healed_is_cleared_with_a_reason(ask: Ask, bench: Bench) -> None:
    """The chain agrees again: who and why are kept."""
    assert isinstance(bench.chain, HonestVault)
    bench.chain.counted = {}

    cleared = ask("custody", "clear", "1", "--reason", "the node was wrong", "--by", "ann", "--yes")

    assert cleared == {"break_id": 1, "cleared_by": "ann", "reason": "the node was wrong"}
    assert ask("custody", "breaks")["breaks"] == []


def test_a_file_that_is_no_correction_is_refused(ask: Ask, bench: Bench, tmp_path: Path) -> None:
    """Missing, no JSON, no object, or a field too few: each is told."""
    file = tmp_path / "wrong.json"
    codes = []
    for text in (None, "{", "[]", "{}", '{"signatures": ["0x00"]}'):
        if text is not None:
            file.write_text(text)
        error = ask("ledger", "correct", "--file", str(file), "--yes", exit_code=1)["error"]
        codes.append(error["code"])

    assert codes == ["file", "file", "file", "correction_invalid", "correction_invalid"]


def test_custody_alone_still_compares(run: Run, deployment: Deployment, bench: Bench) -> None:
    """The commands beside it change nothing about it."""
    result = run("custody", *deployment.options, "--json")

    assert result.exit_code == 2
    assert json.loads(result.stdout)["accounts"][0]["held_units"] == "12"

"""Correct: only what enough people signed is posted, and only what is equal is cleared."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from chains.attestation import SECP256K1_ORDER
from chains.correction import Correction, CorrectionPosting, SignedCorrection
from chains.events import CollateralLocked
from chains.types import ChainId
from relayer.errors import NotYetError, RefusedError
from relayer.ledger.chart import BAD_DEBT, margin_code, vault_code
from relayer.steps.catalog import Catalog
from relayer.steps.compare import compare
from relayer.steps.correct import Clearance, CorrectionRule, clear_break, correct
from relayer.steps.fence import open_fence
from relayer.store.unit_of_work import Store
from tests.relayer.api.kit import ACCOUNT, CHAIN_A, HUB, VAULT_A, VAULT_B, Signer, signer
from tests.relayer.steps.bookings import Bench, leave, lock, release, unlock_message
from tests.simulated_chain import SimulatedChain

SIGNERS = tuple(sorted((signer(f"accountant {n}") for n in range(3)), key=lambda s: s.address))
FIRST, SECOND, THIRD = SIGNERS
RULE = CorrectionRule(frozenset(key.address for key in SIGNERS), 2)
REASON = "lock 1 was booked twice by hand"


@pytest.fixture
def bench(store: Store) -> Bench:
    """A ledger that has 5 units fewer than its vault, and the break that says so."""
    return broken(store)


@pytest.fixture
def quick_bench(quick_store: Store) -> Bench:
    """The same on SQLite."""
    return broken(quick_store)


def broken(store: Store) -> Bench:
    """Let the ledger lose a lock's amount: the node hid 5 of 12 units when it was read."""
    chain = SimulatedChain(CHAIN_A)
    bench = Bench(store, chain)
    chain.mine(lock("one", 7))
    chain.finalize()
    bench.catch_up()
    (event,) = chain.blocks[1].events
    assert isinstance(event, CollateralLocked)
    chain.blocks[1] = replace(chain.blocks[1], events=(replace(event, units=12),))
    compared(bench)
    return bench


def compared(bench: Bench) -> bool:
    """Compare once; return whether all is equal."""
    found = asyncio.run(compare(bench.store, bench.catalog, bench.chain, fence=open_fence))
    return all(custody.is_equal for custody in found)


def break_id(bench: Bench) -> int:
    """Return the number of the one open break."""
    with bench.store.read() as uow:
        (found,) = uow.breaks.open_breaks()
    return found.break_id


def correction(bench: Bench, units: int = 5, **changes: Any) -> Correction:
    """Return the correction that gives the account what its lock was worth."""
    values: dict[str, Any] = {
        "chain_id": CHAIN_A,
        "asset_id": "WETH",
        "break_id": break_id(bench),
        "postings": (
            CorrectionPosting(vault_code(VAULT_A), units),
            CorrectionPosting(margin_code(ACCOUNT), -units),
        ),
        "reason": REASON,
    }
    return Correction(**(values | changes))


def signed(made: Correction, *keys: Signer) -> SignedCorrection:
    """Return a correction with signatures in the order given."""
    digest = made.digest(HUB)
    return SignedCorrection(made, tuple(bytes.fromhex(key.sign(digest)[2:]) for key in keys))


def refused(bench: Bench, found: SignedCorrection, rule: CorrectionRule = RULE) -> str:
    """Return the code with which a correction is refused; the ledger stays as it was."""
    before = bench.kinds()
    with pytest.raises(RefusedError) as caught:
        correct(bench.store, bench.catalog, rule, found)
    assert bench.kinds() == before
    return caught.value.code


def clear(bench: Bench, number: int) -> None:
    """Clear a break."""
    clearance = Clearance(number, "checked", "ann")
    asyncio.run(clear_break(bench.store, bench.catalog, bench.chain, clearance))


def test_r14_a_signed_correction_is_posted_once_with_its_reason(bench: Bench) -> None:
    """The document and its signatures are kept; the break may be cleared once nothing differs."""
    number = break_id(bench)
    with pytest.raises(RefusedError, match="still_differs") as caught:
        clear(bench, number)
    found = signed(correction(bench), FIRST, THIRD)

    first = correct(bench.store, bench.catalog, RULE, found)
    again = correct(bench.store, bench.catalog, RULE, found)
    clear(bench, number)

    assert "ledger 7 units and 1 locks, vault counts 12" in str(caught.value)
    assert (first.is_new, again.is_new, again.entry_id) == (True, False, first.entry_id)
    assert (bench.available(), bench.custody(), compared(bench)) == (12, 12, True)
    with bench.store.read() as uow:
        (kept,) = uow.corrections.of_break(number)
        booked = uow.ledger.entry(first.entry_id)
        assert uow.breaks.open_breaks() == ()
    assert (kept.signed, kept.entry_id) == (found, first.entry_id)
    assert booked is not None
    assert (booked.entry.kind, booked.entry.cause) == ("correction", first.correction_id)
    assert "correction.posted" in bench.told()
    assert bench.is_sound()


def test_r14_what_a_correction_gives_pays_what_the_account_owes(bench: Bench) -> None:
    """Nobody decides on units in between that are not the account's own to use."""
    bench.compose(unlock_message(7))
    bench.chain.mine(leave("exit", 7))
    bench.chain.finalize()
    bench.catch_up()
    owed = bench.units(BAD_DEBT)

    correct(bench.store, bench.catalog, RULE, signed(correction(bench), FIRST, SECOND))

    assert owed == 7
    assert (bench.available(), bench.units(BAD_DEBT)) == (0, 2)
    assert bench.kinds()[-2:] == ["correction", "deficit.cured"]
    assert bench.is_sound()


def test_r14_signatures_that_do_not_make_a_quorum_are_refused(quick_bench: Bench) -> None:
    """Too few, twice the same, out of order, a stranger's, an altered document, a high s."""
    bench = quick_bench
    made = correction(bench)
    first, second = signed(made, FIRST, SECOND).signatures
    s_value = SECP256K1_ORDER - int.from_bytes(second[32:64], "big")
    high_s = second[:32] + s_value.to_bytes(32, "big") + bytes((55 - second[64],))
    altered = correction(bench, units=6)

    assert refused(bench, signed(made, FIRST)) == "signatures_missing"
    assert refused(bench, signed(made)) == "signatures_missing"
    assert refused(bench, signed(made, FIRST, FIRST)) == "signature_order"
    assert refused(bench, signed(made, SECOND, FIRST)) == "signature_order"
    assert refused(bench, signed(made, FIRST, signer("stranger"))) == "unknown_signer"
    assert refused(bench, SignedCorrection(altered, (first, second))) == "unknown_signer"
    assert refused(bench, SignedCorrection(made, (first, high_s))) == "signature_invalid"
    assert refused(bench, signed(made, FIRST, SECOND), CorrectionRule(frozenset(), 1)) == (
        "corrections_disabled"
    )


def test_r14_a_correction_for_another_hub_is_refused(quick_bench: Bench) -> None:
    """Two deployments never accept each other's corrections."""
    bench = quick_bench
    elsewhere = replace(bench.catalog, hub=ChainId("hub:elsewhere"))

    with pytest.raises(RefusedError, match="unknown_signer"):
        correct(bench.store, elsewhere, RULE, signed(correction(bench), FIRST, SECOND))


@pytest.mark.parametrize(
    ("postings", "code"),
    [
        (((vault_code(VAULT_A), 5), (margin_code(ACCOUNT), -4)), "unbalanced"),
        (((vault_code(VAULT_A), 5),), "unbalanced"),
        (((vault_code(VAULT_A), 5), (vault_code(VAULT_A), -5)), "unbalanced"),
        (((vault_code(VAULT_B), 5), (margin_code(ACCOUNT), -5)), "unknown_account"),
        (((vault_code(VAULT_A), 5), (margin_code(b"\x01" * 32), -5)), "unknown_account"),
        (((vault_code(VAULT_A), 5), ("lent:stranger", -5)), "unknown_account"),
        (((vault_code(VAULT_A), 5), ("suspense", -5)), "unknown_account"),
        (((vault_code(VAULT_A), -8), (BAD_DEBT, 8)), "exceeds_available"),
        (((margin_code(ACCOUNT), 8), (BAD_DEBT, -8)), "exceeds_available"),
    ],
)
def test_r14_what_the_ledger_cannot_hold_is_refused(
    quick_bench: Bench, postings: tuple[tuple[str, int], ...], code: str
) -> None:
    """Whoever signed it; each refusal names the account or the sum."""
    moves = tuple(CorrectionPosting(*posting) for posting in postings)
    made = correction(quick_bench, postings=moves)

    assert refused(quick_bench, signed(made, FIRST, SECOND)) == code


def test_r14_a_correction_answers_an_open_break_of_its_own_place(quick_bench: Bench) -> None:
    """No break, another asset, or a break that is closed: nothing is posted."""
    bench = quick_bench
    unknown = correction(bench, break_id=99)
    elsewhere = correction(bench, asset_id="USDC")
    late = signed(correction(bench, postings=small_moves()), FIRST, SECOND)

    assert refused(bench, signed(unknown, FIRST, SECOND)) == "unknown_break"
    assert refused(bench, signed(elsewhere, FIRST, SECOND)) == "break_mismatch"
    correct(bench.store, bench.catalog, RULE, signed(correction(bench), FIRST, SECOND))
    clear(bench, break_id(bench))
    assert refused(bench, late) == "unknown_break"


def small_moves() -> tuple[CorrectionPosting, ...]:
    """Return one unit from the dust to the hub's losses."""
    return (CorrectionPosting(BAD_DEBT, 1), CorrectionPosting("dust", -1))


def test_clearing_waits_until_all_is_booked(quick_bench: Bench) -> None:
    """Whether something differs is not known before; a closed break is not closed again."""
    bench = quick_bench
    number = break_id(bench)
    bench.chain.mine(lock("two", 1))
    bench.chain.finalize()
    bench.follow()

    with pytest.raises(NotYetError, match="events_unbooked"):
        clear(bench, number)
    with pytest.raises(RefusedError, match="unknown_break"):
        clear(bench, number + 1)


def test_a_guardian_that_was_not_shown_everything_clears_nothing(quick_bench: Bench) -> None:
    """Its ledger is behind; it is asked again when the message was shown."""
    bench = quick_bench
    replica: Catalog = replace(bench.catalog, is_replica=True)
    clearance = Clearance(break_id(bench), "checked", "ann")
    bench.chain.mine(release("release", unlock_message(2)))
    bench.chain.finalize()
    bench.catch_up()

    assert bench.parked()
    with pytest.raises(NotYetError, match="effects_parked"):
        asyncio.run(clear_break(bench.store, replica, bench.chain, clearance))

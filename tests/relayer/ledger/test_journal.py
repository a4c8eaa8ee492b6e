"""Tests of journal entries and their hash chain."""

import dataclasses
import hashlib
from typing import Any

import pytest

from chains.types import ChainId
from relayer.clock import UnixSeconds
from relayer.ledger.chart import FEES, AccountCode, margin_code, vault_code
from relayer.ledger.journal import (
    GENESIS_HASH,
    JournalEntry,
    Line,
    Phase,
    Posting,
    chain_hash,
    entry_id_of,
    line_key_of,
    record_of,
)
from relayer.money import UNITS_MAX, AssetId

USDC = AssetId("USDC")
WETH = AssetId("WETH")
ETHEREUM = ChainId("eip155:1")
BASE = ChainId("eip155:8453")
VAULT = vault_code(b"\x01" * 32)
ANN = margin_code(b"\x0a" * 32)


def posting(code: AccountCode, units: int, **changes: Any) -> Posting:
    """Return a posting in USDC on Ethereum unless told otherwise."""
    return dataclasses.replace(Posting(code, USDC, ETHEREUM, units), **changes)


def entry(*postings: Posting, **changes: Any) -> JournalEntry:
    """Return a lock of 5 USDC with some fields changed."""
    made = JournalEntry(
        entry_id=entry_id_of("lock", b"event"),
        kind="lock",
        cause=b"event",
        phase=Phase.POSTED,
        postings=(posting(VAULT, 5), posting(ANN, -5)),
        resolves=None,
        reversal_of=None,
        correlation_id=b"flow",
        booked_at=UnixSeconds(1_800_000_000),
    )
    if postings:
        changes["postings"] = postings
    return dataclasses.replace(made, **changes)


def test_a_balanced_entry_is_accepted_up_to_the_largest_amount() -> None:
    """The largest uint256 is a valid amount on both sides."""
    made = entry(posting(VAULT, UNITS_MAX), posting(ANN, -UNITS_MAX))

    assert made.postings[0].units == UNITS_MAX


@pytest.mark.parametrize("units", [0, UNITS_MAX + 1, -UNITS_MAX - 1])
def test_units_outside_the_range_are_refused(units: int) -> None:
    """Zero moves nothing and more than 2^256-1 is no amount."""
    with pytest.raises(ValueError, match="outside"):
        posting(VAULT, units)


def test_sums_are_taken_per_asset_and_chain() -> None:
    """Five USDC on one chain do not balance five on another, nor five WETH."""
    with pytest.raises(ValueError, match="sum to 5, not zero"):
        entry(posting(VAULT, 5), posting(ANN, -5, chain_id=BASE))
    with pytest.raises(ValueError, match="sum to 5, not zero"):
        entry(posting(VAULT, 5), posting(ANN, -5, asset_id=WETH))


def test_one_line_appears_once() -> None:
    """Two postings on one line are refused: their sum is one posting."""
    with pytest.raises(ValueError, match="one line appears twice"):
        entry(posting(VAULT, 5), posting(ANN, -2), posting(ANN, -3))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"entry_id": b"x"}, "entry_id"),
        ({"kind": ""}, "kind"),
        ({"kind": "k" * 65}, "kind"),
        ({"cause": b""}, "cause"),
        ({"cause": b"c" * 257}, "cause"),
        ({"correlation_id": b"c" * 257}, "correlation_id"),
        ({"booked_at": -1}, "booked_at"),
        ({"postings": ()}, "postings"),
        ({"resolves": b"r" * 32}, "resolves"),
        ({"phase": Phase.SETTLE}, "resolves"),
        ({"phase": Phase.VOID, "resolves": b"r" * 31}, "resolves"),
        ({"phase": Phase.PENDING, "reversal_of": b"r" * 32}, "reversal_of"),
        ({"reversal_of": entry_id_of("lock", b"event")}, "name itself"),
    ],
)
def test_a_wrong_field_is_named(changes: dict[str, Any], message: str) -> None:
    """Each rule names the field that breaks it."""
    with pytest.raises(ValueError, match=message):
        entry(**changes)


@pytest.mark.parametrize(
    "changes", [{"code": AccountCode("till")}, {"asset_id": ""}, {"chain_id": "ethereum"}]
)
def test_a_posting_names_a_real_account_asset_and_chain(changes: dict[str, Any]) -> None:
    """A code outside the chart, no asset, or a chain that is not CAIP-2 is refused."""
    with pytest.raises(ValueError, match=r"account code|asset_id|chain_id"):
        dataclasses.replace(posting(VAULT, 5), **changes)


def test_ids_depend_on_rule_cause_and_leg_and_on_nothing_else() -> None:
    """The same work makes the same id; other work another, wherever the border lies."""
    assert entry_id_of("lock", b"event") == entry_id_of("lock", b"event", 0)
    ids = {
        entry_id_of("lock", b"event"),
        entry_id_of("lock", b"event", 1),
        entry_id_of("lock", b"even"),
        entry_id_of("lockt", b"even"),
        entry_id_of("lock.final", b"event"),
    }
    assert len(ids) == 5


def test_every_field_changes_the_record() -> None:
    """No field is outside the hash chain."""
    base = record_of(entry())
    variants = [
        entry(entry_id=b"i" * 32),
        entry(kind="unlock"),
        entry(cause=b"other"),
        entry(phase=Phase.PENDING),
        entry(phase=Phase.VOID, resolves=b"r" * 32),
        entry(reversal_of=b"r" * 32),
        entry(correlation_id=b"other"),
        entry(booked_at=1),
        entry(posting(VAULT, 6), posting(ANN, -6)),
        entry(posting(VAULT, -5), posting(ANN, 5)),
        entry(posting(VAULT, 5), posting(FEES, -5)),
        entry(posting(VAULT, 5, asset_id=WETH), posting(ANN, -5, asset_id=WETH)),
        entry(posting(VAULT, 5, chain_id=BASE), posting(ANN, -5, chain_id=BASE)),
    ]

    assert len({base, *map(record_of, variants)}) == len(variants) + 1


def test_the_record_has_the_documented_bytes() -> None:
    """The layout is fixed, so that a verifier elsewhere computes the same hash."""
    made = entry(posting(FEES, 1), posting(AccountCode("dust"), -1))
    one = (1).to_bytes(32, "big")
    asset = b"\x00\x04USDC\x00\x08eip155:1"

    assert record_of(made) == (
        b"\x01\x01" + made.entry_id + bytes(33) + bytes(33)
        + (1_800_000_000).to_bytes(8, "big")
        + b"\x00\x04lock" + b"\x00\x05event" + b"\x00\x04flow" + b"\x00\x02"
        + b"\x01" + one + b"\x00\x04fees" + asset
        + b"\x02" + one + b"\x00\x04dust" + asset
    )  # fmt: skip


def test_the_chain_hash_covers_what_came_before() -> None:
    """The same record after another entry has another hash."""
    record = record_of(entry())

    assert chain_hash(GENESIS_HASH, record) == hashlib.sha256(bytes(32) + record).digest()
    assert chain_hash(b"\x01" * 32, record) != chain_hash(GENESIS_HASH, record)


def test_line_keys_do_not_confuse_neighbouring_parts() -> None:
    """Moving a letter from asset to chain names another line."""
    left = line_key_of(Line(FEES, AssetId("AB"), ChainId("c")))
    right = line_key_of(Line(FEES, AssetId("A"), ChainId("Bc")))

    assert left != right


def test_a_pending_entry_is_resolved_by_one_that_names_it() -> None:
    """The same postings for the same cause, in another phase."""
    pending = entry(phase=Phase.PENDING)
    settled = pending.resolved(
        entry_id=entry_id_of("lock.final", b"event"),
        kind="lock.final",
        phase=Phase.SETTLE,
        booked_at=UnixSeconds(1_800_000_009),
    )

    assert settled == entry(
        entry_id=entry_id_of("lock.final", b"event"),
        kind="lock.final",
        phase=Phase.SETTLE,
        resolves=pending.entry_id,
        booked_at=UnixSeconds(1_800_000_009),
    )


def test_a_posted_entry_is_reversed_by_its_opposite() -> None:
    """Even one that resolved another: the reversal resolves nothing, and names what it cancels."""
    settled = entry(phase=Phase.SETTLE, resolves=entry_id_of("lock.seen", b"event"))
    back = settled.reversed(
        entry_id=entry_id_of("lock.back", b"event"),
        kind="lock.back",
        booked_at=UnixSeconds(1_800_000_009),
    )

    assert back == entry(
        posting(VAULT, -5),
        posting(ANN, 5),
        entry_id=entry_id_of("lock.back", b"event"),
        kind="lock.back",
        reversal_of=settled.entry_id,
        booked_at=UnixSeconds(1_800_000_009),
    )

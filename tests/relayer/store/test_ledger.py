"""Tests of the journal in the database."""

import dataclasses

import pytest
from sqlalchemy import text

from chains.types import ChainId
from relayer.clock import UnixSeconds
from relayer.ledger.admission import PostResult, PostStatus
from relayer.ledger.balances import ZERO, Counters, replay
from relayer.ledger.chart import Side
from relayer.ledger.journal import (
    GENESIS_HASH,
    JournalEntry,
    Phase,
    chain_hash,
    entry_id_of,
    record_of,
)
from relayer.ledger.text import code_of_text, entry_of_text
from relayer.money import UNITS_MAX, AssetId
from relayer.store import ledger
from relayer.store.unit_of_work import Store

LOCK = entry_of_text("2026-01-02 vault:base +5 USDC@eip155:1 | margin:ann -5 USDC@eip155:1")
HOLD = entry_of_text(
    "2026-01-03 pending margin:ann +4 USDC@eip155:1 | in_flight:base -4 USDC@eip155:1"
)
SETTLE = dataclasses.replace(HOLD, entry_id=b"s" * 32, phase=Phase.SETTLE, resolves=HOLD.entry_id)
VOID = dataclasses.replace(HOLD, entry_id=b"v" * 32, phase=Phase.VOID, resolves=HOLD.entry_id)
ANN = code_of_text("margin:ann")
USDC = AssetId("USDC")
BATCH = 2 * ledger.ENTRIES_NOT_ASKED_MIN
ETHEREUM = ChainId("eip155:1")


def lock(number: int, units: int = 5, owner: str = "ann") -> JournalEntry:
    """Return a lock with an id of its own."""
    entry = entry_of_text(
        f"2026-01-02 vault:base {units:+d} USDC@eip155:1 | margin:{owner} {-units:+d} USDC@eip155:1"
    )
    cause = number.to_bytes(8, "big")
    return dataclasses.replace(
        entry, entry_id=entry_id_of("lock", cause), cause=cause, correlation_id=b""
    )


def post(store: Store, *entries: JournalEntry) -> list[PostStatus]:
    """Post entries in one unit of work."""
    with store.unit_of_work() as uow:
        return [result.status for result in uow.ledger.post_many(entries)]


def test_a_posted_entry_is_found_at_its_seq_with_all_its_fields(store: Store) -> None:
    """What is read equals what was posted, and its hash follows from the one before."""
    post(store, LOCK, HOLD)

    with store.read() as uow:
        found = uow.ledger.entry(HOLD.entry_id)
        missing = uow.ledger.entry(b"x" * 32)
        head = uow.ledger.head()
    assert found is not None
    assert (found.seq, found.entry) == (2, HOLD)
    first = chain_hash(GENESIS_HASH, record_of(LOCK))
    assert found.entry_hash == chain_hash(first, record_of(HOLD)) == head.entry_hash
    assert missing is None


def test_the_largest_amounts_are_kept_exactly(store: Store) -> None:
    """Counters pass 2^256 and nothing is rounded."""
    post(store, lock(1, UNITS_MAX), lock(2, UNITS_MAX), lock(3, 1))

    with store.read() as uow:
        counters = uow.ledger.counters(ANN, USDC, ETHEREUM)
        entry = uow.ledger.entry(lock(2).entry_id)
    assert counters == Counters(credits_posted=2 * UNITS_MAX + 1)
    assert entry is not None
    assert entry.entry.postings[0].units == UNITS_MAX


def test_posting_again_writes_nothing(store: Store) -> None:
    """In another unit, in the same batch, at another time: it exists."""
    post(store, LOCK)
    later = dataclasses.replace(LOCK, booked_at=UnixSeconds(7))

    assert post(store, later, HOLD, HOLD) == [
        PostStatus.EXISTS,
        PostStatus.CREATED,
        PostStatus.EXISTS,
    ]

    with store.read() as uow:
        assert uow.ledger.head().seq == 2
        assert uow.ledger.counters(ANN, USDC, ETHEREUM) == Counters(
            debits_pending=4, credits_posted=5
        )


def test_a_large_batch_that_is_partly_booked_is_as_one_by_one(store: Store) -> None:
    """It is written without asking first; what was there is found then, and the rest is new."""
    post(store, lock(3), lock(7, 6))

    statuses = post(store, *[lock(number) for number in range(BATCH)], lock(0))

    expected = [PostStatus.CREATED] * BATCH + [PostStatus.EXISTS]
    expected[3], expected[7] = PostStatus.EXISTS, PostStatus.EXISTS_WITH_DIFFERENT
    assert statuses == expected
    assert post(store, *[lock(number) for number in range(BATCH) if number != 7]) == (
        [PostStatus.EXISTS] * (BATCH - 1)
    )
    with store.read() as uow:
        assert uow.ledger.head().seq == BATCH
        assert uow.ledger.verify().is_sound


def test_a_replay_that_could_not_be_booked_now_still_exists(store: Store) -> None:
    """The id is looked at before what is available, however large the batch."""
    holds = [
        dataclasses.replace(HOLD, entry_id=number.to_bytes(32, "big")) for number in range(1, BATCH)
    ]
    post(store, lock(0, 4 * len(holds)), *holds)

    assert post(store, *holds) == [PostStatus.EXISTS] * len(holds)

    with store.read() as uow:
        assert uow.ledger.head().seq == BATCH
        assert uow.ledger.counters(ANN, USDC, ETHEREUM).available(Side.CREDIT) == 0


def test_the_same_id_with_other_content_is_told_and_writes_nothing(store: Store) -> None:
    """The field that differs is named."""
    post(store, lock(1))

    with store.unit_of_work() as uow:
        result = uow.ledger.post(lock(1, 6))

    assert result == PostResult(PostStatus.EXISTS_WITH_DIFFERENT, 1, "postings")
    with store.read() as uow:
        assert uow.ledger.verify().is_sound


def test_a_refused_entry_does_not_stop_the_others(store: Store) -> None:
    """Each entry of a batch stands alone, and sees those before it."""
    too_much = dataclasses.replace(HOLD, entry_id=b"t" * 32)

    statuses = post(store, HOLD, LOCK, dataclasses.replace(HOLD, entry_id=b"h" * 32), too_much)

    assert statuses == [
        PostStatus.EXCEEDS_AVAILABLE,
        PostStatus.CREATED,
        PostStatus.CREATED,
        PostStatus.EXCEEDS_AVAILABLE,
    ]
    with store.read() as uow:
        assert [found.seq for found in uow.ledger.entries(after_seq=0, limit=9)] == [1, 2]


@pytest.mark.parametrize(
    ("end", "status", "available", "posted"),
    [
        (SETTLE, PostStatus.PENDING_ALREADY_SETTLED, 1, 1),
        (VOID, PostStatus.PENDING_ALREADY_VOIDED, 5, 5),
    ],
)
def test_a_hold_ends_once(
    store: Store, end: JournalEntry, status: PostStatus, available: int, posted: int
) -> None:
    """After the end nothing is pending and a second end is refused, in any unit of work."""
    post(store, LOCK, HOLD)

    assert post(store, end) == [PostStatus.CREATED]

    for other in (SETTLE, VOID):
        second = dataclasses.replace(other, entry_id=b"2" * 32)
        assert post(store, second) == [status]
    with store.read() as uow:
        counters = uow.ledger.counters(ANN, USDC, ETHEREUM)
        found = uow.ledger.resolution(HOLD.entry_id)
        assert uow.ledger.resolution(LOCK.entry_id) is None
    assert (counters.available(Side.CREDIT), counters.posted(Side.CREDIT)) == (available, posted)
    assert counters.held(Side.CREDIT) == 0
    assert found is not None
    assert found.entry == end


def test_an_unknown_hold_cannot_be_ended(store: Store) -> None:
    """Neither settled nor voided."""
    assert post(store, LOCK, SETTLE, VOID)[1:] == [PostStatus.PENDING_NOT_FOUND] * 2


def test_an_entry_is_reversed_once(store: Store) -> None:
    """The reversal cancels; the second one is refused in another unit of work."""
    mirrored = tuple(dataclasses.replace(line, units=-line.units) for line in LOCK.postings)
    reversal = dataclasses.replace(
        LOCK, entry_id=b"r" * 32, postings=mirrored, reversal_of=LOCK.entry_id
    )
    post(store, LOCK)

    first = post(store, reversal)
    second = post(store, dataclasses.replace(reversal, entry_id=b"q" * 32))

    assert (first, second) == ([PostStatus.CREATED], [PostStatus.ALREADY_REVERSED])
    with store.read() as uow:
        assert uow.ledger.counters(ANN, USDC, ETHEREUM).posted(Side.CREDIT) == 0


def test_nothing_to_post_is_no_work_and_too_much_is_refused(store: Store) -> None:
    """An empty batch is fine; a batch has a named bound."""
    assert post(store) == []

    with pytest.raises(ValueError, match="at most"), store.unit_of_work() as uow:
        uow.ledger.post_many([LOCK] * (ledger.ENTRIES_PER_BATCH_MAX + 1))


def test_entries_are_read_in_pages(store: Store) -> None:
    """Each page goes on where the one before ended."""
    post(store, *(lock(number) for number in range(7)))

    with store.read() as uow:
        first = uow.ledger.entries(after_seq=0, limit=3)
        rest = uow.ledger.entries(after_seq=3, limit=100)

    assert [found.seq for found in first + rest] == list(range(1, 8))
    assert [found.entry.cause for found in first] == [
        number.to_bytes(8, "big") for number in range(3)
    ]


def test_entries_are_found_by_account_and_by_correlation(store: Store) -> None:
    """An account's entries are those that move it in any asset."""
    weth = entry_of_text("2026-01-02 vault:base +1 WETH@eip155:1 | margin:ann -1 WETH@eip155:1")
    post(store, lock(1), lock(2, owner="bob"), weth, dataclasses.replace(HOLD, correlation_id=b"f"))

    with store.read() as uow:
        of_ann = uow.ledger.entries_of_account(ANN)
        after = uow.ledger.entries_of_account(ANN, after_seq=1, limit=1)
        of_flow = uow.ledger.entries_of_correlation(b"f")

    assert [found.seq for found in of_ann] == [1, 3, 4]
    assert [found.seq for found in after] == [3]
    assert [found.seq for found in of_flow] == [4]


def test_lines_are_found_by_prefix(store: Store) -> None:
    """A prefix finds all lines of a kind or of an account, and nothing beside them."""
    debt = entry_of_text("2026-01-02 debt:pool:ann +3 USDC@eip155:1 | lent:pool -3 USDC@eip155:1")
    weth = entry_of_text("2026-01-02 vault:base +1 WETH@eip155:1 | margin:ann -1 WETH@eip155:1")
    post(store, lock(1), lock(2, owner="bob"), weth, debt)

    with store.read() as uow:
        margins = [found.line.code for found in uow.ledger.counters_of_prefix("margin:")]
        of_ann = uow.ledger.margin_lines(code_word("ann"))
        debts = uow.ledger.counters_of_prefix("debt:pool:")
        nothing = uow.ledger.counters_of_prefix("debt:poo:")
        every = uow.ledger.trial_balance()
        assert uow.ledger.counters_of_prefix("") == every
        assert uow.ledger.counters(code_of_text("fees"), USDC, ETHEREUM) == ZERO

    assert margins == [ANN, ANN, code_of_text("margin:bob")]
    assert [found.line.asset_id for found in of_ann] == ["USDC", "WETH"]
    assert [found.counters.posted(Side.DEBIT) for found in debts] == [3]
    assert nothing == []
    assert {found.line: found.counters for found in every} == replay(
        (lock(1), lock(2, owner="bob"), weth, debt)
    )


def test_past_balances_are_those_of_a_replay(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """At every seq, with checkpoints in between and batches that cross them."""
    monkeypatch.setattr(ledger, "POSTINGS_PER_CHECKPOINT", 4)
    entries = [
        lock(1), lock(2, 7), HOLD, SETTLE, lock(3), lock(4), lock(5, 9, "bob"), lock(6), lock(7),
        lock(8), lock(9),
    ]  # fmt: skip
    for size, start in ((3, 0), (5, 3), (1, 8), (2, 9)):
        assert set(post(store, *entries[start : start + size])) == {PostStatus.CREATED}

    with store.read() as uow:
        checkpoints = uow.connection.scalar(text("SELECT count(*) FROM line_checkpoint"))
        for seq in range(len(entries) + 2):
            expected = replay(entries[:seq])
            for line in replay(entries):
                assert uow.ledger.as_of(line, seq) == expected.get(line, ZERO)
        assert uow.ledger.verify().is_sound
    assert checkpoints == 4


def code_word(name: str) -> bytes:
    """Return the 32 bytes behind a short name."""
    return name.encode().ljust(32, b"\x00")

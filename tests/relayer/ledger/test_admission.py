"""Tests of the decision whether an entry may be booked."""

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayer.clock import UnixSeconds
from relayer.ledger.admission import (
    IS_COMPILED,
    KnownLedger,
    PostResult,
    PostStatus,
    admit,
    admit_all,
    survey,
    survey_reference,
)
from relayer.ledger.journal import JournalEntry, Phase
from relayer.ledger.text import code_of_text, entry_of_text

LOCK = entry_of_text("2026-01-02 vault:base +5 USDC@eip155:1 | margin:ann -5 USDC@eip155:1")
HOLD = entry_of_text(
    "2026-01-03 pending margin:ann +4 USDC@eip155:1 | in_flight:base -4 USDC@eip155:1"
)


def ended(pending: JournalEntry, phase: Phase, name: bytes = b"e") -> JournalEntry:
    """Return the entry that settles or voids a pending one."""
    return dataclasses.replace(pending, entry_id=name * 32, phase=phase, resolves=pending.entry_id)


def reversed_entry(entry: JournalEntry, name: bytes = b"r", **changes: Any) -> JournalEntry:
    """Return the entry that cancels another."""
    postings = tuple(dataclasses.replace(line, units=-line.units) for line in entry.postings)
    made = dataclasses.replace(
        entry,
        entry_id=name * 32,
        phase=Phase.POSTED,
        postings=postings,
        resolves=None,
        reversal_of=entry.entry_id,
    )
    return dataclasses.replace(made, **changes)


def known_with(*entries: JournalEntry) -> KnownLedger:
    """Return a ledger in which the entries are booked."""
    known = KnownLedger(0)
    for entry in entries:
        assert admit(entry, known).status is PostStatus.CREATED
    return known


def test_a_new_entry_is_created_at_the_next_seq() -> None:
    """Seqs follow each other from one."""
    known = known_with(LOCK)

    assert admit(HOLD, known) == PostResult(PostStatus.CREATED, 2)
    assert known.last_seq == 2


def test_the_same_entry_again_exists_even_at_another_time() -> None:
    """A replay says where the first one is and changes nothing."""
    known = known_with(LOCK, HOLD)
    counters = dict(known.counters)

    result = admit(dataclasses.replace(LOCK, booked_at=UnixSeconds(7)), known)

    assert result == PostResult(PostStatus.EXISTS, 1)
    assert result.is_booked
    assert known.counters == counters


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"kind": "other"}, "kind"),
        ({"cause": b"other"}, "cause"),
        ({"phase": Phase.PENDING}, "phase"),
        ({"phase": Phase.VOID, "resolves": b"x" * 32}, "phase"),
        ({"reversal_of": b"x" * 32}, "reversal_of"),
        ({"correlation_id": b"other"}, "correlation_id"),
        (
            {
                "postings": entry_of_text(
                    "2026-01-02 vault:base +6 USDC@eip155:1 | margin:ann -6 USDC@eip155:1"
                ).postings
            },
            "postings",
        ),
    ],
)
def test_the_same_id_with_other_content_names_the_field(changes: dict[str, Any], name: str) -> None:
    """An id stands for one content for ever."""
    known = known_with(LOCK)

    result = admit(dataclasses.replace(LOCK, **changes), known)

    assert result == PostResult(PostStatus.EXISTS_WITH_DIFFERENT, 1, name)
    assert not result.is_booked


def test_the_order_of_postings_does_not_make_another_entry() -> None:
    """Postings are a set of moves."""
    known = known_with(LOCK)

    turned = dataclasses.replace(LOCK, postings=LOCK.postings[::-1])

    assert admit(turned, known).status is PostStatus.EXISTS


def test_a_hold_beyond_what_is_available_is_refused_by_account() -> None:
    """The account that would be overdrawn is named and nothing is booked."""
    known = known_with(LOCK, HOLD)
    more = entry_of_text(
        "2026-01-04 pending margin:ann +2 USDC@eip155:1 | in_flight:base -2 USDC@eip155:1"
    )

    result = admit(more, known)

    assert result.status is PostStatus.EXCEEDS_AVAILABLE
    assert result.detail == code_of_text("margin:ann")
    assert known.last_seq == 2


def test_soft_units_cannot_be_reserved() -> None:
    """What is announced but not final is not available."""
    soft = dataclasses.replace(LOCK, phase=Phase.PENDING)
    known = known_with(soft)

    assert admit(HOLD, known).status is PostStatus.EXCEEDS_AVAILABLE


def test_a_vault_may_be_announced_to_give_more_than_it_has_but_never_gives_it() -> None:
    """The lock behind it may be announced only; what is posted is never below zero."""
    leaving = entry_of_text(
        "2026-01-03 pending in_flight:base +9 USDC@eip155:1 | vault:base -9 USDC@eip155:1"
    )
    flight = entry_of_text("2026-01-03 fees +9 USDC@eip155:1 | in_flight:base -9 USDC@eip155:1")
    more = entry_of_text("2026-01-04 vault:base +4 USDC@eip155:1 | margin:ann -4 USDC@eip155:1")
    known = known_with(LOCK, flight, leaving)

    too_early = admit(ended(leaving, Phase.SETTLE), known)

    assert too_early.status is PostStatus.EXCEEDS_AVAILABLE
    assert too_early.detail == code_of_text("vault:base")
    assert admit(more, known).status is PostStatus.CREATED
    assert admit(ended(leaving, Phase.SETTLE), known).status is PostStatus.CREATED


@pytest.mark.parametrize(
    ("first", "status"),
    [
        (Phase.SETTLE, PostStatus.PENDING_ALREADY_SETTLED),
        (Phase.VOID, PostStatus.PENDING_ALREADY_VOIDED),
    ],
)
@pytest.mark.parametrize("second", [Phase.SETTLE, Phase.VOID])
def test_a_pending_entry_ends_once(first: Phase, status: PostStatus, second: Phase) -> None:
    """Whatever came first stays; the second is told what that was."""
    known = known_with(LOCK, HOLD, ended(HOLD, first))

    assert admit(ended(HOLD, second, b"f"), known).status is status


def test_the_end_itself_may_be_replayed() -> None:
    """A replayed settlement exists; it is not a second one."""
    known = known_with(LOCK, HOLD, ended(HOLD, Phase.SETTLE))

    assert admit(ended(HOLD, Phase.SETTLE), known) == PostResult(PostStatus.EXISTS, 3)


def test_only_a_pending_entry_can_be_ended() -> None:
    """Neither an unknown nor a posted entry is pending."""
    known = known_with(LOCK)

    assert admit(ended(HOLD, Phase.VOID), known).status is PostStatus.PENDING_NOT_FOUND
    assert admit(ended(LOCK, Phase.VOID), known).status is PostStatus.PENDING_NOT_FOUND


def test_an_end_carries_the_postings_of_its_pending_entry() -> None:
    """Part of a reservation cannot be settled."""
    known = known_with(LOCK, HOLD)
    part = entry_of_text(
        "2026-01-03 pending margin:ann +3 USDC@eip155:1 | in_flight:base -3 USDC@eip155:1"
    )

    result = admit(dataclasses.replace(ended(HOLD, Phase.SETTLE), postings=part.postings), known)

    assert result == PostResult(PostStatus.PENDING_HAS_DIFFERENT, detail="postings")


def test_an_entry_is_reversed_once_and_completely() -> None:
    """The mirror image cancels; a second one, a part, or one of nothing is refused."""
    known = known_with(LOCK)
    part = entry_of_text("2026-01-02 vault:base -3 USDC@eip155:1 | margin:ann +3 USDC@eip155:1")

    wrong = admit(reversed_entry(LOCK, postings=part.postings), known)
    unknown = admit(reversed_entry(HOLD), known)
    first = admit(reversed_entry(LOCK), known)
    second = admit(reversed_entry(LOCK, b"s"), known)

    assert [result.status for result in (wrong, unknown, first, second)] == [
        PostStatus.REVERSED_HAS_DIFFERENT,
        PostStatus.REVERSED_NOT_FOUND,
        PostStatus.CREATED,
        PostStatus.ALREADY_REVERSED,
    ]
    assert all(
        counters.debits_posted == counters.credits_posted for counters in known.counters.values()
    )


def test_a_reversal_may_not_overdraw() -> None:
    """A lock whose units are held already cannot be reversed; the caller decides what then."""
    known = known_with(LOCK, HOLD)

    assert admit(reversed_entry(LOCK), known).status is PostStatus.EXCEEDS_AVAILABLE


UNITS = st.sampled_from([1, 2, 3, 5, 2**63, 2**64, 2**256 - 1]) | st.integers(1, 9)
LINES = ("vault:base", "margin:ann", "margin:bob", "in_flight:base", "fees", "bad_debt")


@st.composite
def histories(draw: st.DrawFn) -> list[JournalEntry]:
    """Return entries that lock, hold, end, cancel, repeat and overdraw, in any order."""
    made: list[JournalEntry] = []
    for number in range(draw(st.integers(1, 12))):
        debit, credit = draw(st.permutations(LINES))[:2]
        units, word = draw(UNITS), number.to_bytes(32, "big")
        pending = draw(st.sampled_from(["", "pending "]))
        plain = entry_of_text(
            f"2026-01-02 {pending}{debit} +{units} USDC@eip155:1 | {credit} -{units} USDC@eip155:1"
        )
        plain = dataclasses.replace(plain, entry_id=word, cause=word)
        earlier = draw(st.sampled_from(made)) if made else plain
        match draw(st.sampled_from(["new", "new", "new", "again", "other", "end", "cancel"])):
            case "again":
                plain = earlier
            case "other":
                plain = dataclasses.replace(earlier, cause=b"other")
            case "end" if earlier.entry_id != word and earlier.phase is Phase.PENDING:
                phase = draw(st.sampled_from([Phase.SETTLE, Phase.VOID]))
                plain = dataclasses.replace(
                    earlier, entry_id=word, phase=phase, resolves=earlier.entry_id
                )
            case "cancel" if earlier.entry_id != word and earlier.phase is Phase.POSTED:
                plain = dataclasses.replace(reversed_entry(earlier), entry_id=word)
            case _:
                pass
        made.append(plain)
    return made


@given(booked=histories(), entries=histories())
def test_many_are_decided_as_each_after_those_before_it(
    booked: list[JournalEntry], entries: list[JournalEntry]
) -> None:
    """Results, seqs, counters and links: those of the plain decision, entry by entry."""
    known, alone = KnownLedger(7), KnownLedger(7)
    for entry in booked:
        admit(entry, known)
        admit(entry, alone)

    assert admit_all(entries, known) == [admit(entry, alone) for entry in entries]

    assert known == alone
    assert list(known.entries) == list(alone.entries)
    assert survey(entries) == survey_reference(entries)


def test_the_kernel_is_built() -> None:
    """Without it the comparison above says nothing."""
    assert IS_COMPILED

"""A node's health: what demotes it, what brings it back, and what never counts."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from chains.agreement import health
from chains.agreement.faults import FaultClass
from chains.agreement.health import (
    BLOCKS_BEHIND_MAX,
    DISPUTE_WINDOW_SECONDS,
    DISPUTES_MAX,
    FAULT_WINDOW_SECONDS,
    FAULTS_IN_ROW_MAX,
    OUT_SECONDS,
    RETEST_SECONDS,
    STALLED_SECONDS,
    Health,
    after_answer,
    after_dispute,
    after_fault,
    after_head,
    is_first,
)
from chains.nodes import Standing

NEW = Health()
SILENT = FaultClass.TIMEOUT


def demoted_at(now: float) -> Health:
    """Return a node that was demoted by faults."""
    found = NEW
    for _ in range(FAULTS_IN_ROW_MAX):
        found = after_fault(found, SILENT, now)
    return found


def test_r6_five_faults_in_a_row_demote() -> None:
    """Four do not, and an answer in between begins a new row."""
    found = NEW
    for second in range(FAULTS_IN_ROW_MAX - 1):
        found = after_fault(found, SILENT, second)
    assert found.standing is Standing.HEALTHY

    again = after_fault(after_answer(found, 5), SILENT, 6)
    fifth = after_fault(found, SILENT, 5)

    assert again.standing is Standing.HEALTHY
    assert (fifth.standing, fifth.reason) == (Standing.DEMOTED, "TIMEOUT")


def test_faults_far_apart_are_no_row() -> None:
    """A node that is hardly asked is not demoted for last week's fault."""
    found = NEW
    for number in range(FAULTS_IN_ROW_MAX + 1):
        found = after_fault(found, SILENT, number * (FAULT_WINDOW_SECONDS + 1))

    assert found.standing is Standing.HEALTHY


def test_r6_a_demoted_node_is_retested_each_30_seconds() -> None:
    """An answer takes it back, a fault makes it wait for the next time."""
    found = demoted_at(100)

    assert not is_first(found, 100 + RETEST_SECONDS - 1)
    assert is_first(found, 100 + RETEST_SECONDS)
    failed = after_fault(found, SILENT, 100 + RETEST_SECONDS)
    assert not is_first(failed, 100 + RETEST_SECONDS + 1)
    assert is_first(failed, 100 + 2 * RETEST_SECONDS)
    assert after_answer(failed, 100 + 2 * RETEST_SECONDS).standing is Standing.HEALTHY


def test_an_answer_from_the_reserve_is_no_retest() -> None:
    """It may be asked last at any time."""
    assert after_answer(demoted_at(100), 101).standing is Standing.DEMOTED


def test_r6_more_than_five_blocks_behind_demotes() -> None:
    """Five are fine; only its own head brings it back."""
    fine = after_head(NEW, 100, agreed_height=100 + BLOCKS_BEHIND_MAX, now=1)
    behind = after_head(NEW, 100, agreed_height=101 + BLOCKS_BEHIND_MAX, now=1)
    later = 1 + RETEST_SECONDS

    assert fine.standing is Standing.HEALTHY
    assert (behind.standing, behind.reason) == (Standing.DEMOTED, "6 blocks behind")
    assert after_answer(behind, later).standing is Standing.DEMOTED
    assert after_head(behind, 200, agreed_height=201, now=later).standing is Standing.HEALTHY
    still = after_head(behind, 100, agreed_height=300, now=later)
    assert not is_first(still, later + 1)


def test_r6_two_minutes_without_a_new_head_demote() -> None:
    """But only while the others go on: a chain may rest."""
    found = after_head(NEW, 100, agreed_height=100, now=0)

    resting = after_head(found, 100, agreed_height=100, now=STALLED_SECONDS * 10)
    early = after_head(found, 100, agreed_height=101, now=STALLED_SECONDS - 1)
    stalled = after_head(found, 100, agreed_height=101, now=STALLED_SECONDS)

    assert resting.standing is Standing.HEALTHY
    assert early.standing is Standing.HEALTHY
    assert (stalled.standing, stalled.reason) == (Standing.DEMOTED, "stalled for 120 s")


def test_r6_three_disputes_in_ten_minutes_put_a_node_out_for_thirty() -> None:
    """Neither answers nor faults shorten its term; afterwards an answer takes it back."""
    found = NEW
    for second in range(DISPUTES_MAX):
        assert found.standing is Standing.HEALTHY
        found = after_dispute(found, second)
    last = DISPUTES_MAX - 1

    assert found.standing is Standing.OUT
    assert not is_first(found, last + OUT_SECONDS - 1)
    assert after_answer(found, last + OUT_SECONDS - 1) == found
    assert after_fault(found, SILENT, last + 1) == found
    assert after_head(found, 1, agreed_height=100, now=last + 1).standing is Standing.OUT
    assert after_answer(found, last + OUT_SECONDS).standing is Standing.HEALTHY


def test_disputes_far_apart_put_nobody_out() -> None:
    """Three in more than ten minutes."""
    found = NEW
    for number in range(DISPUTES_MAX * 3):
        found = after_dispute(found, number * DISPUTE_WINDOW_SECONDS / 2 + number)

    assert found.standing is Standing.HEALTHY


def test_a_demoted_node_can_still_be_put_out() -> None:
    """It is asked in reserve, and may lie there too."""
    found = demoted_at(0)
    for second in range(DISPUTES_MAX):
        found = after_dispute(found, second)

    assert found.standing is Standing.OUT


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["answer", "fault", "dispute", "head"]),
        st.floats(0, 400),
        st.integers(90, 110),
    ),
    max_size=60,
)


@given(EVENTS)
def test_whatever_happens_a_node_comes_back_by_answering(
    events: list[tuple[str, float, int]],
) -> None:
    """No sequence keeps a node away for ever, nor longer than its term."""
    found, now = NEW, 0.0
    for kind, seconds, height in events:
        now += seconds
        match kind:
            case "answer":
                found = after_answer(found, now)
            case "fault":
                found = after_fault(found, SILENT, now)
            case "dispute":
                found = after_dispute(found, now)
            case _:
                found = after_head(found, height, agreed_height=100, now=now)
        assert found.retest_at <= now + OUT_SECONDS
        assert len(found.faults_at) <= FAULTS_IN_ROW_MAX
        assert len(found.disputes_at) <= DISPUTES_MAX
        if found.standing is Standing.HEALTHY:
            assert is_first(found, now)

    end = now + OUT_SECONDS
    found = after_head(after_answer(found, end), 100, agreed_height=100, now=end)

    assert found.standing is Standing.HEALTHY


@given(EVENTS)
def test_a_row_shorter_than_five_never_demotes(events: list[tuple[str, float, int]]) -> None:
    """Compared with a plain count of faults since the last answer."""
    found, now, row = NEW, 0.0, 0
    for kind, seconds, _ in events:
        now += seconds / 100
        if kind == "answer":
            found, row = after_answer(found, now), 0
        elif kind == "fault":
            found, row = after_fault(found, SILENT, now), row + 1
        if row >= FAULTS_IN_ROW_MAX:
            assert found.standing is Standing.DEMOTED
            return
        assert found.standing is Standing.HEALTHY


def test_a_restored_node_begins_anew() -> None:
    """Nothing of the past is held against it."""
    back = after_answer(demoted_at(0), RETEST_SECONDS)

    assert replace(back, height=-1, height_since=0.0) == NEW
    assert health.is_first(back, RETEST_SECONDS)

# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
# cython: cdivision=True
"""One exact loop over entries that end and cancel no other: what they do to the counters."""

cdef extern from "Python.h":
    int PyObject_GenericSetAttr(object target, object name, object value) except -1

cdef enum:
    POSTED = 1
    PENDING = 2

cdef object new = object.__new__


cdef class Moving:
    """The counters of a line while entries are admitted."""

    cdef object debits_pending
    cdef object debits_posted
    cdef object credits_pending
    cdef object credits_posted
    cdef bint is_debit
    cdef bint is_constrained
    cdef bint is_held_back
    cdef bint is_moved


def admit_into(
    list entries not None,
    Py_ssize_t start,
    object seq,
    dict known not None,
    dict counters not None,
    tuple plan not None,
    list results not None,
):
    """
    Admit entries in order, up to the first one that the plain rules must look at.

    Args:
        start: the place of the first entry.
        seq: of the newest entry.
        known: seq and entry by id; what is admitted is added.
        counters: by line; brought up to date.
        plan: makes counters, says of a line its counters, its side, whether it may never be
            overdrawn and whether what is reserved counts as gone, PostResult, and the status of
            what is admitted.
        results: what became of each is appended.

    Returns:
        The place of that entry, or how many there are, and the seq of the newest.
    """
    cdef object counters_of, facts_of, result_type, created, entry, entry_id, posting, units, line
    cdef object left, held, result
    cdef Py_ssize_t place = start, count = len(entries)
    cdef int phase
    cdef bint is_refused
    cdef dict moving = {}
    cdef Moving state
    counters_of, facts_of, result_type, created = plan
    while place < count:
        entry = entries[place]
        entry_id = entry.entry_id
        if entry.resolves is not None or entry.reversal_of is not None or entry_id in known:
            break
        phase = entry.phase.value
        if phase != POSTED and phase != PENDING:
            break
        is_refused = False
        for posting in entry.postings:
            line = posting.line
            state = moving.get(line)
            if state is None:
                state = Moving()
                (
                    state.debits_pending,
                    state.debits_posted,
                    state.credits_pending,
                    state.credits_posted,
                    state.is_debit,
                    state.is_constrained,
                    state.is_held_back,
                ) = facts_of(line)
                moving[line] = state
            units = posting.units
            if not state.is_held_back and phase == PENDING:
                continue
            if state.is_constrained and (units < 0) == state.is_debit:
                if state.is_debit:
                    left = state.debits_posted - state.credits_posted + units
                    held = state.credits_pending
                else:
                    left = state.credits_posted - state.debits_posted - units
                    held = state.debits_pending
                if state.is_held_back:
                    left -= held
                if left < 0:
                    is_refused = True
                    break
        if is_refused:
            break
        for posting in entry.postings:
            state = moving[posting.line]
            state.is_moved = True
            units = posting.units
            if phase == POSTED:
                if units > 0:
                    state.debits_posted += units
                else:
                    state.credits_posted -= units
            elif units > 0:
                state.debits_pending += units
            else:
                state.credits_pending -= units
        seq += 1
        known[entry_id] = (seq, entry)
        result = new(result_type)
        PyObject_GenericSetAttr(result, "status", created)
        PyObject_GenericSetAttr(result, "seq", seq)
        PyObject_GenericSetAttr(result, "detail", None)
        results.append(result)
        place += 1
    for line, state in moving.items():
        if not state.is_moved:
            continue
        counters[line] = counters_of(
            state.debits_pending,
            state.debits_posted,
            state.credits_pending,
            state.credits_posted,
        )
    return place, seq


def lines_of(entries not None):
    """Return every line that entries move, and whether one of them ends or cancels another."""
    cdef object entry, posting
    cdef bint is_linked = False
    cdef set lines = set()
    for entry in entries:
        if entry.resolves is not None or entry.reversal_of is not None:
            is_linked = True
        for posting in entry.postings:
            lines.add(posting.line)
    return lines, is_linked

# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
# cython: cdivision=True
"""One exact loop over locks: the entry that announces each of them."""

from hashlib import sha256

from cpython.bytes cimport PyBytes_CheckExact, PyBytes_GET_SIZE
from cpython.long cimport PyLong_CheckExact
from libc.stdint cimport uint32_t

cdef extern from "Python.h":
    int PyObject_GenericSetAttr(object target, object name, object value) except -1

cdef enum:
    WORD_BYTES = 32

cdef object new = object.__new__


cdef object posting_of(object posting_type, object line, object units):
    """Return a posting whose line and units were checked."""
    cdef object posting = new(posting_type)
    PyObject_GenericSetAttr(posting, "code", line[0])
    PyObject_GenericSetAttr(posting, "asset_id", line[1])
    PyObject_GenericSetAttr(posting, "chain_id", line[2])
    PyObject_GenericSetAttr(posting, "units", units)
    PyObject_GenericSetAttr(posting, "line", line)
    return posting


def announce_into(
    list locks not None,
    tuple plan not None,
    dict lines not None,
    list entries not None,
):
    """
    Append the entry of each lock; None where the plain rule must look at it.

    Args:
        locks: objects that have an event, which is a lock, and revivals.
        plan: what makes an entry and a posting, kind and what stands for it in an id, phase, time
            of booking, the largest amount, and what makes lines.
        lines: known lines of vaults and accounts, by (chain, contract, account, token); None for
            what has none.
    """
    cdef object entry_type, posting_type, kind, phase, booked_at, units_max, lines_of
    cdef object event, position, event_id, units, entry, pair, place, times
    cdef bytes prefix
    cdef uint32_t leg
    cdef object lock
    cdef unsigned char tail[4]
    entry_type, posting_type, kind, prefix, phase, booked_at, units_max, lines_of = plan
    for lock in locks:
        event, times = lock.event, lock.revivals
        position, units = event.position, event.units
        event_id = position.event_id
        if (
            not PyBytes_CheckExact(event_id)
            or PyBytes_GET_SIZE(event_id) != WORD_BYTES
            or not PyLong_CheckExact(units)
            or not 0 < units <= units_max
            or not PyLong_CheckExact(times)
            or not 0 <= times <= 0xFFFFFFFF
        ):
            entries.append(None)
            continue
        place = (position.chain_id, position.contract, event.account, event.token)
        if place in lines:
            pair = lines[place]
        else:
            pair = lines[place] = lines_of(*place)
        if pair is None:
            entries.append(None)
            continue
        leg = times
        tail[0], tail[1] = <unsigned char>(leg >> 24), <unsigned char>(leg >> 16)
        tail[2], tail[3] = <unsigned char>(leg >> 8), <unsigned char>leg
        entry = new(entry_type)
        PyObject_GenericSetAttr(
            entry,
            "entry_id",
            sha256(prefix + sha256(event_id).digest() + <bytes>tail[:4]).digest(),
        )
        PyObject_GenericSetAttr(entry, "kind", kind)
        PyObject_GenericSetAttr(entry, "cause", event_id)
        PyObject_GenericSetAttr(entry, "phase", phase)
        PyObject_GenericSetAttr(
            entry,
            "postings",
            (
                posting_of(posting_type, pair[0], units),
                posting_of(posting_type, pair[1], -units),
            ),
        )
        PyObject_GenericSetAttr(entry, "resolves", None)
        PyObject_GenericSetAttr(entry, "reversal_of", None)
        PyObject_GenericSetAttr(entry, "correlation_id", event_id)
        PyObject_GenericSetAttr(entry, "booked_at", booked_at)
        entries.append(entry)

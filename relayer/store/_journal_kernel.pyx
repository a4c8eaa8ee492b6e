# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
# cython: cdivision=True
"""One exact loop over new journal entries: their records, hashes and rows."""

from hashlib import sha256

from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_Resize
from cpython.bytes cimport (
    PyBytes_AS_STRING,
    PyBytes_Check,
    PyBytes_FromStringAndSize,
    PyBytes_GET_SIZE,
)
from libc.string cimport memcpy, memset

cdef enum:
    WORD_BYTES = 32
    VERSION = 1
    DEBIT = 1
    CREDIT = 2


cdef class Writer:
    """Bytes that grow at their end."""

    cdef bytearray raw
    cdef Py_ssize_t place

    def __cinit__(self):
        self.raw = bytearray(4096)
        self.place = 0

    cdef unsigned char *claim(self, Py_ssize_t count) except NULL:
        """Return where the next bytes belong."""
        cdef Py_ssize_t start = self.place
        if len(self.raw) < start + count:
            PyByteArray_Resize(self.raw, 2 * (start + count))
        self.place = start + count
        return <unsigned char *>PyByteArray_AS_STRING(self.raw) + start

    cdef int number(self, unsigned long long value, Py_ssize_t count) except -1:
        cdef unsigned char *out = self.claim(count)
        cdef Py_ssize_t index
        for index in range(count):
            out[index] = <unsigned char>(value >> (8 * (count - 1 - index)))
        return 0

    cdef int plain(self, object raw) except -1:
        if not PyBytes_Check(raw):
            raise TypeError(f"bytes are needed, not {type(raw).__name__}")
        cdef Py_ssize_t count = PyBytes_GET_SIZE(raw)
        memcpy(self.claim(count), PyBytes_AS_STRING(raw), count)
        return 0

    cdef int sized(self, object raw) except -1:
        self.number(len(raw), 2)
        return self.plain(raw)

    cdef int optional(self, object word) except -1:
        if word is None:
            memset(self.claim(1 + WORD_BYTES), 0, 1 + WORD_BYTES)
            return 0
        self.number(1, 1)
        return self.plain(word)


def rows_into(
    list created not None,
    bytes previous not None,
    dict lines not None,
    list entries not None,
    list postings not None,
    dict counts not None,
):
    """
    Append the rows of entries and of their postings, count postings by line.

    Args:
        created: seq and entry.
        previous: hash before the first of them.
        lines: for each line its key and what it says in a record.

    Returns:
        The hash of the last entry.
    """
    cdef Writer out = Writer()
    cdef Py_ssize_t position
    cdef object entry, posting, line, units, phase, size
    cdef tuple known
    cdef bint is_debit
    for seq, entry in created:
        phase = entry.phase.value
        out.place = 0
        out.plain(previous)
        out.number(VERSION, 1)
        out.number(phase, 1)
        out.plain(entry.entry_id)
        out.optional(entry.resolves)
        out.optional(entry.reversal_of)
        out.number(entry.booked_at, 8)
        out.sized(entry.kind.encode())
        out.sized(entry.cause)
        out.sized(entry.correlation_id)
        size = len(entry.postings)
        out.number(size, 2)
        for position, posting in enumerate(entry.postings):
            line = posting.line
            known = lines[line]
            units = posting.units
            is_debit = units > 0
            if not is_debit:
                units = -units
            out.number(DEBIT if is_debit else CREDIT, 1)
            out.plain(units.to_bytes(WORD_BYTES, "big"))
            out.plain(known[1])
            counts[line] = counts.get(line, 0) + 1
            postings.append((seq, position, known[0], phase, DEBIT if is_debit else CREDIT, units))
        previous = sha256(
            PyBytes_FromStringAndSize(PyByteArray_AS_STRING(out.raw), out.place)
        ).digest()
        entries.append(
            (
                seq,
                entry.entry_id,
                entry.kind,
                entry.cause,
                phase,
                entry.resolves,
                entry.reversal_of,
                entry.correlation_id,
                entry.booked_at,
                size,
                previous,
            )
        )
    return previous

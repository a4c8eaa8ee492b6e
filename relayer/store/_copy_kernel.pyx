# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
# cython: cdivision=True
"""One exact loop over the values of rows: each as COPY takes it in its binary format."""

from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_Resize
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_Check, PyBytes_GET_SIZE
from cpython.list cimport PyList_GET_ITEM
from cpython.long cimport PyLong_CheckExact
from cpython.tuple cimport PyTuple_GET_ITEM
from cpython.unicode cimport PyUnicode_Check
from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

cdef extern from "Python.h":
    const char *PyUnicode_AsUTF8AndSize(object text, Py_ssize_t *size) except NULL
    long long PyLong_AsLongLongAndOverflow(object number, int *overflow) except? -1

cdef enum:
    LIMBS = 10          # 32 bits each: 320 bits
    DIGITS_MAX = 25     # of 320 bits
    NUMERIC_BYTES = 62  # length, head of 8, digits: no other number is longer
    BASE = 10000


cdef inline void put(unsigned char *place, uint64_t value, Py_ssize_t count) noexcept nogil:
    cdef Py_ssize_t index
    for index in range(count):
        place[index] = <unsigned char>(value >> (8 * (count - 1 - index)))


cdef Py_ssize_t put_numeric(
    unsigned char *place, uint32_t *limbs, Py_ssize_t used
) noexcept nogil:
    """Write a number given in limbs, lowest first, as base-10,000 digits; return the bytes."""
    cdef uint16_t digits[DIGITS_MAX]
    cdef Py_ssize_t count = 0, first = 0, index
    cdef uint64_t rest
    while used and not limbs[used - 1]:
        used -= 1
    while used:
        rest = 0
        for index in range(used - 1, -1, -1):
            rest = (rest << 32) | limbs[index]
            limbs[index] = <uint32_t>(rest // BASE)
            rest = rest % BASE
        digits[count] = <uint16_t>rest
        count += 1
        while used and not limbs[used - 1]:
            used -= 1
    while first < count and not digits[first]:
        first += 1
    put(place, 8 + 2 * (count - first), 4)
    put(place + 4, count - first, 2)
    put(place + 6, count - 1 if count else 0, 2)
    put(place + 8, 0, 4)
    for index in range(count - first):
        put(place + 12 + 2 * index, digits[count - 1 - index], 2)
    return 12 + 2 * (count - first)


cdef bint limbs_of(object number, uint32_t *limbs) except -1:
    """Set the limbs of a number from zero up; False where it does not fit."""
    cdef int overflow = 0
    cdef long long small = PyLong_AsLongLongAndOverflow(number, &overflow)
    cdef Py_ssize_t index
    cdef bytes raw
    cdef const unsigned char *place
    for index in range(LIMBS):
        limbs[index] = 0
    if not overflow:
        if small < 0:
            return False
        limbs[0] = <uint32_t>small
        limbs[1] = <uint32_t>(<uint64_t>small >> 32)
        return True
    if overflow < 0 or number.bit_length() > 32 * LIMBS:
        return False
    raw = number.to_bytes(4 * LIMBS, "little")
    memcpy(limbs, PyBytes_AS_STRING(raw), 4 * LIMBS)
    return True


def pack_into(bytearray packed not None, bytes kinds not None, list rows not None):
    """
    Write rows into packed, which is grown and cut to fit; return the bytes written.

    Args:
        packed: what stands in it is overwritten.
        kinds: one per column: 2, 4 or 8 for whole numbers of so many bytes, b for bytes, t for
            text, n for NUMERIC from zero up to 2^320 - 1.
        rows: tuples of as many values; None is NULL.

    Returns:
        The number of bytes; where a value is none that its column takes, -1 - its place, counted
        through all rows.
    """
    cdef Py_ssize_t width = len(kinds), size = len(packed), place = 0, index, column
    cdef const unsigned char *kind_at = <const unsigned char *>PyBytes_AS_STRING(kinds)
    cdef unsigned char *out = <unsigned char *>PyByteArray_AS_STRING(packed)
    cdef unsigned char kind
    cdef const char *raw
    cdef Py_ssize_t count
    cdef int overflow
    cdef int64_t number, limit
    cdef uint32_t limbs[LIMBS]
    cdef object row, value
    for index in range(len(rows)):
        row = <object>PyList_GET_ITEM(rows, index)
        if type(row) is not tuple or len(<tuple>row) != width:
            return -1 - index * width
        if size - place < 2 + NUMERIC_BYTES * width:
            size = 2 * size + (2 + NUMERIC_BYTES * width)
            PyByteArray_Resize(packed, size)
            out = <unsigned char *>PyByteArray_AS_STRING(packed)
        put(out + place, width, 2)
        place += 2
        for column in range(width):
            value = <object>PyTuple_GET_ITEM(row, column)
            kind = kind_at[column]
            if value is None:
                put(out + place, 0xFFFFFFFF, 4)
                place += 4
            elif kind == c"b" or kind == c"t":
                if kind == c"b" and PyBytes_Check(value):
                    raw, count = PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value)
                elif kind == c"t" and PyUnicode_Check(value):
                    raw = PyUnicode_AsUTF8AndSize(value, &count)
                else:
                    return -1 - index * width - column
                if size - place < count + 4 + NUMERIC_BYTES * width:
                    size = 2 * size + (count + 4 + NUMERIC_BYTES * width)
                    PyByteArray_Resize(packed, size)
                    out = <unsigned char *>PyByteArray_AS_STRING(packed)
                put(out + place, count, 4)
                memcpy(out + place + 4, raw, count)
                place += 4 + count
            elif not PyLong_CheckExact(value):
                return -1 - index * width - column
            elif kind == c"n":
                if not limbs_of(value, limbs):
                    return -1 - index * width - column
                place += put_numeric(out + place, limbs, LIMBS)
            else:
                overflow = 0
                number = PyLong_AsLongLongAndOverflow(value, &overflow)
                count = kind - c"0"
                limit = (<int64_t>1 << (8 * count - 1)) if count < 8 else 0
                if overflow or (limit and not -limit <= number < limit):
                    return -1 - index * width - column
                put(out + place, count, 4)
                put(out + place + 4, <uint64_t>number, count)
                place += 4 + count
    return place

# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
# cython: cdivision=True
"""Exact loops over the fields of an event: to texts, from texts, and into a frozen object."""

from cpython.bytes cimport (
    PyBytes_AS_STRING,
    PyBytes_CheckExact,
    PyBytes_FromStringAndSize,
    PyBytes_GET_SIZE,
)
from cpython.long cimport PyLong_CheckExact
from cpython.tuple cimport PyTuple_GET_ITEM
from cpython.unicode cimport PyUnicode_CheckExact
from libc.stdint cimport int8_t, uint64_t
from libc.string cimport memcmp, memcpy

cdef extern from "Python.h":
    object PyUnicode_New(Py_ssize_t size, Py_UCS4 largest)
    bint PyUnicode_IS_COMPACT_ASCII(object text)
    unsigned char *PyUnicode_1BYTE_DATA(object text)
    Py_ssize_t PyUnicode_GET_LENGTH(object text)
    int PyObject_GenericSetAttr(object target, object name, object value) except -1
    object PyLong_FromString(const char *text, char **end, int base)

cdef enum:
    WORD_BYTES = 32
    WORD_LETTERS = 66  # 0x and two for each byte
    DIGITS_MAX = 78  # of 2^256
    DIGITS_FAST_MAX = 18  # below 2^63

cdef const unsigned char *HEX = b"0123456789abcdef"
cdef object new = object.__new__


cdef inline int8_t nibble(unsigned char letter) noexcept nogil:
    """Return what a hex digit says; -1 where it is none, or a capital."""
    if c"0" <= letter <= c"9":
        return letter - c"0"
    if c"a" <= letter <= c"f":
        return letter - c"a" + 10
    return -1


cdef inline void put_hex(unsigned char *out, const unsigned char *source, Py_ssize_t count) \
        noexcept nogil:
    """Write 0x and two digits for each byte."""
    cdef Py_ssize_t index
    out[0] = c"0"
    out[1] = c"x"
    for index in range(count):
        out[2 + 2 * index] = HEX[source[index] >> 4]
        out[3 + 2 * index] = HEX[source[index] & 15]


cdef str hex_of(bytes raw):
    """Return 0x and two digits for each byte."""
    cdef Py_ssize_t count = PyBytes_GET_SIZE(raw)
    cdef str text = PyUnicode_New(2 + 2 * count, 127)
    put_hex(PyUnicode_1BYTE_DATA(text), <const unsigned char *>PyBytes_AS_STRING(raw), count)
    return text


cdef bytes word_at(const unsigned char *source):
    """Return the 32 bytes that 66 letters of plain 0x-hex say; None where they are not that."""
    cdef bytes word
    cdef unsigned char *out
    cdef Py_ssize_t index
    cdef int8_t high, low
    if source[0] != c"0" or source[1] != c"x":
        return None
    word = PyBytes_FromStringAndSize(NULL, WORD_BYTES)
    out = <unsigned char *>PyBytes_AS_STRING(word)
    for index in range(WORD_BYTES):
        high = nibble(source[2 + 2 * index])
        low = nibble(source[3 + 2 * index])
        if high < 0 or low < 0:
            return None
        out[index] = <unsigned char>(high << 4 | low)
    return word


cdef object number_at(const unsigned char *source, Py_ssize_t length, object limit):
    """Return the decimal that letters are; None where they are no digits or say too much."""
    cdef Py_ssize_t index
    cdef uint64_t small = 0
    cdef char digits[DIGITS_MAX + 1]
    cdef object number
    if not 1 <= length <= DIGITS_MAX or (source[0] == c"0" and length > 1):
        return None
    for index in range(length):
        if not c"0" <= source[index] <= c"9":
            return None
        if length <= DIGITS_FAST_MAX:
            small = 10 * small + (source[index] - c"0")
    if length <= DIGITS_FAST_MAX:
        return small
    memcpy(digits, source, length)
    digits[length] = 0
    number = PyLong_FromString(digits, NULL, 10)
    return number if number <= limit else None


def texts_of(event, tuple names not None, tuple limits not None):
    """Return fields by name: 32 bytes as 0x-hex, integers as decimals; None of other types."""
    cdef dict texts = {}
    cdef Py_ssize_t index
    cdef object name, value
    for index in range(len(names)):
        name = <object>PyTuple_GET_ITEM(names, index)
        value = getattr(event, name)
        if <object>PyTuple_GET_ITEM(limits, index) is None:
            if not PyBytes_CheckExact(value):
                return None
            texts[name] = hex_of(<bytes>value)
        elif PyLong_CheckExact(value):
            texts[name] = str(value)
        else:
            return None
    return texts


def json_of(event, tuple names not None, tuple limits not None, tuple heads not None):
    """
    Return fields as a JSON object of texts; None where one is neither 32 bytes nor an integer.

    Args:
        names: of the fields, sorted.
        limits: None for bytes.
        heads: what stands before each text: a brace or comma, the name and a colon, ASCII.
    """
    cdef Py_ssize_t index, place = 0, size = 1, count = len(names)
    cdef list texts = []
    cdef object value
    cdef bytes head
    cdef unsigned char *out
    for index in range(count):
        value = getattr(event, <object>PyTuple_GET_ITEM(names, index))
        size += PyBytes_GET_SIZE(<object>PyTuple_GET_ITEM(heads, index)) + 1
        if <object>PyTuple_GET_ITEM(limits, index) is None:
            if not PyBytes_CheckExact(value) or PyBytes_GET_SIZE(value) != WORD_BYTES:
                return None
            size += WORD_LETTERS
        elif PyLong_CheckExact(value):
            value = str(value)
            size += PyUnicode_GET_LENGTH(value)
        else:
            return None
        texts.append(value)
    if not count:
        return "{}"
    cdef str made = PyUnicode_New(size, 127)
    out = PyUnicode_1BYTE_DATA(made)
    for index in range(count):
        head = <bytes>PyTuple_GET_ITEM(heads, index)
        memcpy(out + place, PyBytes_AS_STRING(head), PyBytes_GET_SIZE(head))
        place += PyBytes_GET_SIZE(head)
        value = texts[index]
        if PyBytes_CheckExact(value):
            put_hex(out + place, <const unsigned char *>PyBytes_AS_STRING(value), WORD_BYTES)
            place += WORD_LETTERS
        else:
            memcpy(out + place, PyUnicode_1BYTE_DATA(value), PyUnicode_GET_LENGTH(value))
            place += PyUnicode_GET_LENGTH(value)
        out[place] = c'"'
        place += 1
    out[place] = c"}"
    return made


def event_of_json(
    event_type, position, tuple names not None, tuple limits not None, tuple heads not None, text
):
    """
    Return the event of a JSON object; None where it is not to the letter what json_of gave.

    Args:
        names: its fields other than the position, sorted.
        limits: for each the largest number, 10^18 at least; None for 32 bytes.
        heads: as json_of takes them.
    """
    cdef Py_ssize_t index, place = 0, end, size, length
    cdef const unsigned char *source
    cdef object limit, value, event
    cdef bytes head
    if not PyUnicode_CheckExact(text) or not PyUnicode_IS_COMPACT_ASCII(text):
        return None
    source, size = PyUnicode_1BYTE_DATA(text), PyUnicode_GET_LENGTH(text)
    event = new(event_type)
    PyObject_GenericSetAttr(event, "position", position)
    for index in range(len(names)):
        head = <bytes>PyTuple_GET_ITEM(heads, index)
        length = PyBytes_GET_SIZE(head)
        if size - place < length or memcmp(source + place, PyBytes_AS_STRING(head), length):
            return None
        place += length
        limit = <object>PyTuple_GET_ITEM(limits, index)
        if limit is None:
            end = place + WORD_LETTERS
            value = word_at(source + place) if end < size else None
        else:
            end = place
            while end < size and source[end] != c'"':
                end += 1
            value = number_at(source + place, end - place, limit)
        if value is None or end >= size or source[end] != c'"':
            return None
        PyObject_GenericSetAttr(event, <object>PyTuple_GET_ITEM(names, index), value)
        place = end + 1
    if size != place + 1 or source[place] != c"}":
        return None
    return event


def frozen_of(kind, tuple names not None, tuple values not None):
    """Return an object of a frozen class with these fields, which nothing checks again."""
    cdef Py_ssize_t index
    cdef object made = new(kind)
    for index in range(len(names)):
        PyObject_GenericSetAttr(
            made, <object>PyTuple_GET_ITEM(names, index), <object>PyTuple_GET_ITEM(values, index)
        )
    return made

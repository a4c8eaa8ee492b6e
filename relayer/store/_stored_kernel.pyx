# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
# cython: cdivision=True
"""One exact loop over rows of observed events: the objects that they say."""

from cpython.tuple cimport PyTuple_GET_ITEM

cdef extern from "Python.h":
    int PyObject_GenericSetAttr(object target, object name, object value) except -1

cdef object new = object.__new__


def stored_into(
    list rows not None, tuple plan not None, fast_event_of, event_of, block_of, list made not None
):
    """
    Append the stored event of each row.

    Args:
        rows: tuples in the order of the columns of observed_event.
        plan: StoredEvent, EventPosition, the states and what is booked by their names, and by kind
            what fast_event_of takes before and after the position.
        fast_event_of: makes an event, or None where event_of must look.
        event_of: makes the event of its kind, its position and its payload.
        block_of: makes a block of its height and hash.
    """
    cdef object stored_type, position_type, position, stored, height, block_hash
    cdef object last_height = None, last_hash = None, block = None
    cdef object kind, payload, event, event_type, names, limits, heads
    cdef dict states, bookings, kinds
    cdef tuple row, found
    stored_type, position_type, states, bookings, kinds = plan
    for row in rows:
        if len(row) != 19:
            raise ValueError(f"a stored event has 19 columns, not {len(row)}")
        height = <object>PyTuple_GET_ITEM(row, 2)
        block_hash = <object>PyTuple_GET_ITEM(row, 3)
        if block is None or height != last_height or block_hash != last_hash:
            block = block_of(height, block_hash)
            last_height, last_hash = height, block_hash
        position = new(position_type)
        PyObject_GenericSetAttr(position, "chain_id", <object>PyTuple_GET_ITEM(row, 1))
        PyObject_GenericSetAttr(position, "block", block)
        PyObject_GenericSetAttr(position, "tx_hash", <object>PyTuple_GET_ITEM(row, 4))
        PyObject_GenericSetAttr(position, "log_index", <object>PyTuple_GET_ITEM(row, 5))
        PyObject_GenericSetAttr(position, "contract", <object>PyTuple_GET_ITEM(row, 6))
        PyObject_GenericSetAttr(position, "event_id", <object>PyTuple_GET_ITEM(row, 0))
        kind, payload = <object>PyTuple_GET_ITEM(row, 7), <object>PyTuple_GET_ITEM(row, 11)
        event, found = None, kinds.get(kind)
        if found is not None:
            event_type, names, limits, heads = found
            event = fast_event_of(event_type, position, names, limits, heads, payload)
        if event is None:
            event = event_of(kind, position, payload)
        stored = new(stored_type)
        PyObject_GenericSetAttr(stored, "event", event)
        PyObject_GenericSetAttr(stored, "state", states[<object>PyTuple_GET_ITEM(row, 12)])
        PyObject_GenericSetAttr(stored, "booked", bookings[<object>PyTuple_GET_ITEM(row, 13)])
        PyObject_GenericSetAttr(stored, "parked_reason", <object>PyTuple_GET_ITEM(row, 15))
        PyObject_GenericSetAttr(stored, "revivals", <object>PyTuple_GET_ITEM(row, 16))
        PyObject_GenericSetAttr(stored, "seen_at", <object>PyTuple_GET_ITEM(row, 17))
        PyObject_GenericSetAttr(stored, "final_at", <object>PyTuple_GET_ITEM(row, 18))
        made.append(stored)

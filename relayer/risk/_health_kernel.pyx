# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
# cython: cdivision=True
"""One exact loop over all accounts: signed 64-bit products summed in 128 bits."""

from libc.stdint cimport int64_t, uint8_t

cdef extern from *:
    """
    typedef __int128 relayer_int128;
    """
    ctypedef long long int128 "relayer_int128"


def screen_into(
    const int64_t[:, ::1] quanta not None,
    const int64_t[::1] factors not None,
    int64_t margin,
    uint8_t[::1] is_near not None,
):
    """
    Set is_near[row] to whether sum(quanta[row, column] * factors[column]) < margin.

    Args:
        quanta: int64 [n_rows, n_columns], >= 0.
        factors: int64 [n_columns]; the sum of their absolute values is below 2^63.
        margin: int64.
        is_near: uint8 [n_rows], written.
    """
    cdef Py_ssize_t row, column
    cdef Py_ssize_t n_rows = quanta.shape[0]
    cdef Py_ssize_t n_columns = quanta.shape[1]
    cdef int128 net
    with nogil:
        for row in range(n_rows):
            net = 0
            for column in range(n_columns):
                net += <int128>quanta[row, column] * factors[column]
            is_near[row] = net < margin

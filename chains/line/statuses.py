"""What an HTTP status means when the body says nothing."""

from collections.abc import Mapping
from typing import Final

from chains.agreement.faults import FaultClass

F = FaultClass
STATUSES: Final[Mapping[int, FaultClass]] = {
    400: F.OUR_MISTAKE,
    401: F.AUTH,
    402: F.AUTH,
    403: F.AUTH,
    405: F.OUR_MISTAKE,
    407: F.AUTH,
    408: F.TIMEOUT,
    413: F.RANGE_TOO_BIG,
    415: F.OUR_MISTAKE,
    422: F.OUR_MISTAKE,
    429: F.RATE_LIMIT,
    504: F.TIMEOUT,
    522: F.TIMEOUT,
    524: F.TIMEOUT,
}


def fault_of_status(status: int) -> FaultClass:
    """Return the class of a status; one that is not listed passes by itself."""
    return STATUSES.get(status, F.UNAVAILABLE)

"""
One table that sorts every refusal of a Solana node: by code and by text.

The codes from -32001 to -32021 are the validator's own and mean one thing each, except for -32005:
a node says with it that it is behind, and gateways in front of nodes say with it that we ask too
much. There the text decides, as for the general codes. What is left is our mistake: what we do
not understand demotes nobody.
"""

from typing import Final

from chains.agreement.faults import FaultClass
from chains.line.rows import first_fit, row

F = FaultClass

BLOCK_CLEANED_UP: Final = -32001
PREFLIGHT_FAILURE: Final = -32002
BLOCK_NOT_AVAILABLE: Final = -32004
SLOT_SKIPPED: Final = -32007
SLOT_SKIPPED_LONG_AGO: Final = -32009
STATUS_NOT_YET: Final = -32014
UNSUPPORTED_VERSION: Final = -32015
MIN_CONTEXT_SLOT: Final = -32016

# The slot has no block, or the node has a hole there: it jumped to a snapshot, or lacks an archive.
SKIPPED_CODES: Final = frozenset({SLOT_SKIPPED, SLOT_SKIPPED_LONG_AGO})
# The node has no such block yet, or has not written all of it down.
NOT_YET_CODES: Final = frozenset({BLOCK_NOT_AVAILABLE, STATUS_NOT_YET})

ROWS: Final = (
    row(F.REVERT, codes=(PREFLIGHT_FAILURE,)),
    row(
        F.STALE,
        codes=(
            *(BLOCK_CLEANED_UP, BLOCK_NOT_AVAILABLE, SLOT_SKIPPED, SLOT_SKIPPED_LONG_AGO),
            *(STATUS_NOT_YET, MIN_CONTEXT_SLOT, -32020),
        ),
    ),
    # The signature, its length, a precompile, the version, a slot that begins no epoch.
    row(F.OUR_MISTAKE, codes=(-32003, -32006, -32013, UNSUPPORTED_VERSION, -32018)),
    # No snapshot, index, history or archive; a scan that failed; rewards that are being paid.
    row(F.UNAVAILABLE, codes=(-32008, -32010, -32011, -32012, -32017, -32019, -32021)),
    row(
        F.RATE_LIMIT,
        *(r"rate.?limit", r"too many (requests|connections)", r"throttl", r"quota", r"credits?\b"),
        *(r"per (second|minute|day)", r"/ ?sec(ond)?\b", r"\bcompute units per", r"request limit"),
        codes=(429, -32029, -32090, -32097, -32429),
    ),
    row(
        F.AUTH,
        *(r"api.?key", r"unauthori[sz]ed", r"authenticat", r"forbidden", r"access denied"),
        *(r"access token", r"(invalid|expired|missing) token", r"whitelist", r"blocked"),
        *(r"payment required", r"your (current )?plan", r"subscription", r"upgrade"),
        codes=(401, 403, -32401, -32403),
    ),
    row(
        F.RANGE_TOO_BIG,
        *(r"response (size|is too large)", r"too (large|big)", r"range too"),
        ranges=True,
    ),
    row(F.TIMEOUT, r"timed?.?out", r"deadline exceeded", r"took too long"),
    row(F.STALE, r"minimum context slot", r"\bslot\b.{0,40}(not available|skipped)", r"cleaned up"),
    row(F.UNAVAILABLE, codes=(-32005,)),
    row(
        F.OUR_MISTAKE,
        *(r"invalid (params?|argument|request)", r"\bmethod\b.{0,60}(not found|not supported)"),
        codes=(-32700, -32600, -32601, -32602),
    ),
    row(
        F.UNAVAILABLE,
        *(r"internal (server )?error", r"temporar", r"try again", r"busy", r"overloaded"),
        *(r"unavailable", r"bad gateway", r"connection (refused|reset|closed)", r"upstream"),
        *(r"unhealthy", r"maintenance", r"behind by", r"no (\w+ )?(backends?|nodes|servers)"),
        codes=(-32603,),
    ),
)


def fault_of(code: int, text: str, *, is_range: bool = False) -> FaultClass:
    """
    Return what a JSON-RPC error object means.

    Args:
        is_range: whether the events of several slots were asked for.
    """
    return first_fit(ROWS, code, text, is_range=is_range)

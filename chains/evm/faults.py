"""
One table that sorts every refusal of a node: by code, by text, by HTTP status.

Nodes of many makers and providers of many plans word the same refusal in many ways. What a refusal
means decides what is done about it, and whether the node or we are to blame: only its own faults
may ever demote a node.

The rows are tried from the top, and the first that fits decides. Where a text could mean two
things, the order says which reading does less harm:

- a refused contract call is a refusal by the contract, whatever code or status carries it;
- "too wide" beats "too many requests" in one text: halving a range that was only throttled costs
  requests, waiting for a range that is refused for ever would cost all progress;
- a limit that is not named (-32005) is a range in a log query and a rate limit elsewhere;
- what only an archive has is a missing state, although a larger plan would have it;
- a text that no row knows is taken for our mistake: what we do not understand demotes nobody.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from chains.agreement.faults import FaultClass

TEXT_LENGTH_MAX: Final = 2_000  # of a refusal; what stands behind it changes no class

F = FaultClass


@dataclass(frozen=True, slots=True)
class Row:
    """
    One row: it fits when one of its texts stands in the refusal, or its code is one of its codes.

    is_of_ranges: the row counts only for a query of logs over a range.
    """

    fault: FaultClass
    texts: re.Pattern[str] | None = None
    codes: frozenset[int] = frozenset()
    is_of_ranges: bool = False

    def fits(self, code: int, text: str, *, is_range: bool) -> bool:
        """Return whether the row decides a refusal."""
        if self.is_of_ranges and not is_range:
            return False
        if code in self.codes:
            return True
        return self.texts is not None and self.texts.search(text) is not None


def _row(fault: FaultClass, *texts: str, codes: tuple[int, ...] = (), ranges: bool = False) -> Row:
    pattern = re.compile("|".join(texts), re.IGNORECASE) if texts else None
    return Row(fault, pattern, frozenset(codes), ranges)


ROWS: Final = (
    _row(
        F.REVERT,
        *(r"revert", r"vm execution error", r"invalid opcode", r"bad instruction", r"out of gas"),
        *(r"stack (under|over)flow", r"invalid jump", r"always failing", r"stack limit reached"),
        r"gas required exceeds allowance",
    ),
    _row(
        F.NONCE_KNOWN,
        *(r"already ?known", r"already imported", r"\bknown transaction", r"tx already exists"),
        *(r"already (exists )?in (the )?\w*pool", r"existing tx with same hash"),
    ),
    _row(
        F.NONCE_UNDERPRICED,
        *(r"underpriced", r"fee ?too ?low", r"less than (the )?(block|pending) base ?fee"),
        *(
            r"could not replace existing tx",
            r"gas ?price (is )?(too low|below|supplied is too low)",
        ),
        *(r"fee cap less than", r"below (the )?(configured )?minimum gas ?price"),
        *(r"max ?fee ?per ?gas (is )?(too low|less)", r"(tip|priority fee).{0,40}minimum needed"),
    ),
    _row(
        F.NONCE_AHEAD,
        *(r"nonce (is )?too (high|distant|far)", r"nonce ?gap", r"nonce.{0,20}in the future"),
    ),
    _row(
        F.NONCE_USED,
        *(r"nonce (is )?too low", r"old ?nonce", r"(invalid|incorrect) (transaction )?nonce"),
        r"nonce.{0,30}(already|been) used",
    ),
    _row(
        F.FUNDS,
        *(r"insufficient ?(sender )?(funds|balance)", r"upfront cost exceeds", r"enough funds"),
        r"exceeds (account|transaction sender account) balance",
    ),
    _row(
        F.STALE,
        *(r"missing trie node", r"\b(header|block)\b.{0,90}not found", r"unknown (block|ancestor)"),
        *(r"blockoutofrange", r"block is out of range", r"not.{0,12}canonical", r"null round"),
        *(r"resource not found", r"beyond (the )?(current )?head", r"after last accepted block"),
        *(r"unfinalized data", r"\bstate\b.{0,60}(not |un)available", r"no state available"),
        *(r"pruned", r"historical state", r"archive", r"syncing", r"not (yet )?synced"),
        *(r"\bblock\b.{0,40}(not available|does not exist)", r"distance to target block"),
    ),
    _row(F.OUR_MISTAKE, r"invalid block range"),
    _row(
        F.RANGE_TOO_BIG,
        *(r"blocks? range", r"range.{0,12} (too|exceed)", r"ranges? over", r"range limit"),
        *(r"max(imum)? (block )?range", r"too many (results|logs|blocks|events)"),
        *(r"blocks distance", r"returned more than", r"more than \d+ (results|logs|blocks)"),
        *(r"response size", r"response (is )?too (large|big)", r"limited to.{0,24}(block|range)"),
        *(r"query timeout exceed", r"query exceeds (max|limit)", r"logs matched", r"than size \d"),
    ),
    _row(
        F.RATE_LIMIT,
        *(r"rate.?limit", r"rate exceed", r"request (count|limit)", r"call limit", r"throttl"),
        *(r"too many (requests|connections)", r"capacity", r"quota", r"credits? (limit|exceed)"),
        *(r"compute units", r"\bcu limit", r"per (second|minute|day)", r"/ ?sec(ond)?\b"),
        r"(daily|monthly|usage) (request )?limit",
    ),
    _row(
        F.AUTH,
        *(r"api.?key", r"unauthori[sz]ed", r"authenticat", r"forbidden", r"access denied"),
        *(r"project id", r"access token", r"(invalid|expired|missing) token", r"whitelist"),
        *(r"payment required", r"your (current )?plan", r"subscription", r"does not have access"),
        *(
            r"(account|endpoint|app).{0,20}(disabled|suspended|inactive)",
            r"origin.{0,20}not allowed",
        ),
    ),
    _row(
        F.TIMEOUT,
        *(r"timed?.?out", r"deadline exceeded", r"took too long", r"execution aborted"),
        r"context cancell?ed",
    ),
    _row(
        F.OUR_MISTAKE,
        *(r"\bmethod\b.{0,60}(not (found|supported|available)|does not exist)", r"missing value"),
        *(r"(unsupported|unknown) method", r"invalid (params|argument|request|sender|chain)"),
        *(
            r"cannot unmarshal",
            r"\brlp\b",
            r"intrinsic gas",
            r"block gas limit",
            r"tip higher than",
        ),
        *(r"priority fee per gas higher", r"type not supported", r"exceeds the configured cap"),
        *(r"oversized data", r"initcode", r"invalid signature", r"hex string"),
    ),
    _row(
        F.UNAVAILABLE,
        *(r"internal (server )?error", r"temporar", r"try again", r"busy", r"overloaded"),
        *(r"unavailable", r"bad gateway", r"connection (refused|reset|closed)", r"upstream"),
        *(r"no (\w+ )?(backends?|nodes|providers|servers)", r"not ready", r"\beof\b", r"dial tcp"),
        *(r"failed to (connect|forward|fetch|get|send)", r"unhealthy", r"maintenance"),
    ),
    # From here on by code alone: the text said nothing.
    _row(F.REVERT, codes=(3,)),
    _row(F.RANGE_TOO_BIG, codes=(-32005,), ranges=True),
    _row(F.RATE_LIMIT, codes=(429, -32005, -32029, -32090, -32097)),
    _row(F.STALE, codes=(-32001,)),
    _row(F.AUTH, codes=(401, 403)),
    _row(F.UNAVAILABLE, codes=(-32603, -32002, -32016)),
)

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


def fault_of(code: int, text: str, *, is_range: bool = False) -> FaultClass:
    """
    Return what a JSON-RPC error object means.

    Args:
        is_range: whether the logs of several blocks were asked for.
    """
    shortened = text[:TEXT_LENGTH_MAX]
    for row in ROWS:
        if row.fits(code, shortened, is_range=is_range):
            return row.fault
    return F.OUR_MISTAKE


def fault_of_status(status: int) -> FaultClass:
    """Return what an HTTP status means when the body says nothing."""
    return STATUSES.get(status, F.UNAVAILABLE)

"""
One table that sorts every refusal of a node: by code and by text.

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

from typing import Final

from chains.agreement.faults import FaultClass
from chains.line.rows import first_fit, row

F = FaultClass


ROWS: Final = (
    row(
        F.REVERT,
        *(r"revert", r"vm execution error", r"invalid opcode", r"bad instruction", r"out of gas"),
        *(r"stack (under|over)flow", r"invalid jump", r"always failing", r"stack limit reached"),
        r"gas required exceeds allowance",
    ),
    row(
        F.NONCE_KNOWN,
        *(r"already ?known", r"already imported", r"\bknown transaction", r"tx already exists"),
        *(r"already (exists )?in (the )?\w*pool", r"existing tx with same hash"),
    ),
    row(
        F.NONCE_UNDERPRICED,
        *(r"underpriced", r"fee ?too ?low", r"less than (the )?(block|pending) base ?fee"),
        *(
            r"could not replace existing tx",
            r"gas ?price (is )?(too low|below|supplied is too low)",
        ),
        *(r"fee cap less than", r"below (the )?(configured )?minimum gas ?price"),
        *(r"max ?fee ?per ?gas (is )?(too low|less)", r"(tip|priority fee).{0,40}minimum needed"),
    ),
    row(
        F.NONCE_AHEAD,
        *(r"nonce (is )?too (high|distant|far)", r"nonce ?gap", r"nonce.{0,20}in the future"),
    ),
    row(
        F.NONCE_USED,
        *(r"nonce (is )?too low", r"old ?nonce", r"(invalid|incorrect) (transaction )?nonce"),
        r"nonce.{0,30}(already|been) used",
    ),
    row(
        F.FUNDS,
        *(r"insufficient ?(sender )?(funds|balance)", r"upfront cost exceeds", r"enough funds"),
        r"exceeds (account|transaction sender account) balance",
    ),
    row(
        F.STALE,
        *(r"missing trie node", r"\b(header|block)\b.{0,90}not found", r"unknown (block|ancestor)"),
        *(r"blockoutofrange", r"block is out of range", r"not.{0,12}canonical", r"null round"),
        *(r"resource not found", r"beyond (the )?(current )?head", r"after last accepted block"),
        *(r"unfinalized data", r"\bstate\b.{0,60}(not |un)available", r"no state available"),
        *(r"pruned", r"historical state", r"archive", r"syncing", r"not (yet )?synced"),
        *(r"\bblock\b.{0,40}(not available|does not exist)", r"distance to target block"),
    ),
    row(F.OUR_MISTAKE, r"invalid block range"),
    row(
        F.RANGE_TOO_BIG,
        *(r"blocks? range", r"range.{0,12} (too|exceed)", r"ranges? over", r"range limit"),
        *(r"max(imum)? (block )?range", r"too many (results|logs|blocks|events)"),
        *(r"blocks distance", r"returned more than", r"more than \d+ (results|logs|blocks)"),
        *(r"response size", r"response (is )?too (large|big)", r"limited to.{0,24}(block|range)"),
        *(r"query timeout exceed", r"query exceeds (max|limit)", r"logs matched", r"than size \d"),
    ),
    row(
        F.RATE_LIMIT,
        *(r"rate.?limit", r"rate exceed", r"request (count|limit)", r"call limit", r"throttl"),
        *(r"too many (requests|connections)", r"capacity", r"quota", r"credits? (limit|exceed)"),
        *(r"compute units", r"\bcu limit", r"per (second|minute|day)", r"/ ?sec(ond)?\b"),
        r"(daily|monthly|usage) (request )?limit",
    ),
    row(
        F.AUTH,
        *(r"api.?key", r"unauthori[sz]ed", r"authenticat", r"forbidden", r"access denied"),
        *(r"project id", r"access token", r"(invalid|expired|missing) token", r"whitelist"),
        *(r"payment required", r"your (current )?plan", r"subscription", r"does not have access"),
        *(
            r"(account|endpoint|app).{0,20}(disabled|suspended|inactive)",
            r"origin.{0,20}not allowed",
        ),
    ),
    row(
        F.TIMEOUT,
        *(r"timed?.?out", r"deadline exceeded", r"took too long", r"execution aborted"),
        r"context cancell?ed",
    ),
    row(
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
    row(
        F.UNAVAILABLE,
        *(r"internal (server )?error", r"temporar", r"try again", r"busy", r"overloaded"),
        *(r"unavailable", r"bad gateway", r"connection (refused|reset|closed)", r"upstream"),
        *(r"no (\w+ )?(backends?|nodes|providers|servers)", r"not ready", r"\beof\b", r"dial tcp"),
        *(r"failed to (connect|forward|fetch|get|send)", r"unhealthy", r"maintenance"),
    ),
    # From here on by code alone: the text said nothing.
    row(F.REVERT, codes=(3,)),
    row(F.RANGE_TOO_BIG, codes=(-32005,), ranges=True),
    row(F.RATE_LIMIT, codes=(429, -32005, -32029, -32090, -32097)),
    row(F.STALE, codes=(-32001,)),
    row(F.AUTH, codes=(401, 403)),
    row(F.UNAVAILABLE, codes=(-32603, -32002, -32016)),
)


def fault_of(code: int, text: str, *, is_range: bool = False) -> FaultClass:
    """
    Return what a JSON-RPC error object means.

    Args:
        is_range: whether the logs of several blocks were asked for.
    """
    return first_fit(ROWS, code, text, is_range=is_range)

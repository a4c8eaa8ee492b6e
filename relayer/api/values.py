"""How values look in answers: text for amounts and bytes, checksummed EVM addresses."""

import base64
import hashlib
from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, StringConstraints

from relayer.api.problems import ProblemError

LIMIT_MAX: Final = 200
LIMIT_DEFAULT: Final = 50
SEQ_MAX: Final = 2**63 - 1
CURSOR_TAG: Final = b"relayer.cursor.v1"
CURSOR_CHECK_BYTES: Final = 8
SEQ_BYTES: Final = 8
WORD_PATTERN: Final = r"^0x[0-9a-fA-F]{64}$"

WordPath = Annotated[str, Path(pattern=WORD_PATTERN, description="32 bytes as 0x-hex")]
WordQuery = Annotated[str, Query(pattern=WORD_PATTERN, description="32 bytes as 0x-hex")]
LimitQuery = Annotated[int, Query(ge=1, le=LIMIT_MAX, description="entries per page")]
AfterQuery = Annotated[int, Query(ge=0, le=SEQ_MAX, description="the last seq already seen")]
CursorQuery = Annotated[
    str | None,
    Query(max_length=64, description="next_cursor of the page before; leave out for the first"),
]
UnitsText = Annotated[str, StringConstraints(pattern=r"^-?(0|[1-9][0-9]*)$")]


class Answer(BaseModel):
    """A part of an answer."""

    model_config = ConfigDict(frozen=True)


def hex_of(raw: bytes) -> str:
    """Return bytes as 0x-hex."""
    return "0x" + raw.hex()


def word_of(text: str) -> bytes:
    """Return the bytes of a checked 0x-hex word."""
    return bytes.fromhex(text.removeprefix("0x"))


def time_text(at_seconds: int) -> str:
    """Return a Unix second as RFC 3339 in UTC, as CloudEvents wants it."""
    return datetime.fromtimestamp(at_seconds, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def cursor_text(scope: bytes, seq: int) -> str:
    """Return an opaque cursor that continues one list after a seq."""
    raw = seq.to_bytes(SEQ_BYTES, "big")
    return base64.urlsafe_b64encode(raw + _cursor_check(scope, raw)).decode().rstrip("=")


def seq_of_cursor(scope: bytes, text: str | None) -> int:
    """
    Return the seq that a cursor continues after; 0 without a cursor.

    Raises:
        ProblemError: it is not a cursor of this list.
    """
    if text is None:
        return 0
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:
        raw = b""
    seq_bytes, check = raw[:SEQ_BYTES], raw[SEQ_BYTES:]
    seq = int.from_bytes(seq_bytes, "big")
    if check != _cursor_check(scope, seq_bytes) or seq > SEQ_MAX:
        raise ProblemError(
            "cursor_invalid", "cursor: it is not next_cursor of this list; begin without one"
        )
    return seq


def _cursor_check(scope: bytes, seq_bytes: bytes) -> bytes:
    return hashlib.sha256(CURSOR_TAG + scope + seq_bytes).digest()[:CURSOR_CHECK_BYTES]

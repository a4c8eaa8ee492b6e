"""
Journal entries as one line of text, for tests and for the operator.

    2026-01-02 pending vault:base +5 USDC@eip155:1 | margin:ann -5 USDC@eip155:1

The phase may be left out for POSTED. A 32-byte word of a code may be written as a short name,
which stands for its ASCII letters followed by zeros.
"""

import hashlib
import re
from datetime import UTC, datetime, timedelta
from typing import Final

from chains.types import ChainId
from relayer.clock import UnixSeconds
from relayer.ledger.chart import PARTS, AccountCode, AccountKind
from relayer.ledger.journal import WORD_BYTES, JournalEntry, Phase, Posting, entry_id_of
from relayer.money import AssetId

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
SECOND: Final = timedelta(seconds=1)
NAME: Final = re.compile(rb"([a-z][a-z0-9_.-]*)\x00+")
POSTING: Final = re.compile(r"(\S+) ([+-]\d+) ([^@\s]+)@(\S+)")
PHASES: Final = {phase.name.lower(): phase for phase in Phase}


def entry_of_text(
    text: str,
    *,
    kind: str = "text",
    resolves: bytes | None = None,
    reversal_of: bytes | None = None,
) -> JournalEntry:
    """
    Return the entry that a line describes; its id comes from kind and line.

    Raises:
        ValueError: the line is malformed or makes no valid entry.
    """
    moment, _, rest = text.strip().partition(" ")
    word, _, after_word = rest.partition(" ")
    phase, body = (PHASES[word], after_word) if word in PHASES else (Phase.POSTED, rest)
    cause = hashlib.sha256(text.encode()).digest()
    return JournalEntry(
        entry_id=entry_id_of(kind, cause),
        kind=kind,
        cause=cause,
        phase=phase,
        postings=tuple(_posting_of_text(part) for part in body.split("|")),
        resolves=resolves,
        reversal_of=reversal_of,
        correlation_id=cause,
        booked_at=_seconds_of_text(moment),
    )


def text_of_entry(entry: JournalEntry) -> str:
    """Return an entry as one line."""
    moment = EPOCH + entry.booked_at * SECOND
    is_midnight = moment.time() == EPOCH.time()
    day = moment.strftime("%Y-%m-%d" if is_midnight else "%Y-%m-%dT%H:%M:%SZ")
    phase = "" if entry.phase is Phase.POSTED else f"{entry.phase.name.lower()} "
    return f"{day} {phase}" + " | ".join(
        f"{text_of_code(posting.code)} {posting.units:+d} {posting.asset_id}@{posting.chain_id}"
        for posting in entry.postings
    )


def text_of_code(code: AccountCode) -> str:
    """Return a code with its words as short names where they stand for one."""
    return ":".join(_name_of_word(part) for part in code.split(":"))


def code_of_text(text: str) -> AccountCode:
    """Return the code behind short names; the reverse of text_of_code."""
    head, *parts = text.split(":")
    kind = next((kind for kind in AccountKind if kind.value == head), None)
    if kind is None:
        raise ValueError(f"account code {text!r}: {head!r} is no kind of account")
    names = PARTS.get(kind, ())
    if len(names) != len(parts):
        after = ", ".join(names) or "nothing"
        raise ValueError(f"account code {text!r}: {head} is followed by {after}")
    words = [
        part if name == "protocol" else _word_of_name(part)
        for name, part in zip(names, parts, strict=True)
    ]
    return AccountCode(":".join([head, *words]))


def _posting_of_text(text: str) -> Posting:
    match = POSTING.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"posting {text.strip()!r}: write it like margin:ann -5 USDC@eip155:1")
    code, units, asset_id, chain_id = match.groups()
    return Posting(code_of_text(code), AssetId(asset_id), ChainId(chain_id), int(units))


def _seconds_of_text(text: str) -> UnixSeconds:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return UnixSeconds((moment - EPOCH) // SECOND)


def _word_of_name(name: str) -> str:
    if name.startswith("0x"):
        return name
    raw = name.encode("ascii")
    if not 1 <= len(raw) < WORD_BYTES:
        raise ValueError(f"name {name!r}: 1 to {WORD_BYTES - 1} letters stand for a word")
    return "0x" + raw.ljust(WORD_BYTES, b"\x00").hex()


def _name_of_word(part: str) -> str:
    if not part.startswith("0x"):
        return part
    match = NAME.fullmatch(bytes.fromhex(part[2:]))
    return part if match is None else match.group(1).decode("ascii")

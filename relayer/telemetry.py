"""
Logs: one JSON object a line for machines, readable lines on a terminal, no secret in either.

Records of structlog and of the standard library (celery, kombu, uvicorn, alembic) pass through the
same processors. The redaction comes last before rendering, so tracebacks pass through it too.
"""

import logging
import re
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any, Final, Literal, Protocol, TextIO, cast, get_args

import orjson
import structlog
from structlog.typing import Processor

LogFormat = Literal["json", "pretty", "auto"]
LogLevel = Literal["debug", "info", "warning", "error"]
LogEvent = Literal[
    "account.opened",
    "attempt.expired",
    "attempt.rolled_back",
    "break.cleared",
    "break.found",
    "broker.reached",
    "broker.unreachable",
    "chain.halted",
    "chain.quorum_lost",
    "chain.quorum_regained",
    "chain.recovered",
    "chain.resumed",
    "chain.unread",
    "chain.unreadable",
    "correction.posted",
    "credit.granted",
    "credit.refused",
    "cursor.advanced",
    "cursor.rewound",
    "database.upgraded",
    "deficit.booked",
    "deficit.cured",
    "doorbell.failed",
    "doorbell.lost",
    "doorbell.missed",
    "doorbell.refused",
    "doorbell.rung",
    "event.disputed",
    "event.malformed",
    "event.parked",
    "event.unconfirmed",
    "events.observed",
    "events.posted",
    "events.rebooked",
    "events.published",
    "exposure.exceeded",
    "feed.published",
    "governor.exceeded",
    "governor.released",
    "health.assessed",
    "hole.found",
    "invariant.broken",
    "job.completed",
    "job.deferred",
    "job.failed",
    "job.overtaken",
    "job.quarantined",
    "job.replayed",
    "lease.acquired",
    "lease.lost",
    "lease.released",
    "liquidation.decided",
    "lock.missing",
    "log.malformed",
    "message.attested",
    "message.confirmed",
    "message.delivered",
    "message.dispatched",
    "message.disputed",
    "message.enqueued",
    "message.failed",
    "message.refused",
    "message.reorged",
    "message.returned",
    "message.reverted",
    "message.submitted",
    "message.waited",
    "movement.missing",
    "nonce.filled",
    "nonce.healed",
    "owner.linked",
    "price.recorded",
    "price.refused",
    "process.failed",
    "process.restarted",
    "process.started",
    "process.stopped",
    "queue.refused",
    "range.observed",
    "request.accepted",
    "request.failed",
    "request.granted",
    "request.refused",
    "request.served",
    "root.published",
    "root.refused",
    "rpc.demoted",
    "rpc.differed",
    "rpc.dissented",
    "rpc.put_out",
    "rpc.restored",
    "signature.made",
    "signature.received",
    "signature.refused",
    "sweep.failed",
    "switch.acknowledged",
    "switch.changed",
    "switch.refused",
    "switch.unacknowledged",
    "transaction.broadcast",
    "transaction.included",
    "transaction.replaced",
    "unlock.granted",
    "unlock.refused",
    "wakeup.lost",
]
EVENT_NAMES: Final[frozenset[str]] = frozenset(get_args(LogEvent))

FIRST_KEYS: Final = ("ts", "level", "event", "service", "node")
REDACTED: Final = "<redacted>"
INTEGER_EXACT_MAX: Final = 2**53  # above it a JSON reader may round
CHATTY: Final = (
    *("httpx", "httpx2", "httpcore", "httpcore2"),
    *("web3", "asyncio", "sqlalchemy.engine", "urllib3"),
)
TEXT_LENGTH_MAX: Final = 8_192
SECRET_LENGTH_MIN: Final = 8
DEPTH_MAX: Final = 6
SECRET_KEY: Final = re.compile(
    r"(^|_)(secret|secrets|password|passwd|passphrase|mnemonic|private_key|key_hex|api_key|apikey"
    r"|authorization|cookie|credential|credentials)($|_)"
    r"|(^|_)(rpc|websocket|database|broker)_ur[li]s?$",
    re.IGNORECASE,
)
# An RPC URL carries its key in the path, the query or before the @: only scheme and host are kept.
URL: Final = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<login>[^\s/@'\"<>]*@)?"
    r"(?P<host>[^\s/?#'\"<>]*)(?P<rest>[/?#][^\s'\"<>]*)?"
)
HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]*\]|[\w.-]*)(:\d*)?[\])},;:.]*")
LABELLED_KEY: Final = re.compile(
    r"(?i)\b(private[ _]key|secret|password|passphrase|mnemonic|api[ _]?key)\b(\s*[=:]\s*)(\S+)"
)

_hidden: set[str] = set()


class EventLog(Protocol):
    """A logger that takes only known events, as noun.verb in the past."""

    def debug(self, event: LogEvent, **keys: object) -> None:
        """Log a detail."""
        ...

    def info(self, event: LogEvent, **keys: object) -> None:
        """Log a fact."""
        ...

    def warning(self, event: LogEvent, **keys: object) -> None:
        """Log what we recovered from."""
        ...

    def error(self, event: LogEvent, **keys: object) -> None:
        """Log what a person must act on; the runbook says how."""
        ...

    def exception(self, event: LogEvent, **keys: object) -> None:
        """Log an error with the traceback of the exception being handled."""
        ...


def event_log() -> EventLog:
    """Return the logger of steps, worker, api and cli."""
    return cast(EventLog, structlog.get_logger("relayer"))


def hide_secret(text: str) -> None:
    """
    Never let this very text out again, wherever it stands.

    Raises:
        ValueError: shorter than 8 characters; hiding it would garble ordinary text.
    """
    if len(text) < SECRET_LENGTH_MIN:
        raise ValueError(f"a secret of {len(text)} characters is too short to be hidden in logs")
    _hidden.add(text)


def redacted_text(text: str) -> str:
    """
    Return the text without registered secrets, labelled keys, and all of a URL but its host.

    The result has at most 8192 characters and a mark of how many were cut.
    """
    for secret in _hidden:
        text = text.replace(secret, REDACTED)
    text = LABELLED_KEY.sub(lambda found: f"{found[1]}{found[2]}{REDACTED}", text)
    text = URL.sub(_bare_url, text)
    if len(text) > TEXT_LENGTH_MAX:
        return f"{text[:TEXT_LENGTH_MAX]}... ({len(text) - TEXT_LENGTH_MAX} more)"
    return text


def _bare_url(found: re.Match[str]) -> str:
    login = f"{REDACTED}@" if found["login"] else ""
    rest = f"/{REDACTED}" if found["rest"] not in (None, "", "/") else (found["rest"] or "")
    # user:pass/word@host reads as the host user:pass; what is no host is not shown.
    host = found["host"] if HOST.fullmatch(found["host"]) else REDACTED
    return f"{found['scheme']}://{login}{host}{rest}"


def plain_value(value: object, depth: int = 0) -> object:
    """
    Return a value that JSON carries exactly: bytes as 0x-hex, big integers as decimal text.

    Integers outside +-2^53 become text, as readers that use doubles would round them. Mappings,
    sequences and dataclasses are walked; texts are redacted, and so is each value whose key names
    a secret.
    """
    match value:
        case None | bool() | float():
            return value
        case Enum():
            return plain_value(value.value, depth)
        case int():
            return value if -INTEGER_EXACT_MAX <= value <= INTEGER_EXACT_MAX else str(value)
        case bytes() | bytearray() | memoryview():
            return redacted_text("0x" + bytes(value).hex())
        case _ if depth < DEPTH_MAX and not isinstance(value, str):
            return _plain_container(value, depth)
        case _:
            return redacted_text(value if isinstance(value, str) else type(value).__name__)


def _plain_container(value: object, depth: int) -> object:
    if isinstance(value, Mapping):
        return {str(key): _plain_member(str(key), inner, depth) for key, inner in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain_value(inner, depth + 1) for inner in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: _plain_member(field.name, getattr(value, field.name), depth)
            for field in fields(value)
        }
    return redacted_text(str(value))


def _plain_member(key: str, value: object, depth: int) -> object:
    if SECRET_KEY.search(key) and value is not None:
        return REDACTED
    return plain_value(value, depth + 1)


@contextmanager
def bind_correlation(correlation_id: bytes | str, **keys: object) -> Iterator[None]:
    """
    Put the correlation id, and more keys, on every line logged inside the block.

    Args:
        correlation_id: 32 bytes or their 0x-hex; the same from lock to settlement.
        keys: chain_id, message_id, account... from the glossary.
    """
    text = correlation_id if isinstance(correlation_id, str) else "0x" + correlation_id.hex()
    with structlog.contextvars.bound_contextvars(correlation_id=text, **keys):
        yield


def configure_logging(
    *,
    service: str,
    node: str,
    log_format: LogFormat = "auto",
    log_level: LogLevel = "info",
    stream: TextIO | None = None,
) -> None:
    """
    Send every record of this process to one stream, in one form; replaces earlier handlers.

    Args:
        service: the role: api, worker, watcher, guardian, sweeper, cli.
        node: which one of them, for example host:pid.
        log_format: auto is pretty on a terminal and JSON elsewhere.
        stream: standard error by default; standard output belongs to answers.
    """
    target = stream if stream is not None else sys.stderr
    is_pretty = log_format == "pretty" or (log_format == "auto" and target.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
        _named(service=service, node=node),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            _plain_and_ordered,
            _pretty_renderer(target) if is_pretty else _json_line,
        ],
    )
    handler = logging.StreamHandler(target)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(log_level.upper())
    logging.captureWarnings(capture=True)
    _quieten(log_level)


def _quieten(log_level: LogLevel) -> None:
    # Their info lines repeat ours, one for each HTTP request or SQL statement; they also bring
    # handlers of their own, which would write unredacted lines.
    for name in CHATTY:
        logging.getLogger(name).setLevel("DEBUG" if log_level == "debug" else "WARNING")
    for name in ("celery", "kombu", "uvicorn", "uvicorn.error", "uvicorn.access", "alembic"):
        foreign = logging.getLogger(name)
        foreign.handlers[:] = []
        foreign.propagate = True


def _named(*, service: str, node: str) -> Processor:
    def add_names(
        _logger: object, _method: str, record: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        record.setdefault("service", service)
        record.setdefault("node", node)
        return record

    return add_names


def _plain_and_ordered(
    _logger: object, _method: str, record: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    ordered = {key: record[key] for key in FIRST_KEYS if key in record}
    ordered |= {key: record[key] for key in sorted(record) if key not in FIRST_KEYS}
    return {key: _plain_member(key, value, 0) for key, value in ordered.items()}


def _json_line(_logger: object, _method: str, record: MutableMapping[str, Any]) -> str:
    return orjson.dumps(dict(record), default=str).decode()


def _pretty_renderer(target: TextIO) -> Processor:
    return structlog.dev.ConsoleRenderer(
        colors=target.isatty(),
        timestamp_key="ts",
        exception_formatter=structlog.dev.plain_traceback,
    )

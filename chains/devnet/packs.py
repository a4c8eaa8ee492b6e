"""
Packs: what nodes answered, written down, to be answered again without them.

A pack is a gzip file of JSON lines in UTF-8. The first line is the header:

    format     "rpc-pack"
    version    1
    chain_id   CAIP-2 name of the chain
    providers  labels of the nodes, in order; a label says nothing about where a node is
    made       how the pack was made, for people

Every other line is one exchange, in the order in which it was answered:

    provider   one of the labels
    method     the JSON-RPC method
    params     its parameters, a list
    result     what the node answered; or
    error      the error object that it answered, {"code", "message", "data"?}; or
    fault      what the line did instead: {"kind": "http", "status", "retry_after_seconds"}, or
               {"kind": K} with K one of reset, half_body, not_json, hang, wrong_id

Times are not kept. Addresses of nodes and keys inside them never enter a pack: whatever looks like
a URL is written as <url>, and the parts of a node's own address that may be a key as <secret>.
"""

import gzip
import re
import threading
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final
from urllib.parse import parse_qsl, urlsplit

import orjson

from chains.devnet.running import Running
from chains.types import ChainId, chain_id_of

FORMAT: Final = "rpc-pack"
VERSION: Final = 1
UNPACKED_BYTES_MAX: Final = 128 * 1024 * 1024
OUTCOMES: Final = ("result", "error", "fault")
URL: Final = re.compile(rb'\b[A-Za-z][A-Za-z0-9+.-]*://[^\s"\\]*')
LABEL: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
SECRET_LENGTH_MIN: Final = 8  # shorter parts of an address are words, not keys


class PackError(ValueError):
    """A pack cannot be read or written; the text says what to do."""


@dataclass(frozen=True, slots=True)
class PackHeader:
    """What a pack is about."""

    chain_id: ChainId
    providers: tuple[str, ...]
    made: str

    def __post_init__(self) -> None:
        if not self.providers or len(set(self.providers)) != len(self.providers):
            raise PackError("providers needs at least one label, each only once")
        for label in self.providers:
            if not LABEL.fullmatch(label):
                raise PackError(
                    f"provider label {label[:32]!r} is not of a-z, 0-9 and -, at most 32 long"
                )
        if URL.search(self.made.encode()):
            raise PackError("made holds a URL; name nodes by their labels")


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request to one provider and what came of it: result, error or fault."""

    provider: str
    method: str
    params: list[Any]
    outcome: dict[str, Any]

    @property
    def question(self) -> bytes:
        """What two requests share that ask the same."""
        return question_of(self.method, self.params)


@dataclass(frozen=True, slots=True)
class Pack:
    """A pack that was read."""

    header: PackHeader
    exchanges: tuple[Exchange, ...]

    def of(self, provider: str) -> tuple[Exchange, ...]:
        """
        Return the exchanges of a provider in order.

        Raises:
            PackError: the pack has no such provider.
        """
        if provider not in self.header.providers:
            known = ", ".join(self.header.providers)
            raise PackError(f"provider {provider!r} is not in this pack; it has {known}")
        return tuple(one for one in self.exchanges if one.provider == provider)


def question_of(method: str, params: list[Any]) -> bytes:
    """Return the canonical bytes of a request: keys of objects in order, no spaces, no id."""
    return orjson.dumps([method, params], option=orjson.OPT_SORT_KEYS)


def secrets_of(url: str) -> tuple[str, ...]:
    """Return the parts of a node's address that may be a key, the longest first."""
    parts = urlsplit(url)
    found = [parts.username or "", parts.password or "", *parts.path.split("/")]
    found += [value for _, value in parse_qsl(parts.query)]
    return tuple(
        sorted({one for one in found if len(one) >= SECRET_LENGTH_MIN}, key=len, reverse=True)
    )


class PackWriter(Running):
    """
    Writes a pack; a context manager. note may be called from any thread.

    Args:
        secrets: texts that must not enter the pack, besides everything that looks like a URL.
    """

    def __init__(self, path: Path, header: PackHeader, *, secrets: Iterable[str] = ()) -> None:
        self.header = header
        self.exchange_count = 0
        self._path = path
        self._secrets = tuple(secret.encode() for secret in secrets)
        self._lock = threading.Lock()
        self._under: BinaryIO | None = None
        self._file: gzip.GzipFile | None = None

    def start(self) -> None:
        """Open the file and write its header."""
        self._under = self._path.open("wb")
        # Neither name nor time inside, so that the same exchanges make the same bytes.
        self._file = gzip.GzipFile(filename="", mode="wb", fileobj=self._under, mtime=0)
        header = self.header
        self._write(
            {
                "format": FORMAT,
                "version": VERSION,
                "chain_id": header.chain_id,
                "providers": list(header.providers),
                "made": header.made,
            }
        )

    def stop(self) -> None:
        """Complete the file; calling it twice is fine."""
        with self._lock:
            if self._file is not None and self._under is not None:
                self._file.close()
                self._under.close()
            self._file = self._under = None

    def provider(self, label: str) -> "ProviderWitness":
        """
        Return who writes down the exchanges of one provider.

        Raises:
            PackError: the header does not name it.
        """
        if label not in self.header.providers:
            raise PackError(f"provider {label!r} is not in the header of this pack")
        return ProviderWitness(self, label)

    def write(self, exchange: Exchange) -> None:
        """Append an exchange; after the end of the recording it is dropped."""
        with self._lock:
            if self._file is None:
                return
            self._write(
                {
                    "provider": exchange.provider,
                    "method": exchange.method,
                    "params": exchange.params,
                    **exchange.outcome,
                }
            )
            self.exchange_count += 1

    def _write(self, fields: dict[str, Any]) -> None:
        line = URL.sub(b"<url>", orjson.dumps(fields))
        for secret in self._secrets:
            line = line.replace(secret, b"<secret>")
        if self._file is not None:
            self._file.write(line + b"\n")


@dataclass(frozen=True, slots=True)
class ProviderWitness:
    """Writes down what one provider's asker was told; a witness of chains.devnet.proxy."""

    writer: PackWriter
    label: str

    def note(self, method: str, params: list[Any], outcome: dict[str, Any]) -> None:
        """Take one exchange."""
        self.writer.write(Exchange(self.label, method, params, outcome))


def write_pack(path: Path, header: PackHeader, exchanges: Sequence[Exchange]) -> None:
    """Write a whole pack at once."""
    with PackWriter(path, header) as writer:
        for exchange in exchanges:
            writer.write(exchange)


def read_pack(path: Path) -> Pack:
    """
    Read a whole pack.

    Raises:
        PackError: no such file, not a pack, cut short, or of another version.
    """
    try:
        with gzip.open(path, "rb") as file:
            raw = file.read(UNPACKED_BYTES_MAX + 1)
    except (OSError, EOFError, zlib.error) as exc:
        raise PackError(f"{path.name} is no readable pack: {exc}; record it again") from exc
    if len(raw) > UNPACKED_BYTES_MAX:
        raise PackError(f"{path.name} unpacks to more than {UNPACKED_BYTES_MAX} bytes; split it")
    lines = raw.splitlines()
    if not lines:
        raise PackError(f"{path.name} is empty; record it again")
    header = _header_of(path.name, lines[0])
    return Pack(header, tuple(_exchanges(path.name, header, lines[1:])))


def _header_of(name: str, line: bytes) -> PackHeader:
    fields = _fields(name, 1, line)
    if fields.get("format") != FORMAT:
        raise PackError(f"{name} is no pack: its first line has no format {FORMAT!r}")
    if fields.get("version") != VERSION or fields["version"] is True:
        raise PackError(
            f"{name} is of version {fields.get('version')}, this reads {VERSION}; record it again"
        )
    try:
        chain_id = chain_id_of(fields["chain_id"])
        if not isinstance(fields["providers"], list):
            raise PackError("providers is a list of labels")
        return PackHeader(chain_id, tuple(fields["providers"]), str(fields["made"]))
    except (KeyError, TypeError, ValueError) as exc:
        raise PackError(f"{name}, line 1: {exc}") from exc


def _exchanges(name: str, header: PackHeader, lines: Sequence[bytes]) -> Iterator[Exchange]:
    for number, line in enumerate(lines, start=2):
        fields = _fields(name, number, line)
        outcome: dict[str, Any] = {key: fields[key] for key in OUTCOMES if key in fields}
        provider, method, params = (fields.get(key) for key in ("provider", "method", "params"))
        if provider not in header.providers:
            raise PackError(f"{name}, line {number}: provider {provider!r} is not in the header")
        if not isinstance(method, str) or not isinstance(params, list) or len(outcome) != 1:
            raise PackError(
                f"{name}, line {number}: method, params and one of result, error, fault are needed"
            )
        exchange = Exchange(str(provider), method, params, outcome)
        try:
            exchange.question  # noqa: B018  # what is read can also be asked
        except orjson.JSONEncodeError as exc:
            raise PackError(f"{name}, line {number}: params cannot be asked: {exc}") from exc
        yield exchange


def _fields(name: str, number: int, line: bytes) -> dict[str, Any]:
    try:
        fields = orjson.loads(line)
    except orjson.JSONDecodeError as exc:
        raise PackError(f"{name}, line {number}: not JSON") from exc
    if not isinstance(fields, dict):
        raise PackError(f"{name}, line {number}: an object is needed")
    return fields

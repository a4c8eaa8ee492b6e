"""The parameter of eth_getLogs: which blocks, which contracts, which topics."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chains.devnet.exchange import CODE_INVALID_PARAMS, RefusalError


@dataclass(frozen=True, slots=True)
class LogFilter:
    """
    A checked filter.

    Args:
        block_hash: exactly this block, lower-case hex; then first and last are None.
        first, last: a height in hex or a tag; None means the newest block.
        addresses: lower-case hex; empty for all contracts.
        topics: the allowed values by place; an empty set allows all.
    """

    block_hash: str | None
    first: str | None
    last: str | None
    addresses: frozenset[str]
    topics: tuple[frozenset[str], ...]

    def has(self, address: str, topics: Sequence[str]) -> bool:
        """Return whether a log with this emitter and these topics (lower-case hex) is asked for."""
        return (not self.addresses or address in self.addresses) and self.has_topics(topics)

    def has_topics(self, topics: Sequence[str]) -> bool:
        """Return whether a log with these topics is asked for, whoever emitted it."""
        if len(topics) < len(self.topics):
            return False
        return all(
            not allowed or topic in allowed
            for allowed, topic in zip(self.topics, topics, strict=False)
        )


def log_filter_of(params: list[Any]) -> LogFilter:
    """
    Parse the parameters of eth_getLogs.

    Raises:
        RefusalError: not one object, or a block hash together with a range.
    """
    if len(params) != 1 or not isinstance(params[0], dict):
        raise RefusalError(CODE_INVALID_PARAMS, "eth_getLogs takes one filter object")
    fields = params[0]
    block_hash = fields.get("blockHash")
    first, last = fields.get("fromBlock"), fields.get("toBlock")
    if block_hash is not None and (first is not None or last is not None):
        raise RefusalError(CODE_INVALID_PARAMS, "blockHash goes with neither fromBlock nor toBlock")
    return LogFilter(
        block_hash=None if block_hash is None else str(block_hash).lower(),
        first=first,
        last=last,
        addresses=_texts(fields.get("address")),
        topics=tuple(_texts(place) for place in fields.get("topics") or ()),
    )


def _texts(value: object) -> frozenset[str]:
    """Return one text, several, or none as a set of lower-case texts."""
    if value is None:
        return frozenset()
    if isinstance(value, str):
        return frozenset((value.lower(),))
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return frozenset(item.lower() for item in value)
    raise RefusalError(CODE_INVALID_PARAMS, "address and topics are hex texts or lists of them")

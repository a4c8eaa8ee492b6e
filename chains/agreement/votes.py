"""What nodes answered when they were asked the same, and which of it says the same."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

from chains.errors import ChainError, RangeTooLargeError
from chains.port import EventRead


@dataclass(frozen=True, slots=True)
class Answer:
    """One node's answer: a value or an error, and what makes two answers the same."""

    node: int
    sameness: Hashable
    value: Any
    error: ChainError | None


@dataclass(slots=True)
class Poll:
    """
    What came of asking: the answers that count, and the nodes that did not give one.

    unasked: the nodes that were not waited for, because their answer could not matter any more.
    """

    answers: list[Answer] = field(default_factory=list)
    failures: dict[int, str] = field(default_factory=dict)
    unasked: list[int] = field(default_factory=list)
    refused_range: RangeTooLargeError | None = None


# Which answers stand for the same thing; one of these groups has to become a quorum.
Grouping = Callable[[list[Answer]], list[list[Answer]]]


def alike(answers: list[Answer]) -> list[list[Answer]]:
    """Return the answers by what they say."""
    groups: dict[Hashable, list[Answer]] = {}
    for answer in answers:
        groups.setdefault(answer.sameness, []).append(answer)
    return list(groups.values())


def values(answers: list[Answer]) -> list[list[Answer]]:
    """Return all values as one group, whatever they say: only their order counts."""
    return [[answer for answer in answers if answer.error is None]]


def values_or_refusals(answers: list[Answer]) -> list[list[Answer]]:
    """Return all values as one group, and the errors by what they say."""
    return values(answers) + alike([answer for answer in answers if answer.error is not None])


def largest(groups: list[list[Answer]]) -> list[Answer]:
    """Return the group of most answers, the first of several; empty where there is none."""
    return max(groups, key=len, default=[])


def sameness_of(value: Any) -> Hashable:
    """Return what two equal answers share; errors inside an answer compare by what they say."""
    if isinstance(value, EventRead):
        malformed = tuple(
            (one.block, one.contract, one.tx_hash, one.log_index, one.reason)
            for one in value.malformed
        )
        return (value.events, malformed)
    return (value,)

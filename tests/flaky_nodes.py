"""Nodes of one simulated chain that lose logs, cut answers short, hide, invent or accuse."""

import random
from collections.abc import Callable, Collection
from dataclasses import replace

from chains.errors import MovementMissingError
from chains.events import CollateralLocked, ObservedEvent
from chains.port import EventRead
from tests.simulated_chain import SimulatedChain

Change = Callable[[EventRead], EventRead]


def losing(seed: int, *, loss: float = 0.01, cut: float = 0.02) -> Change:
    """Return a change that drops each log with one chance and an answer's end with another."""
    drawn = random.Random(seed)

    def _change(read: EventRead) -> EventRead:
        events = tuple(event for event in read.events if drawn.random() >= loss)
        if events and drawn.random() < cut:
            events = events[: drawn.randrange(len(events))]
        return EventRead(events, read.malformed)

    return _change


def hiding(hidden: Collection[bytes]) -> Change:
    """Return a change that leaves out events, by id; the collection may change later."""

    def _change(read: EventRead) -> EventRead:
        kept = tuple(event for event in read.events if event.position.event_id not in hidden)
        return EventRead(kept, read.malformed)

    return _change


def inventing(*invented: ObservedEvent) -> Change:
    """Return a change that adds events of blocks that were asked for, as far as they fit."""

    def _change(read: EventRead) -> EventRead:
        events = sorted(
            (*read.events, *invented),
            key=lambda event: (event.position.block.height, event.position.log_index),
        )
        return EventRead(tuple(events), read.malformed)

    return _change


def accusing(*units: int) -> Change:
    """Return a change that finds no token movement behind the locks of these units."""

    def _change(read: EventRead) -> EventRead:
        missing = tuple(
            MovementMissingError(
                block=event.position.block,
                contract=event.position.contract,
                tx_hash=event.position.tx_hash,
                log_index=event.position.log_index,
                reason=f"movement_missing: lock {event.lock_id} claims {event.units}, 0 came in",
            )
            for event in read.events
            if isinstance(event, CollateralLocked) and event.units in units
        )
        return EventRead(read.events, (*read.malformed, *missing))

    return _change


def node_of(chain: SimulatedChain, change: Change | None = None) -> SimulatedChain:
    """Return another node of a chain, which knows what the chain has and is asked by itself."""
    return replace(chain, change=change, asked=[])

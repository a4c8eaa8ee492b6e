"""Keeps subscriptions and tells each what happens, in the order in which it happens."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import orjson
from solders.pubkey import Pubkey

from chains.devnet.exchange import (
    CODE_INVALID_PARAMS,
    CODE_PARSE,
    RefusalError,
    refusal_answer,
    result_answer,
)
from chains.devnet.solana.dispatch import answered, request_of
from chains.devnet.solana.ledger import Ledger
from chains.devnet.solana.params import Params
from chains.devnet.solana.records import Block, Landed
from chains.devnet.solana.topics import (
    Changed,
    Event,
    Reached,
    SlotOpened,
    Topic,
    past_of,
    topic_of,
)
from chains.finality import Finality

SUBSCRIPTIONS_MAX: Final = 1_000
UNSUBSCRIBE: Final = "Unsubscribe"


class Line(Protocol):
    """One websocket; texts arrive in the order in which they are put."""

    def put(self, text: str) -> None:
        """Send a text, from any thread, without waiting."""
        ...


@dataclass(slots=True)
class Subscriber:
    """One websocket and what it has subscribed to."""

    line: Line
    topics: dict[int, Topic] = field(default_factory=dict)


class Hub:
    """Listens to a ledger; a subscriber's texts are made while the ledger stands still."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._subscribers: dict[int, Subscriber] = {}
        self._ids = itertools.count(1)
        ledger.listeners.append(self)

    # ---- lines

    def join(self, line: Line) -> Subscriber:
        """Take a new line."""
        subscriber = Subscriber(line)
        with self._ledger.lock:
            self._subscribers[id(subscriber)] = subscriber
        return subscriber

    def leave(self, subscriber: Subscriber) -> None:
        """Forget a line."""
        with self._ledger.lock:
            self._subscribers.pop(id(subscriber), None)

    def receive(self, subscriber: Subscriber, raw: str | bytes) -> None:
        """Answer what came over a line; it is always answered."""
        try:
            item = orjson.loads(raw)
        except orjson.JSONDecodeError:
            _put(subscriber, refusal_answer(None, RefusalError(CODE_PARSE, "Parse error")))
            return
        with self._ledger.lock:
            request_id: Any = None
            try:
                request = request_of(item)
                request_id = request.request_id
                after = answered(
                    lambda: self._asked(subscriber, request.method, Params(request.params))
                )
                _put(subscriber, result_answer(request_id, after[0]))
                after[1]()
            except RefusalError as refusal:
                _put(subscriber, refusal_answer(request_id, refusal))

    def _asked(
        self, subscriber: Subscriber, method: str, params: Params
    ) -> tuple[object, Callable[[], None]]:
        """Return the result of a request, and what is to be done once it is on its way."""
        if method.endswith(UNSUBSCRIBE):
            known = subscriber.topics.pop(params.integer(0), None)
            if known is None:
                raise RefusalError(CODE_INVALID_PARAMS, "Invalid subscription id.")
            return True, lambda: None
        topic = topic_of(method, params, self._ledger)
        if len(subscriber.topics) >= SUBSCRIPTIONS_MAX:
            raise RefusalError(CODE_INVALID_PARAMS, "too many subscriptions on this connection")
        number = next(self._ids)
        subscriber.topics[number] = topic
        past = past_of(topic.kind, params, self._ledger)
        if past is None:
            return number, lambda: None
        return number, lambda: self._tell_one(subscriber, number, past)

    # ---- events

    def slot_opened(self, block: Block) -> None:
        """Tell of a slot."""
        self._tell(SlotOpened(block, self._ledger.block_at(Finality.FINALIZED).slot))

    def reached(self, finality: Finality, landed: Landed) -> None:
        """Tell of a transaction, and of the accounts that it changed."""
        bank, slot = self._ledger.bank, landed.slot
        self._tell(Reached(finality, self._ledger.tip, (landed,)))
        changed = set(bank.changed_in(slot, slot)) & set(landed.keys.all)
        if changed:
            self._tell(Changed(finality, slot, tuple(sorted(changed, key=bytes))))

    def level_moved(self, finality: Finality, blocks: list[Block]) -> None:
        """Tell of the blocks that a level reached, one after the other."""
        for block in blocks:
            self._tell(Reached(finality, block, tuple(block.landed)))
            changed = self._ledger.bank.changed_in(block.slot, block.slot)
            if changed:
                self._tell(Changed(finality, block.slot, tuple(changed)))

    def restored(self, keys: list[Pubkey]) -> None:
        """Tell of the accounts that a rollback changed back."""
        if keys:
            self._tell(Changed(Finality.LATEST, self._ledger.tip.slot, tuple(keys)))

    def _tell(self, event: Event) -> None:
        for subscriber in list(self._subscribers.values()):
            for number in list(subscriber.topics):
                self._tell_one(subscriber, number, event)

    def _tell_one(self, subscriber: Subscriber, number: int, event: Event) -> None:
        topic = subscriber.topics[number]
        for result in topic.told(event):
            params = {"result": result, "subscription": number}
            method = f"{topic.kind}Notification"
            _put(subscriber, {"jsonrpc": "2.0", "method": method, "params": params})
            if topic.is_once:
                del subscriber.topics[number]
                return


def _put(subscriber: Subscriber, content: dict[str, Any]) -> None:
    subscriber.line.put(orjson.dumps(content).decode())

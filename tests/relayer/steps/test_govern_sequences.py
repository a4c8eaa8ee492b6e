"""The whole governor on a database against a model that looks at every ten minutes anew."""

import random
from dataclasses import dataclass, field, replace

import pytest

from relayer.clock import FixedClock, UnixSeconds
from relayer.governor.buckets import Bucket, BucketLimit, Lane
from relayer.governor.rules import GovernorRules
from relayer.governor.windows import OutflowLimit
from relayer.money import WAD
from relayer.steps.catalog import Catalog
from relayer.steps.govern import Candidate, assess_outflow, settle
from relayer.steps.overrule import Action, Overruling, overrule
from relayer.store.governor import ReleaseState
from relayer.store.unit_of_work import Store
from tests.relayer.api.kit import CHAIN_A, HUB
from tests.relayer.steps.braking import PATH_A, WETH
from tests.relayer.steps.world import ETHER

STEP_SECONDS = 600
DAY = 86_400
PARTS = 20
SEQUENCES = 500  # in each part: together 10,000
SEQUENCES_QUICK = 40
LANE = Lane(HUB, CHAIN_A)


@dataclass
class Item:
    """One message: dollars, and what the model knows of it."""

    message_id: bytes
    value: int
    may_wait: bool
    queued_at: int
    due: int
    state: ReleaseState = ReleaseState.QUEUED
    is_counted: bool = False


@dataclass
class Model:
    """The rules in words: one list of what left, and a bucket that fills every ten minutes."""

    window: int
    big: int
    delay: int
    capacity: int
    refill: int  # dollars in ten minutes
    level: int
    second: int
    left: list[tuple[int, int]] = field(default_factory=list)
    items: list[Item] = field(default_factory=list)

    def pass_time(self, now: int) -> None:
        """Let the bucket fill."""
        while self.second < now:
            self.level = min(self.capacity, self.level + self.refill)
            self.second += STEP_SECONDS

    def look(self, item: Item, now: int) -> None:
        """Let a message leave if every rule does."""
        if item.state in (ReleaseState.RELEASED, ReleaseState.DROPPED):
            return
        if not item.may_wait:
            self._leave(item, now, is_counted=True)
            return
        is_delayed = item.state is ReleaseState.DELAYED
        if (is_delayed and now < item.due) or item.value > self.capacity:
            return
        is_counted = False
        if not is_delayed and item.value >= self.big:
            if now - item.queued_at < self.delay:
                item.state, item.due = ReleaseState.DELAYED, item.queued_at + self.delay
                return
        elif not is_delayed:
            used = sum(value for at, value in self.left if now - DAY < at <= now)
            is_counted = used + item.value <= self.window
            if not is_counted and now - item.queued_at < DAY:
                return
        if item.value <= self.level:
            self._leave(item, now, is_counted=is_counted)

    def _leave(self, item: Item, now: int, *, is_counted: bool) -> None:
        item.state, item.is_counted = ReleaseState.RELEASED, is_counted
        self.level -= item.value
        if is_counted:
            self.left.append((now, item.value))


def rules_of(model: Model) -> GovernorRules:
    """Return the same limits as the code has them, at a floor of one dollar."""
    limit = OutflowLimit(
        CHAIN_A, "guardian", WETH, model.window * WAD, model.big * WAD, model.delay
    )
    bucket = BucketLimit(LANE, model.capacity * WAD, model.refill * WAD // STEP_SECONDS)
    return GovernorRules(limits=(limit,), buckets=(bucket,), floors_wad={PATH_A: WAD})


def judge_all(store: Store, governed: Catalog, model: Model, now: int) -> None:
    """Judge every message as the gate does, in the model and in the code, and compare."""
    (limit,) = governed.governor.buckets
    with store.unit_of_work() as uow:
        uow.ledger.lock()
        for item in model.items:
            candidate = Candidate(
                item.message_id,
                PATH_A,
                item.value * ETHER,
                UnixSeconds(now + 30 * DAY),
                item.may_wait,
            )
            assessment = assess_outflow(uow, governed, candidate)
            assert assessment is not None
            settle(uow, assessment)
            model.look(item, now)
            found = uow.governor.get(item.message_id)
            assert found is not None
            assert found.state is item.state
            if item.state is ReleaseState.RELEASED:
                assert found.is_counted == item.is_counted
            elif item.state is not ReleaseState.DROPPED:
                assert found.due_at == item.due
            bucket = Bucket(limit, uow.governor.shortage(LANE))
            assert bucket.level_wad(UnixSeconds(now)) == max(0, model.level) * WAD


def overruled(dice: random.Random, store: Store, catalog: Catalog, item: Item, now: int) -> None:
    """Let a person decide about a message that waits."""
    action = dice.choice(tuple(Action))
    seconds = STEP_SECONDS * dice.randrange(1, 300) if action is Action.EXTEND else 0
    overrule(store, catalog, item.message_id, Overruling(action, "ann", "drill", seconds))
    match action:
        case Action.RELEASE:
            item.state, item.due = ReleaseState.RELEASED, now
        case Action.DROP:
            item.state = ReleaseState.DROPPED
        case Action.EXTEND:
            item.state, item.due = ReleaseState.DELAYED, item.due + seconds


def play(dice: random.Random, store: Store, clock: FixedClock, catalog: Catalog) -> Store:
    """Run one random sequence of messages, people, time and restarts; return the last process."""
    clock.move(30 * DAY)
    capacity = dice.randrange(1, 200)
    model = Model(
        window=dice.randrange(300),
        big=dice.randrange(1, 250),
        delay=STEP_SECONDS * dice.randrange(1, 200),
        capacity=capacity,
        refill=3 * dice.randrange(1, 20),
        level=capacity,
        second=clock.now(),
    )
    governed = replace(catalog, feed_rules=(), governor=rules_of(model))
    for _ in range(dice.randrange(2, 7)):
        clock.move(STEP_SECONDS * dice.choice((0, 1, 2, 10, 143, 144, dice.randrange(200))))
        now = clock.now()
        model.pass_time(now)
        item = Item(
            dice.randbytes(32), dice.randrange(1, 250), dice.random() < 0.85, now, now + DAY
        )
        model.items.append(item)
        judge_all(store, governed, model, now)
        waiting = [
            each
            for each in model.items
            if each.state in (ReleaseState.QUEUED, ReleaseState.DELAYED)
        ]
        if waiting and dice.random() < 0.2:
            overruled(dice, store, catalog, dice.choice(waiting), now)
        if dice.random() < 0.2:
            store.close()
            store = Store(store.engine, clock)
            judge_all(store, governed, model, now)
    return store


def test_r15_random_sequences_on_a_database_agree_with_the_model(
    store: Store, clock: FixedClock, catalog: Catalog
) -> None:
    """Windows, delays, bucket, people, and a restart in the middle that changes nothing."""
    dice = random.Random(2_015)

    for _ in range(SEQUENCES_QUICK):
        store = play(dice, store, clock, catalog)


@pytest.mark.long
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("part", range(PARTS))
def test_r15_ten_thousand_random_sequences_on_a_database_agree_with_the_model(
    part: int, quick_store: Store, clock: FixedClock, catalog: Catalog
) -> None:
    """The same with other numbers; each part has a database that keeps all of its sequences."""
    dice = random.Random(3_015 + part)

    for _ in range(SEQUENCES):
        quick_store = play(dice, quick_store, clock, catalog)

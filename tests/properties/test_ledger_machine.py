"""The ledger in the database against a model of dictionaries, step by step."""

from dataclasses import dataclass, field, replace
from typing import Final

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from chains.types import ChainId
from relayer.clock import FixedClock, UnixSeconds
from relayer.ledger.admission import PostStatus
from relayer.ledger.chart import (
    BAD_DEBT,
    FEES,
    AccountCode,
    debt_code,
    in_flight_code,
    lent_code,
    margin_code,
    vault_code,
)
from relayer.ledger.journal import JournalEntry, Phase, Posting, entry_id_of
from relayer.money import UNITS_MAX, AssetId
from relayer.store import ledger
from relayer.store.unit_of_work import Store
from tests.databases import BACKENDS, NOW, TestDatabases

Key = tuple[str, str, str]
CONSTRAINED: Final = ("vault", "margin", "in_flight", "insurance")
DEBIT_NORMAL: Final = ("vault", "debt", "bad_debt")
CODES: Final = (
    vault_code(b"\x01" * 32),
    margin_code(b"\x0a" * 32),
    margin_code(b"\x0b" * 32),
    in_flight_code(b"\x01" * 32),
    debt_code("pool", b"\x0a" * 32),
    lent_code("pool"),
    FEES,
    BAD_DEBT,
)
PLACES: Final = ((AssetId("USDC"), ChainId("eip155:1")), (AssetId("USDC"), ChainId("eip155:8453")))
AMOUNTS: Final = st.one_of(
    st.integers(1, 10), st.integers(1, UNITS_MAX), st.just(UNITS_MAX), st.just(UNITS_MAX - 1)
)
STEPS_PER_RUN: Final = 50


@dataclass(slots=True)
class ModelLedger:
    """What a ledger is, in dictionaries: posted and pending units, debit above zero."""

    entries: dict[bytes, JournalEntry] = field(default_factory=dict)
    ended: dict[bytes, Phase] = field(default_factory=dict)
    reversed_ids: set[bytes] = field(default_factory=set)
    posted: dict[Key, int] = field(default_factory=dict)
    pending_debits: dict[Key, int] = field(default_factory=dict)
    pending_credits: dict[Key, int] = field(default_factory=dict)

    def post(self, entry: JournalEntry) -> PostStatus:
        """Book an entry or say why not."""
        if entry.entry_id in self.entries:
            same = replace(self.entries[entry.entry_id], booked_at=entry.booked_at) == entry
            return PostStatus.EXISTS if same else PostStatus.EXISTS_WITH_DIFFERENT
        status = self._linked(entry)
        if status is not None:
            return status
        before = (dict(self.posted), dict(self.pending_debits), dict(self.pending_credits))
        for posting in entry.postings:
            self._move(posting, entry.phase)
        if any(self.available((p.code, p.asset_id, p.chain_id)) < 0 for p in entry.postings):
            self.posted, self.pending_debits, self.pending_credits = before
            return PostStatus.EXCEEDS_AVAILABLE
        self.entries[entry.entry_id] = entry
        if entry.resolves is not None:
            self.ended[entry.resolves] = entry.phase
        if entry.reversal_of is not None:
            self.reversed_ids.add(entry.reversal_of)
        return PostStatus.CREATED

    def available(self, key: Key) -> int:
        """Return what may leave; never below zero for what is not constrained."""
        kind = key[0].partition(":")[0]
        if kind not in CONSTRAINED:
            return 0
        if kind in DEBIT_NORMAL:
            return self.posted.get(key, 0)  # of a vault, what is announced to leave may wait
        return -self.posted.get(key, 0) - self.pending_debits.get(key, 0)

    def _linked(self, entry: JournalEntry) -> PostStatus | None:
        if entry.resolves is not None:
            ended = self.ended.get(entry.resolves)
            if ended is not None:
                is_settled = ended is Phase.SETTLE
                return (
                    PostStatus.PENDING_ALREADY_SETTLED
                    if is_settled
                    else PostStatus.PENDING_ALREADY_VOIDED
                )
            if entry.resolves not in self.entries:
                return PostStatus.PENDING_NOT_FOUND
        if entry.reversal_of is not None:
            if entry.reversal_of not in self.entries:
                return PostStatus.REVERSED_NOT_FOUND
            if entry.reversal_of in self.reversed_ids:
                return PostStatus.ALREADY_REVERSED
        return None

    def _move(self, posting: Posting, phase: Phase) -> None:
        key = (posting.code, posting.asset_id, posting.chain_id)
        if phase in (Phase.POSTED, Phase.SETTLE):
            self.posted[key] = self.posted.get(key, 0) + posting.units
        if phase is Phase.POSTED:
            return
        sign = 1 if phase is Phase.PENDING else -1
        side = self.pending_debits if posting.units > 0 else self.pending_credits
        side[key] = side.get(key, 0) + sign * abs(posting.units)


@st.composite
def free_postings(draw: st.DrawFn) -> tuple[Posting, ...]:
    """Draw two or three postings that sum to zero, on any accounts."""
    codes = draw(st.permutations(CODES))
    place = draw(st.sampled_from(PLACES))
    sign = draw(st.sampled_from([1, -1]))
    first, second = draw(AMOUNTS), draw(st.integers(0, 10))
    units = [first, -first]
    if 0 < second < first:
        units = [first, second - first, -second]
    return tuple(
        Posting(code, *place, sign * amount) for code, amount in zip(codes, units, strict=False)
    )


class LedgerMachine(RuleBasedStateMachine):
    """Posts the same to the database and to the model and compares after every step."""

    databases: TestDatabases
    backend: str

    booked = Bundle("booked")
    pending = Bundle("pending")

    def __init__(self) -> None:
        super().__init__()
        self.model = ModelLedger()
        self.number = 0
        self.kept = self.databases.store(self.backend, FixedClock(NOW))
        self.store: Store = self.kept.__enter__()

    def teardown(self) -> None:
        """Verify the whole journal, then remove the database."""
        try:
            with self.store.read() as uow:
                assert uow.ledger.verify().is_sound
        finally:
            self.kept.__exit__(None, None, None)

    @rule(
        target=booked,
        phase=st.sampled_from([Phase.POSTED, Phase.POSTED, Phase.PENDING]),
        postings=free_postings(),
    )
    def post_new(self, phase: Phase, postings: tuple[Posting, ...]) -> JournalEntry:
        """Post something new, of two or three postings."""
        return self.post(self.entry(phase, postings))

    @rule(
        target=booked,
        units=AMOUNTS,
        account=st.sampled_from(CODES[1:3]),
        place=st.sampled_from(PLACES),
    )
    def lock(
        self, units: int, account: AccountCode, place: tuple[AssetId, ChainId]
    ) -> JournalEntry:
        """Lock collateral, so that there is something to hold."""
        postings = (Posting(CODES[0], *place, units), Posting(account, *place, -units))
        return self.post(self.entry(Phase.POSTED, postings))

    @rule(
        target=pending,
        units=AMOUNTS,
        account=st.sampled_from(CODES[1:3]),
        place=st.sampled_from(PLACES),
    )
    def hold(self, units: int, account: AccountCode, place: tuple[AssetId, ChainId]) -> object:
        """Reserve collateral for a message."""
        postings = (Posting(account, *place, units), Posting(CODES[3], *place, -units))
        entry = self.post(self.entry(Phase.PENDING, postings))
        return entry if entry.entry_id in self.model.entries else multiple()

    @rule(target=booked, held=pending, phase=st.sampled_from([Phase.SETTLE, Phase.VOID]))
    def end(self, held: JournalEntry, phase: Phase) -> JournalEntry:
        """Settle or void a hold, perhaps for the second time."""
        made = self.entry(phase, held.postings)
        return self.post(replace(made, resolves=held.entry_id))

    @rule(target=booked, entry=booked)
    def reverse(self, entry: JournalEntry) -> JournalEntry:
        """Cancel an entry, perhaps for the second time, perhaps one that was refused."""
        if entry.phase not in (Phase.POSTED, Phase.SETTLE):
            return self.post(entry)
        postings = tuple(replace(line, units=-line.units) for line in entry.postings)
        made = self.entry(Phase.POSTED, postings)
        return self.post(replace(made, reversal_of=entry.entry_id))

    @rule(entries=st.lists(booked, min_size=1, max_size=5))
    def replay_batch(self, entries: list[JournalEntry]) -> None:
        """Deliver old entries again, in one batch."""
        expected = [self.model.post(entry) for entry in entries]
        with self.store.unit_of_work() as uow:
            found = [result.status for result in uow.ledger.post_many(entries)]
        assert found == expected

    @rule(entry=booked)
    def replay_changed(self, entry: JournalEntry) -> None:
        """Deliver an old id with another content."""
        self.post(replace(entry, kind="changed"))

    @invariant()
    def debits_equal_credits(self) -> None:
        """Per asset and chain, for posted and for pending."""
        sums: dict[tuple[str, str], list[int]] = {}
        with self.store.read() as uow:
            lines = uow.ledger.trial_balance()
        for found in lines:
            total = sums.setdefault((found.line.asset_id, found.line.chain_id), [0, 0])
            total[0] += found.counters.debits_posted - found.counters.credits_posted
            total[1] += found.counters.debits_pending - found.counters.credits_pending
        assert all(total == [0, 0] for total in sums.values())

    @invariant()
    def counters_are_those_of_the_model(self) -> None:
        """Every line, to the unit, and nothing constrained is overdrawn."""
        with self.store.read() as uow:
            lines = uow.ledger.trial_balance()
        for found in lines:
            key: Key = (found.line.code, found.line.asset_id, found.line.chain_id)
            counters = found.counters
            assert counters.debits_posted - counters.credits_posted == self.model.posted.get(key, 0)
            assert counters.debits_pending == self.model.pending_debits.get(key, 0)
            assert counters.credits_pending == self.model.pending_credits.get(key, 0)
            assert self.model.available(key) >= 0
        moved = {key for key, units in self.model.posted.items() if units}
        assert moved <= {(f.line.code, f.line.asset_id, f.line.chain_id) for f in lines}

    def entry(self, phase: Phase, postings: tuple[Posting, ...]) -> JournalEntry:
        """Return an entry with an id of its own."""
        self.number += 1
        cause = self.number.to_bytes(8, "big")
        resolves = b"\xff" * 32 if phase.is_resolution else None
        return JournalEntry(
            entry_id_of("machine", cause), "machine", cause, phase, postings, resolves, None,
            b"flow", UnixSeconds(NOW + self.number),
        )  # fmt: skip

    def post(self, entry: JournalEntry) -> JournalEntry:
        """Post to both and compare what they say."""
        expected = self.model.post(entry)
        with self.store.unit_of_work() as uow:
            found = uow.ledger.post(entry)
        assert found.status is expected
        return entry


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
def test_the_ledger_does_what_the_model_does(
    databases: TestDatabases, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After every step the same answer, the same counters, and debits equal to credits."""
    monkeypatch.setattr(ledger, "POSTINGS_PER_CHECKPOINT", 3)
    machine = type("Machine", (LedgerMachine,), {"databases": databases, "backend": backend})
    examples = settings().max_examples if backend == "sqlite" else settings().max_examples // 5

    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=max(5, examples // 2),
            stateful_step_count=STEPS_PER_RUN,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )

"""An audited deployment: a simulated chain, signed commands, a live store, and ways to tamper."""

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Final

from chains.attestation import attestation_digest
from chains.message import Message
from chains.types import ChainId
from relayer.steps.audit import Audit, AuditClock, audit
from relayer.steps.audit_report import AuditReport, Verdict
from relayer.steps.compose import compose_release
from relayer.steps.correct import CorrectionRule
from relayer.steps.ending import settle_hold
from relayer.steps.recover import plan_recovery, recover
from relayer.store.engine import engine_of
from relayer.store.recoveries import Order
from relayer.store.unit_of_work import Store
from tests.databases import TestDatabases
from tests.relayer.api.kit import CHAIN_A, GUARDIANS, UNLOCK, signer
from tests.relayer.steps.bookings import CATALOG, Bench, lock, release
from tests.relayer.steps.world import SIGNED_UNLOCK, open_account, stored_message
from tests.simulated_chain import SimulatedChain, Tx

SIGNERS: Final = (signer("first accountant"), signer("second accountant"))
RULE: Final = CorrectionRule(frozenset(key.address for key in SIGNERS), 2)
LOCKED: Final = 3 * UNLOCK.amount


@dataclass
class AuditBench:
    """A live deployment on one chain, and audits of it into fresh databases."""

    store: Store
    databases: TestDatabases
    chain: SimulatedChain = field(default_factory=lambda: SimulatedChain(CHAIN_A))
    others: dict[ChainId, SimulatedChain] = field(default_factory=dict)
    shown: list[tuple[str, int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.bench = Bench(self.store, self.chain, CATALOG)

    def live_through(self) -> Message:
        """Lock, see a branch die, unlock a part with signatures, and let all of it be final."""
        open_account(self.store)
        self.chain.mine(lock("first", LOCKED))
        self.bench.catch_up()
        self.chain.mine(lock("lost", 5))
        self.bench.catch_up()
        self.chain.reorg(1, [], [lock("second", 7)])
        self.bench.look_back()
        self.bench.catch_up()
        self.chain.finalize()
        self.bench.catch_up()
        message = self.unlock()
        self.chain.mine(release("out", message))
        self.bench.catch_up()
        self.chain.finalize()
        self.bench.catch_up()
        return message

    def unlock(self, *, signatures: int = 2, is_sent: bool = True) -> Message:
        """Hold what a signed request takes, and let guardians sign the message."""
        command_id = SIGNED_UNLOCK.command.digest(CATALOG.hub)
        with self.store.unit_of_work() as uow:
            uow.commands.store(command_id, SIGNED_UNLOCK)
            message = compose_release(uow, CATALOG, SIGNED_UNLOCK, command_id)
        index = CATALOG.guardian_set.index
        digest = attestation_digest(
            chain_id=CHAIN_A,
            contract=message.vault,
            message_id=message.message_id,
            guardian_set_index=index,
        )
        with self.store.unit_of_work() as uow:
            for key in GUARDIANS[:signatures]:
                raw = bytes.fromhex(key.sign(digest)[2:])
                uow.outbox.add_signature(message.message_id, index, key.address, raw)
        stored = stored_message(self.store, message.message_id)
        if is_sent:
            with self.store.unit_of_work() as uow:
                settle_hold(uow, stored.message)
        return message

    def with_final(self, *transactions: Tx) -> None:
        """Mine one block, seen first and then final."""
        self.chain.mine(*transactions)
        self.bench.catch_up()
        self.chain.finalize()
        self.bench.catch_up()

    def take_back(self, depth: int) -> None:
        """Replace final blocks by empty ones, and recover; the chain stays halted."""
        self.violate(depth)
        plan = asyncio.run(plan_recovery(self.store, self.chain))
        recover(self.store, plan, lease=self.bench.lease(), order=Order("why", "ann"))
        self.bench.book()

    def violate(self, depth: int) -> None:
        """Replace final blocks by empty ones, and halt the chain."""
        self.chain.final_height -= depth
        self.chain.reorg(depth, *([[]] * depth))
        with self.store.unit_of_work() as uow:
            uow.chains.halt(CHAIN_A, "a final block was replaced")

    def resume(self) -> None:
        """Let the chain go on."""
        with self.store.unit_of_work() as uow:
            uow.chains.resume(CHAIN_A, "looked at")

    def audit(self, *, chain_ids: tuple[ChainId, ...] = (CHAIN_A,)) -> AuditReport:
        """Audit the live store into an empty one."""
        url = self.databases.migrated_url("sqlite")
        clock = AuditClock()
        scratch = Store(engine_of(url), clock)
        chains = {CHAIN_A: self.chain} | self.others
        readers: dict[ChainId, Any] = {
            chain_id: (chains[chain_id], self.bench.limits) for chain_id in chain_ids
        }

        def show(what: str, done: int, total: int) -> None:
            self.shown.append((what, done, total))

        try:
            asked = Audit(self.store, scratch, clock, self.bench.catalog, readers, show, RULE)
            return asyncio.run(audit(asked))
        finally:
            scratch.close()
            self.databases.drop(url)

    def tamper(self, *statements: str) -> None:
        """Change rows as somebody could who has the file: every trigger is dropped first."""
        with closing(sqlite3.connect(str(self.store.engine.url.database))) as link, link:
            found = link.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
            for (name,) in found.fetchall():
                link.execute(f"DROP TRIGGER {name}")
            for statement in statements:
                assert link.execute(statement).rowcount > 0, statement


def findings(report: AuditReport) -> tuple[object, ...]:
    """Return all that differs, for a failed test to show."""
    return (report.entries, report.events, report.balances, report.commands)


def extra(report: AuditReport) -> list[str]:
    """Return the kinds of the extra entries; every other one must be equal."""
    assert report.counts["entries"] == len(report.entries)
    assert {found.verdict for found in report.entries} <= {Verdict.EXTRA}, findings(report)
    return [found.kind for found in report.entries]

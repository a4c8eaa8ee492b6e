"""What must hold after every step, looked up in the databases and on the chains themselves."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from chains.message import Message, MessageKind
from chains.types import ChainId
from relayer.clock import FixedClock
from relayer.ledger.admission import left_units
from relayer.ledger.chart import parse_code
from relayer.store.unit_of_work import Store
from tests.databases import NOW
from tests.simulation.chain import SimulatedChain
from tests.simulation.guardians import Guardian
from tests.simulation.process import Database, ViolationError

if TYPE_CHECKING:
    from tests.simulation.people import Society

HEAD: Final = "SELECT last_seq, last_hash FROM ledger_head"
HASH_AT: Final = "SELECT entry_hash FROM journal_entry WHERE seq = ?"
HOLDING: Final = (MessageKind.RELEASE, MessageKind.SEIZE)


@dataclass(slots=True)
class Known:
    """How far the journal of one database was checked."""

    seq: int = 0
    entry_hash: bytes = b""


@dataclass(slots=True)
class Watchdog:
    """Looks at everything after each step and raises ViolationError."""

    databases: tuple[Database, ...]
    chains: dict[ChainId, SimulatedChain]
    society: "Society | None" = None
    known: dict[str, Known] = field(default_factory=dict)
    errors: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    signers: dict[bytes, set[str]] = field(default_factory=dict)
    messages: dict[bytes, Message] = field(default_factory=dict)
    quorum: int = 2

    def look(self) -> None:
        """Check everything that is cheap."""
        self._check_log()
        for database in self.databases:
            self._check_journal(database)
        self._check_cover()

    def heads_line(self) -> str:
        """Return where every journal ends, for the trace."""
        parts = [
            f"{name}:{known.seq}:{known.entry_hash.hex()[:8]}" for name, known in self.known.items()
        ]
        return "      = " + " ".join(parts)

    def _check_log(self) -> None:
        for event, values in self.errors:
            raise ViolationError("no_error_logged", f"{event} {values}")

    def _check_journal(self, database: Database) -> None:
        known = self.known.setdefault(database.name, Known())
        raw = database.raw
        seq, entry_hash = raw.execute(HEAD).fetchone()
        if (seq, entry_hash) == (known.seq, known.entry_hash):
            return
        if known.seq:
            kept = raw.execute(HASH_AT, (known.seq,)).fetchone()
            if seq < known.seq or kept is None or kept[0] != known.entry_hash:
                raise ViolationError("journal_append_only", f"{database.name} at {known.seq}")
        with Store(database.engine, FixedClock(NOW)).read() as uow:
            for booked in uow.ledger.entries(after_seq=known.seq, limit=10_000):
                sums: dict[tuple[str, str], int] = {}
                for posting in booked.entry.postings:
                    place = (posting.asset_id, posting.chain_id)
                    sums[place] = sums.get(place, 0) + posting.units
                if any(sums.values()):
                    raise ViolationError("entries_sum_to_zero", f"{database.name} {booked.seq}")
            for found in uow.ledger.trial_balance():
                account = parse_code(found.line.code)
                if account.is_constrained and left_units(account, found.counters) < 0:
                    raise ViolationError("never_negative", f"{database.name} {found}")
        known.seq, known.entry_hash = seq, entry_hash

    def check_signature(self, guardian: Guardian, message: Message) -> None:
        """Check what a guardian has just signed, in its own database and among all signatures."""
        raw = guardian.slot.database.raw
        halted = raw.execute("SELECT chain_id FROM chain WHERE halted_at IS NOT NULL").fetchone()
        if halted is not None:
            raise ViolationError("no_signature_when_halted", f"{guardian.name} {halted[0]}")
        message_id = message.message_id
        if message.kind in HOLDING:
            held = raw.execute(
                "SELECT 1 FROM outbox_message m JOIN journal_entry e "
                "ON e.entry_id = m.hold_entry_id WHERE m.message_id = ?",
                (message_id,),
            ).fetchone()
            if held is None:
                raise ViolationError("held_before_signed", f"{guardian.name} {message}")
        self.signers.setdefault(message_id, set()).add(guardian.name)
        self.messages[message_id] = message
        for other_id, other in self.messages.items():
            lane = (message.target, message.vault, message.nonce)
            if other_id != message_id and (other.target, other.vault, other.nonce) == lane:
                raise ViolationError("one_message_per_nonce", f"{message} and {other}")
        self._check_cover()

    def _check_cover(self) -> None:
        """Check that what a quorum signed and may still run is in the vault at its final block."""
        for chain in self.chains.values():
            if not chain.site.is_vault:
                continue
            final = chain.final
            wanted: dict[tuple[bytes, bytes], int] = {}
            for message_id, message in self.messages.items():
                if (
                    message.vault == chain.site.contract
                    and len(self.signers[message_id]) >= self.quorum
                    and message_id not in final.state.executed
                    and message.expiry_seconds >= final.header.timestamp_seconds
                ):
                    place = (message.account, message.token)
                    wanted[place] = wanted.get(place, 0) + message.amount_units
            for place, units in wanted.items():
                owned = final.state.collateral.get(place, 0)
                if units > owned and not self._has_exited(chain, place[0]):
                    raise ViolationError("signed_is_covered", f"{chain.chain_id} {units} {owned}")

    def _has_exited(self, chain: SimulatedChain, account: bytes) -> bool:
        return any(
            type(event).__name__ == "CollateralExited" and event.account == account
            for block in chain.blocks
            for event in block.events
        )

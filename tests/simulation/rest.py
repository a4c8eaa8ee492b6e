"""After the faults: everything comes to rest, and then hub, guardians and chains say the same."""

from typing import Final

from chains.attestation import attestation_digest, recover_signer
from chains.errors import AttestationError
from chains.events import (
    CollateralExited,
    CollateralLocked,
    CollateralReleased,
    CollateralSeized,
    ObservedEvent,
)
from relayer.ledger.chart import Side, vault_code
from relayer.outbox.life import FINAL_STATES
from relayer.store.observed_rows import EventFilter, EventState
from relayer.store.outbox import MessageFilter
from relayer.store.unit_of_work import Store, UnitOfWork
from tests.simulation.chain import SimulatedChain
from tests.simulation.process import Database, ViolationError
from tests.simulation.world import EXPIRY_SECONDS, World

ROUNDS_MAX: Final = 40
QUICK_ROUNDS: Final = 4
FULL_ROUND: Final = 5
TRANSACTIONS_MAX: Final = 20
BELLS_PER_ROUND_MAX: Final = 400
STUCK: Final = (
    "SELECT kind, key, state, reason FROM job WHERE state <> 'IDLE' "
    "AND NOT (kind = 'liquidate' AND reason IN ('insolvent', 'no_liquidator'))"
)
QUARANTINED: Final = "SELECT kind, key FROM job WHERE state = 'QUARANTINED'"
ENDED: Final = ", ".join(sorted(f"'{state.value}'" for state in FINAL_STATES))
OPEN: Final = (
    f"SELECT hex(message_id), state, reason FROM outbox_message WHERE state NOT IN ({ENDED})"
)
PARKED: Final = "SELECT kind, parked_reason FROM observed_event WHERE booked = 'PARKED'"
FINAL_HASH: Final = "SELECT finalized_hash FROM chain WHERE chain_id = ?"
UNBOOKED: Final = (
    "SELECT kind, state, booked FROM observed_event WHERE (state, booked) NOT IN "
    "(('FINAL', 'FINAL'), ('ORPHANED', 'VOID'), ('ORPHANED', 'NONE'))"
)


def come_to_rest(world: World) -> int:
    """
    Let no fault come any more and turn everything until nothing is left to do.

    Returns:
        How many rounds that took.

    Raises:
        ViolationError: something never ends.
    """
    world.chance.calm()
    reasons: list[str] = []
    for number in range(1, ROUNDS_MAX + 1):
        world.around.note(f"rest {number}")
        _round(world, number)
        world.watchdog.look()
        reasons = _unrest(world)
        if not reasons:
            return number
    raise ViolationError("everything_ends", "; ".join(reasons[:6]))


def _round(world: World, number: int) -> None:
    """Let everybody do what there is to do; what is idle is left alone most of the time."""
    is_full = number % FULL_ROUND == 1
    world.clock.move(3 if number <= QUICK_ROUNDS else EXPIRY_SECONDS // 8)
    world.society.send_waiting()
    for chain in world.chains:
        if is_full or chain.pool or _is_awaited(world, chain):
            chain.mine(TRANSACTIONS_MAX)
            chain.finalize(chain.height)
        for slot in world.fleet.watchers:
            if _is_behind(world.fleet.api.database, chain):
                world.fleet.watch_hub(slot, chain.chain_id)
        for guardian in world.fleet.guardians:
            if _is_behind(guardian.slot.database, chain):
                world.fleet.watch_guardian(guardian, chain.chain_id)
    _replay_quarantined(world)
    world.fleet.sweep(is_custody=is_full, is_assess=is_full)
    bells = world.fleet.setup.broker.bells
    for _ in range(BELLS_PER_ROUND_MAX):
        if not bells:
            return
        world.fleet.work(world.fleet.workers[0], bells.pop(0))
    raise ViolationError("everything_ends", f"bells ring on and on: {bells}")


def _is_behind(database: Database, chain: SimulatedChain) -> bool:
    stored = database.raw.execute(FINAL_HASH, (chain.chain_id,)).fetchone()
    return stored is None or stored[0] != chain.final.ref.block_hash


def _is_awaited(world: World, chain: SimulatedChain) -> bool:
    """Return whether anybody waits for another block of a chain."""
    return any(
        database.raw.execute(statement, (chain.chain_id,)).fetchone() is not None
        for database in world.watchdog.databases
        for statement in (f"{OPEN} AND target_chain = ?", f"{UNBOOKED} AND chain_id = ?")
    )


def _replay_quarantined(world: World) -> None:
    """Do what an operator does about jobs that killed their process too often."""
    process = world.fleet.sweeper.process
    for kind, key in process.database.raw.execute(QUARANTINED).fetchall():
        with process.store.unit_of_work() as uow:
            uow.jobs.replay(kind, key)


def _unrest(world: World) -> list[str]:
    """Return what is not at rest."""
    found: list[str] = []
    raw = world.fleet.api.database.raw
    found += [f"hub message {row}" for row in raw.execute(OPEN)]
    found += [f"hub job {row}" for row in raw.execute(STUCK)]
    for database in world.watchdog.databases:
        found += [f"{database.name} parked {row}" for row in database.raw.execute(PARKED)]
        found += [f"{database.name} unbooked {row}" for row in database.raw.execute(UNBOOKED)]
    for guardian in world.fleet.guardians:
        raw = guardian.slot.database.raw
        found += [f"{guardian.name} message {row}" for row in raw.execute(OPEN)]
    found += [
        f"{database.name} is behind on {chain.chain_id}"
        for database in world.watchdog.databases
        for chain in world.chains
        if _is_behind(database, chain)
    ]
    if world.society.waiting:
        found.append("requests were never answered")
    return found


def check_rest(world: World) -> None:
    """
    Compare hub, guardians and chains, all at rest.

    Raises:
        ViolationError: they differ.
    """
    lines = []
    for database in world.watchdog.databases:
        with Store(database.engine, world.clock).read() as uow:
            report = uow.ledger.verify()
            if not report.is_sound:
                raise ViolationError("ledger_verifies", f"{database.name} {report}")
            for chain in world.chains:
                _check_chain(uow, chain, database)
            lines.append(_lines(uow))
    for database, found in zip(world.watchdog.databases[1:], lines[1:], strict=True):
        if found != lines[0]:
            differing = sorted(set(found.items()) ^ set(lines[0].items()))
            raise ViolationError("one_ledger", f"{database.name} and the hub: {differing[:6]}")
    _check_reasons(world)
    _check_letters(world)


def _check_chain(uow: UnitOfWork, chain: SimulatedChain, database: Database) -> None:
    happened = [event for block in chain.blocks[: chain.final_height + 1] for event in block.events]
    stored = uow.chains.events(
        EventFilter(chain_id=chain.chain_id, states=(EventState.FINAL,), limit=10_000)
    )
    if [one.event for one in stored] != happened:
        raise ViolationError("events_are_the_chain", f"{database.name} {chain.chain_id}")
    if not chain.site.is_vault:
        return
    for token in chain.site.tokens:
        held_units = sum(_moved(event, token) for event in happened)
        if held_units != chain.final.state.held.get(token, 0):
            raise ViolationError("vault_is_its_events", f"{chain.chain_id}")
        booked = uow.ledger.counters_of_prefix(vault_code(chain.site.contract))
        units = sum(
            found.counters.posted(Side.DEBIT)
            for found in booked
            if found.line.chain_id == chain.chain_id
        )
        if units != held_units:
            raise ViolationError("custody", f"{database.name} {chain.chain_id} {units}")


def _moved(event: ObservedEvent, token: bytes) -> int:
    match event:
        case CollateralLocked() if event.token == token:
            return event.units
        case CollateralReleased() | CollateralSeized() | CollateralExited():
            return -event.units if event.token == token else 0
        case _:
            return 0


def _lines(uow: UnitOfWork) -> dict[tuple[str, str, str], tuple[int, int, int]]:
    """Return posted net, pending debits and pending credits of each line that is not zero."""
    found = {
        (one.line.code, one.line.asset_id, one.line.chain_id): (
            one.counters.debits_posted - one.counters.credits_posted,
            one.counters.debits_pending,
            one.counters.credits_pending,
        )
        for one in uow.ledger.trial_balance()
    }
    return {line: sums for line, sums in found.items() if any(sums)}


def _check_reasons(world: World) -> None:
    guardian_set = world.fleet.setup.catalog.guardian_set
    with Store(world.fleet.api.database.engine, world.clock).read() as uow:
        for stored in uow.outbox.list(MessageFilter()):
            digest = attestation_digest(
                chain_id=stored.message.target_chain,
                contract=stored.message.message.vault,
                message_id=stored.message_id,
                guardian_set_index=guardian_set.index,
            )
            given = uow.outbox.signatures(stored.message_id, guardian_set.index)
            for signer, signature in given.items():
                if not is_by(signer, digest, signature):
                    raise ViolationError("signatures_are_real", f"0x{signer.hex()}")
            is_executed = any(chain.is_executed(stored.message_id) for chain in world.chains)
            if is_executed != (stored.state.value == "CONFIRMED"):
                raise ViolationError("state_is_the_chain", f"{stored.state} {is_executed}")


def is_by(signer: bytes, digest: bytes, signature: bytes) -> bool:
    """Return whether a signature is a signer's."""
    try:
        return recover_signer(digest, signature) == signer
    except AttestationError:
        return False


def _check_letters(world: World) -> None:
    """Every event of the feed was published, the first time in order."""
    with Store(world.fleet.api.database.engine, world.clock).read() as uow:
        count = len(uow.feed.after(None, 0, limit=1_000_000))
    first = list(dict.fromkeys(world.fleet.setup.broker.letters))
    seqs = [int(letter.rpartition("/")[2]) for letter in first]
    if seqs != list(range(seqs[0], count + 1) if seqs else range(0)):
        raise ViolationError("feed_in_order", f"{len(seqs)} of {count}")

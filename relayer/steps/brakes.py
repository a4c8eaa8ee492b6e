"""Brakes: the one gate that every step asks before it decides, shows, signs or sends."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from chains.command import Command, LinkOwner, Liquidation, OpenAccount, RequestCredit
from chains.message import Message
from chains.types import ChainId, chain_key
from relayer.assets import Path, UnknownTokenError
from relayer.errors import InvariantError, NotYetError, RefusedError
from relayer.governor.exposure import counted_position
from relayer.governor.switches import Direction, Movement, switches_against
from relayer.money import AssetId
from relayer.outbox.life import WaitReason
from relayer.risk.margin import Position
from relayer.steps.catalog import Catalog
from relayer.store.unit_of_work import UnitOfWork

# Named by no switch, so only wider ones stop it; the checks behind the gate refuse it by name.
UNKNOWN_ASSET: Final = AssetId("?")
UNKNOWN_CHAIN: Final = ChainId("?")
COLLATERAL_STOPPED: Final = "collateral_stopped"


@dataclass(frozen=True, slots=True)
class Stop:
    """Why something must not go on now; until is None where only a person can say."""

    reason: WaitReason
    detail: str
    until: int | None = None

    def refusal(self) -> RefusedError:
        """Return it as the answer to a request."""
        return RefusedError(code=self.reason.value, detail=self.detail)

    def not_yet(self) -> NotYetError:
        """Return it as a reason to try again."""
        return NotYetError(reason=self.reason.value, detail=self.detail)


@dataclass(frozen=True, slots=True)
class Leaving:
    """
    What a message takes where.

    Args:
        rests_on: chains besides the target without which the message would be wrong.
    """

    chain_id: ChainId
    asset_id: AssetId
    rests_on: tuple[ChainId, ...] = ()


def leaving_of(catalog: Catalog, command: Command) -> Leaving:
    """
    Return what the message of a command takes where.

    Raises:
        InvariantError: the command makes no message.
    """
    match command:
        case OpenAccount() | LinkOwner():
            raise InvariantError(f"{type(command).__name__} makes no message")
        case Liquidation():
            chain_id = ChainId(command.collateral_chain)
        case _:
            chain_id = ChainId(command.chain_id)
    asset_id = _asset_id(catalog, chain_id, command.token)
    return Leaving(chain_id, asset_id, _rests_on(catalog, command))


def leaving_of_message(catalog: Catalog, message: Message, command: Command | None) -> Leaving:
    """Return what a message takes where, as its own bytes say, whatever was sent with it."""
    chain_id = UNKNOWN_CHAIN
    for known in catalog.chain_ids:
        if chain_key(known) == message.target:
            chain_id = known
    asset_id = _asset_id(catalog, chain_id, message.token)
    return Leaving(chain_id, asset_id, _rests_on(catalog, command))


def _asset_id(catalog: Catalog, chain_id: ChainId, token: bytes) -> AssetId:
    try:
        return catalog.asset_of(chain_id, token).asset_id
    except UnknownTokenError:
        return UNKNOWN_ASSET


def _rests_on(catalog: Catalog, command: Command | None) -> tuple[ChainId, ...]:
    if isinstance(command, Liquidation):
        return (catalog.hub, ChainId(command.debt_chain))
    return (catalog.hub,)


def stop_of(uow: UnitOfWork, leaving: Leaving) -> Stop | None:
    """
    Return what stops a message now, None where it may go on: switches, halts, then breaks.

    Read in the transaction that signs or sends, so a switch is effective once it is committed.
    """
    movement = Movement(Direction.OUT, leaving.chain_id, leaving.asset_id)
    for switch in switches_against(uow.switches.off(), movement):
        return Stop(WaitReason.SWITCHED_OFF, str(switch))
    for halt in uow.chains.halts():
        if halt.chain_id in (leaving.chain_id, *leaving.rests_on):
            return Stop(WaitReason.CHAIN_HALTED, f"{halt.chain_id}: {halt.reason}")
    for found in uow.breaks.open_breaks(leaving.chain_id):
        if found.difference.asset_id == leaving.asset_id:
            return Stop(
                WaitReason.CUSTODY_BREAK,
                f"{leaving.chain_id}: ledger and chain differ in {leaving.asset_id}; what takes "
                "it from there is stopped",
            )
    return None


def stopped_paths(uow: UnitOfWork, position: Position) -> frozenset[Path]:
    """
    Return the paths of a position that carry no new credit now.

    Their chain is halted, ledger and chain differ in the asset, or the way in is switched off.
    They go on to count at maintenance: nobody is liquidated because a chain is halted.
    """
    halted = {halt.chain_id for halt in uow.chains.halts()}
    broken = {
        (found.difference.chain_id, found.difference.asset_id) for found in uow.breaks.open_breaks()
    }
    off = uow.switches.off()
    return frozenset(
        line.path
        for line in position.collateral
        if line.path.chain_id in halted
        or (line.path.chain_id, line.path.asset_id) in broken
        or switches_against(off, Movement(Direction.IN, line.path.chain_id, line.path.asset_id))
    )


def check_debts_seen(uow: UnitOfWork, position: Position) -> None:
    """
    Wait while an account owes on a halted chain: what it owes there cannot be seen.

    Raises:
        NotYetError: reason chain_halted.
    """
    for halt in uow.chains.halts():
        for debt in position.debts:
            if debt.chain_id == halt.chain_id and (debt.owed_units or debt.committed_units):
                raise Stop(
                    WaitReason.CHAIN_HALTED,
                    f"{halt.chain_id}: {halt.reason}; this account's debt there is not seen",
                ).not_yet()


def check_with_counted(
    check: Callable[[Position], None],
    position: Position,
    stopped: frozenset[Path],
    *,
    kept: Path | None = None,
) -> None:
    """
    Check a position, first as it is, then without the collateral that carries no new credit.

    Args:
        kept: the path that an unlock takes from; it counts as it is.

    Raises:
        RefusedError: the position as it is does not pass.
        NotYetError: it would pass, but for collateral that is stopped; reason collateral_stopped.
    """
    check(position)
    counted = counted_position(position, stopped=stopped, kept=kept)
    if counted == position:
        return
    try:
        check(counted)
    except RefusedError as exc:
        names = ", ".join(str(path) for path in sorted(stopped - {kept}))
        raise NotYetError(
            reason=COLLATERAL_STOPPED, detail=f"{names} carries no new credit now: {exc.detail}"
        ) from exc


def may_wait(command: Command) -> bool:
    """Return whether the governor may hold the message of a command back by value."""
    # A liquidation that is not carried out in minutes is refused as too old, and loss grows.
    return not isinstance(command, Liquidation | RequestCredit)

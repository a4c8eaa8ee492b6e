"""What transactions do on a chain in memory: each writes views and leaves logs."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from chains.devnet.memory_node.logs import Log, event_log, transfer_log
from chains.devnet.memory_node.state import Key, ViewHistory, key_of

Move = Callable[["Ground"], tuple[Log, ...]]
BALANCE: Final = "balanceOf(address)"
HOLDINGS_KEPT_MAX: Final = 100_000
NO_SENDER: Final = bytes(32)
HELD: Final = 1  # the place of what the vault holds of the token in _kept


def tx_hash_of(name: str) -> bytes:
    """Return the hash of the transaction with a name."""
    return hashlib.sha256(b"transaction:" + name.encode()).digest()


@dataclass(frozen=True, slots=True)
class Tx:
    """
    One transaction; the same name in another block is the same transaction moved there.

    A move that changes no view is allowed: a log of any shape, from any contract.
    """

    name: str
    moves: tuple[Move, ...]
    sender: bytes = NO_SENDER

    @property
    def tx_hash(self) -> bytes:
        """The transaction's hash."""
        return tx_hash_of(self.name)


@dataclass(frozen=True, slots=True)
class Ground:
    """Where a move happens: the views at one height."""

    views: ViewHistory
    height: int

    def add(self, key: Key, change: int) -> int:
        """
        Change a number that a view answers and return it.

        Raises:
            ValueError: it would fall below zero.
        """
        number = self.views.number(key) + change
        if number < 0:
            raise ValueError(f"a view would answer {number}; lock or mint before taking out")
        self.views.write(self.height, key, number.to_bytes(32, "big"))
        return number


@dataclass(frozen=True, slots=True)
class Holding:
    """An account's collateral of one token in one vault; all left-padded addresses or words."""

    vault: bytes
    token: bytes
    account: bytes


def lock(holding: Holding, depositor: bytes, units: int, *, has_transfer: bool = True) -> Move:
    """
    Return a lock: the token's transfer, then CollateralLocked with the vault's next lock id.

    Args:
        units: what arrives. [token base units]
        has_transfer: whether the token says that it moved, as every honest one does.
    """
    vault, token = holding.vault, holding.token
    count = _lock_count(vault)
    keys = _kept(holding)

    def move(ground: Ground) -> tuple[Log, ...]:
        number = ground.add(count, 1)
        held_after = [ground.add(key, units) for key in keys][HELD]
        said = event_log(
            "CollateralLocked",
            vault,
            (number, holding.account, token),
            (depositor, units, held_after),
        )
        if not has_transfer:
            return (said,)
        return (transfer_log(token, sender=depositor, recipient=vault, units=units), said)

    return move


def release(
    holding: Holding,
    message_id: bytes,
    recipient: bytes,
    units: int,
    *,
    kind: str = "CollateralReleased",
) -> Move:
    """
    Return the effect of a release message, or of a seize message. [token base units]

    Args:
        kind: CollateralReleased or CollateralSeized.
    """
    vault, token = holding.vault, holding.token
    executed = key_of(vault, "isExecuted(bytes32)", message_id)
    keys = _kept(holding)

    def move(ground: Ground) -> tuple[Log, ...]:
        held_after = [ground.add(key, -units) for key in keys][HELD]
        ground.add(executed, 1)
        topics = (message_id, holding.account, token)
        said = event_log(kind, vault, topics, (recipient, units, held_after))
        return (said, transfer_log(token, sender=vault, recipient=recipient, units=units))

    return move


def leave(holding: Holding, owner: bytes, recipient: bytes, units: int) -> Move:
    """Return an owner's exit. [token base units]"""
    vault, token = holding.vault, holding.token
    keys = _kept(holding)

    def move(ground: Ground) -> tuple[Log, ...]:
        held_after = [ground.add(key, -units) for key in keys][HELD]
        words = (owner, recipient, units, held_after)
        said = event_log("CollateralExited", vault, (holding.account, token), words)
        return (said, transfer_log(token, sender=vault, recipient=recipient, units=units))

    return move


def say(*logs: Log) -> Move:
    """Return a move that only leaves logs: credit lines, look-alikes, broken shapes."""
    return lambda _ground: logs


def donate(vault: bytes, token: bytes, sender: bytes, units: int) -> Move:
    """Return a plain transfer to a vault, which the vault does not count. [token base units]"""
    balance = key_of(token, BALANCE, vault)

    def move(ground: Ground) -> tuple[Log, ...]:
        ground.add(balance, units)
        return (transfer_log(token, sender=sender, recipient=vault, units=units),)

    return move


@lru_cache(maxsize=HOLDINGS_KEPT_MAX)
def _kept(holding: Holding) -> tuple[Key, Key, Key]:
    """Return what counts a holding: the account's share, the vault's, the token's own."""
    return (
        key_of(holding.vault, "collateralOf(bytes32,address)", holding.account, holding.token),
        key_of(holding.vault, "held(address)", holding.token),
        key_of(holding.token, BALANCE, holding.vault),
    )


@lru_cache(maxsize=HOLDINGS_KEPT_MAX)
def _lock_count(vault: bytes) -> Key:
    return key_of(vault, "lockCount()")

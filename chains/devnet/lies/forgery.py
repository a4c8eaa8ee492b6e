"""Locks that never happened, the same for whoever tells of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from chains.devnet.exchange import Ask, RefusalError
from chains.devnet.lies.blocks import height_of
from chains.devnet.memory_node.logs import (
    TOPICS,
    Log,
    address_text,
    bloom_of,
    bloom_text,
    event_log,
    log_fields,
    transfer_log,
    word_text,
)
from chains.devnet.memory_node.moves import BALANCE, Holding, tx_hash_of
from chains.devnet.memory_node.state import Key, key_of

FORGED_GAS: Final = hex(90_000)
FORGED_FEE_WEI: Final = hex(10**9)
HELD_AFTER_DIGITS: Final = 64  # the last word of each event of a vault
# Where each event of a vault has its token.
VAULT_TOPICS: Final = {
    TOPICS[kind]: place
    for kind, place in {
        "CollateralLocked": 3,
        "CollateralReleased": 3,
        "CollateralSeized": 3,
        "CollateralExited": 2,
    }.items()
}


@dataclass(frozen=True, slots=True)
class ForgedLock:
    """
    A lock that never happened.

    Args:
        name: makes the transaction's hash.
        height: the block that is said to hold it, behind its real transactions.
        depositor: left-padded address. units in token base units.
        has_transfer: whether the token's own log is forged beside it.
        is_counted: whether the vault's views (and with a transfer the token's) confirm it.
    """

    name: str
    height: int
    holding: Holding
    depositor: bytes
    units: int
    has_transfer: bool = True
    is_counted: bool = True

    @property
    def tx_hash(self) -> str:
        """The hash of the transaction that never was."""
        return word_text(tx_hash_of("forged:" + self.name))

    @property
    def changes(self) -> dict[Key, int]:
        """What the lock would have added to each view."""
        if not self.is_counted:
            return {}
        vault, token, account = self.holding.vault, self.holding.token, self.holding.account
        added = {
            key_of(vault, "lockCount()"): 1,
            key_of(vault, "held(address)", token): self.units,
            key_of(vault, "collateralOf(bytes32,address)", account, token): self.units,
        }
        return added | ({key_of(token, BALANCE, vault): self.units} if self.has_transfer else {})


@dataclass(frozen=True, slots=True)
class ForgedTx:
    """A forged transaction as it would stand in a block."""

    lock: ForgedLock
    logs: tuple[Log, ...]
    log_fields: tuple[dict[str, Any], ...]
    place: dict[str, Any]

    @property
    def receipt(self) -> dict[str, Any]:
        """Its receipt."""
        stands = {name: text for name, text in self.place.items() if name != "blockTimestamp"}
        return {
            **stands,
            "from": address_text(self.lock.depositor),
            "to": address_text(self.lock.holding.vault),
            "status": "0x1",
            "type": "0x2",
            "contractAddress": None,
            "gasUsed": FORGED_GAS,
            "cumulativeGasUsed": FORGED_GAS,
            "effectiveGasPrice": FORGED_FEE_WEI,
            "logsBloom": bloom_text(bloom_of(self.logs)),
            "logs": list(self.log_fields),
        }

    @property
    def tx(self) -> dict[str, Any]:
        """The transaction itself."""
        return {
            "hash": self.lock.tx_hash,
            "blockHash": self.place["blockHash"],
            "blockNumber": self.place["blockNumber"],
            "transactionIndex": self.place["transactionIndex"],
            "from": address_text(self.lock.depositor),
            "to": address_text(self.lock.holding.vault),
            "value": "0x0",
            "input": "0x",
            "nonce": "0x0",
            "gas": FORGED_GAS,
            "gasPrice": FORGED_FEE_WEI,
            "type": "0x2",
        }


@dataclass(frozen=True, slots=True)
class Forgery:
    """
    What colluding nodes have agreed to say; give the same one to each of them.

    Real events of the vault behind a forged lock are renumbered, so that lock ids count up without
    a gap and held_after fits. Block hashes stay the real ones.
    """

    locks: tuple[ForgedLock, ...]

    def __post_init__(self) -> None:
        if len({lock.name for lock in self.locks}) != len(self.locks):
            raise ValueError("two forged locks have one name; give each its own")

    @property
    def heights(self) -> frozenset[int]:
        """The blocks that are said to hold something."""
        return frozenset(lock.height for lock in self.locks)

    def lock_of(self, tx_hash: str) -> ForgedLock | None:
        """Return the lock with a transaction's hash."""
        return next((lock for lock in self.locks if lock.tx_hash == tx_hash.lower()), None)

    def change_of(self, height: int, key: Key) -> int:
        """Return what a view answers too much as of a height."""
        return sum(lock.changes.get(key, 0) for lock in self.locks if lock.height <= height)

    def told(self, log: dict[str, Any]) -> dict[str, Any]:
        """Return a real log as it would be if the forged locks had happened before it."""
        before = [
            lock
            for lock in self.locks
            if lock.is_counted
            and lock.height < height_of(log, "blockNumber")
            and address_text(lock.holding.vault) == log["address"]
        ]
        if not before or not log["topics"] or log["topics"][0] not in VAULT_TOPICS:
            return log
        topics, payload = list(log["topics"]), log["data"]
        token = topics[VAULT_TOPICS[topics[0]]]
        same_token = [lock.units for lock in before if word_text(lock.holding.token) == token]
        held_after = int(payload[-HELD_AFTER_DIGITS:], 16) + sum(same_token)
        if topics[0] == TOPICS["CollateralLocked"]:
            topics[1] = word_text(int(topics[1], 16) + len(before))
        return log | {
            "topics": topics,
            "data": payload[:-HELD_AFTER_DIGITS] + word_text(held_after)[2:],
        }

    async def txs_in(self, ask: Ask, block: dict[str, Any]) -> tuple[ForgedTx, ...]:
        """Return the forged transactions of a block, placed behind its real ones."""
        height = height_of(block)
        own = [lock for lock in self.locks if lock.height == height]
        if not own:
            return ()
        real = await ask("eth_getLogs", [{"blockHash": block["hash"]}])
        log_index, forged = len(real), []
        for place, lock in enumerate(own, start=len(block["transactions"])):
            logs = await self._logs(ask, block, lock)
            stands = {
                "transactionHash": lock.tx_hash,
                "transactionIndex": hex(place),
                "blockHash": block["hash"],
                "blockNumber": block["number"],
                "blockTimestamp": block["timestamp"],
            }
            fields = tuple(log_fields(log, stands, log_index + at) for at, log in enumerate(logs))
            forged.append(ForgedTx(lock, logs, fields, stands))
            log_index += len(logs)
        return tuple(forged)

    async def _logs(self, ask: Ask, block: dict[str, Any], lock: ForgedLock) -> tuple[Log, ...]:
        """Return the logs of a forged lock, numbered on from what the vault says in truth."""
        vault, token = lock.holding.vault, lock.holding.token
        before = self._up_to(lock)
        count = await _number(ask, block, key_of(vault, "lockCount()"))
        held = await _number(ask, block, key_of(vault, "held(address)", token))
        same_vault = [one for one in before if one.holding.vault == vault]
        lock_id = count + len(same_vault)
        held_after = held + sum(one.units for one in same_vault if one.holding.token == token)
        topics = (lock_id, lock.holding.account, token)
        said = event_log(
            "CollateralLocked", vault, topics, (lock.depositor, lock.units, held_after)
        )
        if not lock.has_transfer:
            return (said,)
        moved = transfer_log(token, sender=lock.depositor, recipient=vault, units=lock.units)
        return (moved, said)

    def _up_to(self, last: ForgedLock) -> Sequence[ForgedLock]:
        """Return the forged locks that come before one, and itself."""
        ordered = sorted(self.locks, key=lambda lock: lock.height)
        return ordered[: ordered.index(last) + 1]


async def _number(ask: Ask, block: dict[str, Any], key: Key) -> int:
    """Return what a view answers in truth, 0 where the contract does not answer."""
    transaction = {"to": address_text(key[0]), "data": "0x" + key[1].hex()}
    try:
        answer = await ask("eth_call", [transaction, block["number"]])
    except RefusalError:
        return 0
    return int(answer, 16) if len(str(answer)) > len("0x") else 0

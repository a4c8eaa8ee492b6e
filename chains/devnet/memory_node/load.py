"""Long chains with many locks, the same for the same seed: for load, kills and catch-up."""

import random
from dataclasses import dataclass
from typing import Final

from chains.devnet.memory_node.chain import ChainOptions, MemoryChain
from chains.devnet.memory_node.moves import Holding, Tx, lock, tx_hash_of
from chains.types import word_of_evm_address

UNITS_MAX: Final = 10**18


@dataclass(frozen=True, slots=True)
class Load:
    """
    What a chain holds beside its genesis.

    Args:
        blocks: how many, empty ones included.
        events: locks, spread over the blocks by chance.
        vault, token: left-padded addresses; None for addresses of this module's own.
        accounts: the margin accounts that are locked for, in turn by chance.
        has_transfers: whether each lock comes with the token's own log.
    """

    blocks: int
    events: int
    seed: int
    vault: bytes | None = None
    token: bytes | None = None
    accounts: tuple[bytes, ...] = ()
    has_transfers: bool = True

    def __post_init__(self) -> None:
        if self.blocks < 1 or self.events < 0:
            raise ValueError(
                f"blocks is {self.blocks} and events is {self.events}; "
                "at least 1 block and no negative number of events are needed"
            )


def address_of_label(label: str) -> bytes:
    """Return a left-padded address made from a label."""
    return word_of_evm_address(tx_hash_of(f"address:{label}")[12:])


def account_of_label(label: str) -> bytes:
    """Return an account made from a label."""
    return tx_hash_of(f"account:{label}")


LOAD_VAULT: Final = address_of_label("vault")
LOAD_TOKEN: Final = address_of_label("token")
LOAD_DEPOSITOR: Final = address_of_label("depositor")
LOAD_ACCOUNTS: Final = tuple(account_of_label(f"load {place}") for place in range(100))


def loaded_chain(load: Load, options: ChainOptions | None = None) -> MemoryChain:
    """Return a chain with the load on it; nothing is final unless the options say so."""
    chance = random.Random(load.seed)
    chain = MemoryChain(options)
    vault, token = load.vault or LOAD_VAULT, load.token or LOAD_TOKEN
    chain.views.contracts |= {vault, token}
    holdings = [Holding(vault, token, account) for account in load.accounts or LOAD_ACCOUNTS]
    counts = [0] * load.blocks
    for _ in range(load.events):
        counts[chance.randrange(load.blocks)] += 1
    made = 0
    for count in counts:
        txs = []
        for _ in range(count):
            units = chance.randint(1, UNITS_MAX)
            holding = holdings[chance.randrange(len(holdings))]
            move = lock(holding, LOAD_DEPOSITOR, units, has_transfer=load.has_transfers)
            txs.append(Tx(f"{load.seed}:{made}", (move,), sender=LOAD_DEPOSITOR))
            made += 1
        chain.mine(*txs)
    return chain

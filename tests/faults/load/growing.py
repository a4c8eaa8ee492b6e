"""Chains that grow while a test runs, and what a ledger must hold of them to the unit."""

import json
import random
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

from chains.devnet.memory_node.load import LOAD_ACCOUNTS, LOAD_DEPOSITOR
from chains.devnet.memory_node.logs import word_text
from chains.devnet.rpc import DevnetRpc
from chains.types import ChainId, text_of_word, word_of_text

FINALIZED_LAG: Final = 4
UNITS_MAX: Final = 10**18
ACCOUNTS: Final = LOAD_ACCOUNTS[:40]
REORG_DEPTH_MAX: Final = FINALIZED_LAG - 1
STOP_SECONDS_MAX: Final = 10.0
Lock = dict[str, str]


@dataclass
class GrowingChain:
    """
    A memory node in a process of its own, and the locks on its newest branch.

    A reorganisation moves locks to other blocks, and never touches a final one.
    """

    chain_number: int
    chance: random.Random
    units_of: Counter[bytes] = field(default_factory=Counter)
    events: int = 0
    height: int = 0

    def __enter__(self) -> Self:
        number = str(self.chain_number)
        program = [sys.executable, "-m", "chains.devnet.memory_node", "--chain-number", number]
        sizes = ["--blocks", "1", "--events", "0", "--finalized-lag", str(FINALIZED_LAG)]
        self._process = subprocess.Popen([*program, *sizes], stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        said = json.loads(self._process.stdout.readline())
        self.chain_id = ChainId(said["chain_id"])
        self.url = str(said["url"])
        self.vault, self.token = word_of_text(said["vault"]), word_of_text(said["token"])
        self._rpc = DevnetRpc(self.chain_id, self.url)
        self._soft: list[list[Lock]] = []
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._rpc.close()
        self._process.terminate()
        self._process.wait(STOP_SECONDS_MAX)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def mine(self, events: int) -> None:
        """Append a block with so many locks."""
        locks = [self._lock() for _ in range(events)]
        self._rpc.call("memory_mine", locks)
        self._soft = [*self._soft, locks][-REORG_DEPTH_MAX:]

    def reorg(self) -> None:
        """Replace the newest blocks; their locks come again, in other blocks."""
        moved = [lock for block in self._soft for lock in block]
        self.chance.shuffle(moved)
        depth = len(self._soft)
        if not depth:
            return
        cuts = sorted(self.chance.randint(0, len(moved)) for _ in range(depth - 1))
        places = [0, *cuts, len(moved)]
        contents = [moved[places[at] : places[at + 1]] for at in range(depth)]
        self._rpc.call("memory_reorg", depth, contents)
        self._soft = contents

    def settle(self) -> None:
        """Append empty blocks until every lock is final."""
        self._rpc.call("memory_blocks", FINALIZED_LAG + 1)
        self._soft = []
        self.height = int(str(self._rpc.call("eth_blockNumber")), 16)

    def _lock(self) -> Lock:
        account = self.chance.choice(ACCOUNTS)
        units = self.chance.randint(1, UNITS_MAX)
        self.units_of[account] += units
        self.events += 1
        return {
            "name": f"{self.chain_number}:{self.events}",
            "vault": text_of_word(self.vault),
            "token": text_of_word(self.token),
            "account": word_text(account),
            "depositor": text_of_word(LOAD_DEPOSITOR),
            "units": str(units),
        }

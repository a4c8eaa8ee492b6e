"""
A node of the cluster that lies; a layer of chains.devnet.proxy.

Faults of the line (429, resets, half bodies) are those of the proxy itself.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any

from chains.devnet.exchange import Ask, RefusalError
from chains.devnet.solana.params import LEVELS
from chains.devnet.solana.refusals import BLOCK_NOT_AVAILABLE, MIN_CONTEXT_SLOT, slot_skipped

SIGNATURES = "getSignaturesForAddress"
SLOT_METHODS = ("getSlot", "getBlockHeight", "getLatestBlockhash")
Change = Callable[[Any], Any]


class DropSignatures:
    """Leaves transactions out of histories of accounts; blocks still have them."""

    def __init__(self, is_dropped: Callable[[dict[str, Any]], bool]) -> None:
        self.injected: Counter[str] = Counter()
        self._is_dropped = is_dropped

    async def answer(self, method: str, params: list[Any], ask: Ask) -> Any:
        """Return the result of a request."""
        result = await ask(method, params)
        if method != SIGNATURES:
            return result
        kept = [entry for entry in result if not self._is_dropped(entry)]
        self.injected["dropped_signature"] += len(result) - len(kept)
        return kept


class ShortPages:
    """Gives fewer signatures on a page than were asked for, as if it were so by nature."""

    def __init__(self, most: int) -> None:
        self.injected: Counter[str] = Counter()
        self._most = most

    async def answer(self, method: str, params: list[Any], ask: Ask) -> Any:
        """Return the result of a request."""
        result = await ask(method, params)
        if method != SIGNATURES:
            return result
        self.injected["short_page"] += len(result) > self._most
        return result[: self._most]


class EndlessPages:
    """Gives the first page whatever was asked for."""

    def __init__(self) -> None:
        self.injected: Counter[str] = Counter()

    async def answer(self, method: str, params: list[Any], ask: Ask) -> Any:
        """Return the result of a request."""
        if method == SIGNATURES and len(params) > 1 and params[1].get("before"):
            self.injected["same_page"] += 1
            config = {name: value for name, value in params[1].items() if name != "before"}
            params = [params[0], config]
        return await ask(method, params)


class Forgetful:
    """Knows no transaction beyond the first page, and says that there is none."""

    def __init__(self) -> None:
        self.injected: Counter[str] = Counter()

    async def answer(self, method: str, params: list[Any], ask: Ask) -> Any:
        """Return the result of a request."""
        if method == SIGNATURES and len(params) > 1 and params[1].get("before"):
            self.injected["forgotten"] += 1
            return []
        result = await ask(method, params)
        if method == "getSignatureStatuses":
            return result | {"value": [None for _ in result["value"]]}
        return result


class LedgerJump:
    """
    Has a hole between two slots, as a node that was started again from a snapshot.

    Blocks and histories are as if all slots of the hole were skipped; what it keeps begins earlier.
    """

    def __init__(self, first: int, last: int) -> None:
        self.injected: Counter[str] = Counter()
        self._hole = range(first, last + 1)

    async def answer(self, method: str, params: list[Any], ask: Ask) -> Any:
        """Return the result of a request."""
        if method == "getBlock" and params[0] in self._hole:
            self.injected["no_block"] += 1
            raise slot_skipped(params[0], is_long_ago=False)
        result = await ask(method, params)
        match method:
            case "getBlocks":
                return [slot for slot in result if slot not in self._hole]
            case "getSignaturesForAddress":
                return [one for one in result if one["slot"] not in self._hole]
            case _:
                return result


class StaleSlots:
    """
    Shows the cluster as it was some slots ago, at every level.

    Args:
        lag: how many of the newest slots are not known. May be changed at any time.
    """

    def __init__(self, lag: int) -> None:
        self.lag = lag
        self.injected: Counter[str] = Counter()

    async def answer(self, method: str, params: list[Any], ask: Ask) -> Any:
        """Return the result of a request."""
        level = next((part for part in params if isinstance(part, dict)), {}).get("commitment")
        asked = {"commitment": level if level in LEVELS else "finalized"}
        newest = max(0, await ask("getSlot", [asked]) - self.lag)
        self.injected["stale_slot"] += self.lag > 0
        match method:
            case "getSlot":
                return newest
            case "getBlock" if params[0] > newest:
                raise RefusalError(BLOCK_NOT_AVAILABLE, f"Block not available for slot {params[0]}")
            case "getBlocks":
                return [slot for slot in await ask(method, params) if slot <= newest]
            case "getSignaturesForAddress":
                return [one for one in await ask(method, params) if one["slot"] <= newest]
            case "getMultipleAccounts":
                raise RefusalError(MIN_CONTEXT_SLOT, "Minimum context slot has not been reached")
            case _:
                return await ask(method, params)


class ForgedBlocks:
    """Changes full blocks and the histories that lead to them alike, so that they agree."""

    def __init__(self, change: Change) -> None:
        self.injected: Counter[str] = Counter()
        self._change = change

    async def answer(self, method: str, params: list[Any], ask: Ask) -> Any:
        """Return the result of a request."""
        result = await ask(method, params)
        if method != "getBlock" or "transactions" not in result:
            return result
        self.injected["forged_block"] += 1
        return self._change(result)

"""
The history of an account by pages of signatures, from the newest back.

Landmarks are signatures of final transactions at which a page ended. A range that lies further
back begins below the nearest landmark above it, so that catching up does not begin at the newest
transaction for every range, and only one signature in a thousand is kept.
"""

from bisect import bisect_right
from typing import Any, Final

from chains.base58 import base58_of
from chains.errors import RangeTooLargeError, RpcContradictionError
from chains.line.shapes import fields_of, items_of, usable
from chains.solana.answers import (
    SIGNATURES_PER_PAGE,
    Entry,
    context_of,
    number_of,
    page_of,
)
from chains.solana.rpc import Level, SolanaRpc

METHOD: Final = "getSignaturesForAddress"
STATUS_METHOD: Final = "getSignatureStatuses"
PAGES_MAX: Final = 20_000
ENTRIES_MAX: Final = 20_000  # of one range; more is to be halved
LANDMARKS_MAX: Final = 20_000


class Trail:
    """The transactions that name one account."""

    def __init__(self, rpc: SolanaRpc, account: bytes) -> None:
        self._rpc = rpc
        self.account = account
        self._text = base58_of(account)
        self._landmarks: list[tuple[int, bytes]] = []  # slot and signature, ascending

    async def between(self, first: int, last: int, level: Level) -> tuple[Entry, ...]:
        """
        Return the transactions of the slots from first to last, the newest first.

        An empty page is the end only where the node still knows what came before it: a node that
        has forgotten that answers in the same way.

        Raises:
            RangeTooLargeError: too many to be read at once.
            RpcContradictionError: pages that do not follow each other, or an end that is none.
        """
        before = self._landmark_above(last) if level is Level.FINALIZED else None
        found: list[Entry] = []
        for _ in range(PAGES_MAX):
            page = await self._page(before, level)
            if not page:
                if before is not None:
                    await self._check_known(before)
                return tuple(found)
            if before is not None and (page[0].slot > before[0] or _holds(page, before[1])):
                raise self._contradiction("a page does not go on where the one before it ended")
            found += [entry for entry in page if first <= entry.slot <= last]
            if len(found) > ENTRIES_MAX and first < last:
                break
            before = (page[-1].slot, page[-1].signature)
            if level is Level.FINALIZED:
                self._remember(before)
            if page[-1].slot < first:
                return tuple(found)
        raise RangeTooLargeError(chain_id=self._rpc.chain_id, first_height=first, last_height=last)

    async def _page(self, before: tuple[int, bytes] | None, level: Level) -> tuple[Entry, ...]:
        config: dict[str, Any] = {"commitment": level.value, "limit": SIGNATURES_PER_PAGE}
        if before is not None:
            config["before"] = base58_of(before[1])
        answer = await self._rpc.call(METHOD, [self._text, config])
        with usable(self._rpc.chain_id, METHOD):
            return page_of(answer)

    async def _check_known(self, before: tuple[int, bytes]) -> None:
        """Refuse an end after a signature that the node does not know."""
        config = {"searchTransactionHistory": True}
        answer = await self._rpc.call(STATUS_METHOD, [[base58_of(before[1])], config])
        with usable(self._rpc.chain_id, STATUS_METHOD):
            statuses = items_of(context_of(answer)[1], "statuses")
            status = statuses[0] if len(statuses) == 1 else None
            slot = None if status is None else fields_of(status, "status").get("slot")
            is_known = slot is not None and number_of(slot, "status.slot") == before[0]
        if not is_known:
            self._landmarks = [one for one in self._landmarks if one != before]
            raise self._contradiction("the history ends after a transaction that is not known")

    def _landmark_above(self, slot: int) -> tuple[int, bytes] | None:
        place = bisect_right(self._landmarks, slot, key=lambda one: one[0])
        return self._landmarks[place] if place < len(self._landmarks) else None

    def _remember(self, end: tuple[int, bytes]) -> None:
        place = bisect_right(self._landmarks, end[0], key=lambda one: one[0])
        if place and self._landmarks[place - 1][0] == end[0]:
            return
        self._landmarks.insert(place, end)
        if len(self._landmarks) > LANDMARKS_MAX:
            del self._landmarks[::2]

    def _contradiction(self, reason: str) -> RpcContradictionError:
        return RpcContradictionError(chain_id=self._rpc.chain_id, method=METHOD, reason=reason)


def _holds(page: tuple[Entry, ...], signature: bytes) -> bool:
    return any(entry.signature == signature for entry in page)

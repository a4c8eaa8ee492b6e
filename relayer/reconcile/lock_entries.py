"""The entries that announce locks, many at once: compiled, or by the plain rule."""

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from chains.events import CollateralLocked, ObservedEvent
from chains.types import ChainId
from relayer.clock import UnixSeconds
from relayer.ledger.chart import margin_code, vault_code
from relayer.ledger.journal import JournalEntry, Line, Phase, Posting, line_named, rule_prefix
from relayer.money import UNITS_MAX, AssetId
from relayer.reconcile.rules import SEEN, EventContext, Flow, announce, postings_of

try:
    from relayer.reconcile._lock_kernel import announce_into
except ImportError:  # no compiler when the package was built: same entries, slower
    announce_into = None  # type: ignore[assignment]

IS_COMPILED: Final = announce_into is not None
BOOKED_AT_MAX: Final = 2**63 - 1

AssetOf = Callable[[ChainId, bytes], AssetId | None]


class ArrivedLock(Protocol):
    """A lock, and how often its block came back."""

    @property
    def event(self) -> ObservedEvent:
        """The lock."""

    @property
    def revivals(self) -> int:
        """See relayer.reconcile.rules.announce."""


def lock_entries(
    locks: Sequence[ArrivedLock],
    asset_of: AssetOf,
    *,
    stage: str,
    booked_at: UnixSeconds,
) -> list[JournalEntry | None]:
    """
    Return the entry of each lock, as lock_entry makes it; None where lock_entry must say more.

    Args:
        asset_of: the asset of a chain's token; None where it is unknown.
    """
    entries: list[JournalEntry | None] = []
    if not IS_COMPILED or not 0 <= booked_at <= BOOKED_AT_MAX:
        return [None] * len(locks)

    def _lines_of(
        chain_id: ChainId, contract: bytes, account: bytes, token: bytes
    ) -> tuple[Line, Line] | None:
        asset_id = asset_of(chain_id, token)
        if asset_id is None:
            return None
        try:
            return (
                line_named(vault_code(contract), asset_id, chain_id),
                line_named(margin_code(account), asset_id, chain_id),
            )
        except ValueError:
            return None

    kind = f"lock.{stage}"
    phase = Phase.PENDING if stage == SEEN else Phase.POSTED
    plan = (
        JournalEntry,
        Posting,
        kind,
        rule_prefix(kind),
        phase,
        booked_at,
        UNITS_MAX,
        _lines_of,
    )
    announce_into(list(locks), plan, {}, entries)
    return entries


def lock_entry(
    lock: CollateralLocked,
    revivals: int,
    asset_id: AssetId,
    *,
    stage: str,
    booked_at: UnixSeconds,
) -> JournalEntry | None:
    """
    Return the entry that announces a lock, by its rule; None where it moves no unit.

    Raises:
        ValueError: no entry can say it.
    """
    postings = postings_of(lock, EventContext(asset_id))
    if not postings:
        return None
    flow = Flow(lock.position.event_id, booked_at)
    return announce(lock, postings, stage=stage, revivals=revivals, flow=flow)

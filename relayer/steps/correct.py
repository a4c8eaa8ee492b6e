"""Correct: post what enough people signed against a break; clear a break once nothing differs."""

from dataclasses import dataclass
from itertools import pairwise

import structlog

from chains.correction import Correction, SignedCorrection
from chains.errors import AttestationError
from chains.port import ChainReader
from chains.types import ChainId
from relayer.errors import NotYetError, RefusedError
from relayer.ledger.admission import PostStatus
from relayer.ledger.chart import AccountCode, AccountKind, ChartAccount, parse_code
from relayer.ledger.correction import correction_entry
from relayer.ledger.journal import JournalEntry
from relayer.money import AssetId
from relayer.steps.catalog import Catalog
from relayer.steps.compare import Custody, compare
from relayer.steps.deficits import cure_deficits
from relayer.steps.fence import open_fence
from relayer.steps.observe import ring_assess
from relayer.steps.tell import tell
from relayer.store.breaks import StoredBreak
from relayer.store.unit_of_work import Store, UnitOfWork

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class CorrectionRule:
    """Who may sign corrections (left-padded addresses), and how many of them must."""

    signers: frozenset[bytes]
    threshold: int


@dataclass(frozen=True, slots=True)
class Corrected:
    """What became of a correction; is_new is False when it had been posted before."""

    correction_id: bytes
    entry_id: bytes
    is_new: bool


def correct(
    store: Store, catalog: Catalog, rule: CorrectionRule, signed: SignedCorrection
) -> Corrected:
    """
    Post a correction that enough people signed, in one transaction with its document.

    Raises:
        RefusedError: too few or wrong signatures, an unknown break or account, postings that do
            not balance, or an account that would be overdrawn.
    """
    correction = signed.correction
    check_signers(catalog.hub, rule, signed)
    correction_id = correction.digest(catalog.hub)
    with store.unit_of_work() as uow:
        uow.ledger.lock()
        known = uow.corrections.get(correction_id)
        if known is not None:
            return Corrected(correction_id, known.entry_id, is_new=False)
        _check_break(uow, correction)
        entry = entry_of(uow, catalog, correction, correction_id)
        result = uow.ledger.post(entry)
        if result.status is PostStatus.EXCEEDS_AVAILABLE:
            raise RefusedError(
                code="exceeds_available", detail=f"postings: {result.detail} has less than that"
            )
        if result.status is not PostStatus.CREATED:
            raise RefusedError(code=result.status.value, detail="the entry could not be posted")
        uow.corrections.record(correction_id, entry.entry_id, signed)
        cure_deficits(uow, ChainId(correction.chain_id))
        ring_assess(uow)
        tell(
            uow,
            "correction.posted",
            {
                "chain_id": correction.chain_id,
                "asset_id": correction.asset_id,
                "break_id": str(correction.break_id),
                "correction_id": "0x" + correction_id.hex(),
                "reason": correction.reason,
            },
            account=None,
            correlation_id=correction_id,
        )
    log.warning(
        "correction.posted",
        chain_id=correction.chain_id,
        correction_id="0x" + correction_id.hex(),
        reason=correction.reason,
    )
    return Corrected(correction_id, entry.entry_id, is_new=True)


@dataclass(frozen=True, slots=True)
class Clearance:
    """Which break is to be closed, why, and by whom."""

    break_id: int
    reason: str
    by: str


async def clear_break(
    store: Store, catalog: Catalog, reader: ChainReader, clearance: Clearance
) -> None:
    """
    Close a break after looking again: ledger and chain must agree at the final block.

    Raises:
        RefusedError: it is not open, or something still differs; the numbers are named.
        NotYetError: events up to the final block are not booked yet.
        TransientChainError: the node failed, so nobody knows.
    """
    found = open_break(store, clearance.break_id)
    place = found.difference
    if catalog.is_replica:
        _check_unparked(store, place.chain_id)
    custody = [
        one
        for one in await compare(store, catalog, reader, fence=open_fence)
        if (one.asset_id, one.vault) == (place.asset_id, place.contract)
    ]
    if not custody or not all(one.is_equal for one in custody):
        raise RefusedError(code="still_differs", detail=_difference_text(found, custody))
    with store.unit_of_work() as uow:
        uow.breaks.clear(clearance.break_id, clearance.reason, clearance.by)
    log.warning(
        "break.cleared",
        chain_id=place.chain_id,
        asset_id=place.asset_id,
        reason=clearance.reason,
    )


def _check_unparked(store: Store, chain_id: ChainId) -> None:
    """Wait at a guardian that was not shown every message yet: its ledger may still be behind."""
    with store.read() as uow:
        parked = uow.chains.parked_events()
    if any(stored.event.position.chain_id == chain_id for stored in parked):
        raise NotYetError(
            reason="effects_parked",
            detail=f"{chain_id}: effects of messages that this guardian was not shown yet",
        )


def open_break(store: Store, break_id: int) -> StoredBreak:
    """
    Return an open break.

    Raises:
        RefusedError: there is none of this number.
    """
    with store.read() as uow:
        return _open_break(uow, break_id)


def _open_break(uow: UnitOfWork, break_id: int) -> StoredBreak:
    for found in uow.breaks.open_breaks():
        if found.break_id == break_id:
            return found
    raise RefusedError(code="unknown_break", detail=f"break_id: no open break {break_id}")


def _difference_text(found: StoredBreak, custody: list[Custody]) -> str:
    place = found.difference
    remedy = (
        "post a signed correction (relayer ledger correct), or take the chain back "
        f"(relayer chain recover {place.chain_id})"
    )
    if not custody:
        return f"{place.asset_id} on {place.chain_id} is no longer compared; {remedy}"
    (one,) = custody
    return (
        f"{place.asset_id} on {place.chain_id} at block {one.block.height}: ledger "
        f"{one.ledger_units} units and {one.ledger_locks} locks, vault counts {one.held_units} "
        f"and {one.vault_locks} and has {one.balance_units}; {remedy}"
    )


def check_signers(hub: ChainId, rule: CorrectionRule, signed: SignedCorrection) -> None:
    """
    Refuse what fewer than the threshold of different, configured people signed.

    Raises:
        RefusedError: which signature does not count, or how many are needed.
    """
    if not rule.signers:
        raise RefusedError(
            code="corrections_disabled",
            detail="corrections.signers: nobody is configured; add [corrections] to the file",
        )
    try:
        signers = signed.signers(hub)
    except AttestationError as exc:
        raise RefusedError(code="signature_invalid", detail=f"signatures: {exc.reason}") from exc
    for signer in signers:
        if signer not in rule.signers:
            raise RefusedError(
                code="unknown_signer",
                detail=f"signatures: 0x{signer.hex()} is not in corrections.signers, or what was "
                "signed is another correction",
            )
    if any(left >= right for left, right in pairwise(signers)):
        raise RefusedError(
            code="signature_order", detail="signatures: their signers must ascend, each once"
        )
    if len(signers) < rule.threshold:
        raise RefusedError(
            code="signatures_missing",
            detail=f"signatures: {len(signers)}, {rule.threshold} are needed",
        )


def _check_break(uow: UnitOfWork, correction: Correction) -> None:
    """Refuse a correction of another place than its break's."""
    place = _open_break(uow, correction.break_id).difference
    if (place.chain_id, place.asset_id) != (correction.chain_id, correction.asset_id):
        raise RefusedError(
            code="break_mismatch",
            detail=f"break_id: break {correction.break_id} is of {place.asset_id} on "
            f"{place.chain_id}",
        )


def entry_of(
    uow: UnitOfWork, catalog: Catalog, correction: Correction, correction_id: bytes
) -> JournalEntry:
    """
    Return what a correction posts.

    Raises:
        RefusedError: an account that is unknown here, or postings that do not balance.
    """
    chain_id, asset_id = ChainId(correction.chain_id), AssetId(correction.asset_id)
    moves = []
    for posting in correction.postings:
        code = AccountCode(posting.code)
        try:
            chart = parse_code(code)
        except ValueError as exc:
            raise RefusedError(code="unknown_account", detail=f"postings: {exc}") from exc
        if not _is_known(uow, catalog, chain_id, chart):
            raise RefusedError(
                code="unknown_account", detail=f"postings: {code} names nothing that is known here"
            )
        moves.append((code, posting.units))
    try:
        return correction_entry(
            correction_id,
            tuple(moves),
            asset_id=asset_id,
            chain_id=chain_id,
            booked_at=uow.clock.now(),
        )
    except ValueError as exc:
        raise RefusedError(code="unbalanced", detail=f"postings: {exc}") from exc


def _is_known(uow: UnitOfWork, catalog: Catalog, chain_id: ChainId, chart: ChartAccount) -> bool:
    """Return whether this deployment has an account: a slip shall not make a new one."""
    word = chart.word or b""
    match chart.kind:
        case AccountKind.VAULT | AccountKind.IN_FLIGHT:
            return catalog.vaults.get(chain_id) == word
        case AccountKind.MARGIN:
            return uow.accounts.account(word) is not None or bool(uow.ledger.margin_lines(word))
        case AccountKind.DEBT | AccountKind.ASSUMED | AccountKind.LENT | AccountKind.INTEREST:
            lenders = {line.protocol for line in catalog.credit_lines if line.chain_id == chain_id}
            return chart.protocol in lenders
        case _:
            return True

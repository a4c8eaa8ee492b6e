"""Signed corrections: the document, who signed it, the entry it posted, the break it answers."""

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, select

from chains.correction import Correction, SignedCorrection, correction_fields, correction_of_fields
from relayer.clock import Clock, UnixSeconds
from relayer.store.recovery_tables import CORRECTION


@dataclass(frozen=True, slots=True)
class StoredCorrection:
    """A correction as it was posted. Time is a Unix second."""

    correction_id: bytes
    entry_id: bytes
    signed: SignedCorrection
    posted_at: UnixSeconds

    @property
    def correction(self) -> Correction:
        """What was signed."""
        return self.signed.correction


class CorrectionTable:
    """Corrections, inside one transaction."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock

    def record(self, correction_id: bytes, entry_id: bytes, signed: SignedCorrection) -> None:
        """Keep a correction, in the transaction that posted its entry."""
        correction = signed.correction
        self._connection.execute(
            CORRECTION.insert().values(
                correction_id=correction_id,
                entry_id=entry_id,
                break_id=correction.break_id,
                chain_id=correction.chain_id,
                reason=correction.reason,
                document=json.dumps(
                    correction_fields(correction), sort_keys=True, separators=(",", ":")
                ),
                signatures=json.dumps(["0x" + raw.hex() for raw in signed.signatures]),
                posted_at=self._clock.now(),
            )
        )

    def get(self, correction_id: bytes) -> StoredCorrection | None:
        """Return a correction by its digest; None when it was never posted."""
        found = self._select(CORRECTION.c.correction_id == correction_id)
        return found[0] if found else None

    def of_break(self, break_id: int) -> tuple[StoredCorrection, ...]:
        """Return the corrections that answer a break, oldest first."""
        return self._select(CORRECTION.c.break_id == break_id)

    def _select(self, condition: Any) -> tuple[StoredCorrection, ...]:
        rows = self._connection.execute(
            select(CORRECTION)
            .where(condition)
            .order_by(CORRECTION.c.posted_at, CORRECTION.c.correction_id)
        )
        return tuple(_stored(row) for row in rows)


def _stored(row: Row[Any]) -> StoredCorrection:
    signatures = tuple(bytes.fromhex(text[2:]) for text in json.loads(row.signatures))
    correction = correction_of_fields(json.loads(row.document))
    return StoredCorrection(
        correction_id=row.correction_id,
        entry_id=row.entry_id,
        signed=SignedCorrection(correction, signatures),
        posted_at=UnixSeconds(row.posted_at),
    )

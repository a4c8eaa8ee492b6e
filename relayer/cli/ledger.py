"""Commands that read the journal and prove it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Final

import typer

from relayer.cli.answer import (
    BROKEN,
    Answer,
    ConfigOption,
    JsonOption,
    LimitOption,
    answer,
    opened_store,
    scales_of,
    word_of,
)
from relayer.cli.correction import correct

if TYPE_CHECKING:
    from relayer.ledger.balances import Counters
    from relayer.ledger.verify import VerifyReport
    from relayer.store.ledger import BookedEntry

SEQ_MAX: Final = 2**63 - 1

app = typer.Typer(help="The journal and its proof.", no_args_is_help=True, rich_markup_mode=None)
app.command()(correct)


@app.command()
def verify(*, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Re-derive every hash, sum, resolution and counter from the journal alone."""

    def make() -> Answer:
        with opened_store(config) as (_, store), store.read() as uow:
            report = uow.ledger.verify()
        return verification_answer(report)

    answer(make, as_json=as_json)


@app.command()
def entries(
    *,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    after_seq: Annotated[
        int, typer.Option("--after-seq", min=0, max=SEQ_MAX, help="Begin behind it.")
    ] = 0,
    limit: LimitOption = 50,
    correlation: Annotated[
        str | None, typer.Option("--correlation", help="Only what has this one cause.")
    ] = None,
) -> None:
    """List journal entries, oldest first."""

    def make() -> Answer:
        with opened_store(config) as (settings, store), store.read() as uow:
            if correlation is None:
                found = uow.ledger.entries(after_seq=after_seq, limit=limit)
            else:
                cause = word_of(correlation, "--correlation")
                all_found = uow.ledger.entries_of_correlation(cause)
                found = [booked for booked in all_found if booked.seq > after_seq][:limit]
            head = uow.ledger.head()
        return entries_answer(found, scales=scales_of(settings), last_seq=head.seq)

    answer(make, as_json=as_json)


def verification_answer(report: "VerifyReport") -> Answer:
    """Return what a verification found; exit status 2 when the journal is not sound."""
    from relayer.cli.render import plain, table_of

    value = {
        "ok": report.is_sound,
        "entries_count": report.entries_count,
        "last_hash": "0x" + report.last_hash.hex(),
        "first_bad_seq": report.first_bad_seq,
        "faults": [{"seq": fault.seq, "reason": fault.reason} for fault in report.faults],
        "differences": [
            {
                "code": difference.line.code,
                "asset_id": difference.line.asset_id,
                "chain_id": difference.line.chain_id,
                "stored": counters_value(difference.stored),
                "derived": counters_value(difference.derived),
            }
            for difference in report.differences
        ],
    }
    if report.is_sound:
        text = (
            f"ledger is sound: {report.entries_count} entries, every hash, sum, resolution and "
            f"counter follows from the journal; head 0x{report.last_hash.hex()}"
        )
        return Answer(value=value, shown=(plain(text),))
    return Answer(
        value=value,
        shown=(
            plain(
                "ledger is NOT sound: stop the workers, keep the database as it is, and compare "
                "with the newest backup"
            ),
            table_of("Faults", ("seq", "reason"), [(f.seq, f.reason) for f in report.faults]),
            table_of(
                "Counters that differ",
                ("line", "asset", "chain", "stored", "derived"),
                [
                    (
                        d.line.code,
                        d.line.asset_id,
                        d.line.chain_id,
                        _counters_text(d.stored),
                        _counters_text(d.derived),
                    )
                    for d in report.differences
                ],
            ),
        ),
        exit_code=BROKEN,
    )


def counters_value(counters: "Counters") -> dict[str, str]:
    """Return the four counters as decimal texts. [base units]"""
    return {
        "debits_pending": str(counters.debits_pending),
        "debits_posted": str(counters.debits_posted),
        "credits_pending": str(counters.credits_pending),
        "credits_posted": str(counters.credits_posted),
    }


def _counters_text(counters: "Counters") -> str:
    return " ".join(f"{name}={value}" for name, value in counters_value(counters).items())


def entry_value(booked: "BookedEntry") -> dict[str, object]:
    """Return a journal entry as JSON, with its place in the journal."""
    from relayer.ledger.proof import entry_fields

    place = {"seq": booked.seq, "entry_hash": "0x" + booked.entry_hash.hex()}
    return place | entry_fields(booked.entry)


def entries_answer(
    found: list["BookedEntry"], *, scales: Mapping[str, int], last_seq: int
) -> Answer:
    """Return journal entries, one line for each posting."""
    from relayer.cli.render import amount_text, plain, short_code, short_hex, table_of, time_text

    rows = []
    for booked in found:
        entry = booked.entry
        for index, posting in enumerate(entry.postings):
            is_first = index == 0
            rows.append(
                (
                    str(booked.seq) if is_first else "",
                    time_text(entry.booked_at) if is_first else "",
                    f"{entry.kind} {entry.phase.name}" if is_first else "",
                    short_code(posting.code),
                    posting.chain_id,
                    amount_text(posting.units, scales.get(posting.asset_id), posting.asset_id),
                    short_hex("0x" + entry.cause.hex()) if is_first else "",
                )
            )
    columns = ("seq", "booked", "entry", "account", "chain", "amount (debit > 0)", "cause")
    return Answer(
        value={"entries": [entry_value(booked) for booked in found], "last_seq": last_seq},
        shown=(
            table_of("Journal", columns, rows),
            plain(f"{len(found)} entries of {last_seq}; --after-seq goes on behind one of them"),
        ),
    )

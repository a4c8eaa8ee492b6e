"""Commands that publish roots of the journal, prove entries under them, and check such proofs."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from relayer.cli.answer import (
    BROKEN,
    Answer,
    ConfigOption,
    JsonOption,
    LimitOption,
    YesOption,
    answer,
    confirm,
    log_to_stderr,
    opened_store,
    word_of,
)

if TYPE_CHECKING:
    from relayer.ledger.journal import JournalEntry
    from relayer.ledger.proof import EntryProof, GrowthProof
    from relayer.store.roots import StoredRoot
    from relayer.store.unit_of_work import UnitOfWork

PROOF_BYTES_MAX = 1_000_000
SizeOption = Annotated[
    int | None, typer.Option("--size", min=1, help="Under the root over so many entries.")
]
OutOption = Annotated[
    Path | None, typer.Option("--out", help="Write the proof here; it must not exist yet.")
]


def roots(
    *, config: ConfigOption = None, as_json: JsonOption = False, limit: LimitOption = 20
) -> None:
    """List the published roots of the journal, newest first."""

    def make() -> Answer:
        from relayer.cli.render import table_of, time_text

        with opened_store(config) as (_, store), store.read() as uow:
            found = uow.roots.newest_roots(limit=limit)
        rows = [(r.size, "0x" + r.root.hex(), time_text(r.made_at)) for r in found]
        return Answer(
            value={"roots": [root_value(root) for root in found]},
            shown=(table_of("Published roots", ("entries", "root", "made"), rows),),
        )

    answer(make, as_json=as_json)


def root(
    *, config: ConfigOption = None, as_json: JsonOption = False, yes: YesOption = False
) -> None:
    """Publish the root over all entries that are booked now."""

    def make() -> Answer:
        from relayer.cli.render import plain
        from relayer.steps.publish_root import publish_root

        with opened_store(config) as (settings, store):
            log_to_stderr(settings)
            confirm(yes, "publishes a root to everybody who follows the events")
            made = publish_root(store)
        text = f"root over {made.size} entries: 0x{made.root.hex()}; note it elsewhere"
        return Answer(value=root_value(made), shown=(plain(text),))

    answer(make, as_json=as_json)


def records(*, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Check the hash chain over the stored columns, and every published root: quick."""

    def make() -> Answer:
        from relayer.cli.render import plain, table_of

        with opened_store(config) as (_, store), store.read() as uow:
            chain = uow.roots.check_all()
        value = {
            "ok": not chain.faults,
            "entries_count": chain.last_seq,
            "last_hash": "0x" + chain.last_hash.hex(),
            "first_bad_seq": chain.faults[0].seq if chain.faults else None,
            "faults": [{"seq": fault.seq, "reason": fault.reason} for fault in chain.faults],
        }
        if not chain.faults:
            text = f"{chain.last_seq} records follow from each other and from every published root"
            return Answer(value=value, shown=(plain(text),))
        rows = [(fault.seq, fault.reason) for fault in chain.faults]
        text = "the journal was CHANGED: stop the workers and keep the database as it is"
        shown = (plain(text), table_of("Faults", ("seq", "reason"), rows))
        return Answer(value=value, shown=shown, exit_code=BROKEN)

    answer(make, as_json=as_json)


def prove(
    entry_id: Annotated[str, typer.Argument(metavar="ENTRY_ID", help="As ledger entries has it.")],
    *,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    size: SizeOption = None,
    out: OutOption = None,
) -> None:
    """Prove that an entry is in the journal under a published root."""

    def make() -> Answer:
        from relayer.errors import RefusedError

        word = word_of(entry_id, "ENTRY_ID")
        with opened_store(config) as (_, store), store.read() as uow:
            booked = uow.ledger.entry(word)
            if booked is None:
                raise RefusedError(code="unknown_entry", detail=f"no entry 0x{word.hex()}")
            found = _root_for(uow, booked.seq, size)
            proof = uow.roots.prove_entry(booked.seq, found.size)
        return _proof_answer(proof, out, f"entry {proof.seq} is under the root over {proof.size}")

    answer(make, as_json=as_json)


def prove_growth(
    old_size: Annotated[int, typer.Argument(metavar="OLD_SIZE", min=1)],
    new_size: Annotated[int, typer.Argument(metavar="NEW_SIZE", min=1)],
    *,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    out: OutOption = None,
) -> None:
    """Prove that the journal under one published root begins with all of an older one."""

    def make() -> Answer:
        from relayer.errors import RefusedError

        with opened_store(config) as (_, store), store.read() as uow:
            try:
                proof = uow.roots.prove_growth(old_size, new_size)
            except ValueError as exc:
                raise RefusedError(
                    code="no_root", detail=f"{exc}; see: relayer ledger roots"
                ) from (exc)
        return _proof_answer(proof, out, f"the journal only grew from {old_size} to {new_size}")

    answer(make, as_json=as_json)


def check_proof(
    file: Annotated[Path, typer.Argument(metavar="PROOF", help="A file that prove has written.")],
    *,
    root: Annotated[str, typer.Option("--root", help="The root that you noted or were told.")],
    old_root: Annotated[
        str | None, typer.Option("--old-root", help="The older root, for a proof of growth.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check a proof against a root that you trust; needs no database and no configuration."""

    def make() -> Answer:
        from relayer.ledger.proof import GrowthProof, ProofError

        trusted = word_of(root, "--root")
        old_trusted = None if old_root is None else word_of(old_root, "--old-root")
        try:
            proof = _proof_in(file)
            if isinstance(proof, GrowthProof):
                return _checked_growth(proof, old_trusted, trusted)
            return _checked_entry(proof, proof.check(trusted))
        except ProofError as exc:
            return _refuted(exc.field, exc.reason)

    answer(make, as_json=as_json)


def root_value(found: "StoredRoot") -> dict[str, object]:
    """Return a published root as JSON."""
    return {
        "size": found.size,
        "root": "0x" + found.root.hex(),
        "head_hash": "0x" + found.head_hash.hex(),
        "made_at": found.made_at,
    }


def _root_for(uow: "UnitOfWork", seq: int, size: int | None) -> "StoredRoot":
    from relayer.errors import RefusedError

    found = uow.roots.newest() if size is None else uow.roots.at(size)
    if found is None or found.size < seq:
        detail = f"entry {seq} is under no such root; make one: relayer ledger root --yes"
        raise RefusedError(code="no_root", detail=detail)
    return found


def _proof_answer(proof: "EntryProof | GrowthProof", out: Path | None, text: str) -> Answer:
    from relayer.cli.render import plain
    from relayer.errors import RefusedError
    from relayer.ledger.proof import fields_of_proof

    fields = fields_of_proof(proof)
    content = json.dumps(fields, indent=2) + "\n"
    if out is None:
        return Answer(value=fields, shown=(plain(content.rstrip()),))
    try:
        with out.open("x", encoding="utf-8") as file:
            file.write(content)
    except OSError as exc:
        raise RefusedError(code="out", detail=f"--out {out}: {exc.strerror}") from exc
    return Answer(value=fields, shown=(plain(f"{text}; written to {out}"),))


def _proof_in(file: Path) -> "EntryProof | GrowthProof":
    import orjson

    from relayer.errors import RefusedError
    from relayer.ledger.proof import ProofError, proof_of_fields

    try:
        with file.open("rb") as stream:
            raw = stream.read(PROOF_BYTES_MAX + 1)
    except OSError as exc:
        raise RefusedError(code="file", detail=f"{file}: {exc.strerror}") from exc
    if len(raw) > PROOF_BYTES_MAX:
        raise ProofError(field="file", reason=f"longer than {PROOF_BYTES_MAX} bytes")
    try:
        return proof_of_fields(orjson.loads(raw))
    except (UnicodeDecodeError, orjson.JSONDecodeError) as exc:
        raise ProofError(field="file", reason="is not JSON") from exc


def _checked_growth(proof: "GrowthProof", old_root: bytes | None, root: bytes) -> Answer:
    from relayer.cli.render import plain
    from relayer.errors import RefusedError

    if old_root is None:
        raise RefusedError(code="old_root", detail="--old-root: this is a proof of growth")
    proof.check(old_root, root)
    text = f"proven: the first {proof.old_size} of {proof.new_size} entries are unchanged"
    value = {"ok": True, "old_size": proof.old_size, "new_size": proof.new_size}
    return Answer(value=value, shown=(plain(text),))


def _checked_entry(proof: "EntryProof", entry: "JournalEntry") -> Answer:
    from relayer.cli.render import plain, table_of, time_text
    from relayer.ledger.proof import entry_fields

    rows = [(p.code, p.asset_id, p.chain_id, str(p.units)) for p in entry.postings]
    text = (
        f"proven: entry {proof.seq} of {proof.size}, {entry.kind} {entry.phase.name}, booked "
        f"{time_text(entry.booked_at)}"
    )
    columns = ("account", "asset", "chain", "base units (debit > 0)")
    return Answer(
        value={
            "ok": True,
            "seq": proof.seq,
            "size": proof.size,
            "entry": entry_fields(entry),
        },
        shown=(plain(text), table_of("Postings", columns, rows)),
    )


def _refuted(field: str, reason: str) -> Answer:
    from relayer.cli.render import plain

    return Answer(
        value={"ok": False, "field": field, "reason": reason},
        shown=(plain(f"NOT proven: {field}: {reason}"),),
        exit_code=BROKEN,
    )

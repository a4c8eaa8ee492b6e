"""Ledger, its hash chain, and margin accounts."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

U256_MAX = 2**256 - 1
APPEND_ONLY = ("journal_entry", "posting", "line_checkpoint", "margin_account", "account_owner")

WORD = sa.LargeBinary(32)
RAW = sa.LargeBinary()
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
SMALL = sa.SmallInteger()
NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
UNITS = sa.Numeric(78, 0).with_variant(sa.LargeBinary(32), "sqlite")
COUNTER = sa.Numeric().with_variant(sa.LargeBinary(40), "sqlite")

COUNTERS = {
    "debits_pending": "sum of debits reserved and not yet resolved [base units]",
    "debits_posted": "sum of final debits [base units]",
    "credits_pending": "sum of credits reserved and not yet resolved [base units]",
    "credits_posted": "sum of final credits [base units]",
}


def upgrade() -> None:
    """Create the tables, then the triggers that keep them append-only."""
    _create_journal()
    _create_lines()
    _create_posting()
    _create_accounts()
    if op.get_bind().dialect.name == "postgresql":
        _guard_postgresql()
    else:
        _guard_sqlite()
    op.execute(
        sa.text(
            "INSERT INTO ledger_head (shard, last_seq, last_hash) VALUES (1, 0, :genesis)"
        ).bindparams(sa.bindparam("genesis", bytes(32), sa.LargeBinary))
    )


def _is_postgresql() -> bool:
    return op.get_bind().dialect.name == "postgresql"


def _column(
    name: str, kind: "sa.types.TypeEngine[Any]", comment: str, **options: Any
) -> "sa.Column[Any]":
    return sa.Column(
        name, kind, comment=comment, nullable=options.pop("nullable", False), **options
    )


def _words(table: str, *names: str) -> list[sa.CheckConstraint]:
    return [
        sa.CheckConstraint(f"{name} IS NULL OR length({name}) = 32", name=f"{table}_{name}_length")
        for name in names
    ]


def _counter_columns() -> "list[sa.Column[Any]]":
    return [_column(name, COUNTER, comment) for name, comment in COUNTERS.items()]


def _counter_checks(table: str) -> list[sa.CheckConstraint]:
    if _is_postgresql():
        rules = {name: f"{name} >= 0 AND scale({name}) = 0" for name in COUNTERS}
    else:
        rules = {name: f"typeof({name}) = 'blob' AND length({name}) = 40" for name in COUNTERS}
    return [sa.CheckConstraint(rule, name=f"{table}_{name}") for name, rule in rules.items()]


def _create_journal() -> None:
    op.create_table(
        "ledger_head",
        _column("shard", SMALL, "always 1: one chain of entries", primary_key=True),
        _column("last_seq", BIG, "seq of the newest entry, 0 when there is none"),
        _column("last_hash", WORD, "hash of the newest entry, zeros when there is none"),
        sa.CheckConstraint("shard = 1", name="ledger_head_shard"),
        *_words("ledger_head", "last_hash"),
        comment="Numbers and chains entries; its row lock serialises posting",
    )
    op.create_table(
        "journal_entry",
        _column(
            "seq",
            BIG,
            "place in the journal, from 1, no gaps",
            primary_key=True,
            autoincrement=False,
        ),
        _column("entry_id", WORD, "id derived from rule and cause", unique=True),
        _column("kind", NAME, "rule that made the entry"),
        _column("cause", RAW, "event id or command id"),
        _column("phase", SMALL, "1 posted, 2 pending, 3 settles a pending, 4 voids a pending"),
        sa.Column(
            "resolves",
            WORD,
            sa.ForeignKey("journal_entry.entry_id"),
            unique=True,
            comment="entry id of the pending entry that this one ends",
        ),
        sa.Column(
            "reversal_of",
            WORD,
            sa.ForeignKey("journal_entry.entry_id"),
            unique=True,
            comment="entry id of the entry that this one cancels",
        ),
        _column("correlation_id", RAW, "what ties all work about one cause together"),
        _column("booked_at", BIG, "time of booking [Unix seconds, UTC]"),
        _column("postings_count", SMALL, "number of postings of the entry"),
        _column("entry_hash", WORD, "SHA-256 of the hash before and the record of the entry"),
        sa.CheckConstraint("seq >= 1", name="journal_entry_seq"),
        sa.CheckConstraint("phase BETWEEN 1 AND 4", name="journal_entry_phase"),
        sa.CheckConstraint(
            "(phase IN (3, 4)) = (resolves IS NOT NULL)", name="journal_entry_resolution"
        ),
        sa.CheckConstraint("postings_count >= 2", name="journal_entry_postings"),
        *_words("journal_entry", "entry_id", "resolves", "reversal_of", "entry_hash"),
        comment="Journal; append-only",
    )
    op.create_index("ix_journal_entry_cause", "journal_entry", ["cause"])
    op.create_index("ix_journal_entry_correlation_id", "journal_entry", ["correlation_id"])


def _create_lines() -> None:
    op.create_table(
        "ledger_line",
        _column("line_key", WORD, "SHA-256 of code, asset and chain", primary_key=True),
        _column("code", NAME, "account code of the chart"),
        _column("asset_id", NAME, "name of the asset"),
        _column("chain_id", NAME, "CAIP-2 name of the chain"),
        *_counter_columns(),
        _column("postings_count", BIG, "number of postings on the line"),
        sa.UniqueConstraint("code", "asset_id", "chain_id", name="ledger_line_names"),
        *_words("ledger_line", "line_key"),
        *_counter_checks("ledger_line"),
        comment="Accounts per asset and chain, with counters derived from the journal",
    )
    op.create_table(
        "line_checkpoint",
        _column("line_key", WORD, "line of the counters", primary_key=True),
        _column(
            "seq",
            BIG,
            "newest entry that the counters include",
            primary_key=True,
            autoincrement=False,
        ),
        *_counter_columns(),
        sa.ForeignKeyConstraint(["line_key"], ["ledger_line.line_key"]),
        *_words("line_checkpoint", "line_key"),
        *_counter_checks("line_checkpoint"),
        comment="Counters of a line as of an entry; append-only",
    )


def _create_posting() -> None:
    rule = f"units BETWEEN 1 AND {U256_MAX}"
    if not _is_postgresql():
        rule = "typeof(units) = 'blob' AND length(units) = 32 AND units > zeroblob(32)"
    op.create_table(
        "posting",
        _column("seq", BIG, "entry of the posting", primary_key=True, autoincrement=False),
        _column(
            "position", SMALL, "place in the entry, from 0", primary_key=True, autoincrement=False
        ),
        _column("line_key", WORD, "line that the posting moves"),
        _column("phase", SMALL, "phase of the entry"),
        _column("side", SMALL, "1 debit, 2 credit"),
        _column("units", UNITS, "1 to 2^256-1 [base units]"),
        sa.ForeignKeyConstraint(["seq"], ["journal_entry.seq"]),
        sa.ForeignKeyConstraint(["line_key"], ["ledger_line.line_key"]),
        sa.CheckConstraint("side IN (1, 2)", name="posting_side"),
        sa.CheckConstraint("position >= 0", name="posting_position"),
        sa.CheckConstraint(rule, name="posting_units"),
        *_words("posting", "line_key"),
        comment="Postings of the journal; append-only",
    )
    op.create_index("ix_posting_line_key_seq", "posting", ["line_key", "seq"])


def _create_accounts() -> None:
    op.create_table(
        "margin_account",
        _column("account", WORD, "account id, derived from opener and salt", primary_key=True),
        _column("opener", WORD, "address that opened it, left-padded"),
        _column("salt", WORD, "chosen by the opener"),
        _column("command_id", WORD, "signed command that opened it"),
        _column("opened_at", BIG, "time of opening [Unix seconds, UTC]"),
        *_words("margin_account", "account", "opener", "salt", "command_id"),
        comment="Margin accounts; append-only",
    )
    op.create_table(
        "account_owner",
        _column("account", WORD, "margin account", primary_key=True),
        _column(
            "chain_id", NAME, "CAIP-2 name of the chain that the owner is on", primary_key=True
        ),
        _column("owner", WORD, "address that may act for the account", primary_key=True),
        _column("command_id", WORD, "signed command that linked it"),
        _column("linked_at", BIG, "time of linking [Unix seconds, UTC]"),
        sa.ForeignKeyConstraint(["account"], ["margin_account.account"]),
        *_words("account_owner", "account", "owner", "command_id"),
        comment="Owners linked to margin accounts; append-only",
    )
    op.create_index("ix_account_owner_owner", "account_owner", ["owner"])


def _guard_postgresql() -> None:
    op.execute(
        """
        CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP;
        END $$
        """
    )
    for table in APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
    for table in ("ledger_head", "ledger_line"):
        op.execute(
            f"CREATE TRIGGER {table}_no_delete BEFORE DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
    # A trigger on UPDATE OF fires by the columns named in SET; posting never names these.
    op.execute(
        "CREATE TRIGGER ledger_line_names_fixed BEFORE UPDATE OF line_key, code, asset_id, "
        "chain_id ON ledger_line FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )
    op.execute(
        """
        CREATE FUNCTION check_postings() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE bad bigint;
        BEGIN
            SELECT i.seq INTO bad
            FROM inserted i LEFT JOIN ledger_line l USING (line_key)
            GROUP BY i.seq, l.asset_id, l.chain_id
            HAVING sum(CASE i.side WHEN 1 THEN i.units ELSE -i.units END) <> 0 LIMIT 1;
            IF FOUND THEN
                RAISE EXCEPTION 'postings of entry % do not sum to zero', bad;
            END IF;
            SELECT i.seq INTO bad
            FROM (SELECT seq, count(*) AS found, max(position) AS last, min(phase) AS low,
                  max(phase) AS high FROM inserted GROUP BY seq) i
            LEFT JOIN journal_entry e USING (seq)
            WHERE e.seq IS NULL OR e.postings_count <> i.found OR i.last <> i.found - 1
               OR i.low <> e.phase OR i.high <> e.phase LIMIT 1;
            IF FOUND THEN
                RAISE EXCEPTION 'postings of entry % are not all of it', bad;
            END IF;
            RETURN NULL;
        END $$
        """
    )
    op.execute(
        "CREATE TRIGGER posting_sum_zero AFTER INSERT ON posting REFERENCING NEW TABLE AS inserted "
        "FOR EACH STATEMENT EXECUTE FUNCTION check_postings()"
    )


def _guard_sqlite() -> None:
    for table in APPEND_ONLY:
        for change in ("UPDATE", "DELETE"):
            _refuse_sqlite(table, change, f"{table}_no_{change.lower()}")
    for table in ("ledger_head", "ledger_line"):
        _refuse_sqlite(table, "DELETE", f"{table}_no_delete")
    _refuse_sqlite(
        "ledger_line", "UPDATE OF line_key, code, asset_id, chain_id", "ledger_line_names_fixed"
    )
    # SQLite has no trigger per statement and cannot add 256-bit blobs, so sums are checked by the
    # code before and by the verifier after. What can be held here: an entry gets no posting
    # beyond its count, so nothing is ever added to an old one.
    op.execute(
        """
        CREATE TRIGGER posting_of_entry BEFORE INSERT ON posting
        WHEN NOT EXISTS (
            SELECT 1 FROM journal_entry e WHERE e.seq = NEW.seq AND e.phase = NEW.phase
            AND NEW.position < e.postings_count)
        BEGIN SELECT RAISE(ABORT, 'posting does not belong to its entry'); END
        """
    )


def _refuse_sqlite(table: str, change: str, trigger: str) -> None:
    reason = f"{table} is append-only: {change.partition(' ')[0]} refused"
    op.execute(
        f"CREATE TRIGGER {trigger} BEFORE {change} ON {table} "
        f"BEGIN SELECT RAISE(ABORT, '{reason}'); END"
    )

"""
Check the links of postings once per statement instead of once per row (PostgreSQL).

Two foreign keys cost four lookups for an entry of two postings, a third of what posting costs.
The trigger that adds the postings up joins both tables anyway, so it refuses a posting without
its entry or its line too; neither of them can be deleted or renumbered afterwards.
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

CHECK_POSTINGS = """
CREATE OR REPLACE FUNCTION check_postings() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE bad bigint;
BEGIN
    SELECT i.seq INTO bad
    FROM inserted i LEFT JOIN ledger_line l USING (line_key)
    GROUP BY i.seq, l.asset_id, l.chain_id
    HAVING sum(CASE i.side WHEN 1 THEN i.units ELSE -i.units END) <> 0
        OR count(l.asset_id) <> count(*) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'postings of entry % do not sum to zero, or name no line', bad;
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


def upgrade() -> None:
    """Let the trigger check what the foreign keys did; SQLite keeps its own."""
    if op.get_bind().dialect.name != "postgresql":
        return
    op.execute(CHECK_POSTINGS)
    op.execute("ALTER TABLE posting DROP CONSTRAINT posting_seq_fkey")
    op.execute("ALTER TABLE posting DROP CONSTRAINT posting_line_key_fkey")

-- What was asked of managed services for jobs of the queue. The intent is recorded before anything is sent, so that
-- whoever comes after a crash finds the query instead of paying for another one.
CREATE TABLE remote_queries (
    -- By which the service finds it.
    dedup_id     TEXT PRIMARY KEY CHECK (length(dedup_id) BETWEEN 1 AND 128),
    job_id       TEXT NOT NULL REFERENCES work_items (job_id),
    -- 0, or the number of the deliberate repetition, which is paid again.
    repetition   INTEGER NOT NULL CHECK (repetition >= 0),
    backend      TEXT NOT NULL CHECK (backend IN ('atlantic')),
    -- The size that was declared, in the service's words.
    size         TEXT NOT NULL,
    -- What it is expected to cost, in millionths of a US dollar.
    micro_usd    INTEGER NOT NULL CHECK (micro_usd >= 0),
    -- `refused`: the service certainly has nothing, and it may be sent again.
    state        TEXT NOT NULL CHECK (state IN ('intended', 'accepted', 'delivered', 'failed', 'refused')),
    query_id     TEXT,
    reason       TEXT,
    intended_at  TEXT NOT NULL,
    accepted_at  TEXT,
    concluded_at TEXT,
    UNIQUE (job_id, repetition),
    CHECK (state NOT IN ('accepted', 'delivered', 'failed') OR query_id IS NOT NULL),
    CHECK (state NOT IN ('intended', 'refused') OR query_id IS NULL),
    CHECK ((query_id IS NULL) = (accepted_at IS NULL))
) STRICT, WITHOUT ROWID;

CREATE TRIGGER remote_queries_identity
BEFORE UPDATE OF dedup_id, job_id, repetition, backend, size, micro_usd, intended_at ON remote_queries
BEGIN SELECT RAISE(ABORT, 'ashlar: what was asked of a service never changes'); END;

CREATE TRIGGER remote_queries_accepted BEFORE UPDATE ON remote_queries
WHEN OLD.query_id IS NOT NULL AND NEW.query_id IS NOT OLD.query_id
BEGIN SELECT RAISE(ABORT, 'ashlar: a query that a service accepted stays that query'); END;

CREATE TRIGGER remote_queries_terminal BEFORE UPDATE ON remote_queries
WHEN OLD.state IN ('delivered', 'failed')
BEGIN SELECT RAISE(ABORT, 'ashlar: a query that is over never changes'); END;

CREATE TRIGGER remote_queries_kept BEFORE DELETE ON remote_queries
BEGIN SELECT RAISE(ABORT, 'ashlar: a query is never deleted'); END;

-- What was set aside for a service that was never asked is given back to the day's budget.
ALTER TABLE commitments ADD COLUMN released_at TEXT;

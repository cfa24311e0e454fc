-- Allocation jobs of the queue whose proof is to be brought to the gate. The row is written with the proof, so that a
-- process that dies between the two cannot forget the visit. Without an execution that somebody configured, it waits.
CREATE TABLE gate_visits (
    job_id     TEXT PRIMARY KEY REFERENCES proof_jobs (id),
    -- When the next visit is due; none is due any more if empty.
    next_at    TEXT,
    visits     INTEGER NOT NULL DEFAULT 0 CHECK (visits >= 0),
    visited_at TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX gate_visits_due ON gate_visits (next_at) WHERE next_at IS NOT NULL;

CREATE TRIGGER gate_visits_kept BEFORE DELETE ON gate_visits
BEGIN SELECT RAISE(ABORT, 'ashlar: a visit to the gate is never deleted'); END;

INSERT INTO gate_visits (job_id, next_at)
SELECT id, updated_at FROM proof_jobs
WHERE purpose = 'allocation' AND proof_status = 'verified'
      AND EXISTS (SELECT 1 FROM work_items WHERE work_items.job_id = proof_jobs.id);

-- Work that waits long is raised, a step at a time.
ALTER TABLE work_items ADD COLUMN raised_at TEXT;

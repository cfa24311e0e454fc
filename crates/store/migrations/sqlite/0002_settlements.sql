-- Cancelling and retrying jobs; settlements of their proofs on chain.

-- A person's wish that the job's worker stop. It is a wish: the worker concludes the job.
ALTER TABLE proof_jobs ADD COLUMN cancel_requested_at TEXT;
-- What was asked for, as JSON: enough to ask for it again.
ALTER TABLE proof_jobs ADD COLUMN request TEXT;
-- The job that this one does over. A terminal job never changes, so doing it over is a job of its own.
ALTER TABLE proof_jobs ADD COLUMN retry_of TEXT REFERENCES proof_jobs (id);

CREATE UNIQUE INDEX proof_jobs_retried_once ON proof_jobs (retry_of) WHERE retry_of IS NOT NULL;

CREATE TRIGGER proof_jobs_retry BEFORE INSERT ON proof_jobs
WHEN NEW.retry_of IS NOT NULL
     AND NOT EXISTS (SELECT 1 FROM proof_jobs
                     WHERE id = NEW.retry_of AND proof_status IN ('failed', 'timeout', 'cancelled'))
BEGIN SELECT RAISE(ABORT, 'ashlar: only a job that ended without a proof is retried'); END;

CREATE TRIGGER proof_jobs_retry_once BEFORE INSERT ON proof_jobs
WHEN NEW.retry_of IS NOT NULL AND EXISTS (SELECT 1 FROM proof_jobs WHERE retry_of = NEW.retry_of)
BEGIN SELECT RAISE(ABORT, 'ashlar: a job is retried once; after that, its successor is'); END;

CREATE TRIGGER proof_jobs_origin BEFORE UPDATE OF request, retry_of ON proof_jobs
WHEN NEW.request IS NOT OLD.request OR NEW.retry_of IS NOT OLD.retry_of
BEGIN SELECT RAISE(ABORT, 'ashlar: what a job was asked for never changes'); END;

CREATE TRIGGER proof_jobs_cancel_request BEFORE UPDATE OF cancel_requested_at ON proof_jobs
WHEN OLD.cancel_requested_at IS NOT NULL AND NEW.cancel_requested_at IS NOT OLD.cancel_requested_at
BEGIN SELECT RAISE(ABORT, 'ashlar: a request to cancel is never withdrawn'); END;

CREATE TRIGGER proof_jobs_log_cancel_request AFTER UPDATE OF cancel_requested_at ON proof_jobs
WHEN NEW.cancel_requested_at IS NOT OLD.cancel_requested_at
BEGIN
    INSERT INTO job_events (job_id, at, event, detail) VALUES (NEW.id, NEW.cancel_requested_at, 'cancel', '{}');
END;

CREATE TRIGGER proof_jobs_log_retry AFTER INSERT ON proof_jobs
WHEN NEW.retry_of IS NOT NULL
BEGIN
    INSERT INTO job_events (job_id, at, event, detail)
    VALUES (NEW.retry_of, NEW.created_at, 'retry', json_object('by', NEW.id));
END;

-- A proof's way to a fact on chain, in one registry. It goes on after the job is terminal, in states of its own.
CREATE TABLE settlements (
    id               TEXT PRIMARY KEY CHECK (id GLOB 'stl_*' AND length(id) = 30),
    job_id           TEXT NOT NULL REFERENCES proof_jobs (id),
    fact_source      TEXT NOT NULL CHECK (fact_source IN ('integrity', 'satellite')),
    registry_address TEXT NOT NULL CHECK (registry_address GLOB '0x*' AND length(registry_address) = 66),
    verifier_config  TEXT NOT NULL,
    expected_fact    TEXT NOT NULL CHECK (expected_fact GLOB '0x*' AND length(expected_fact) = 66),
    observed_fact    TEXT,
    state            TEXT NOT NULL
        CHECK (state IN ('expected', 'submitted', 'l2_verified', 'l1_verified', 'failed')),
    l2_block_number  INTEGER CHECK (l2_block_number >= 0),
    l2_verified_at   TEXT,
    l1_verified_at   TEXT,
    error_text       TEXT,
    created_at       TEXT NOT NULL,
    updated_at       TEXT NOT NULL,
    UNIQUE (job_id, fact_source, registry_address),
    CHECK (state NOT IN ('l2_verified', 'l1_verified')
           OR (observed_fact IS expected_fact AND l2_verified_at IS NOT NULL AND l2_block_number IS NOT NULL)),
    CHECK ((state = 'l1_verified') = (l1_verified_at IS NOT NULL)),
    CHECK (state <> 'failed' OR error_text IS NOT NULL)
) STRICT;

CREATE TABLE settlement_state_steps (
    from_state TEXT NOT NULL,
    to_state   TEXT NOT NULL,
    PRIMARY KEY (from_state, to_state)
) STRICT, WITHOUT ROWID;

-- A fact may be found that somebody else registered; a block that L1 has not accepted may still disappear.
INSERT INTO settlement_state_steps (from_state, to_state) VALUES
    ('expected', 'submitted'), ('expected', 'l2_verified'), ('expected', 'failed'),
    ('submitted', 'l2_verified'), ('submitted', 'failed'),
    ('l2_verified', 'l1_verified'), ('l2_verified', 'failed');

CREATE TRIGGER settlements_of_verified_jobs BEFORE INSERT ON settlements
WHEN NOT EXISTS (SELECT 1 FROM proof_jobs WHERE id = NEW.job_id AND proof_status = 'verified')
BEGIN SELECT RAISE(ABORT, 'ashlar: only a verified proof is settled'); END;

CREATE TRIGGER settlements_start_expected BEFORE INSERT ON settlements
WHEN NEW.state <> 'expected' OR NEW.observed_fact IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'ashlar: a settlement starts as expected'); END;

CREATE TRIGGER settlements_terminal BEFORE UPDATE ON settlements
WHEN OLD.state IN ('l1_verified', 'failed')
BEGIN SELECT RAISE(ABORT, 'ashlar: a terminal settlement never changes'); END;

CREATE TRIGGER settlements_step BEFORE UPDATE OF state ON settlements
WHEN NEW.state <> OLD.state
     AND NOT EXISTS (SELECT 1 FROM settlement_state_steps WHERE from_state = OLD.state AND to_state = NEW.state)
BEGIN SELECT RAISE(ABORT, 'ashlar: no such step between settlement states'); END;

CREATE TRIGGER settlements_observation BEFORE UPDATE OF state ON settlements
WHEN NEW.state IN ('l2_verified', 'l1_verified') AND NEW.observed_fact IS NOT NEW.expected_fact
BEGIN SELECT RAISE(ABORT, 'ashlar: the observed fact is not the expected one'); END;

CREATE TRIGGER settlements_identity
BEFORE UPDATE OF id, job_id, fact_source, registry_address, verifier_config, expected_fact, created_at ON settlements
BEGIN SELECT RAISE(ABORT, 'ashlar: what a settlement expects never changes'); END;

CREATE TRIGGER settlements_kept BEFORE DELETE ON settlements
BEGIN SELECT RAISE(ABORT, 'ashlar: a settlement is never deleted'); END;

CREATE TRIGGER settlements_log_creation AFTER INSERT ON settlements
BEGIN
    INSERT INTO job_events (job_id, at, event, detail)
    VALUES (NEW.job_id, NEW.created_at, 'settlement', json_object('settlement', NEW.id, 'to', NEW.state));
END;

CREATE TRIGGER settlements_log_state AFTER UPDATE OF state ON settlements
WHEN NEW.state <> OLD.state
BEGIN
    INSERT INTO job_events (job_id, at, event, detail)
    VALUES (NEW.job_id, NEW.updated_at, 'settlement',
            json_object('settlement', NEW.id, 'from', OLD.state, 'to', NEW.state));
END;

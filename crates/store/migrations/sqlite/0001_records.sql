-- The records of Ashlar. What may never happen is forbidden here, so that it holds whatever program writes.
--
-- Times are RFC 3339 in UTC with milliseconds: text that sorts. Field elements are '0x' and 64 digits.

CREATE TABLE proof_jobs (
    id                TEXT PRIMARY KEY CHECK (id GLOB 'job_*' AND length(id) = 30),
    purpose           TEXT NOT NULL CHECK (purpose IN ('allocation', 'program')),
    program_hash      TEXT,
    input_commitment  TEXT,
    output            TEXT,
    fact_hash         TEXT,
    proof_source      TEXT NOT NULL
        CHECK (proof_source IN ('stone_local', 'stone_external', 'stwo', 'atlantic', 'luminair', 'mock')),
    proof_status      TEXT NOT NULL
        CHECK (proof_status IN ('queued', 'tracing', 'proving', 'submitted', 'verifying', 'verified', 'failed',
                                'timeout', 'cancelled')),
    stone_version     TEXT CHECK (stone_version IN ('stone5', 'stone6')),
    layout            TEXT,
    n_steps           INTEGER CHECK (n_steps > 0),
    parameters        TEXT,
    security_bits     INTEGER CHECK (security_bits >= 0),
    proven_bits       INTEGER CHECK (proven_bits >= 0),
    proof_hash        TEXT CHECK (length(proof_hash) = 64),
    stone_trace_size  INTEGER,
    stone_proof_size  INTEGER,
    stone_latency_ms  INTEGER,
    stage_times       TEXT,
    atlantic_query_id TEXT,
    dedup_id          TEXT,
    cost_estimate     TEXT,
    cost_actual       TEXT,
    attempts          INTEGER NOT NULL DEFAULT 1 CHECK (attempts >= 0),
    error_code        TEXT,
    error_text        TEXT,
    lease_until       TEXT,
    created_at        TEXT NOT NULL,
    updated_at        TEXT NOT NULL,
    CHECK (proof_status <> 'verified'
           OR (proof_hash IS NOT NULL AND program_hash IS NOT NULL AND output IS NOT NULL
               AND security_bits IS NOT NULL AND proof_source <> 'mock')),
    CHECK (proof_status <> 'failed' OR error_code IS NOT NULL)
) STRICT;

CREATE INDEX proof_jobs_by_status ON proof_jobs (proof_status, created_at);

-- The state machine: every pair (from, to) that may happen.
CREATE TABLE proof_status_steps (
    from_status TEXT NOT NULL,
    to_status   TEXT NOT NULL,
    PRIMARY KEY (from_status, to_status)
) STRICT, WITHOUT ROWID;

INSERT INTO proof_status_steps (from_status, to_status) VALUES
    ('queued', 'tracing'), ('queued', 'proving'), ('queued', 'submitted'), ('queued', 'verifying'),
    ('queued', 'failed'), ('queued', 'timeout'), ('queued', 'cancelled'),
    ('tracing', 'proving'), ('tracing', 'submitted'),
    ('tracing', 'failed'), ('tracing', 'timeout'), ('tracing', 'cancelled'),
    ('proving', 'verifying'), ('proving', 'failed'), ('proving', 'timeout'), ('proving', 'cancelled'),
    ('submitted', 'verifying'), ('submitted', 'failed'), ('submitted', 'timeout'), ('submitted', 'cancelled'),
    ('verifying', 'verified'), ('verifying', 'failed'), ('verifying', 'timeout'), ('verifying', 'cancelled');

CREATE TRIGGER proof_jobs_start_queued BEFORE INSERT ON proof_jobs
WHEN NEW.proof_status <> 'queued'
BEGIN SELECT RAISE(ABORT, 'ashlar: a job starts as queued'); END;

CREATE TRIGGER proof_jobs_terminal BEFORE UPDATE ON proof_jobs
WHEN OLD.proof_status IN ('verified', 'failed', 'timeout', 'cancelled')
BEGIN SELECT RAISE(ABORT, 'ashlar: a terminal job never changes'); END;

CREATE TRIGGER proof_jobs_step BEFORE UPDATE OF proof_status ON proof_jobs
WHEN NEW.proof_status <> OLD.proof_status
     AND NOT EXISTS (SELECT 1 FROM proof_status_steps
                     WHERE from_status = OLD.proof_status AND to_status = NEW.proof_status)
BEGIN SELECT RAISE(ABORT, 'ashlar: no such step between job states'); END;

CREATE TRIGGER proof_jobs_identity BEFORE UPDATE OF id, purpose, proof_source, created_at ON proof_jobs
WHEN NEW.id <> OLD.id OR NEW.purpose <> OLD.purpose OR NEW.proof_source <> OLD.proof_source
     OR NEW.created_at <> OLD.created_at
BEGIN SELECT RAISE(ABORT, 'ashlar: the identity of a job never changes'); END;

CREATE TRIGGER proof_jobs_kept BEFORE DELETE ON proof_jobs
BEGIN SELECT RAISE(ABORT, 'ashlar: a job is never deleted'); END;

-- What happened to a job, in order. Append-only.
CREATE TABLE job_events (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id TEXT NOT NULL REFERENCES proof_jobs (id),
    at     TEXT NOT NULL,
    event  TEXT NOT NULL,
    detail TEXT NOT NULL DEFAULT '{}'
) STRICT;

CREATE INDEX job_events_by_job ON job_events (job_id, id);

CREATE TRIGGER job_events_unchanged BEFORE UPDATE ON job_events
BEGIN SELECT RAISE(ABORT, 'ashlar: job events are append-only'); END;

CREATE TRIGGER job_events_kept BEFORE DELETE ON job_events
BEGIN SELECT RAISE(ABORT, 'ashlar: job events are append-only'); END;

-- Whoever changes a status leaves a trace of it.
CREATE TRIGGER proof_jobs_log_creation AFTER INSERT ON proof_jobs
BEGIN
    INSERT INTO job_events (job_id, at, event, detail)
    VALUES (NEW.id, NEW.created_at, 'status', json_object('to', NEW.proof_status));
END;

CREATE TRIGGER proof_jobs_log_status AFTER UPDATE OF proof_status ON proof_jobs
WHEN NEW.proof_status <> OLD.proof_status
BEGIN
    INSERT INTO job_events (job_id, at, event, detail)
    VALUES (NEW.id, NEW.updated_at, 'status',
            json_object('from', OLD.proof_status, 'to', NEW.proof_status, 'error_code', NEW.error_code));
END;

CREATE TABLE allocations (
    id             TEXT PRIMARY KEY CHECK (id GLOB 'alc_*' AND length(id) = 30),
    proposal       TEXT NOT NULL,
    proposal_id    TEXT NOT NULL UNIQUE CHECK (proposal_id GLOB '0x*' AND length(proposal_id) = 66),
    model_version  INTEGER NOT NULL,
    shares         TEXT NOT NULL,
    scores         TEXT NOT NULL,
    verdict        INTEGER NOT NULL CHECK (verdict BETWEEN 0 AND 6),
    proof_verified INTEGER NOT NULL DEFAULT 0 CHECK (proof_verified IN (0, 1)),
    executed       INTEGER NOT NULL DEFAULT 0 CHECK (executed IN (0, 1)),
    executed_at    TEXT,
    status         TEXT NOT NULL
        CHECK (status IN ('proposed', 'admitted', 'rejected', 'executing', 'executed', 'failed')),
    created_at     TEXT NOT NULL,
    updated_at     TEXT NOT NULL,
    CHECK ((status = 'executed') = (executed = 1)),
    CHECK (executed = 0 OR executed_at IS NOT NULL),
    CHECK (status NOT IN ('admitted', 'executing', 'executed', 'failed') OR (proof_verified = 1 AND verdict = 0))
) STRICT;

CREATE TABLE allocation_status_steps (
    from_status TEXT NOT NULL,
    to_status   TEXT NOT NULL,
    PRIMARY KEY (from_status, to_status)
) STRICT, WITHOUT ROWID;

INSERT INTO allocation_status_steps (from_status, to_status) VALUES
    ('proposed', 'admitted'), ('proposed', 'rejected'), ('proposed', 'executing'),
    ('admitted', 'executing'),
    ('executing', 'executed'), ('executing', 'failed');

CREATE TRIGGER allocations_start_proposed BEFORE INSERT ON allocations
WHEN NEW.status <> 'proposed' OR NEW.proof_verified <> 0
BEGIN SELECT RAISE(ABORT, 'ashlar: an allocation starts as proposed'); END;

CREATE TRIGGER allocations_terminal BEFORE UPDATE ON allocations
WHEN OLD.status IN ('rejected', 'executed', 'failed')
BEGIN SELECT RAISE(ABORT, 'ashlar: a terminal allocation never changes'); END;

CREATE TRIGGER allocations_step BEFORE UPDATE OF status ON allocations
WHEN NEW.status <> OLD.status
     AND NOT EXISTS (SELECT 1 FROM allocation_status_steps
                     WHERE from_status = OLD.status AND to_status = NEW.status)
BEGIN SELECT RAISE(ABORT, 'ashlar: no such step between allocation states'); END;

CREATE TRIGGER allocations_identity
BEFORE UPDATE OF id, proposal, proposal_id, model_version, shares, scores, verdict, created_at ON allocations
BEGIN SELECT RAISE(ABORT, 'ashlar: what was proposed never changes'); END;

CREATE TRIGGER allocations_kept BEFORE DELETE ON allocations
BEGIN SELECT RAISE(ABORT, 'ashlar: an allocation is never deleted'); END;

-- Which job proves which allocation, and where in the batch.
CREATE TABLE allocation_proofs (
    allocation_id TEXT NOT NULL REFERENCES allocations (id),
    job_id        TEXT NOT NULL REFERENCES proof_jobs (id),
    position      INTEGER NOT NULL CHECK (position >= 0),
    PRIMARY KEY (allocation_id, job_id),
    UNIQUE (job_id, position)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER allocation_proofs_unchanged BEFORE UPDATE ON allocation_proofs
BEGIN SELECT RAISE(ABORT, 'ashlar: a link between allocation and proof never changes'); END;

CREATE TRIGGER allocation_proofs_kept BEFORE DELETE ON allocation_proofs
BEGIN SELECT RAISE(ABORT, 'ashlar: a link between allocation and proof is never deleted'); END;

-- Files by content, and the job that made them.
CREATE TABLE artefacts (
    job_id     TEXT NOT NULL REFERENCES proof_jobs (id),
    kind       TEXT NOT NULL CHECK (kind IN ('proof', 'calldata', 'trace', 'pie', 'log')),
    sha256     TEXT NOT NULL CHECK (length(sha256) = 64),
    size       INTEGER NOT NULL CHECK (size >= 0),
    created_at TEXT NOT NULL,
    PRIMARY KEY (job_id, kind)
) STRICT, WITHOUT ROWID;

CREATE INDEX artefacts_by_sha256 ON artefacts (sha256);

CREATE TRIGGER artefacts_unchanged BEFORE UPDATE ON artefacts
BEGIN SELECT RAISE(ABORT, 'ashlar: an artefact row never changes'); END;

-- Intent before, outcome after. A proposal has at most one execution that is not a rehearsal.
CREATE TABLE executions (
    id              TEXT PRIMARY KEY CHECK (id GLOB 'exe_*' AND length(id) = 30),
    allocation_id   TEXT NOT NULL REFERENCES allocations (id),
    proposal_id     TEXT NOT NULL,
    adapter         TEXT NOT NULL,
    rehearsal       INTEGER NOT NULL CHECK (rehearsal IN (0, 1)),
    evidence_sha256 TEXT NOT NULL CHECK (length(evidence_sha256) = 64),
    body            TEXT NOT NULL,
    state           TEXT NOT NULL CHECK (state IN ('intended', 'in_doubt', 'performed', 'refused')),
    attempts        INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    lease_until     TEXT,
    intended_at     TEXT NOT NULL,
    concluded_at    TEXT,
    outcome         TEXT,
    CHECK ((state IN ('performed', 'refused')) = (concluded_at IS NOT NULL))
) STRICT;

CREATE UNIQUE INDEX executions_once ON executions (proposal_id) WHERE rehearsal = 0;
CREATE INDEX executions_by_allocation ON executions (allocation_id);

CREATE TRIGGER executions_terminal BEFORE UPDATE ON executions
WHEN OLD.state IN ('performed', 'refused')
BEGIN SELECT RAISE(ABORT, 'ashlar: a concluded execution never changes'); END;

CREATE TRIGGER executions_identity
BEFORE UPDATE OF id, allocation_id, proposal_id, adapter, rehearsal, evidence_sha256, body, intended_at
ON executions
BEGIN SELECT RAISE(ABORT, 'ashlar: the intent of an execution never changes'); END;

CREATE TRIGGER executions_kept BEFORE DELETE ON executions
BEGIN SELECT RAISE(ABORT, 'ashlar: an execution is never deleted'); END;

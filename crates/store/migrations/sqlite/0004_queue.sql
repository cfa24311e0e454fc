-- The queue: work that waits for a worker, the attempts at it, and who works.
--
-- A job of the queue has its lease here, in `work_items`, and never in `proof_jobs.lease_until`, which belongs to jobs
-- that one process records and proves by itself.

-- What a job of the queue waits for. One row a job; `done` exactly when the job is terminal.
CREATE TABLE work_items (
    job_id       TEXT PRIMARY KEY REFERENCES proof_jobs (id),
    lane         TEXT NOT NULL CHECK (lane IN ('prove.s', 'prove.m', 'prove.l', 'prove.external', 'remote.atlantic')),
    state        TEXT NOT NULL CHECK (state IN ('waiting', 'claimed', 'done')),
    priority     INTEGER NOT NULL CHECK (priority BETWEEN 0 AND 9),
    -- What the proof is predicted to need at its peak: a worker claims what fits into what it has.
    memory_bytes INTEGER NOT NULL CHECK (memory_bytes >= 0),
    not_before   TEXT NOT NULL,
    -- After this moment the job is a timeout, whatever it is doing.
    deadline     TEXT,
    -- How long one attempt may take.
    attempt_ms   INTEGER NOT NULL CHECK (attempt_ms > 0),
    -- Attempts that count, of at most so many. One that a draining worker gave back does not count.
    spent        INTEGER NOT NULL DEFAULT 0,
    budget       INTEGER NOT NULL CHECK (budget >= 1),
    -- Whoever shows this token holds the job.
    lease_token  TEXT,
    lease_until  TEXT,
    created_at   TEXT NOT NULL,
    updated_at   TEXT NOT NULL,
    CHECK (spent BETWEEN 0 AND budget),
    CHECK ((state = 'claimed') = (lease_token IS NOT NULL)),
    CHECK ((state = 'claimed') = (lease_until IS NOT NULL)),
    CHECK (state <> 'waiting' OR spent < budget)
) STRICT;

CREATE INDEX work_items_ready ON work_items (priority DESC, job_id) WHERE state = 'waiting';
CREATE INDEX work_items_leased ON work_items (lease_until) WHERE state = 'claimed';

CREATE TRIGGER work_items_start_waiting BEFORE INSERT ON work_items
WHEN NEW.state <> 'waiting' OR NEW.spent <> 0
BEGIN SELECT RAISE(ABORT, 'ashlar: work starts as waiting'); END;

CREATE TRIGGER work_items_terminal BEFORE UPDATE ON work_items
WHEN OLD.state = 'done'
BEGIN SELECT RAISE(ABORT, 'ashlar: work that is done never changes'); END;

CREATE TRIGGER work_items_done BEFORE UPDATE OF state ON work_items
WHEN NEW.state = 'done'
     AND NOT EXISTS (SELECT 1 FROM proof_jobs
                     WHERE id = NEW.job_id AND proof_status IN ('verified', 'failed', 'timeout', 'cancelled'))
BEGIN SELECT RAISE(ABORT, 'ashlar: work is done when its job is over'); END;

CREATE TRIGGER work_items_identity BEFORE UPDATE OF job_id, budget, deadline, created_at ON work_items
WHEN NEW.job_id <> OLD.job_id OR NEW.budget <> OLD.budget OR NEW.deadline IS NOT OLD.deadline
     OR NEW.created_at <> OLD.created_at
BEGIN SELECT RAISE(ABORT, 'ashlar: budget and deadline of work never change'); END;

CREATE TRIGGER work_items_kept BEFORE DELETE ON work_items
BEGIN SELECT RAISE(ABORT, 'ashlar: work is never deleted'); END;

-- Attempts at a job: counted when they are claimed, so that one that takes its process down counts too.
CREATE TABLE attempts (
    job_id            TEXT NOT NULL REFERENCES work_items (job_id),
    n                 INTEGER NOT NULL CHECK (n >= 1),
    lease_token       TEXT NOT NULL UNIQUE,
    worker            TEXT NOT NULL,
    backend           TEXT NOT NULL,
    memory_bytes      INTEGER NOT NULL CHECK (memory_bytes >= 0),
    started_at        TEXT NOT NULL,
    deadline          TEXT NOT NULL,
    renewed_at        TEXT NOT NULL,
    -- The last thing that was said about how far it is, as JSON.
    progress          TEXT,
    finished_at       TEXT,
    outcome           TEXT CHECK (outcome IN ('verified', 'failed', 'lost', 'released', 'cancelled')),
    failure_kind      TEXT
        CHECK (failure_kind IN ('program', 'input', 'configuration', 'capacity', 'time', 'backend', 'quota', 'crash', 'lost',
                                'mock')),
    error_code        TEXT,
    error_text        TEXT,
    peak_memory_bytes INTEGER CHECK (peak_memory_bytes >= 0),
    PRIMARY KEY (job_id, n),
    CHECK ((outcome IS NULL) = (finished_at IS NULL)),
    CHECK ((failure_kind IS NOT NULL) = (outcome IS 'failed' OR outcome IS 'lost'))
) STRICT, WITHOUT ROWID;

CREATE INDEX attempts_by_backend ON attempts (backend, finished_at);
CREATE UNIQUE INDEX attempts_one_open ON attempts (job_id) WHERE outcome IS NULL;

CREATE TRIGGER attempts_terminal BEFORE UPDATE ON attempts
WHEN OLD.outcome IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'ashlar: an attempt that is over never changes'); END;

CREATE TRIGGER attempts_identity
BEFORE UPDATE OF job_id, n, lease_token, worker, backend, memory_bytes, started_at, deadline ON attempts
BEGIN SELECT RAISE(ABORT, 'ashlar: the identity of an attempt never changes'); END;

CREATE TRIGGER attempts_kept BEFORE DELETE ON attempts
BEGIN SELECT RAISE(ABORT, 'ashlar: an attempt is never deleted'); END;

CREATE TRIGGER attempts_log_start AFTER INSERT ON attempts
BEGIN
    INSERT INTO job_events (job_id, at, event, detail)
    VALUES (NEW.job_id, NEW.started_at, 'attempt',
            json_object('n', NEW.n, 'worker', NEW.worker, 'backend', NEW.backend));
END;

CREATE TRIGGER attempts_log_end AFTER UPDATE OF outcome ON attempts
WHEN NEW.outcome IS NOT NULL
BEGIN
    INSERT INTO job_events (job_id, at, event, detail)
    VALUES (NEW.job_id, NEW.finished_at, 'attempt',
            json_object('n', NEW.n, 'outcome', NEW.outcome, 'failure_kind', NEW.failure_kind,
                        'error_code', NEW.error_code, 'error_text', NEW.error_text,
                        'peak_memory_bytes', NEW.peak_memory_bytes));
END;

-- A job of the queue may go back to the queue, and only there: when its work waits again.
INSERT INTO proof_status_steps (from_status, to_status) VALUES
    ('tracing', 'queued'), ('proving', 'queued'), ('submitted', 'queued'), ('verifying', 'queued');

CREATE TRIGGER proof_jobs_back_to_queue BEFORE UPDATE OF proof_status ON proof_jobs
WHEN NEW.proof_status = 'queued' AND OLD.proof_status <> 'queued'
     AND NOT EXISTS (SELECT 1 FROM work_items WHERE job_id = NEW.id AND state = 'waiting')
BEGIN SELECT RAISE(ABORT, 'ashlar: a job goes back to the queue when its work waits again'); END;

-- A process that knows nothing of the queue cannot take a job of the queue for its own.
CREATE TRIGGER proof_jobs_leased_elsewhere BEFORE UPDATE OF lease_until ON proof_jobs
WHEN NEW.lease_until IS NOT NULL AND EXISTS (SELECT 1 FROM work_items WHERE job_id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'ashlar: a job of the queue is held by its lease there'); END;

-- Whoever ends a job ends its work.
CREATE TRIGGER proof_jobs_end_work AFTER UPDATE OF proof_status ON proof_jobs
WHEN NEW.proof_status IN ('verified', 'failed', 'timeout', 'cancelled')
     AND EXISTS (SELECT 1 FROM work_items WHERE job_id = NEW.id)
BEGIN
    UPDATE attempts
    SET outcome = 'lost', failure_kind = 'lost', finished_at = NEW.updated_at
    WHERE job_id = NEW.id AND outcome IS NULL;
    UPDATE work_items
    SET state = 'done', lease_token = NULL, lease_until = NULL, updated_at = NEW.updated_at
    WHERE job_id = NEW.id;
END;

-- Who proves may change while a job of the queue waits or is being made elsewhere: the router falls back.
DROP TRIGGER proof_jobs_identity;

CREATE TRIGGER proof_jobs_identity BEFORE UPDATE OF id, purpose, proof_source, created_at ON proof_jobs
WHEN NEW.id <> OLD.id OR NEW.purpose <> OLD.purpose OR NEW.created_at <> OLD.created_at
     OR (NEW.proof_source <> OLD.proof_source
         AND NOT EXISTS (SELECT 1 FROM work_items WHERE job_id = OLD.id AND state = 'waiting'))
BEGIN SELECT RAISE(ABORT, 'ashlar: the identity of a job never changes'); END;

-- Which request a key stands for. The same key with another body is refused, for ever.
CREATE TABLE submissions (
    idempotency_key TEXT PRIMARY KEY CHECK (length(idempotency_key) BETWEEN 1 AND 300),
    body_sha256     TEXT NOT NULL CHECK (length(body_sha256) = 64),
    job_id          TEXT NOT NULL REFERENCES proof_jobs (id),
    created_at      TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TRIGGER submissions_unchanged BEFORE UPDATE ON submissions
BEGIN SELECT RAISE(ABORT, 'ashlar: what a key stands for never changes'); END;

CREATE TRIGGER submissions_kept BEFORE DELETE ON submissions
BEGIN SELECT RAISE(ABORT, 'ashlar: what a key stands for is never deleted'); END;

-- Files that a job is made from, by content.
CREATE TABLE work_inputs (
    job_id TEXT NOT NULL REFERENCES proof_jobs (id),
    role   TEXT NOT NULL CHECK (role IN ('program')),
    sha256 TEXT NOT NULL CHECK (length(sha256) = 64),
    size   INTEGER NOT NULL CHECK (size >= 0),
    PRIMARY KEY (job_id, role)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER work_inputs_unchanged BEFORE UPDATE ON work_inputs
BEGIN SELECT RAISE(ABORT, 'ashlar: what a job is made from never changes'); END;

-- Processes that take work. A name is a host and the moment of one start, never used again.
CREATE TABLE workers (
    name         TEXT PRIMARY KEY,
    started_at   TEXT NOT NULL,
    seen_at      TEXT NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('working', 'draining', 'stopped')),
    memory_bytes INTEGER NOT NULL CHECK (memory_bytes >= 0),
    lanes        TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- What was promised to others for a job, in millionths of a US dollar: the budget of a day is kept by it.
CREATE TABLE commitments (
    job_id       TEXT NOT NULL REFERENCES proof_jobs (id),
    n            INTEGER NOT NULL CHECK (n >= 1),
    backend      TEXT NOT NULL,
    micro_usd    INTEGER NOT NULL CHECK (micro_usd >= 0),
    committed_at TEXT NOT NULL,
    PRIMARY KEY (job_id, n)
) STRICT, WITHOUT ROWID;

CREATE INDEX commitments_by_time ON commitments (committed_at);

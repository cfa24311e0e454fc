-- The records, the queue and the keys on PostgreSQL: everything that SQLite has after its fifth migration, with the same
-- names, so that one set of statements serves both. What may never happen is forbidden here, so that it holds whatever
-- program writes.
--
-- Texts are compared byte by byte (COLLATE "C"), whatever the language of the database is: ids and times are text that
-- sorts. Truth values are 0 and 1.
--
-- Several writers work at once. Where a rule looks at another row, either that row never changes any more, or it was
-- written by the same change, or the rule locks it.

CREATE FUNCTION ashlar_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'ashlar: %', TG_ARGV[0];
END
$$;

CREATE TABLE proof_jobs (
    id                TEXT COLLATE "C" PRIMARY KEY CHECK (starts_with(id, 'job_') AND length(id) = 30),
    purpose           TEXT COLLATE "C" NOT NULL CHECK (purpose IN ('allocation', 'program')),
    program_hash      TEXT COLLATE "C",
    input_commitment  TEXT COLLATE "C",
    output            TEXT COLLATE "C",
    fact_hash         TEXT COLLATE "C",
    proof_source      TEXT COLLATE "C" NOT NULL
        CHECK (proof_source IN ('stone_local', 'stone_external', 'stwo', 'atlantic', 'luminair', 'mock')),
    proof_status      TEXT COLLATE "C" NOT NULL
        CHECK (proof_status IN ('queued', 'tracing', 'proving', 'submitted', 'verifying', 'verified', 'failed',
                                'timeout', 'cancelled')),
    stone_version     TEXT COLLATE "C" CHECK (stone_version IN ('stone5', 'stone6')),
    layout            TEXT COLLATE "C",
    n_steps           BIGINT CHECK (n_steps > 0),
    parameters        TEXT COLLATE "C",
    security_bits     BIGINT CHECK (security_bits >= 0),
    proven_bits       BIGINT CHECK (proven_bits >= 0),
    proof_hash        TEXT COLLATE "C" CHECK (length(proof_hash) = 64),
    stone_trace_size  BIGINT,
    stone_proof_size  BIGINT,
    stone_latency_ms  BIGINT,
    stage_times       TEXT COLLATE "C",
    atlantic_query_id TEXT COLLATE "C",
    dedup_id          TEXT COLLATE "C",
    cost_estimate     TEXT COLLATE "C",
    cost_actual       TEXT COLLATE "C",
    attempts          BIGINT NOT NULL DEFAULT 1 CHECK (attempts >= 0),
    error_code        TEXT COLLATE "C",
    error_text        TEXT COLLATE "C",
    lease_until       TEXT COLLATE "C",
    created_at        TEXT COLLATE "C" NOT NULL,
    updated_at        TEXT COLLATE "C" NOT NULL,
    -- A person's wish that the job's worker stop. It is a wish: the worker concludes the job.
    cancel_requested_at TEXT COLLATE "C",
    -- What was asked for, as JSON: enough to ask for it again.
    request           TEXT COLLATE "C",
    -- The job that this one does over. A terminal job never changes, so doing it over is a job of its own.
    retry_of          TEXT COLLATE "C" REFERENCES proof_jobs (id),
    CHECK (proof_status <> 'verified'
           OR (proof_hash IS NOT NULL AND program_hash IS NOT NULL AND output IS NOT NULL
               AND security_bits IS NOT NULL AND proof_source <> 'mock')),
    CHECK (proof_status <> 'failed' OR error_code IS NOT NULL)
);

CREATE INDEX proof_jobs_by_status ON proof_jobs (proof_status, created_at);
-- Two that do the same job over at once both pass the trigger below; one of them does not pass this.
CREATE UNIQUE INDEX proof_jobs_retried_once ON proof_jobs (retry_of) WHERE retry_of IS NOT NULL;

-- The state machine: every pair (from, to) that may happen.
CREATE TABLE proof_status_steps (
    from_status TEXT COLLATE "C" NOT NULL,
    to_status   TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (from_status, to_status)
);

-- The last line is for jobs of the queue, which may go back to the queue, and only there: when their work waits again.
INSERT INTO proof_status_steps (from_status, to_status) VALUES
    ('queued', 'tracing'), ('queued', 'proving'), ('queued', 'submitted'), ('queued', 'verifying'),
    ('queued', 'failed'), ('queued', 'timeout'), ('queued', 'cancelled'),
    ('tracing', 'proving'), ('tracing', 'submitted'),
    ('tracing', 'failed'), ('tracing', 'timeout'), ('tracing', 'cancelled'),
    ('proving', 'verifying'), ('proving', 'failed'), ('proving', 'timeout'), ('proving', 'cancelled'),
    ('submitted', 'verifying'), ('submitted', 'failed'), ('submitted', 'timeout'), ('submitted', 'cancelled'),
    ('verifying', 'verified'), ('verifying', 'failed'), ('verifying', 'timeout'), ('verifying', 'cancelled'),
    ('tracing', 'queued'), ('proving', 'queued'), ('submitted', 'queued'), ('verifying', 'queued');

CREATE TRIGGER proof_jobs_start_queued BEFORE INSERT ON proof_jobs
FOR EACH ROW WHEN (NEW.proof_status <> 'queued')
EXECUTE FUNCTION ashlar_refuse('a job starts as queued');

CREATE TRIGGER proof_jobs_terminal BEFORE UPDATE ON proof_jobs
FOR EACH ROW WHEN (OLD.proof_status IN ('verified', 'failed', 'timeout', 'cancelled'))
EXECUTE FUNCTION ashlar_refuse('a terminal job never changes');

CREATE FUNCTION proof_jobs_step() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM proof_status_steps
                   WHERE from_status = OLD.proof_status AND to_status = NEW.proof_status) THEN
        RAISE EXCEPTION 'ashlar: no such step between job states';
    END IF;
    -- Whoever changes a job of the queue holds its work: an attempt that begins at this moment is waited for, and seen.
    PERFORM 1 FROM work_items WHERE job_id = NEW.id FOR NO KEY UPDATE;
    IF NEW.proof_status = 'queued'
       AND NOT EXISTS (SELECT 1 FROM work_items WHERE job_id = NEW.id AND state = 'waiting') THEN
        RAISE EXCEPTION 'ashlar: a job goes back to the queue when its work waits again';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER proof_jobs_step BEFORE UPDATE OF proof_status ON proof_jobs
FOR EACH ROW WHEN (NEW.proof_status <> OLD.proof_status)
EXECUTE FUNCTION proof_jobs_step();

CREATE TRIGGER proof_jobs_identity BEFORE UPDATE OF id, purpose, created_at ON proof_jobs
FOR EACH ROW WHEN (NEW.id <> OLD.id OR NEW.purpose <> OLD.purpose OR NEW.created_at <> OLD.created_at)
EXECUTE FUNCTION ashlar_refuse('the identity of a job never changes');

-- Who proves may change while a job of the queue waits or is being made elsewhere: the router falls back.
CREATE FUNCTION proof_jobs_source() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM work_items WHERE job_id = OLD.id AND state = 'waiting') THEN
        RAISE EXCEPTION 'ashlar: the identity of a job never changes';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER proof_jobs_source BEFORE UPDATE OF proof_source ON proof_jobs
FOR EACH ROW WHEN (NEW.proof_source <> OLD.proof_source)
EXECUTE FUNCTION proof_jobs_source();

CREATE TRIGGER proof_jobs_kept BEFORE DELETE ON proof_jobs FOR EACH ROW EXECUTE FUNCTION ashlar_refuse('a job is never deleted');
CREATE TRIGGER proof_jobs_kept_whole BEFORE TRUNCATE ON proof_jobs EXECUTE FUNCTION ashlar_refuse('a job is never deleted');

CREATE FUNCTION proof_jobs_retry() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM proof_jobs
                   WHERE id = NEW.retry_of AND proof_status IN ('failed', 'timeout', 'cancelled')) THEN
        RAISE EXCEPTION 'ashlar: only a job that ended without a proof is retried';
    END IF;
    IF EXISTS (SELECT 1 FROM proof_jobs WHERE retry_of = NEW.retry_of) THEN
        RAISE EXCEPTION 'ashlar: a job is retried once; after that, its successor is';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER proof_jobs_retry BEFORE INSERT ON proof_jobs
FOR EACH ROW WHEN (NEW.retry_of IS NOT NULL)
EXECUTE FUNCTION proof_jobs_retry();

CREATE TRIGGER proof_jobs_origin BEFORE UPDATE OF request, retry_of ON proof_jobs
FOR EACH ROW WHEN (NEW.request IS DISTINCT FROM OLD.request OR NEW.retry_of IS DISTINCT FROM OLD.retry_of)
EXECUTE FUNCTION ashlar_refuse('what a job was asked for never changes');

CREATE TRIGGER proof_jobs_cancel_request BEFORE UPDATE OF cancel_requested_at ON proof_jobs
FOR EACH ROW WHEN (OLD.cancel_requested_at IS NOT NULL AND NEW.cancel_requested_at IS DISTINCT FROM OLD.cancel_requested_at)
EXECUTE FUNCTION ashlar_refuse('a request to cancel is never withdrawn');

-- A process that knows nothing of the queue cannot take a job of the queue for its own.
CREATE FUNCTION proof_jobs_leased_elsewhere() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM work_items WHERE job_id = NEW.id) THEN
        RAISE EXCEPTION 'ashlar: a job of the queue is held by its lease there';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER proof_jobs_leased_elsewhere BEFORE UPDATE OF lease_until ON proof_jobs
FOR EACH ROW WHEN (NEW.lease_until IS NOT NULL)
EXECUTE FUNCTION proof_jobs_leased_elsewhere();

-- What happened to a job, in order. Append-only.
CREATE TABLE job_events (
    draft  BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- Given when the change that wrote the event commits, in the order of commits: a reader that has seen a number
    -- has seen every smaller one.
    id     BIGINT UNIQUE CHECK (id > 0),
    job_id TEXT COLLATE "C" NOT NULL REFERENCES proof_jobs (id),
    at     TEXT COLLATE "C" NOT NULL,
    event  TEXT COLLATE "C" NOT NULL,
    detail TEXT COLLATE "C" NOT NULL DEFAULT '{}'
);

CREATE INDEX job_events_by_job ON job_events (job_id, id);

CREATE TRIGGER job_events_start_unnumbered BEFORE INSERT ON job_events
FOR EACH ROW WHEN (NEW.id IS NOT NULL)
EXECUTE FUNCTION ashlar_refuse('an event is numbered when it is committed');

CREATE TRIGGER job_events_unchanged BEFORE UPDATE ON job_events
FOR EACH ROW WHEN (OLD.id IS NOT NULL OR NEW.id IS NULL
                   OR (NEW.draft, NEW.job_id, NEW.at, NEW.event, NEW.detail)
                      IS DISTINCT FROM (OLD.draft, OLD.job_id, OLD.at, OLD.event, OLD.detail))
EXECUTE FUNCTION ashlar_refuse('job events are append-only');

CREATE TRIGGER job_events_kept BEFORE DELETE ON job_events FOR EACH ROW EXECUTE FUNCTION ashlar_refuse('job events are append-only');
CREATE TRIGGER job_events_kept_whole BEFORE TRUNCATE ON job_events EXECUTE FUNCTION ashlar_refuse('job events are append-only');

-- The last number given. Its one row is locked from there to the end of the commit, when a change needs no other lock any
-- more; so the numbers are in the order of commits, and nobody waits for somebody who waits for them.
CREATE TABLE job_event_numbers (
    one  BIGINT PRIMARY KEY CHECK (one = 1),
    last BIGINT NOT NULL
);

INSERT INTO job_event_numbers (one, last) VALUES (1, 0);

CREATE TRIGGER job_event_numbers_kept BEFORE DELETE ON job_event_numbers FOR EACH ROW EXECUTE FUNCTION ashlar_refuse('job events are append-only');
CREATE TRIGGER job_event_numbers_kept_whole BEFORE TRUNCATE ON job_event_numbers EXECUTE FUNCTION ashlar_refuse('job events are append-only');

CREATE FUNCTION job_events_number() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    number BIGINT;
BEGIN
    UPDATE job_event_numbers SET last = last + 1 RETURNING last INTO number;
    UPDATE job_events SET id = number WHERE draft = NEW.draft;
    RETURN NULL;
END
$$;

CREATE CONSTRAINT TRIGGER job_events_number AFTER INSERT ON job_events DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION job_events_number();

-- Whoever changes a status leaves a trace of it.
CREATE FUNCTION proof_jobs_log_creation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO job_events (job_id, at, event, detail)
    VALUES (NEW.id, NEW.created_at, 'status', json_build_object('to', NEW.proof_status)::text);
    IF NEW.retry_of IS NOT NULL THEN
        INSERT INTO job_events (job_id, at, event, detail)
        VALUES (NEW.retry_of, NEW.created_at, 'retry', json_build_object('by', NEW.id)::text);
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER proof_jobs_log_creation AFTER INSERT ON proof_jobs
FOR EACH ROW EXECUTE FUNCTION proof_jobs_log_creation();

CREATE FUNCTION proof_jobs_log_status() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO job_events (job_id, at, event, detail)
    VALUES (NEW.id, NEW.updated_at, 'status',
            json_build_object('from', OLD.proof_status, 'to', NEW.proof_status, 'error_code', NEW.error_code)::text);
    RETURN NULL;
END
$$;

CREATE TRIGGER proof_jobs_log_status AFTER UPDATE OF proof_status ON proof_jobs
FOR EACH ROW WHEN (NEW.proof_status <> OLD.proof_status)
EXECUTE FUNCTION proof_jobs_log_status();

CREATE FUNCTION proof_jobs_log_cancel_request() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO job_events (job_id, at, event, detail) VALUES (NEW.id, NEW.cancel_requested_at, 'cancel', '{}');
    RETURN NULL;
END
$$;

CREATE TRIGGER proof_jobs_log_cancel_request AFTER UPDATE OF cancel_requested_at ON proof_jobs
FOR EACH ROW WHEN (NEW.cancel_requested_at IS DISTINCT FROM OLD.cancel_requested_at)
EXECUTE FUNCTION proof_jobs_log_cancel_request();

CREATE TABLE allocations (
    id             TEXT COLLATE "C" PRIMARY KEY CHECK (starts_with(id, 'alc_') AND length(id) = 30),
    proposal       TEXT COLLATE "C" NOT NULL,
    proposal_id    TEXT COLLATE "C" NOT NULL UNIQUE CHECK (starts_with(proposal_id, '0x') AND length(proposal_id) = 66),
    model_version  BIGINT NOT NULL,
    shares         TEXT COLLATE "C" NOT NULL,
    scores         TEXT COLLATE "C" NOT NULL,
    verdict        BIGINT NOT NULL CHECK (verdict BETWEEN 0 AND 6),
    proof_verified BIGINT NOT NULL DEFAULT 0 CHECK (proof_verified IN (0, 1)),
    executed       BIGINT NOT NULL DEFAULT 0 CHECK (executed IN (0, 1)),
    executed_at    TEXT COLLATE "C",
    status         TEXT COLLATE "C" NOT NULL
        CHECK (status IN ('proposed', 'admitted', 'rejected', 'executing', 'executed', 'failed')),
    created_at     TEXT COLLATE "C" NOT NULL,
    updated_at     TEXT COLLATE "C" NOT NULL,
    CHECK ((status = 'executed') = (executed = 1)),
    CHECK (executed = 0 OR executed_at IS NOT NULL),
    CHECK (status NOT IN ('admitted', 'executing', 'executed', 'failed') OR (proof_verified = 1 AND verdict = 0))
);

CREATE TABLE allocation_status_steps (
    from_status TEXT COLLATE "C" NOT NULL,
    to_status   TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (from_status, to_status)
);

INSERT INTO allocation_status_steps (from_status, to_status) VALUES
    ('proposed', 'admitted'), ('proposed', 'rejected'), ('proposed', 'executing'),
    ('admitted', 'executing'),
    ('executing', 'executed'), ('executing', 'failed');

CREATE TRIGGER allocations_start_proposed BEFORE INSERT ON allocations
FOR EACH ROW WHEN (NEW.status <> 'proposed' OR NEW.proof_verified <> 0)
EXECUTE FUNCTION ashlar_refuse('an allocation starts as proposed');

CREATE TRIGGER allocations_terminal BEFORE UPDATE ON allocations
FOR EACH ROW WHEN (OLD.status IN ('rejected', 'executed', 'failed'))
EXECUTE FUNCTION ashlar_refuse('a terminal allocation never changes');

CREATE FUNCTION allocations_step() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM allocation_status_steps
                   WHERE from_status = OLD.status AND to_status = NEW.status) THEN
        RAISE EXCEPTION 'ashlar: no such step between allocation states';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER allocations_step BEFORE UPDATE OF status ON allocations
FOR EACH ROW WHEN (NEW.status <> OLD.status)
EXECUTE FUNCTION allocations_step();

CREATE TRIGGER allocations_identity BEFORE UPDATE OF id, proposal, proposal_id, model_version, shares, scores, verdict, created_at ON allocations
FOR EACH ROW
EXECUTE FUNCTION ashlar_refuse('what was proposed never changes');

CREATE TRIGGER allocations_kept BEFORE DELETE ON allocations FOR EACH ROW EXECUTE FUNCTION ashlar_refuse('an allocation is never deleted');
CREATE TRIGGER allocations_kept_whole BEFORE TRUNCATE ON allocations EXECUTE FUNCTION ashlar_refuse('an allocation is never deleted');

-- Which job proves which allocation, and where in the batch.
CREATE TABLE allocation_proofs (
    allocation_id TEXT COLLATE "C" NOT NULL REFERENCES allocations (id),
    job_id        TEXT COLLATE "C" NOT NULL REFERENCES proof_jobs (id),
    position      BIGINT NOT NULL CHECK (position >= 0),
    PRIMARY KEY (allocation_id, job_id),
    UNIQUE (job_id, position)
);

CREATE TRIGGER allocation_proofs_unchanged BEFORE UPDATE ON allocation_proofs
FOR EACH ROW
EXECUTE FUNCTION ashlar_refuse('a link between allocation and proof never changes');

CREATE TRIGGER allocation_proofs_kept BEFORE DELETE ON allocation_proofs FOR EACH ROW EXECUTE FUNCTION ashlar_refuse('a link between allocation and proof is never deleted');
CREATE TRIGGER allocation_proofs_kept_whole BEFORE TRUNCATE ON allocation_proofs EXECUTE FUNCTION ashlar_refuse('a link between allocation and proof is never deleted');

-- Files by content, and the job that made them.
CREATE TABLE artefacts (
    job_id     TEXT COLLATE "C" NOT NULL REFERENCES proof_jobs (id),
    kind       TEXT COLLATE "C" NOT NULL CHECK (kind IN ('proof', 'calldata', 'trace', 'pie', 'log')),
    sha256     TEXT COLLATE "C" NOT NULL CHECK (length(sha256) = 64),
    size       BIGINT NOT NULL CHECK (size >= 0),
    created_at TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (job_id, kind)
);

CREATE INDEX artefacts_by_sha256 ON artefacts (sha256);

CREATE TRIGGER artefacts_unchanged BEFORE UPDATE ON artefacts
FOR EACH ROW
EXECUTE FUNCTION ashlar_refuse('an artefact row never changes');

-- Intent before, outcome after. A proposal has at most one execution that is not a rehearsal.
CREATE TABLE executions (
    id              TEXT COLLATE "C" PRIMARY KEY CHECK (starts_with(id, 'exe_') AND length(id) = 30),
    allocation_id   TEXT COLLATE "C" NOT NULL REFERENCES allocations (id),
    proposal_id     TEXT COLLATE "C" NOT NULL,
    adapter         TEXT COLLATE "C" NOT NULL,
    -- Where it was begun towards: it is never continued towards another place, which would not recognise its key.
    destination     TEXT COLLATE "C" NOT NULL DEFAULT '',
    rehearsal       BIGINT NOT NULL CHECK (rehearsal IN (0, 1)),
    evidence_sha256 TEXT COLLATE "C" NOT NULL CHECK (length(evidence_sha256) = 64),
    body            TEXT COLLATE "C" NOT NULL,
    state           TEXT COLLATE "C" NOT NULL CHECK (state IN ('intended', 'in_doubt', 'performed', 'refused')),
    attempts        BIGINT NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    lease_until     TEXT COLLATE "C",
    intended_at     TEXT COLLATE "C" NOT NULL,
    concluded_at    TEXT COLLATE "C",
    outcome         TEXT COLLATE "C",
    CHECK ((state IN ('performed', 'refused')) = (concluded_at IS NOT NULL))
);

CREATE UNIQUE INDEX executions_once ON executions (proposal_id) WHERE rehearsal = 0;
CREATE INDEX executions_by_allocation ON executions (allocation_id);

CREATE TRIGGER executions_terminal BEFORE UPDATE ON executions
FOR EACH ROW WHEN (OLD.state IN ('performed', 'refused'))
EXECUTE FUNCTION ashlar_refuse('a concluded execution never changes');

CREATE TRIGGER executions_identity BEFORE UPDATE OF id, allocation_id, proposal_id, adapter, destination, rehearsal, evidence_sha256, body, intended_at ON executions
FOR EACH ROW
EXECUTE FUNCTION ashlar_refuse('the intent of an execution never changes');

CREATE TRIGGER executions_kept BEFORE DELETE ON executions FOR EACH ROW EXECUTE FUNCTION ashlar_refuse('an execution is never deleted');
CREATE TRIGGER executions_kept_whole BEFORE TRUNCATE ON executions EXECUTE FUNCTION ashlar_refuse('an execution is never deleted');

-- A proof's way to a fact on chain, in one registry. It goes on after the job is terminal, in states of its own.
CREATE TABLE settlements (
    id               TEXT COLLATE "C" PRIMARY KEY CHECK (starts_with(id, 'stl_') AND length(id) = 30),
    job_id           TEXT COLLATE "C" NOT NULL REFERENCES proof_jobs (id),
    fact_source      TEXT COLLATE "C" NOT NULL CHECK (fact_source IN ('integrity', 'satellite')),
    registry_address TEXT COLLATE "C" NOT NULL CHECK (starts_with(registry_address, '0x') AND length(registry_address) = 66),
    verifier_config  TEXT COLLATE "C" NOT NULL,
    expected_fact    TEXT COLLATE "C" NOT NULL CHECK (starts_with(expected_fact, '0x') AND length(expected_fact) = 66),
    observed_fact    TEXT COLLATE "C",
    state            TEXT COLLATE "C" NOT NULL
        CHECK (state IN ('expected', 'submitted', 'l2_verified', 'l1_verified', 'failed')),
    l2_block_number  BIGINT CHECK (l2_block_number >= 0),
    l2_verified_at   TEXT COLLATE "C",
    l1_verified_at   TEXT COLLATE "C",
    error_text       TEXT COLLATE "C",
    created_at       TEXT COLLATE "C" NOT NULL,
    updated_at       TEXT COLLATE "C" NOT NULL,
    UNIQUE (job_id, fact_source, registry_address),
    CHECK (state NOT IN ('l2_verified', 'l1_verified')
           OR (observed_fact IS NOT DISTINCT FROM expected_fact AND l2_verified_at IS NOT NULL AND l2_block_number IS NOT NULL)),
    CHECK ((state = 'l1_verified') = (l1_verified_at IS NOT NULL)),
    CHECK (state <> 'failed' OR error_text IS NOT NULL)
);

CREATE TABLE settlement_state_steps (
    from_state TEXT COLLATE "C" NOT NULL,
    to_state   TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (from_state, to_state)
);

-- A fact may be found that somebody else registered; a block that L1 has not accepted may still disappear.
INSERT INTO settlement_state_steps (from_state, to_state) VALUES
    ('expected', 'submitted'), ('expected', 'l2_verified'), ('expected', 'failed'),
    ('submitted', 'l2_verified'), ('submitted', 'failed'),
    ('l2_verified', 'l1_verified'), ('l2_verified', 'failed');

CREATE FUNCTION settlements_of_verified_jobs() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM proof_jobs WHERE id = NEW.job_id AND proof_status = 'verified') THEN
        RAISE EXCEPTION 'ashlar: only a verified proof is settled';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER settlements_of_verified_jobs BEFORE INSERT ON settlements
FOR EACH ROW EXECUTE FUNCTION settlements_of_verified_jobs();

CREATE TRIGGER settlements_start_expected BEFORE INSERT ON settlements
FOR EACH ROW WHEN (NEW.state <> 'expected' OR NEW.observed_fact IS NOT NULL)
EXECUTE FUNCTION ashlar_refuse('a settlement starts as expected');

CREATE TRIGGER settlements_terminal BEFORE UPDATE ON settlements
FOR EACH ROW WHEN (OLD.state IN ('l1_verified', 'failed'))
EXECUTE FUNCTION ashlar_refuse('a terminal settlement never changes');

CREATE FUNCTION settlements_step() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM settlement_state_steps
                   WHERE from_state = OLD.state AND to_state = NEW.state) THEN
        RAISE EXCEPTION 'ashlar: no such step between settlement states';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER settlements_step BEFORE UPDATE OF state ON settlements
FOR EACH ROW WHEN (NEW.state <> OLD.state)
EXECUTE FUNCTION settlements_step();

CREATE TRIGGER settlements_observation BEFORE UPDATE OF state ON settlements
FOR EACH ROW WHEN (NEW.state IN ('l2_verified', 'l1_verified') AND NEW.observed_fact IS DISTINCT FROM NEW.expected_fact)
EXECUTE FUNCTION ashlar_refuse('the observed fact is not the expected one');

CREATE TRIGGER settlements_identity BEFORE UPDATE OF id, job_id, fact_source, registry_address, verifier_config, expected_fact, created_at ON settlements
FOR EACH ROW
EXECUTE FUNCTION ashlar_refuse('what a settlement expects never changes');

CREATE TRIGGER settlements_kept BEFORE DELETE ON settlements FOR EACH ROW EXECUTE FUNCTION ashlar_refuse('a settlement is never deleted');
CREATE TRIGGER settlements_kept_whole BEFORE TRUNCATE ON settlements EXECUTE FUNCTION ashlar_refuse('a settlement is never deleted');

CREATE FUNCTION settlements_log() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO job_events (job_id, at, event, detail)
    VALUES (NEW.job_id, NEW.updated_at, 'settlement',
            CASE TG_OP
                WHEN 'INSERT' THEN json_build_object('settlement', NEW.id, 'to', NEW.state)
                ELSE json_build_object('settlement', NEW.id, 'from', OLD.state, 'to', NEW.state)
            END::text);
    RETURN NULL;
END
$$;

CREATE TRIGGER settlements_log_creation AFTER INSERT ON settlements
FOR EACH ROW EXECUTE FUNCTION settlements_log();

CREATE TRIGGER settlements_log_state AFTER UPDATE OF state ON settlements
FOR EACH ROW WHEN (NEW.state <> OLD.state)
EXECUTE FUNCTION settlements_log();

-- What a job of the queue waits for. One row a job; `done` exactly when the job is terminal.
CREATE TABLE work_items (
    job_id       TEXT COLLATE "C" PRIMARY KEY REFERENCES proof_jobs (id),
    lane         TEXT COLLATE "C" NOT NULL CHECK (lane IN ('prove.s', 'prove.m', 'prove.l', 'prove.external', 'remote.atlantic')),
    state        TEXT COLLATE "C" NOT NULL CHECK (state IN ('waiting', 'claimed', 'done')),
    priority     BIGINT NOT NULL CHECK (priority BETWEEN 0 AND 9),
    -- What the proof is predicted to need at its peak: a worker claims what fits into what it has.
    memory_bytes BIGINT NOT NULL CHECK (memory_bytes >= 0),
    not_before   TEXT COLLATE "C" NOT NULL,
    -- After this moment the job is a timeout, whatever it is doing.
    deadline     TEXT COLLATE "C",
    -- How long one attempt may take.
    attempt_ms   BIGINT NOT NULL CHECK (attempt_ms > 0),
    -- Attempts that count, of at most so many. One that a draining worker gave back does not count.
    spent        BIGINT NOT NULL DEFAULT 0,
    budget       BIGINT NOT NULL CHECK (budget >= 1),
    -- Whoever shows this token holds the job.
    lease_token  TEXT COLLATE "C",
    lease_until  TEXT COLLATE "C",
    created_at   TEXT COLLATE "C" NOT NULL,
    updated_at   TEXT COLLATE "C" NOT NULL,
    CHECK (spent BETWEEN 0 AND budget),
    CHECK ((state = 'claimed') = (lease_token IS NOT NULL)),
    CHECK ((state = 'claimed') = (lease_until IS NOT NULL)),
    CHECK (state <> 'waiting' OR spent < budget)
);

CREATE INDEX work_items_ready ON work_items (priority DESC, job_id) WHERE state = 'waiting';
CREATE INDEX work_items_leased ON work_items (lease_until) WHERE state = 'claimed';

CREATE TRIGGER work_items_start_waiting BEFORE INSERT ON work_items
FOR EACH ROW WHEN (NEW.state <> 'waiting' OR NEW.spent <> 0)
EXECUTE FUNCTION ashlar_refuse('work starts as waiting');

CREATE TRIGGER work_items_terminal BEFORE UPDATE ON work_items
FOR EACH ROW WHEN (OLD.state = 'done')
EXECUTE FUNCTION ashlar_refuse('work that is done never changes');

CREATE FUNCTION work_items_done() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM proof_jobs
                   WHERE id = NEW.job_id AND proof_status IN ('verified', 'failed', 'timeout', 'cancelled')) THEN
        RAISE EXCEPTION 'ashlar: work is done when its job is over';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER work_items_done BEFORE UPDATE OF state ON work_items
FOR EACH ROW WHEN (NEW.state = 'done')
EXECUTE FUNCTION work_items_done();

CREATE TRIGGER work_items_identity BEFORE UPDATE OF job_id, budget, deadline, created_at ON work_items
FOR EACH ROW WHEN (NEW.job_id <> OLD.job_id OR NEW.budget <> OLD.budget OR NEW.deadline IS DISTINCT FROM OLD.deadline
                   OR NEW.created_at <> OLD.created_at)
EXECUTE FUNCTION ashlar_refuse('budget and deadline of work never change');

CREATE TRIGGER work_items_kept BEFORE DELETE ON work_items FOR EACH ROW EXECUTE FUNCTION ashlar_refuse('work is never deleted');
CREATE TRIGGER work_items_kept_whole BEFORE TRUNCATE ON work_items EXECUTE FUNCTION ashlar_refuse('work is never deleted');

-- Attempts at a job: counted when they are claimed, so that one that takes its process down counts too.
CREATE TABLE attempts (
    job_id            TEXT COLLATE "C" NOT NULL REFERENCES work_items (job_id),
    n                 BIGINT NOT NULL CHECK (n >= 1),
    lease_token       TEXT COLLATE "C" NOT NULL UNIQUE,
    worker            TEXT COLLATE "C" NOT NULL,
    backend           TEXT COLLATE "C" NOT NULL,
    memory_bytes      BIGINT NOT NULL CHECK (memory_bytes >= 0),
    started_at        TEXT COLLATE "C" NOT NULL,
    deadline          TEXT COLLATE "C" NOT NULL,
    renewed_at        TEXT COLLATE "C" NOT NULL,
    -- The last thing that was said about how far it is, as JSON.
    progress          TEXT COLLATE "C",
    finished_at       TEXT COLLATE "C",
    outcome           TEXT COLLATE "C" CHECK (outcome IN ('verified', 'failed', 'lost', 'released', 'cancelled')),
    failure_kind      TEXT COLLATE "C"
        CHECK (failure_kind IN ('program', 'input', 'configuration', 'capacity', 'time', 'backend', 'quota', 'crash', 'lost',
                                'mock')),
    error_code        TEXT COLLATE "C",
    error_text        TEXT COLLATE "C",
    peak_memory_bytes BIGINT CHECK (peak_memory_bytes >= 0),
    PRIMARY KEY (job_id, n),
    CHECK ((outcome IS NULL) = (finished_at IS NULL)),
    CHECK ((failure_kind IS NOT NULL) = (outcome IS NOT DISTINCT FROM 'failed' OR outcome IS NOT DISTINCT FROM 'lost'))
);

CREATE INDEX attempts_by_backend ON attempts (backend, finished_at);
CREATE UNIQUE INDEX attempts_one_open ON attempts (job_id) WHERE outcome IS NULL;

CREATE TRIGGER attempts_terminal BEFORE UPDATE ON attempts
FOR EACH ROW WHEN (OLD.outcome IS NOT NULL)
EXECUTE FUNCTION ashlar_refuse('an attempt that is over never changes');

CREATE TRIGGER attempts_identity BEFORE UPDATE OF job_id, n, lease_token, worker, backend, memory_bytes, started_at, deadline ON attempts
FOR EACH ROW
EXECUTE FUNCTION ashlar_refuse('the identity of an attempt never changes');

CREATE TRIGGER attempts_kept BEFORE DELETE ON attempts FOR EACH ROW EXECUTE FUNCTION ashlar_refuse('an attempt is never deleted');
CREATE TRIGGER attempts_kept_whole BEFORE TRUNCATE ON attempts EXECUTE FUNCTION ashlar_refuse('an attempt is never deleted');

CREATE FUNCTION attempts_log_start() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO job_events (job_id, at, event, detail)
    VALUES (NEW.job_id, NEW.started_at, 'attempt',
            json_build_object('n', NEW.n, 'worker', NEW.worker, 'backend', NEW.backend)::text);
    RETURN NULL;
END
$$;

CREATE TRIGGER attempts_log_start AFTER INSERT ON attempts
FOR EACH ROW EXECUTE FUNCTION attempts_log_start();

CREATE FUNCTION attempts_log_end() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO job_events (job_id, at, event, detail)
    VALUES (NEW.job_id, NEW.finished_at, 'attempt',
            json_build_object('n', NEW.n, 'outcome', NEW.outcome, 'failure_kind', NEW.failure_kind,
                              'error_code', NEW.error_code, 'error_text', NEW.error_text,
                              'peak_memory_bytes', NEW.peak_memory_bytes)::text);
    RETURN NULL;
END
$$;

CREATE TRIGGER attempts_log_end AFTER UPDATE OF outcome ON attempts
FOR EACH ROW WHEN (NEW.outcome IS NOT NULL)
EXECUTE FUNCTION attempts_log_end();

-- Whoever ends a job ends its work, which is locked since the job's step was found to be one.
CREATE FUNCTION proof_jobs_end_work() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE attempts
    SET outcome = 'lost', failure_kind = 'lost', finished_at = NEW.updated_at
    WHERE job_id = NEW.id AND outcome IS NULL;
    UPDATE work_items
    SET state = 'done', lease_token = NULL, lease_until = NULL, updated_at = NEW.updated_at
    WHERE job_id = NEW.id;
    RETURN NULL;
END
$$;

CREATE TRIGGER proof_jobs_end_work AFTER UPDATE OF proof_status ON proof_jobs
FOR EACH ROW WHEN (NEW.proof_status IN ('verified', 'failed', 'timeout', 'cancelled'))
EXECUTE FUNCTION proof_jobs_end_work();

-- Which request a key stands for. The same key with another body is refused, for ever.
CREATE TABLE submissions (
    idempotency_key TEXT COLLATE "C" PRIMARY KEY CHECK (length(idempotency_key) BETWEEN 1 AND 300),
    body_sha256     TEXT COLLATE "C" NOT NULL CHECK (length(body_sha256) = 64),
    job_id          TEXT COLLATE "C" NOT NULL REFERENCES proof_jobs (id),
    created_at      TEXT COLLATE "C" NOT NULL
);

CREATE TRIGGER submissions_unchanged BEFORE UPDATE ON submissions
FOR EACH ROW
EXECUTE FUNCTION ashlar_refuse('what a key stands for never changes');

CREATE TRIGGER submissions_kept BEFORE DELETE ON submissions FOR EACH ROW EXECUTE FUNCTION ashlar_refuse('what a key stands for is never deleted');
CREATE TRIGGER submissions_kept_whole BEFORE TRUNCATE ON submissions EXECUTE FUNCTION ashlar_refuse('what a key stands for is never deleted');

-- Files that a job is made from, by content.
CREATE TABLE work_inputs (
    job_id TEXT COLLATE "C" NOT NULL REFERENCES proof_jobs (id),
    role   TEXT COLLATE "C" NOT NULL CHECK (role IN ('program')),
    sha256 TEXT COLLATE "C" NOT NULL CHECK (length(sha256) = 64),
    size   BIGINT NOT NULL CHECK (size >= 0),
    PRIMARY KEY (job_id, role)
);

CREATE TRIGGER work_inputs_unchanged BEFORE UPDATE ON work_inputs
FOR EACH ROW
EXECUTE FUNCTION ashlar_refuse('what a job is made from never changes');

-- Processes that take work. A name is a host and the moment of one start, never used again.
CREATE TABLE workers (
    name         TEXT COLLATE "C" PRIMARY KEY,
    started_at   TEXT COLLATE "C" NOT NULL,
    seen_at      TEXT COLLATE "C" NOT NULL,
    state        TEXT COLLATE "C" NOT NULL CHECK (state IN ('working', 'draining', 'stopped')),
    memory_bytes BIGINT NOT NULL CHECK (memory_bytes >= 0),
    lanes        TEXT COLLATE "C" NOT NULL
);

-- What was promised to others for a job, in millionths of a US dollar: the budget of a day is kept by it.
CREATE TABLE commitments (
    job_id       TEXT COLLATE "C" NOT NULL REFERENCES proof_jobs (id),
    n            BIGINT NOT NULL CHECK (n >= 1),
    backend      TEXT COLLATE "C" NOT NULL,
    micro_usd    BIGINT NOT NULL CHECK (micro_usd >= 0),
    committed_at TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (job_id, n)
);

CREATE INDEX commitments_by_time ON commitments (committed_at);

-- The secret itself is nowhere: only its SHA-256 is kept.
CREATE TABLE api_keys (
    id         TEXT COLLATE "C" PRIMARY KEY CHECK (starts_with(id, 'key_') AND length(id) = 30),
    name       TEXT COLLATE "C" NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    sha256     TEXT COLLATE "C" NOT NULL UNIQUE CHECK (length(sha256) = 64),
    -- Words, separated by commas.
    scopes     TEXT COLLATE "C" NOT NULL CHECK (length(scopes) > 0),
    reach      TEXT COLLATE "C" NOT NULL CHECK (reach IN ('own', 'all')),
    created_at TEXT COLLATE "C" NOT NULL,
    revoked_at TEXT COLLATE "C"
);

CREATE INDEX api_keys_by_hash ON api_keys (substr(sha256, 1, 8));

CREATE TRIGGER api_keys_identity BEFORE UPDATE OF id, name, sha256, scopes, reach, created_at ON api_keys
FOR EACH ROW
EXECUTE FUNCTION ashlar_refuse('what a key may do never changes');

CREATE TRIGGER api_keys_revoked BEFORE UPDATE OF revoked_at ON api_keys
FOR EACH ROW WHEN (OLD.revoked_at IS NOT NULL)
EXECUTE FUNCTION ashlar_refuse('a revoked key stays revoked');

CREATE TRIGGER api_keys_kept BEFORE DELETE ON api_keys FOR EACH ROW EXECUTE FUNCTION ashlar_refuse('a key is never deleted, it is revoked');
CREATE TRIGGER api_keys_kept_whole BEFORE TRUNCATE ON api_keys EXECUTE FUNCTION ashlar_refuse('a key is never deleted, it is revoked');

-- The jobs that a key of reach 'own' has submitted. Two keys that asked for the same job reach it both.
CREATE TABLE job_reach (
    job_id TEXT COLLATE "C" NOT NULL REFERENCES proof_jobs (id),
    key_id TEXT COLLATE "C" NOT NULL REFERENCES api_keys (id),
    PRIMARY KEY (key_id, job_id)
);

CREATE TRIGGER job_reach_unchanged BEFORE UPDATE ON job_reach
FOR EACH ROW
EXECUTE FUNCTION ashlar_refuse('who asked for a job never changes');

CREATE TRIGGER job_reach_kept BEFORE DELETE ON job_reach FOR EACH ROW EXECUTE FUNCTION ashlar_refuse('who asked for a job never changes');
CREATE TRIGGER job_reach_kept_whole BEFORE TRUNCATE ON job_reach EXECUTE FUNCTION ashlar_refuse('who asked for a job never changes');

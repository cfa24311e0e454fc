-- Keys of the HTTP API, and which jobs a key reaches.

-- The secret itself is nowhere: only its SHA-256 is kept.
CREATE TABLE api_keys (
    id         TEXT PRIMARY KEY CHECK (id GLOB 'key_*' AND length(id) = 30),
    name       TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    sha256     TEXT NOT NULL UNIQUE CHECK (length(sha256) = 64),
    -- Words, separated by commas.
    scopes     TEXT NOT NULL CHECK (length(scopes) > 0),
    reach      TEXT NOT NULL CHECK (reach IN ('own', 'all')),
    created_at TEXT NOT NULL,
    revoked_at TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX api_keys_by_hash ON api_keys (substr(sha256, 1, 8));

CREATE TRIGGER api_keys_identity BEFORE UPDATE OF id, name, sha256, scopes, reach, created_at ON api_keys
BEGIN SELECT RAISE(ABORT, 'ashlar: what a key may do never changes'); END;

CREATE TRIGGER api_keys_revoked BEFORE UPDATE OF revoked_at ON api_keys
WHEN OLD.revoked_at IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'ashlar: a revoked key stays revoked'); END;

CREATE TRIGGER api_keys_kept BEFORE DELETE ON api_keys
BEGIN SELECT RAISE(ABORT, 'ashlar: a key is never deleted, it is revoked'); END;

-- The jobs that a key of reach 'own' has submitted. Two keys that asked for the same job reach it both.
CREATE TABLE job_reach (
    job_id TEXT NOT NULL REFERENCES proof_jobs (id),
    key_id TEXT NOT NULL REFERENCES api_keys (id),
    PRIMARY KEY (key_id, job_id)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER job_reach_unchanged BEFORE UPDATE ON job_reach
BEGIN SELECT RAISE(ABORT, 'ashlar: who asked for a job never changes'); END;

CREATE TRIGGER job_reach_kept BEFORE DELETE ON job_reach
BEGIN SELECT RAISE(ABORT, 'ashlar: who asked for a job never changes'); END;

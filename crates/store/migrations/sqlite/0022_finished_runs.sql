-- A job may be made from two files: a bootloader, which is the program, and the finished run that it runs once more.
CREATE TABLE work_inputs_widened (
    job_id TEXT NOT NULL REFERENCES proof_jobs (id),
    role   TEXT NOT NULL CHECK (role IN ('program', 'finished_run')),
    sha256 TEXT NOT NULL CHECK (length(sha256) = 64),
    size   INTEGER NOT NULL CHECK (size >= 0),
    PRIMARY KEY (job_id, role)
) STRICT, WITHOUT ROWID;

INSERT INTO work_inputs_widened (job_id, role, sha256, size) SELECT job_id, role, sha256, size FROM work_inputs;

DROP TABLE work_inputs;

ALTER TABLE work_inputs_widened RENAME TO work_inputs;

CREATE TRIGGER work_inputs_unchanged BEFORE UPDATE ON work_inputs
BEGIN SELECT RAISE(ABORT, 'ashlar: what a job is made from never changes'); END;

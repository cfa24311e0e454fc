-- Where an execution was begun towards: it is never continued towards another place, which would not recognise its key.

ALTER TABLE executions ADD COLUMN destination TEXT NOT NULL DEFAULT '';

DROP TRIGGER executions_identity;

CREATE TRIGGER executions_identity
BEFORE UPDATE OF id, allocation_id, proposal_id, adapter, destination, rehearsal, evidence_sha256, body, intended_at
ON executions
BEGIN SELECT RAISE(ABORT, 'ashlar: the intent of an execution never changes'); END;

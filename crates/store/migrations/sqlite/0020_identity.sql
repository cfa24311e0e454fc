-- Who these records are, for what they share with others: a bucket of artefacts says whose it is, so that nobody takes
-- the artefacts of others for orphans. A copy of the records keeps the name.
CREATE TABLE records_identity (
    single INTEGER PRIMARY KEY CHECK (single = 1),
    id     TEXT NOT NULL CHECK (id GLOB 'rec_*' AND length(id) = 30)
) STRICT;

CREATE TRIGGER records_identity_unchanged BEFORE UPDATE ON records_identity
BEGIN SELECT RAISE(ABORT, 'ashlar: who the records are never changes'); END;

CREATE TRIGGER records_identity_kept BEFORE DELETE ON records_identity
BEGIN SELECT RAISE(ABORT, 'ashlar: who the records are never changes'); END;

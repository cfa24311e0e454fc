-- Who these records are, for what they share with others: a bucket of artefacts says whose it is, so that nobody takes
-- the artefacts of others for orphans. A copy of the records keeps the name.
CREATE TABLE records_identity (
    single BIGINT PRIMARY KEY CHECK (single = 1),
    id     TEXT COLLATE "C" NOT NULL CHECK (id LIKE 'rec\_%' AND length(id) = 30)
);

CREATE TRIGGER records_identity_unchanged BEFORE UPDATE OR DELETE ON records_identity
FOR EACH ROW EXECUTE FUNCTION ashlar_refuse('who the records are never changes');
CREATE TRIGGER records_identity_kept_whole BEFORE TRUNCATE ON records_identity
EXECUTE FUNCTION ashlar_refuse('who the records are never changes');

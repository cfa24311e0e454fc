-- That somebody said that there may be news of a query, and when. It is a reason for whoever waits for the query to look,
-- and says nothing else.
ALTER TABLE remote_queries ADD COLUMN hinted_at TEXT;

-- A hint comes with the service's id of the query.
CREATE INDEX remote_queries_by_query ON remote_queries (query_id) WHERE state = 'accepted';

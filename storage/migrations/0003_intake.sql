-- How fast events may come with a key: so many in so many seconds, and so many at once; NULL is the server's default.
ALTER TABLE ingest_keys ADD COLUMN rate_events BIGINT;
ALTER TABLE ingest_keys ADD COLUMN rate_seconds BIGINT;
ALTER TABLE ingest_keys ADD COLUMN rate_burst BIGINT;
-- What a project lets in: `part` is `limits`, `quotas` or `filters`, each one JSON object. What nobody changed has no row.
CREATE TABLE intake (
    project_id BIGINT NOT NULL REFERENCES projects (id), part TEXT NOT NULL, body TEXT NOT NULL, version BIGINT NOT NULL,
    PRIMARY KEY (project_id, part)
);
-- What counts to quotas: events stored per day (since 1970, UTC) and category, by the server that counted them.
CREATE TABLE quota_days (
    project_id BIGINT NOT NULL, day BIGINT NOT NULL, category TEXT NOT NULL, node_id TEXT NOT NULL, events BIGINT NOT NULL,
    PRIMARY KEY (project_id, day, category, node_id)
);
CREATE INDEX quota_days_old ON quota_days (day);
-- Events stored per hour (since 1970, UTC), from which it is learnt what is usual in a project.
CREATE TABLE project_hours (
    project_id BIGINT NOT NULL, hour BIGINT NOT NULL, events BIGINT NOT NULL, PRIMARY KEY (project_id, hour)
);
CREATE INDEX project_hours_old ON project_hours (hour);

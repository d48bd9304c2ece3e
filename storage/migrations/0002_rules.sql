-- What projects decide for their events; every version is kept. `kind` is `scrub` (JSON) or `grouping` (lines of rules).
CREATE TABLE project_rules (
    project_id BIGINT NOT NULL REFERENCES projects (id), kind TEXT NOT NULL, version BIGINT NOT NULL, body TEXT NOT NULL,
    changed_at BIGINT NOT NULL, changed_by TEXT NOT NULL, PRIMARY KEY (project_id, kind, version)
);
-- What grouping history anew decided of hashes: the issue of one that no event has yet, and (`settled` 1) that no other hash goes
-- on with the issue of this one.
CREATE TABLE regrouped (
    project_id BIGINT NOT NULL, hash BIGINT NOT NULL, leads_to BIGINT REFERENCES issues (id), settled BIGINT NOT NULL,
    PRIMARY KEY (project_id, hash)
);
CREATE INDEX groups_version ON groups (project_id, grouping_version);

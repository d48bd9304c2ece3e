-- Everything Tephra knows besides events. One text for SQLite and PostgreSQL: BIGINT and TEXT only; times are
-- microseconds UTC, flags 0 or 1, 64-bit hashes are stored as the signed number with the same bits.

CREATE TABLE sequences (name TEXT PRIMARY KEY, last BIGINT NOT NULL);

CREATE TABLE organisation (
    id BIGINT PRIMARY KEY, name TEXT NOT NULL, second_factor_required BIGINT NOT NULL, created_at BIGINT NOT NULL,
    version BIGINT NOT NULL
);

-- People ------------------------------------------------------------------------------------------------------------
CREATE TABLE users (
    id TEXT PRIMARY KEY, email TEXT NOT NULL UNIQUE, name TEXT NOT NULL, role TEXT NOT NULL,
    password TEXT, password_changed_at BIGINT, password_once BIGINT NOT NULL, disabled BIGINT NOT NULL,
    totp_secret TEXT, totp_since BIGINT, totp_step BIGINT NOT NULL,
    created_at BIGINT NOT NULL, seen_at BIGINT, version BIGINT NOT NULL
);
CREATE TABLE recovery_codes (
    user_id TEXT NOT NULL REFERENCES users (id), hash TEXT NOT NULL, used_at BIGINT, PRIMARY KEY (user_id, hash)
);
CREATE TABLE identities (
    issuer TEXT NOT NULL, subject TEXT NOT NULL, user_id TEXT NOT NULL REFERENCES users (id), created_at BIGINT NOT NULL,
    PRIMARY KEY (issuer, subject)
);
CREATE TABLE sessions (
    hash TEXT PRIMARY KEY, id TEXT NOT NULL UNIQUE, user_id TEXT NOT NULL REFERENCES users (id), csrf TEXT NOT NULL,
    created_at BIGINT NOT NULL, rotated_at BIGINT NOT NULL, seen_at BIGINT NOT NULL, expires_at BIGINT NOT NULL,
    previous_hash TEXT, second_factor BIGINT NOT NULL, address TEXT NOT NULL, agent TEXT NOT NULL
);
CREATE INDEX sessions_of_user ON sessions (user_id);
CREATE INDEX sessions_previous ON sessions (previous_hash);
-- Links by mail: a forgotten password, an invitation.
CREATE TABLE resets (
    hash TEXT PRIMARY KEY, user_id TEXT NOT NULL REFERENCES users (id), purpose TEXT NOT NULL, created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL, used_at BIGINT
);
CREATE TABLE teams (
    id TEXT PRIMARY KEY, slug TEXT NOT NULL UNIQUE, name TEXT NOT NULL, created_at BIGINT NOT NULL, version BIGINT NOT NULL
);
CREATE TABLE team_members (
    team_id TEXT NOT NULL REFERENCES teams (id), user_id TEXT NOT NULL REFERENCES users (id), PRIMARY KEY (team_id, user_id)
);

-- Projects and what reaches them -------------------------------------------------------------------------------------
CREATE TABLE projects (
    id BIGINT PRIMARY KEY, slug TEXT NOT NULL UNIQUE, name TEXT NOT NULL, platform TEXT, retention_days BIGINT NOT NULL,
    created_at BIGINT NOT NULL, deleted_at BIGINT, version BIGINT NOT NULL
);
CREATE TABLE project_roles (
    project_id BIGINT NOT NULL REFERENCES projects (id), user_id TEXT NOT NULL REFERENCES users (id), role TEXT NOT NULL,
    PRIMARY KEY (project_id, user_id)
);
CREATE TABLE team_roles (
    project_id BIGINT NOT NULL REFERENCES projects (id), team_id TEXT NOT NULL REFERENCES teams (id), role TEXT NOT NULL,
    PRIMARY KEY (project_id, team_id)
);
-- Ingest keys are public by nature (they stand in web pages), so their text is kept and the DSN can be shown again.
CREATE TABLE ingest_keys (
    id TEXT PRIMARY KEY, project_id BIGINT NOT NULL REFERENCES projects (id), name TEXT NOT NULL, secret TEXT NOT NULL UNIQUE,
    created_at BIGINT NOT NULL, created_by TEXT NOT NULL, disabled_at BIGINT, revoked_at BIGINT, used_at BIGINT,
    version BIGINT NOT NULL
);
-- `projects` and `verbs` are lists parted by spaces; `*` is all that the owner reaches.
CREATE TABLE tokens (
    id TEXT PRIMARY KEY, user_id TEXT REFERENCES users (id), name TEXT NOT NULL, hash TEXT NOT NULL, projects TEXT NOT NULL,
    verbs TEXT NOT NULL, created_at BIGINT NOT NULL, created_by TEXT NOT NULL, expires_at BIGINT, revoked_at BIGINT,
    used_at BIGINT
);

-- Issues ------------------------------------------------------------------------------------------------------------
CREATE TABLE issues (
    id BIGINT PRIMARY KEY, project_id BIGINT NOT NULL REFERENCES projects (id), number BIGINT NOT NULL,
    title TEXT NOT NULL, culprit TEXT NOT NULL, kind TEXT NOT NULL, level TEXT NOT NULL, platform TEXT NOT NULL,
    logger TEXT NOT NULL,
    -- unresolved, resolved, archived; and why: new, ongoing, regressed, escalating; now, release, next_release; forever, until,
    -- events. `changed_at` is when it came into its state.
    state TEXT NOT NULL, reason TEXT NOT NULL, resolved_in TEXT, archived_until BIGINT, archived_events BIGINT,
    assigned_user TEXT REFERENCES users (id), assigned_team TEXT REFERENCES teams (id),
    first_seen BIGINT NOT NULL, last_seen BIGINT NOT NULL, events BIGINT NOT NULL, users BIGINT NOT NULL,
    first_release TEXT, last_release TEXT,
    -- The issue this one was merged into; its groups moved there and remember this one as their home.
    merged_into BIGINT REFERENCES issues (id),
    created_at BIGINT NOT NULL, changed_at BIGINT NOT NULL, version BIGINT NOT NULL,
    UNIQUE (project_id, number)
);
CREATE INDEX issues_last_seen ON issues (project_id, state, last_seen);
CREATE INDEX issues_first_seen ON issues (project_id, state, first_seen);
CREATE INDEX issues_events ON issues (project_id, state, events);
CREATE INDEX issues_users ON issues (project_id, state, users);
CREATE TABLE groups (
    project_id BIGINT NOT NULL, hash BIGINT NOT NULL, issue_id BIGINT NOT NULL REFERENCES issues (id),
    home_id BIGINT NOT NULL REFERENCES issues (id), first_seen BIGINT NOT NULL, last_seen BIGINT NOT NULL,
    events BIGINT NOT NULL, users TEXT NOT NULL, level TEXT NOT NULL, first_release TEXT, last_release TEXT,
    grouping_version BIGINT NOT NULL,
    PRIMARY KEY (project_id, hash)
);
CREATE INDEX groups_of_issue ON groups (issue_id);
CREATE TABLE group_hours (
    project_id BIGINT NOT NULL, hash BIGINT NOT NULL, hour BIGINT NOT NULL, events BIGINT NOT NULL,
    PRIMARY KEY (project_id, hash, hour)
);
CREATE INDEX group_hours_old ON group_hours (hour);
-- Up to which hot batch of a node the events are counted.
CREATE TABLE counted (node_id TEXT PRIMARY KEY, sequence BIGINT NOT NULL);
CREATE TABLE issue_history (
    id TEXT PRIMARY KEY, issue_id BIGINT NOT NULL REFERENCES issues (id), at BIGINT NOT NULL, who TEXT NOT NULL,
    what TEXT NOT NULL, detail TEXT NOT NULL
);
CREATE INDEX issue_history_of ON issue_history (issue_id, at);
CREATE TABLE comments (
    id TEXT PRIMARY KEY, issue_id BIGINT NOT NULL REFERENCES issues (id), user_id TEXT NOT NULL REFERENCES users (id),
    body TEXT NOT NULL, created_at BIGINT NOT NULL, edited_at BIGINT, deleted_at BIGINT, version BIGINT NOT NULL
);
CREATE INDEX comments_of ON comments (issue_id, created_at);
CREATE TABLE releases (
    project_id BIGINT NOT NULL, release TEXT NOT NULL, first_seen BIGINT NOT NULL, last_seen BIGINT NOT NULL,
    events BIGINT NOT NULL, PRIMARY KEY (project_id, release)
);
CREATE TABLE saved_searches (
    id TEXT PRIMARY KEY, project_id BIGINT REFERENCES projects (id), user_id TEXT NOT NULL REFERENCES users (id),
    name TEXT NOT NULL, kind TEXT NOT NULL, query TEXT NOT NULL, shared BIGINT NOT NULL, created_at BIGINT NOT NULL,
    version BIGINT NOT NULL
);

-- Accounts ----------------------------------------------------------------------------------------------------------
-- What became of what was received: per project, minute and outcome.
CREATE TABLE ledger (
    project_id BIGINT NOT NULL, minute BIGINT NOT NULL, outcome TEXT NOT NULL, reason TEXT NOT NULL, events BIGINT NOT NULL,
    PRIMARY KEY (project_id, minute, outcome, reason)
);
-- Appended to only; each row carries the hash of itself and of the row before it.
CREATE TABLE audit (
    id BIGINT PRIMARY KEY, at BIGINT NOT NULL, actor_kind TEXT NOT NULL, actor TEXT NOT NULL, actor_name TEXT NOT NULL,
    verb TEXT NOT NULL, target_kind TEXT NOT NULL, target TEXT NOT NULL, project_id BIGINT, before TEXT, after TEXT,
    address TEXT NOT NULL, request_id TEXT NOT NULL, hash TEXT NOT NULL
);
CREATE INDEX audit_at ON audit (at);
CREATE INDEX audit_target ON audit (target_kind, target);
-- Mails to be sent; a row goes away some time after it was sent or given up.
CREATE TABLE outbox (
    id TEXT PRIMARY KEY, created_at BIGINT NOT NULL, recipient TEXT NOT NULL, subject TEXT NOT NULL, body TEXT NOT NULL,
    attempts BIGINT NOT NULL, next_at BIGINT NOT NULL, expires_at BIGINT NOT NULL, sent_at BIGINT, failure TEXT
);
CREATE INDEX outbox_next ON outbox (sent_at, next_at);

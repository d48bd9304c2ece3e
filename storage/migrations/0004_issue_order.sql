-- Lists of issues are read in their order, with and without a state, and stop at the page's end.
DROP INDEX issues_last_seen;
DROP INDEX issues_first_seen;
DROP INDEX issues_events;
DROP INDEX issues_users;
CREATE INDEX issues_by_last_seen ON issues (project_id, last_seen, id, state);
CREATE INDEX issues_by_first_seen ON issues (project_id, first_seen, id, state);
CREATE INDEX issues_by_events ON issues (project_id, events, id, state);
CREATE INDEX issues_by_users ON issues (project_id, users, id, state);

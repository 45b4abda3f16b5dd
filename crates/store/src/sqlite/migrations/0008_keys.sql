-- What a key lets its back end do, and when it was last used, to the minute.

ALTER TABLE api_keys ADD COLUMN scopes TEXT NOT NULL DEFAULT 'admin read send';
ALTER TABLE api_keys ADD COLUMN last_used_at INTEGER;

-- Who changed what, from where. A row is written before the act; `status` is what it was answered
-- with, NULL until then.
CREATE TABLE audit (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    at     INTEGER NOT NULL,
    -- The key of the app that asked; NULL: the operator.
    key    INTEGER,
    app    INTEGER,
    source TEXT NOT NULL,
    method TEXT NOT NULL,
    path   TEXT NOT NULL,
    status INTEGER
) STRICT;
CREATE INDEX audit_by_time ON audit (at);

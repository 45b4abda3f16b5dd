-- Which one it is of the events about its device; NULL where it is about none.
ALTER TABLE events ADD COLUMN sequence INTEGER;
ALTER TABLE devices ADD COLUMN events INTEGER NOT NULL DEFAULT 0;

-- When its app was last told that a message waits here; NULL: not since somebody connected.
ALTER TABLE inboxes ADD COLUMN offline_at INTEGER;

-- An endpoint of an app's back end. `events`: which it gets, as a JSON list. `state`: on, off, gone
-- (it answered 410). `cursor`: events up to this number have a row in webhook_deliveries, or are
-- none that it gets.
CREATE TABLE webhooks (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    app         INTEGER NOT NULL REFERENCES apps (id),
    url         TEXT NOT NULL,
    description TEXT NOT NULL,
    events      TEXT NOT NULL,
    state       TEXT NOT NULL,
    secret      BLOB NOT NULL,
    old_secret  BLOB,
    old_until   INTEGER,
    cursor      INTEGER NOT NULL,
    created_at  INTEGER NOT NULL
) STRICT;
CREATE INDEX webhooks_by_app ON webhooks (app);

-- What became of an event at an endpoint. `state`: waiting, delivered, parked. `since`: when it
-- happened or was replayed; it is tried for a day. What the last try came to is in the rest.
CREATE TABLE webhook_deliveries (
    webhook  INTEGER NOT NULL,
    event    INTEGER NOT NULL,
    state    TEXT NOT NULL,
    due      INTEGER,
    since    INTEGER NOT NULL,
    tries    INTEGER NOT NULL,
    tried_at INTEGER,
    took_ms  INTEGER,
    status   INTEGER,
    answer   TEXT,
    problem  TEXT,
    PRIMARY KEY (webhook, event)
) STRICT, WITHOUT ROWID;
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (webhook, due) WHERE due IS NOT NULL;
CREATE INDEX webhook_deliveries_parked ON webhook_deliveries (webhook, event)
    WHERE state = 'parked';

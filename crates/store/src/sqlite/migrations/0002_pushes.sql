-- Lanes know what they carry and where it goes: a fault in one of Apple's environments stops the
-- other one no more than one app stops another.
CREATE TABLE lanes_2 (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    app         INTEGER NOT NULL,
    subject     TEXT NOT NULL,      -- call, message, push
    kind        TEXT NOT NULL,
    app_id      TEXT NOT NULL,
    environment TEXT NOT NULL,      -- empty where the provider has only one
    UNIQUE (app, subject, kind, app_id, environment)
) STRICT;
INSERT INTO lanes_2 (id, app, subject, kind, app_id, environment)
    SELECT id, app, CASE call WHEN 0 THEN 'message' ELSE 'call' END, kind, app_id,
           CASE WHEN kind IN ('apns', 'apns_voip') THEN 'production' ELSE '' END
    FROM lanes;
DROP TABLE lanes;
ALTER TABLE lanes_2 RENAME TO lanes;

-- Devices whose lanes, and wakes that wait for a change, have to be looked at anew: a job that
-- goes by device number, some at a time. `scope`: all, or parked for those with a waiting wake.
-- `began_at`: when the change was; direct pushes that were refused before it wait no longer.
CREATE TABLE relanes (
    app      INTEGER PRIMARY KEY,
    scope    TEXT NOT NULL,
    cursor   INTEGER NOT NULL,
    began_at INTEGER NOT NULL
) STRICT;
INSERT INTO relanes (app, scope, cursor, began_at) SELECT id, 'all', 0, 0 FROM apps;

-- `learned`: Apple's environment as its answers showed it. `learning`: 0 nothing under way, 1 it is
-- being tried, 2 the token is in neither. `tried_at`: since when pushes go to the learned one.
ALTER TABLE targets ADD COLUMN learned TEXT;
ALTER TABLE targets ADD COLUMN learning INTEGER NOT NULL DEFAULT 0;
ALTER TABLE targets ADD COLUMN tried_at INTEGER;

-- `believed_at`: when the push service last took it, to the minute. `announced`: the days before
-- the end of the last announcement.
ALTER TABLE credentials ADD COLUMN not_after INTEGER;
ALTER TABLE credentials ADD COLUMN believed_at INTEGER;
ALTER TABLE credentials ADD COLUMN announced INTEGER;

-- Apple counts how often a key's token is renewed, so a restart goes on with the one there is.
CREATE TABLE provider_tokens (
    credential  INTEGER NOT NULL,
    environment TEXT NOT NULL,
    sealed      BLOB NOT NULL,
    issued_at   INTEGER NOT NULL,
    PRIMARY KEY (credential, environment)
) STRICT, WITHOUT ROWID;

CREATE TABLE topics (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    app        INTEGER NOT NULL REFERENCES apps (id),
    name       TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (app, name)
) STRICT;

CREATE TABLE topic_devices (
    topic  INTEGER NOT NULL,
    device INTEGER NOT NULL,
    PRIMARY KEY (topic, device)
) STRICT, WITHOUT ROWID;
CREATE INDEX topics_of_device ON topic_devices (device);

-- A broadcast walks an app's devices in the order of their numbers.
CREATE INDEX devices_by_app ON devices (app, id);

-- A direct push. `audience`: listed (a row in deliveries for each device), topic, all. A broadcast
-- has no row for each device: it has a cursor over device numbers up to `bound`, taken when it
-- starts, and rows in deliveries only for what has to be tried again.
CREATE TABLE pushes (
    id         BLOB PRIMARY KEY,
    app        INTEGER NOT NULL,
    request    BLOB NOT NULL,
    audience   TEXT NOT NULL,
    topic      INTEGER,
    kind       TEXT NOT NULL,
    rate       INTEGER,             -- pushes a second at most
    state      TEXT NOT NULL,       -- open, paused, cancelled, done
    result     TEXT NOT NULL,       -- what was answered, as JSON
    created_at INTEGER NOT NULL,
    send_at    INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    started_at INTEGER,
    ended_at   INTEGER,
    cursor     INTEGER NOT NULL DEFAULT 0,
    bound      INTEGER,
    devices    INTEGER NOT NULL DEFAULT 0,
    waiting    INTEGER NOT NULL DEFAULT 0,
    accepted   INTEGER NOT NULL DEFAULT 0,
    refused    INTEGER NOT NULL DEFAULT 0,
    expired    INTEGER NOT NULL DEFAULT 0,
    cancelled  INTEGER NOT NULL DEFAULT 0,
    skipped    INTEGER NOT NULL DEFAULT 0,
    codes      TEXT NOT NULL DEFAULT '{}',
    content    TEXT NOT NULL        -- last: whoever reads only the others need not go through it
) STRICT, WITHOUT ROWID;
CREATE INDEX pushes_of_app ON pushes (app, created_at);
CREATE INDEX broadcasts_open ON pushes (state, send_at) WHERE audience <> 'listed';
CREATE INDEX pushes_ended ON pushes (ended_at) WHERE ended_at IS NOT NULL;

-- A push on its way to one device, or to a target that is no device's. `ended` set: it is over.
CREATE TABLE deliveries (
    push        BLOB NOT NULL,
    number      INTEGER NOT NULL,
    app         INTEGER NOT NULL,
    device      INTEGER,
    inbox       INTEGER,            -- the user it is for, where the user was listed
    target      TEXT,               -- a target that is no device's, as JSON
    lane        INTEGER,
    due         INTEGER,
    attempt     BLOB,
    provider    BLOB,
    refused     INTEGER NOT NULL DEFAULT 0,
    ended       TEXT,
    settled_at  INTEGER,
    code        INTEGER,
    reason      TEXT,
    PRIMARY KEY (push, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX deliveries_due ON deliveries (lane, due) WHERE due IS NOT NULL;
CREATE INDEX deliveries_of_device ON deliveries (device) WHERE due IS NOT NULL;
CREATE INDEX deliveries_refused ON deliveries (app, settled_at)
    WHERE due IS NOT NULL AND refused > 0;

-- What happened, for whoever asks later.
CREATE TABLE events (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    app    INTEGER NOT NULL,
    at     INTEGER NOT NULL,
    type   TEXT NOT NULL,
    body   TEXT NOT NULL
) STRICT;
CREATE INDEX events_of_app ON events (app, number);
CREATE INDEX events_by_time ON events (at);

-- Times are microseconds since the Unix epoch. 128-bit names are 16-byte blobs, big end first.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- One life of one node. On SQLite there is one node; its start voids what the last life held.
CREATE TABLE incarnations (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    started_at INTEGER NOT NULL
) STRICT;

CREATE TABLE apps (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    name       TEXT NOT NULL,
    settings   TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE api_keys (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    app        INTEGER NOT NULL REFERENCES apps (id),
    name       TEXT NOT NULL,
    hash       BLOB NOT NULL UNIQUE,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE credentials (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    app        INTEGER NOT NULL REFERENCES apps (id),
    kind       TEXT NOT NULL,
    facts      TEXT NOT NULL,
    sealed     BLOB NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX credentials_by_app ON credentials (app);

CREATE TABLE user_tokens (
    hash       BLOB PRIMARY KEY,
    inbox      INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- A user is an inbox. `floor`: everything up to it is trimmed; `delivered`: the highest offset any
-- device really acked. All changes that touch a user's delivery go through this row.
CREATE TABLE inboxes (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    app        INTEGER NOT NULL REFERENCES apps (id),
    user       TEXT NOT NULL,
    epoch      INTEGER NOT NULL,
    head       INTEGER NOT NULL DEFAULT 0,
    floor      INTEGER NOT NULL DEFAULT 0,
    delivered  INTEGER NOT NULL DEFAULT 0,
    entries    INTEGER NOT NULL DEFAULT 0,
    bytes      INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    UNIQUE (app, user)
) STRICT;

-- `kind`: 0 message, 1 own copy, 2 receipt, 3 missed call. A stored entry never changes.
CREATE TABLE entries (
    inbox      INTEGER NOT NULL,
    offset     INTEGER NOT NULL,
    id         BLOB NOT NULL,
    kind       INTEGER NOT NULL,
    wakes      INTEGER NOT NULL,
    urgency    INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    sender     INTEGER,          -- inbox that gets the receipts
    sender_name TEXT,
    thread     TEXT,
    push       TEXT,
    body       TEXT NOT NULL,
    PRIMARY KEY (inbox, offset)
) STRICT, WITHOUT ROWID;

-- Idempotency: the message id is a keyed hash of (app, sender, key or device, client id), so the
-- table that finds a resend also finds a message. `result` is what was answered, as JSON.
CREATE TABLE sends (
    message    BLOB PRIMARY KEY,
    app        INTEGER NOT NULL,
    request    BLOB NOT NULL,
    result     TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- `id` is the immutable device number: never reused, in order of registration.
CREATE TABLE devices (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    app           INTEGER NOT NULL,
    name          TEXT NOT NULL,
    inbox         INTEGER NOT NULL,
    platform      TEXT NOT NULL,
    app_version   TEXT,
    locale        TEXT,
    time_zone     TEXT,
    secret        BLOB NOT NULL UNIQUE,
    proven        INTEGER NOT NULL DEFAULT 0,
    cursor        INTEGER NOT NULL,
    last_seen_at  INTEGER NOT NULL,
    created_at    INTEGER NOT NULL,
    -- Times of the last background pushes to an Apple device, as a JSON list.
    background    TEXT NOT NULL DEFAULT '[]',
    -- Where its wakes go, by its targets; NULL: nowhere.
    message_lane  INTEGER,
    call_lane     INTEGER,
    UNIQUE (app, name)
) STRICT;
CREATE INDEX devices_by_inbox ON devices (inbox);

CREATE TABLE targets (
    device        INTEGER NOT NULL,
    kind          TEXT NOT NULL,
    app           INTEGER NOT NULL,
    token         TEXT NOT NULL,
    environment   TEXT,
    app_id        TEXT,
    registered_at INTEGER NOT NULL,
    suspect_since INTEGER,
    PRIMARY KEY (device, kind)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX targets_by_token ON targets (app, kind, token);

-- A row is a living session: presence. `suspect`: it missed its ack deadline.
CREATE TABLE sessions (
    id           BLOB PRIMARY KEY,
    device       INTEGER NOT NULL,
    inbox        INTEGER NOT NULL,
    incarnation  INTEGER NOT NULL,
    fetch        INTEGER NOT NULL,
    foreground   INTEGER NOT NULL,
    suspect      INTEGER NOT NULL DEFAULT 0,
    connected_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_by_device ON sessions (device);

CREATE TABLE lanes (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    app    INTEGER NOT NULL,
    call   INTEGER NOT NULL,
    kind   TEXT NOT NULL,
    app_id TEXT NOT NULL,
    UNIQUE (app, call, kind, app_id)
) STRICT;

-- The open duty to bring a device back: one for its messages (`call` 0), one for each call.
-- `attempt` set: claimed, and `due` is when the claim lapses. `due` NULL: parked.
CREATE TABLE wakes (
    device          INTEGER NOT NULL,
    call            INTEGER NOT NULL,
    id              BLOB NOT NULL,
    inbox           INTEGER NOT NULL,
    lane            INTEGER,
    rung            TEXT NOT NULL,
    repeats         INTEGER NOT NULL DEFAULT 0,
    due             INTEGER,
    reason          TEXT NOT NULL,
    attempt         BLOB,
    covers          INTEGER NOT NULL DEFAULT 0,
    covers_urgency  INTEGER NOT NULL DEFAULT 0,
    incarnation     INTEGER,
    provider        BLOB,
    pushed          INTEGER NOT NULL DEFAULT 0,
    pushed_urgency  INTEGER NOT NULL DEFAULT 0,
    refused         INTEGER NOT NULL DEFAULT 0,
    bare            INTEGER NOT NULL DEFAULT 0,
    alerts          INTEGER NOT NULL DEFAULT 0,
    alerted_at      INTEGER,
    deferred        INTEGER NOT NULL DEFAULT 0,
    changed         INTEGER NOT NULL DEFAULT 0,
    opened_at       INTEGER NOT NULL,
    PRIMARY KEY (device, call)
) STRICT, WITHOUT ROWID;
CREATE INDEX wakes_due ON wakes (lane, due) WHERE due IS NOT NULL;

CREATE TABLE calls (
    number        INTEGER PRIMARY KEY AUTOINCREMENT,
    id            BLOB NOT NULL,
    app           INTEGER NOT NULL,
    caller_inbox  INTEGER NOT NULL,
    caller_device INTEGER NOT NULL,
    callee_inbox  INTEGER NOT NULL,
    phase         TEXT NOT NULL,       -- ringing, answered, ended
    until         INTEGER NOT NULL,    -- end of ringing
    answered_by   INTEGER,
    reason        TEXT,
    video         INTEGER NOT NULL,
    caller_name   TEXT NOT NULL,
    caller_handle TEXT,
    offer         TEXT,
    answer        TEXT,
    created_at    INTEGER NOT NULL,
    ended_at      INTEGER,
    UNIQUE (app, id)
) STRICT;
CREATE INDEX calls_ringing ON calls (until) WHERE phase = 'ringing';
CREATE INDEX calls_of_callee ON calls (callee_inbox) WHERE phase = 'ringing';
CREATE INDEX calls_ended ON calls (ended_at) WHERE ended_at IS NOT NULL;

-- Devices that said they ring.
CREATE TABLE call_rings (
    call   INTEGER NOT NULL,
    device INTEGER NOT NULL,
    PRIMARY KEY (call, device)
) STRICT, WITHOUT ROWID;

CREATE TABLE call_signals (
    call     INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    device   INTEGER NOT NULL,
    body     TEXT NOT NULL,
    PRIMARY KEY (call, sequence)
) STRICT, WITHOUT ROWID;

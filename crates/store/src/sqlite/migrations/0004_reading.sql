-- Entries of an inbox that its user has read while some device still lacks them: they wake nobody.
-- They go with the entry.
CREATE TABLE read_entries (
    inbox  INTEGER NOT NULL,
    offset INTEGER NOT NULL,
    PRIMARY KEY (inbox, offset)
) STRICT, WITHOUT ROWID;

-- Up to where each thread was read: a mark that comes twice, or late, tells nobody anything.
CREATE TABLE read_marks (
    inbox  INTEGER NOT NULL,
    thread TEXT NOT NULL,
    up_to  INTEGER NOT NULL,
    PRIMARY KEY (inbox, thread)
) STRICT, WITHOUT ROWID;

-- Messages that every device holds and nobody has read: whom to tell once they are. Kept for as
-- long as the message would have been.
CREATE TABLE unread (
    inbox      INTEGER NOT NULL,
    message    BLOB NOT NULL,
    offset     INTEGER NOT NULL,
    sender     INTEGER NOT NULL,     -- inbox that gets the receipt
    thread     TEXT,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (inbox, message)
) STRICT, WITHOUT ROWID;

-- Threads whose messages wake nobody; '*' is all of them.
CREATE TABLE mutes (
    inbox      INTEGER NOT NULL,
    thread     TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (inbox, thread)
) STRICT, WITHOUT ROWID;

-- Users whose messages, calls and typing do not reach this one, and who are not told so.
CREATE TABLE blocks (
    inbox      INTEGER NOT NULL,
    user       TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (inbox, user)
) STRICT, WITHOUT ROWID;

-- Who is signed in at the console. `token`: the SHA-256 of what the browser holds.

CREATE TABLE console_sessions (
    token      BLOB PRIMARY KEY,
    created_at INTEGER NOT NULL,
    seen_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

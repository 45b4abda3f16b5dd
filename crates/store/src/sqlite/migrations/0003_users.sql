-- What an app's back end signs user tokens with. `material`: the public key as PEM, the sealed shared
-- secret, or the URL of a key set, as `source` says.
CREATE TABLE token_keys (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    app        INTEGER NOT NULL REFERENCES apps (id),
    name       TEXT NOT NULL,
    algorithm  TEXT NOT NULL,
    audience   TEXT NOT NULL,
    source     TEXT NOT NULL,       -- public_key, secret, jwks_url
    material   BLOB NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX token_keys_by_app ON token_keys (app);

ALTER TABLE user_tokens ADD COLUMN may_send TEXT NOT NULL DEFAULT 'known';

-- Tokens of this user that were issued before are good no more.
ALTER TABLE inboxes ADD COLUMN revoked_at INTEGER;

-- The newest place of which its app was told that a message waits there: none is told of twice.
ALTER TABLE inboxes ADD COLUMN offline_told INTEGER NOT NULL DEFAULT 0;

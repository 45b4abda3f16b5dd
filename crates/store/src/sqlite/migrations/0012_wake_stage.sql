-- How far a wake has come, so that each stage of it is counted once. A wake of an earlier version
-- goes on from its beginning.

ALTER TABLE wakes ADD COLUMN stage TEXT NOT NULL DEFAULT 'owed';

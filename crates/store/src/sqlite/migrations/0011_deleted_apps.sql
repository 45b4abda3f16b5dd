-- Since when an app is deleted: nobody can ask for it any more, and a job takes away what it had,
-- some at a time. NULL: it is there.

ALTER TABLE apps ADD COLUMN deleted_at INTEGER;
CREATE INDEX apps_deleted ON apps (deleted_at) WHERE deleted_at IS NOT NULL;

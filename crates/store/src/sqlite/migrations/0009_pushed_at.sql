-- When the last push of a wake that was taken went out, until its device connects: how long that
-- takes is measured.

ALTER TABLE wakes ADD COLUMN pushed_at INTEGER;

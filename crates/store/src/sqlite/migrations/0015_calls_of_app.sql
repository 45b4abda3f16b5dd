-- An app that is deleted takes its calls along, a slice at a time.
CREATE INDEX calls_of_app ON calls (app);

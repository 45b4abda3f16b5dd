-- When each of a call's two devices has to be back, once its last session ended; NULL: it is there.
ALTER TABLE calls ADD COLUMN caller_back_by INTEGER;
ALTER TABLE calls ADD COLUMN answerer_back_by INTEGER;

-- When the call ends by itself if nothing happens before; NULL: it does not, or is over.
ALTER TABLE calls ADD COLUMN due INTEGER;
UPDATE calls SET due = until WHERE phase = 'ringing';

-- How many signals it has had, which numbers them, and the bytes of those that are kept.
ALTER TABLE calls ADD COLUMN signals INTEGER NOT NULL DEFAULT 0;
ALTER TABLE calls ADD COLUMN signal_bytes INTEGER NOT NULL DEFAULT 0;
UPDATE calls SET
    signals = (SELECT COALESCE(MAX(sequence), 0) FROM call_signals s WHERE s.call = number),
    signal_bytes = (SELECT COALESCE(SUM(length(CAST(body AS BLOB))), 0) FROM call_signals s
                    WHERE s.call = number);

-- It rings nobody: its callee does not want calls of this caller, who is not to know.
ALTER TABLE calls ADD COLUMN silent INTEGER NOT NULL DEFAULT 0;

DROP INDEX calls_ringing;
DROP INDEX calls_of_callee;
CREATE INDEX calls_due ON calls (due) WHERE due IS NOT NULL;
CREATE INDEX calls_of_callee ON calls (callee_inbox) WHERE phase <> 'ended';
CREATE INDEX calls_of_caller ON calls (caller_device) WHERE phase <> 'ended';
CREATE INDEX calls_ended_of_callee ON calls (callee_inbox, ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX calls_ended_of_caller ON calls (caller_device, ended_at) WHERE ended_at IS NOT NULL;

//! What the database of a server that was killed says: a copy is opened, as the next start would
//! find it, and must keep the invariant of the inbox and what follows from it.
//!
//! The store's own tests hold the same rules at every commit of every history that they play; here
//! they are asked of what a process left that was killed in the midst of real load. They are SQL on
//! purpose: no code of the server takes part.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use jiff::Timestamp;
use rusqlite::{Connection, named_params};

/// A rule, and the rows that break it: one text each.
const RULES: [(&str, &str); 15] = [
    (
        "a device that is owed something that wakes has an open wake, or a session not suspect",
        "SELECT printf('device %d is owed up to %d', d.id, MAX(e.offset)) FROM devices d
         JOIN entries e ON e.inbox = d.inbox AND e.wakes AND e.offset > d.cursor
             AND e.expires_at > :now
         WHERE NOT EXISTS (SELECT 1 FROM wakes w WHERE w.device = d.id AND w.call = 0)
         AND NOT EXISTS (SELECT 1 FROM sessions s WHERE s.device = d.id AND NOT s.suspect)
         GROUP BY d.id",
    ),
    (
        "an inbox counts its entries and their bytes",
        "SELECT printf('inbox %d: %d entries and %d bytes, counted %d and %d', i.id, COUNT(e.id),
             COALESCE(SUM(length(CAST(e.body AS BLOB))), 0), i.entries, i.bytes)
         FROM inboxes i LEFT JOIN entries e ON e.inbox = i.id GROUP BY i.id
         HAVING COUNT(e.id) <> i.entries
         OR COALESCE(SUM(length(CAST(e.body AS BLOB))), 0) <> i.bytes",
    ),
    (
        "floor <= delivered <= head",
        "SELECT printf('inbox %d: %d, %d, %d', id, floor, delivered, head) FROM inboxes
         WHERE floor > delivered OR delivered > head",
    ),
    (
        "entries are between floor and head",
        "SELECT printf('inbox %d, offset %d', i.id, e.offset) FROM entries e
         JOIN inboxes i ON i.id = e.inbox WHERE e.offset <= i.floor OR e.offset > i.head",
    ),
    (
        "a message is in an inbox once",
        "SELECT printf('inbox %d, message %s', inbox, hex(id)) FROM entries WHERE kind = 0
         GROUP BY inbox, id HAVING COUNT(*) > 1",
    ),
    (
        "a message is stored with its idempotency key",
        "SELECT printf('inbox %d, message %s', e.inbox, hex(e.id)) FROM entries e
         WHERE e.kind = 0 AND NOT EXISTS (SELECT 1 FROM sends s WHERE s.message = e.id)",
    ),
    (
        "no device holds more than there is",
        "SELECT printf('device %d: %d of %d', d.id, d.cursor, i.head) FROM devices d
         JOIN inboxes i ON i.id = d.inbox WHERE d.cursor > i.head",
    ),
    (
        "a session serves its device's inbox",
        "SELECT printf('session %s', hex(s.id)) FROM sessions s
         LEFT JOIN devices d ON d.id = s.device WHERE d.inbox IS NOT s.inbox",
    ),
    (
        "a wake is about its device's inbox",
        "SELECT printf('device %d', w.device) FROM wakes w
         LEFT JOIN devices d ON d.id = w.device WHERE d.inbox IS NOT w.inbox",
    ),
    (
        "a wake that is due is in a lane",
        "SELECT printf('device %d', device) FROM wakes WHERE due IS NOT NULL AND lane IS NULL",
    ),
    (
        "a call's wake is for a call that rings",
        "SELECT printf('device %d, call %d', w.device, w.call) FROM wakes w WHERE w.call <> 0
         AND NOT EXISTS (SELECT 1 FROM calls c WHERE c.number = w.call AND c.phase = 'ringing')",
    ),
    (
        "a call that rings, or whose side is away, ends by itself, and no other does",
        "SELECT printf('call %d', number) FROM calls
         WHERE (phase <> 'ended' AND (phase = 'ringing' OR caller_back_by IS NOT NULL
             OR answerer_back_by IS NOT NULL)) <> (due IS NOT NULL)",
    ),
    (
        "a side of a call has a session, or a time to be back",
        "SELECT printf('call %d of device %d is %s, back by %s', c.number, c.caller_device, c.phase,
             c.caller_back_by) FROM calls c WHERE c.phase <> 'ended' AND (c.caller_back_by IS NULL) <> EXISTS (SELECT 1 FROM sessions s
             WHERE s.device = c.caller_device AND s.inbox = c.caller_inbox)",
    ),
    (
        "a direct push counts its deliveries",
        "SELECT printf('push %s: %d devices, %d wait, %d are over', hex(p.id), p.devices,
             p.waiting, p.accepted + p.refused + p.expired + p.cancelled) FROM pushes p
         WHERE p.devices <> p.waiting + p.accepted + p.refused + p.expired + p.cancelled
         OR p.waiting <> (SELECT COUNT(*) FROM deliveries d WHERE d.push = p.id
             AND d.ended IS NULL)",
    ),
    (
        "a delivery waits or is over",
        "SELECT printf('push %s, delivery %d', hex(push), number) FROM deliveries
         WHERE (due IS NULL) <> (ended IS NOT NULL) OR (ended IS NOT NULL AND attempt IS NOT NULL)",
    ),
];

/// What was found in one database.
#[derive(Clone, Debug, Default)]
pub(super) struct Look {
    pub(super) faults: Vec<String>,
    /// The write-ahead log ends in the middle of a commit.
    pub(super) torn: bool,
}

/// Epoch, head, delivered of inboxes and cursors of devices, as the look before saw them.
#[derive(Debug, Default)]
pub(super) struct Before {
    inboxes: HashMap<i64, (i64, i64, i64)>,
    cursors: HashMap<i64, (i64, i64)>,
}

/// Copies the database of a server that does not run into a folder, with its write-ahead log.
pub(super) fn copy(data: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for name in ["reveille.db", "reveille.db-wal"] {
        let (from, to) = (data.join(name), to.join(name));
        if from.exists() {
            fs::copy(&from, &to).with_context(|| format!("cannot copy {}", from.display()))?;
        }
    }
    Ok(())
}

/// Looks into such a copy, and removes it.
pub(super) fn look(folder: &Path, before: &mut Before) -> Result<Look> {
    let torn = is_torn(&fs::read(folder.join("reveille.db-wal")).unwrap_or_default());
    let connection = Connection::open(folder.join("reveille.db"))?;
    let mut faults = Vec::new();
    let sound: String = connection.query_row("PRAGMA quick_check", [], |row| row.get(0))?;
    if sound != "ok" {
        faults.push(format!("the database is damaged: {sound}"));
    }
    let now = Timestamp::now().as_microsecond();
    for (rule, sql) in RULES {
        let mut statement = connection.prepare(sql).with_context(|| rule.to_owned())?;
        let asks_time = statement.parameter_count() > 0;
        let mut rows = if asks_time {
            statement.query(named_params! { ":now": now })?
        } else {
            statement.query([])?
        };
        while let Some(row) = rows.next()? {
            faults.push(format!("{rule}: {}", row.get::<_, String>(0)?));
        }
    }
    never_back(&connection, before, &mut faults)?;
    drop(connection);
    fs::remove_dir_all(folder)?;
    Ok(Look { faults, torn })
}

/// Within one epoch neither the head of an inbox goes back nor what was acknowledged.
fn never_back(
    connection: &Connection,
    before: &mut Before,
    faults: &mut Vec<String>,
) -> Result<()> {
    let mut statement = connection.prepare("SELECT id, epoch, head, delivered FROM inboxes")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (id, now) = (row.get(0)?, (row.get(1)?, row.get(2)?, row.get(3)?));
        let was = before.inboxes.insert(id, now).unwrap_or(now);
        if was.0 == now.0 && (was.1 > now.1 || was.2 > now.2) {
            faults.push(format!(
                "inbox {id} went back: epoch, head, delivered {was:?}, then {now:?}"
            ));
        }
    }
    let mut statement = connection.prepare(
        "SELECT d.id, i.epoch, d.cursor FROM devices d JOIN inboxes i ON i.id = d.inbox",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (id, now) = (row.get(0)?, (row.get(1)?, row.get(2)?));
        let was = before.cursors.insert(id, now).unwrap_or(now);
        if was.0 == now.0 && was.1 > now.1 {
            faults.push(format!("device {id} went back: epoch, cursor {was:?}, then {now:?}"));
        }
    }
    Ok(())
}

/// Whether a write-ahead log ends with frames of a commit that was not finished: frames of the
/// newest round (they carry the header's salts) of which the last is no commit frame. See
/// <https://sqlite.org/fileformat2.html#the_write_ahead_log>.
fn is_torn(wal: &[u8]) -> bool {
    const HEADER: usize = 32;
    const FRAME: usize = 24;
    let number = |at: usize| {
        let bytes = wal.get(at..at + 4)?;
        Some(u32::from_be_bytes(bytes.try_into().ok()?))
    };
    let (Some(page), Some(salts)) = (number(8), wal.get(16..24)) else { return false };
    let size = FRAME + page as usize;
    let frames = wal.get(HEADER..).unwrap_or_default().chunks(size);
    let mut last = None;
    for (index, frame) in frames.enumerate() {
        if frame.get(8..16) != Some(salts) {
            break;
        }
        last = number(HEADER + index * size + 4);
    }
    last == Some(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A database with the server's tables, as its migrations make them.
    fn database(folder: &Path) -> Connection {
        let migrations =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../store/src/sqlite/migrations");
        let mut files: Vec<_> =
            fs::read_dir(migrations).unwrap().map(|file| file.unwrap().path()).collect();
        files.sort();
        let connection = Connection::open(folder.join("reveille.db")).unwrap();
        for file in files {
            connection.execute_batch(&fs::read_to_string(file).unwrap()).unwrap();
        }
        connection
            .execute_batch(
                "INSERT INTO apps (id, name, settings, created_at) VALUES (1, 'a', '{}', 0);
                 INSERT INTO inboxes (id, app, user, epoch, head, entries, bytes, created_at)
                     VALUES (1, 1, 'bob', 7, 2, 1, 4, 0);
                 INSERT INTO entries (inbox, offset, id, kind, wakes, urgency, created_at,
                     expires_at, body) VALUES (1, 2, x'01', 0, 1, 0, 0, 9223372036854775807, 'null');
                 INSERT INTO sends VALUES (x'01', 1, x'00', '{}', 0);
                 INSERT INTO devices (id, app, name, inbox, platform, secret, cursor, last_seen_at,
                     created_at) VALUES (1, 1, 'd', 1, 'ios', x'02', 1, 0, 0);
                 INSERT INTO wakes (device, call, id, inbox, rung, reason, opened_at)
                     VALUES (1, 0, x'03', 1, 'background', 'no_target', 0);",
            )
            .unwrap();
        connection
    }

    /// What is found after a change, in a database that was looked into before.
    fn faults(change: &str) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("one"), folder.path().join("two"));
        let connection = database(folder.path());
        let mut before = Before::default();
        copy(folder.path(), &one).unwrap();
        assert_eq!(look(&one, &mut before).unwrap().faults, Vec::<String>::new());
        connection.execute_batch(change).unwrap();
        copy(folder.path(), &two).unwrap();
        look(&two, &mut before).unwrap().faults
    }

    #[track_caller]
    fn breaks(change: &str, expect: &str) {
        let found = faults(change);
        assert!(found.iter().any(|it| it.contains(expect)), "{expect:?} not in {found:?}");
    }

    #[test]
    fn the_invariant_is_asked_of_what_is_there() {
        breaks("DELETE FROM wakes", "device 1 is owed up to 2");
        let session = "DELETE FROM wakes; INSERT INTO sessions VALUES (x'04', 1, 1, 1, 0, 1, 0, 0)";
        assert_eq!(faults(session), Vec::<String>::new());
        breaks(&format!("{session}; UPDATE sessions SET suspect = 1"), "device 1 is owed up to 2");
        assert_eq!(
            faults("DELETE FROM wakes; UPDATE devices SET cursor = 2"),
            Vec::<String>::new()
        );
        let quiet = "DELETE FROM wakes; UPDATE entries SET wakes = 0";
        assert_eq!(faults(quiet), Vec::<String>::new());
    }

    #[test]
    fn each_other_rule_finds_what_breaks_it() {
        for (change, expect) in [
            ("UPDATE inboxes SET entries = 2", "an inbox counts its entries"),
            ("UPDATE inboxes SET delivered = 3", "floor <= delivered <= head"),
            ("UPDATE inboxes SET floor = 2, delivered = 2", "entries are between"),
            ("DELETE FROM sends", "a message is stored with its idempotency key"),
            ("UPDATE devices SET cursor = 3", "no device holds more than there is"),
            ("INSERT INTO sessions VALUES (x'04', 1, 9, 1, 0, 1, 0, 0)", "a session serves"),
            ("UPDATE wakes SET inbox = 9", "a wake is about its device's inbox"),
            ("UPDATE wakes SET due = 1", "a wake that is due is in a lane"),
            ("UPDATE wakes SET call = 5", "a call's wake is for a call that rings"),
            ("UPDATE devices SET cursor = 0", "device 1 went back"),
            ("UPDATE inboxes SET head = 1", "inbox 1 went back"),
            (
                "INSERT INTO entries (inbox, offset, id, kind, wakes, urgency, created_at,
                     expires_at, body) VALUES (1, 1, x'01', 0, 1, 0, 0, 1, 'null')",
                "a message is in an inbox once",
            ),
            (
                "INSERT INTO calls (id, app, caller_inbox, caller_device, callee_inbox, phase,
                     until, video, caller_name, created_at)
                     VALUES (x'05', 1, 1, 1, 1, 'ringing', 1, 0, 'c', 0)",
                "ends by itself",
            ),
            (
                "INSERT INTO calls (id, app, caller_inbox, caller_device, callee_inbox, phase,
                     until, video, caller_name, created_at)
                     VALUES (x'05', 1, 1, 1, 1, 'answered', 1, 0, 'c', 0)",
                "a side of a call has a session, or a time to be back",
            ),
            (
                "INSERT INTO pushes (id, app, request, audience, kind, state, result, created_at,
                     send_at, expires_at, devices, content)
                     VALUES (x'06', 1, x'00', 'listed', 'alert', 'open', '{}', 0, 0, 0, 1, '{}')",
                "a direct push counts its deliveries",
            ),
            (
                "INSERT INTO deliveries (push, number, app) VALUES (x'06', 1, 1)",
                "a delivery waits or is over",
            ),
        ] {
            breaks(change, expect);
        }
    }

    fn wal(frames: &[(u32, [u8; 8])]) -> Vec<u8> {
        let mut wal = vec![0; 32];
        wal[8..12].copy_from_slice(&512_u32.to_be_bytes());
        wal[16..24].copy_from_slice(&[7; 8]);
        for (commit, salts) in frames {
            wal.extend_from_slice(&[0, 0, 0, 1]);
            wal.extend_from_slice(&commit.to_be_bytes());
            wal.extend_from_slice(salts);
            wal.extend_from_slice(&[0; 8 + 512]);
        }
        wal
    }

    #[test]
    fn a_log_is_torn_if_its_newest_round_ends_without_a_commit() {
        let (new, old) = ([7; 8], [3; 8]);
        assert!(!is_torn(&[]));
        assert!(!is_torn(&wal(&[])));
        assert!(!is_torn(&wal(&[(0, new), (9, new)])));
        assert!(is_torn(&wal(&[(9, new), (0, new)])));
        assert!(!is_torn(&wal(&[(9, new), (0, old)])), "left of the round before");
    }
}

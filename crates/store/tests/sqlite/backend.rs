//! How the suite opens a SQLite store, and looks into its file from outside.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use domain::delivery::End;
use domain::{
    DeviceNumber, Environment, InboxId, LaneId, Offset, PushId, SessionId, TargetKind, Time,
};
use rusqlite::{Connection, OpenFlags, Row};
use store::model::{DeliveryKey, PushState, Subject};
use store::{Options, Store};
use tempfile::TempDir;

use super::conformance::snapshot::{
    CallFact, DeliveryFact, DeviceFact, EntryFact, InboxFact, LaneFact, MemberFact, PushFact,
    SessionFact, Snapshot, TargetFact, WakeFact,
};

/// A data directory that goes with the test.
pub(crate) struct Backend {
    dir: TempDir,
    /// The look from outside; kept between looks, because a test takes very many.
    outside: RefCell<Option<Tables>>,
}

impl Backend {
    /// An empty one.
    pub(crate) fn fresh() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        Self { dir, outside: RefCell::new(None) }
    }

    /// The usual options, in this directory.
    pub(crate) fn options(&self) -> Options {
        Options::new(self.dir.path())
    }

    /// Opens the store.
    pub(crate) fn open(&self, options: &Options) -> Result<Store, store::Error> {
        Store::open(options)
    }

    /// Options under which there is no room for more than a few pages.
    pub(crate) fn small_disk(&self) -> Options {
        Options { max_pages: Some(120), ..self.options() }
    }

    /// Another directory, with what a process that is killed at this moment leaves behind.
    pub(crate) fn killed(&self) -> Self {
        let left = Self::fresh();
        for entry in std::fs::read_dir(self.dir.path()).expect("the directory is read") {
            let entry = entry.expect("an entry of it");
            // What SQLite shares between processes goes with the last of them.
            if entry.file_name().to_string_lossy().ends_with("-shm") {
                continue;
            }
            std::fs::copy(entry.path(), left.dir.path().join(entry.file_name())).expect("copied");
        }
        left
    }

    /// Makes the closed database look as if a later program had written it.
    pub(crate) fn make_newer(&self) {
        let connection = Connection::open(self.file()).expect("the database opens");
        connection.pragma_update(None, "user_version", 1_000).expect("the version is set");
    }

    /// What is committed at this moment, read by a connection of its own.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let mut outside = self.outside.borrow_mut();
        let all = outside.get_or_insert_with(|| Tables::open(&self.file()));
        all.connection.execute_batch("BEGIN").expect("one view of everything");
        let snapshot = Snapshot {
            inboxes: all.rows(
                "SELECT id, epoch, head, floor, delivered, entries, bytes FROM inboxes",
                |row| {
                    Ok(InboxFact {
                        id: InboxId::from_number(row.get(0)?),
                        epoch: row.get(1)?,
                        head: offset(row, 2)?,
                        floor: offset(row, 3)?,
                        delivered: offset(row, 4)?,
                        entries: row.get(5)?,
                        bytes: row.get(6)?,
                    })
                },
            ),
            entries: all.rows(
                "SELECT inbox, offset, id, kind = 0, wakes, expires_at, length(CAST(body AS BLOB)),
                    json_array(kind, urgency, created_at, sender, sender_name, thread, push, body)
                 FROM entries ORDER BY inbox, offset",
                |row| {
                    Ok(EntryFact {
                        inbox: InboxId::from_number(row.get(0)?),
                        offset: offset(row, 1)?,
                        id: bits(row, 2)?,
                        message: row.get(3)?,
                        wakes: row.get(4)?,
                        expires_at: Time::from_micros(row.get(5)?),
                        bytes: row.get(6)?,
                        rest: row.get(7)?,
                    })
                },
            ),
            quiet: all
                .rows(
                    "SELECT inbox, offset FROM read_entries UNION
                     SELECT e.inbox, e.offset FROM entries e JOIN mutes m
                       ON m.inbox = e.inbox AND (m.thread = '*' OR m.thread = e.thread)",
                    |row| Ok((InboxId::from_number(row.get(0)?), offset(row, 1)?)),
                )
                .into_iter()
                .collect(),
            devices: all.rows("SELECT id, inbox, cursor FROM devices", |row| {
                Ok(DeviceFact {
                    number: DeviceNumber::from_number(row.get(0)?),
                    inbox: InboxId::from_number(row.get(1)?),
                    cursor: offset(row, 2)?,
                })
            }),
            sessions: all.rows("SELECT id, device, inbox, suspect FROM sessions", |row| {
                Ok(SessionFact {
                    id: SessionId::from_bits(bits(row, 0)?),
                    device: DeviceNumber::from_number(row.get(1)?),
                    inbox: InboxId::from_number(row.get(2)?),
                    suspect: row.get(3)?,
                })
            }),
            wakes: all.rows(
                "SELECT device, call, inbox, lane, due, attempt, reason, pushed
                 FROM wakes",
                |row| {
                    Ok(WakeFact {
                        device: DeviceNumber::from_number(row.get(0)?),
                        call: row.get(1)?,
                        inbox: InboxId::from_number(row.get(2)?),
                        lane: row.get::<_, Option<i64>>(3)?.map(LaneId::from_number),
                        due: time(row, 4)?,
                        attempt: row.get::<_, Option<[u8; 16]>>(5)?.map(u128::from_be_bytes),
                        reason: row.get(6)?,
                        pushed: offset(row, 7)?,
                    })
                },
            ),
            targets: all.rows("SELECT device, kind, token FROM targets", |row| {
                Ok(TargetFact {
                    device: DeviceNumber::from_number(row.get(0)?),
                    kind: kind(row, 1)?,
                    token: row.get(2)?,
                })
            }),
            lanes: all.rows("SELECT id, kind, subject, environment FROM lanes", |row| {
                Ok(LaneFact {
                    id: LaneId::from_number(row.get(0)?),
                    subject: word(row, 2, Subject::parse)?.expect("every lane has one"),
                    kind: kind(row, 1)?,
                    environment: Environment::parse(&row.get::<_, String>(3)?),
                })
            }),
            calls: all.rows(
                "SELECT number, phase, due, caller_device, caller_inbox, caller_back_by,
                    answered_by, callee_inbox, answerer_back_by
                 FROM calls",
                |row| {
                    let phase: String = row.get(1)?;
                    let leg = |at: usize| {
                        let device = DeviceNumber::from_number(row.get(at)?);
                        let inbox = InboxId::from_number(row.get(at + 1)?);
                        Ok::<_, rusqlite::Error>((device, inbox, time(row, at + 2)?))
                    };
                    let legs = match phase.as_str() {
                        "ringing" => vec![leg(3)?],
                        "answered" => vec![leg(3)?, leg(6)?],
                        _ => Vec::new(),
                    };
                    let (number, rings) = (row.get(0)?, phase == "ringing");
                    Ok(CallFact { number, rings, due: time(row, 2)?, legs })
                },
            ),
            pushes: all.rows(
                "SELECT id, audience = 'listed', state, cursor, bound, devices, waiting, accepted,
                    refused, expired, cancelled, ended_at
                 FROM pushes ORDER BY id",
                |row| {
                    Ok(PushFact {
                        id: PushId::from_bits(bits(row, 0)?),
                        listed: row.get(1)?,
                        state: word(row, 2, PushState::parse)?.expect("every push has one"),
                        cursor: row.get(3)?,
                        bound: row.get(4)?,
                        devices: row.get(5)?,
                        waiting: row.get(6)?,
                        accepted: row.get(7)?,
                        refused: row.get(8)?,
                        expired: row.get(9)?,
                        cancelled: row.get(10)?,
                        ended_at: time(row, 11)?,
                    })
                },
            ),
            deliveries: all.rows(
                "SELECT push, number, device, lane, due, attempt, ended FROM deliveries
                 ORDER BY push, number",
                |row| {
                    let push = PushId::from_bits(bits(row, 0)?);
                    Ok(DeliveryFact {
                        key: DeliveryKey { push, number: row.get(1)? },
                        device: row.get::<_, Option<i64>>(2)?.map(DeviceNumber::from_number),
                        lane: row.get::<_, Option<i64>>(3)?.map(LaneId::from_number),
                        due: time(row, 4)?,
                        attempt: row.get::<_, Option<[u8; 16]>>(5)?.map(u128::from_be_bytes),
                        ended: word(row, 6, End::parse)?,
                    })
                },
            ),
            members: all.rows(
                "SELECT (SELECT name FROM topics t WHERE t.id = d.topic), device
                 FROM topic_devices d ORDER BY topic, device",
                |row| {
                    let device = DeviceNumber::from_number(row.get(1)?);
                    Ok(MemberFact { topic: row.get(0)?, device })
                },
            ),
        };
        all.connection.execute_batch("COMMIT").expect("the view is given up");
        snapshot
    }

    /// Stops looking, so that the store is the last to close the file.
    pub(crate) fn look_away(&self) {
        *self.outside.borrow_mut() = None;
    }

    /// Where the database is.
    pub(crate) fn file(&self) -> PathBuf {
        self.dir.path().join("reveille.db")
    }
}

struct Tables {
    connection: Connection,
}

impl Tables {
    fn open(file: &Path) -> Self {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Self { connection: Connection::open_with_flags(file, flags).expect("it opens") }
    }

    fn rows<T>(&self, sql: &str, map: impl Fn(&Row<'_>) -> rusqlite::Result<T>) -> Vec<T> {
        let statement = self.connection.prepare_cached(sql);
        let mut statement = statement.expect("the columns the suite knows");
        let rows = statement.query_map([], |row| map(row)).expect("a query without values");
        rows.collect::<Result<_, _>>().expect("rows of the kinds the suite knows")
    }
}

fn offset(row: &Row<'_>, column: usize) -> rusqlite::Result<Offset> {
    row.get(column).map(Offset::from_number)
}

fn bits(row: &Row<'_>, column: usize) -> rusqlite::Result<u128> {
    row.get::<_, [u8; 16]>(column).map(u128::from_be_bytes)
}

fn kind(row: &Row<'_>, column: usize) -> rusqlite::Result<TargetKind> {
    Ok(word(row, column, TargetKind::parse)?.expect("every target has one"))
}

fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Time>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Time::from_micros))
}

fn word<T>(
    row: &Row<'_>,
    column: usize,
    parse: impl Fn(&str) -> Option<T>,
) -> rusqlite::Result<Option<T>> {
    let word: Option<String> = row.get(column)?;
    Ok(word.map(|word| parse(&word).expect("a word of the closed set")))
}

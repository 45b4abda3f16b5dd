//! One day's file: schema, rows.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use domain::{
    AppId, AttemptId, CallId, DeviceNumber, InboxId, MessageId, Offset, PushId, Time, WakeId,
};
use rusqlite::config::DbConfig;
use rusqlite::types::{FromSqlError, Type, Value};
use rusqlite::{Connection, OpenFlags, Row, TransactionBehavior, params, params_from_iter};

use super::figures::{Counted, Figure, Key, Wanted};
use super::record::{Covered, DeviceName, Record, Step};
use crate::Error;

/// What `user_version` says of the schema below.
const VERSION: i64 = 3;

/// How long to wait for another connection's write: a log that is being closed, an operator's
/// shell.
const PATIENCE: Duration = Duration::from_secs(5);

/// Version 1. Every index ends in `at`, so that a subject's records come in order without sorting. The
/// partial ones hold only the records that have such a subject. `offset_after` and `offset_up_to`
/// have no index: they are looked at within one inbox.
const START: &str = "
    CREATE TABLE record (
        id           INTEGER PRIMARY KEY,
        at           INTEGER NOT NULL,  -- microseconds since 1970-01-01
        step         TEXT    NOT NULL,
        reason       TEXT    NOT NULL,
        app          INTEGER NOT NULL,
        inbox        INTEGER NOT NULL,  -- 0: nobody's
        user         TEXT,
        device       INTEGER,
        device_id    TEXT,
        wake         BLOB,
        attempt      BLOB,
        message      BLOB,
        call         BLOB,
        code         INTEGER,
        offset_after INTEGER,
        offset_up_to INTEGER,
        detail       TEXT               -- JSON
    ) STRICT;
    CREATE INDEX record_app     ON record (app, at);
    CREATE INDEX record_inbox   ON record (inbox, at);
    CREATE INDEX record_device  ON record (device, at)    WHERE device  IS NOT NULL;
    CREATE INDEX record_wake    ON record (wake, at)      WHERE wake    IS NOT NULL;
    CREATE INDEX record_message ON record (message, at)   WHERE message IS NOT NULL;
    CREATE INDEX record_call    ON record (call, at)      WHERE call    IS NOT NULL;
    CREATE INDEX record_code    ON record (app, code, at) WHERE code    IS NOT NULL;
";

/// Version 2: direct pushes. What a file of version 1 lacks, it gets when it is opened.
const PUSHES: &str = "
    ALTER TABLE record ADD COLUMN push BLOB;
    CREATE INDEX record_push    ON record (push, at)      WHERE push    IS NOT NULL;
";

/// Version 3: figures, which a file of an earlier version has none of.
const FIGURES: &str = "
    CREATE TABLE figure (
        app   INTEGER NOT NULL,
        slot  INTEGER NOT NULL,  -- the beginning of its five minutes, seconds since 1970-01-01
        name  TEXT    NOT NULL,
        part  INTEGER NOT NULL,  -- a code, a bound; 0: it has no parts
        times INTEGER NOT NULL,
        PRIMARY KEY (app, slot, name, part)
    ) STRICT, WITHOUT ROWID;
";

const COUNT: &str = "
    INSERT INTO figure (app, slot, name, part, times) VALUES (?1, ?2, ?3, ?4, ?5)
    ON CONFLICT DO UPDATE SET times = times + excluded.times";

/// By the primary key, of which it reads the slots of one app in order. They are added up here:
/// SQLite would sort them first.
pub(super) const COUNTED: &str = "
    SELECT slot, name, part, times FROM figure
    WHERE app = ?1 AND slot >= ?2 AND slot < ?3 ORDER BY slot";

const INSERT: &str = "
    INSERT INTO record (at, step, reason, app, inbox, user, device, device_id, wake, attempt,
                        message, call, code, offset_after, offset_up_to, detail, push)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)";

/// The columns that [`File::select`] needs, in its order.
pub(super) const COLUMNS: &str = "id, at, step, reason, app, inbox, user, device, device_id, \
     wake, attempt, message, call, code, offset_after, offset_up_to, detail, push";

/// A day's file, open.
#[derive(Debug)]
pub(super) struct File {
    path: PathBuf,
    connection: Connection,
}

impl File {
    /// Opens a file to write to, made if it is not there.
    pub(super) fn create(path: &Path) -> Result<Self, Error> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut file = Self::open(path, flags)?;
        file.prepare().map_err(|error| failed(path, error))?;
        file.check_version()?;
        Ok(file)
    }

    /// Opens a file to read from; `None` when it is gone.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, Error> {
        // Not read-only: a read-only connection that is the last to close leaves a WAL behind.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut file = match Self::open(path, flags) {
            Err(_) if !path.exists() => return Ok(None),
            opened => opened?,
        };
        // Version 0: made, but its maker died before the schema was in it.
        match file.check_version()? {
            0 => return Ok(None),
            VERSION => {}
            _ => file.upgrade().map_err(|error| failed(path, error))?,
        }
        file.connection
            .pragma_update(None, "query_only", true)
            .map_err(|error| failed(path, error))?;
        Ok(Some(file))
    }

    fn open(path: &Path, flags: OpenFlags) -> Result<Self, Error> {
        let open = || {
            let connection = Connection::open_with_flags(path, flags)?;
            connection.busy_timeout(PATIENCE)?;
            // Else each use of a cached statement parses its SQL again, see `sqlite/writer.rs`.
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
            Ok(connection)
        };
        let connection = open().map_err(|error| failed(path, error))?;
        Ok(Self { path: path.to_owned(), connection })
    }

    /// Relaxed sync, and the schema if the file has none.
    fn prepare(&mut self) -> Result<(), rusqlite::Error> {
        self.connection.pragma_update(None, "journal_mode", "wal")?;
        self.connection.pragma_update(None, "synchronous", "normal")?;
        // 32 MiB: with the default of 2 pages are written out and read back in one transaction.
        self.connection.pragma_update(None, "cache_size", -32_768)?;
        self.upgrade()
    }

    /// Brings the schema up to date.
    fn upgrade(&mut self) -> Result<(), rusqlite::Error> {
        // Under the write lock, because two writers may open a new file at once: a log that is
        // being closed and its successor.
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let version: i64 =
            transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if version == 0 {
            transaction.execute_batch(START)?;
        }
        if version < 2 {
            transaction.execute_batch(PUSHES)?;
        }
        if version < VERSION {
            transaction.execute_batch(FIGURES)?;
            transaction.pragma_update(None, "user_version", VERSION)?;
        }
        transaction.commit()
    }

    fn check_version(&self) -> Result<i64, Error> {
        let found = self
            .connection
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .map_err(|error| failed(&self.path, error))?;
        if found > VERSION {
            return Err(Error::Newer { path: self.path.clone(), found, known: VERSION });
        }
        Ok(found)
    }

    /// Writes records in one transaction: all of them or none.
    pub(super) fn insert(&mut self, records: &[Record]) -> Result<(), Error> {
        insert(&mut self.connection, records).map_err(|error| failed(&self.path, error))
    }

    /// Adds to figures in one transaction: to all of them or none.
    pub(super) fn count(&mut self, counts: &[(Key, u64)]) -> Result<(), Error> {
        let mut count = || {
            let transaction =
                self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            {
                let mut statement = transaction.prepare_cached(COUNT)?;
                for (key, times) in counts {
                    let (name, part) = key.figure.stored();
                    let times = i64::try_from(*times).unwrap_or(i64::MAX);
                    statement.execute(params![key.app.number(), key.slot, name, part, times])?;
                }
            }
            transaction.commit()
        };
        count().map_err(|error| failed(&self.path, error))
    }

    /// Figures, by step, oldest first.
    pub(super) fn counted(&self, wanted: &Wanted) -> Result<Vec<Counted>, Error> {
        let select = || {
            let mut statement = self.connection.prepare(COUNTED)?;
            let (since, until) = (wanted.since.as_seconds(), wanted.until.as_seconds());
            let mut rows = statement.query(params![wanted.app.number(), since, until])?;
            let mut sums = BTreeMap::new();
            while let Some(row) = rows.next()? {
                // What has no figure any more is left out.
                let name = row.get_ref(1)?.as_str()?;
                let Some(figure) = Figure::parse(name, row.get(2)?) else { continue };
                let times = u64::try_from(row.get::<_, i64>(3)?).unwrap_or(0);
                let sum: &mut u64 = sums.entry((wanted.step_of(row.get(0)?), figure)).or_default();
                *sum = sum.saturating_add(times);
            }
            Ok(sums
                .into_iter()
                .map(|((at, figure), times)| Counted { at, figure, times })
                .collect())
        };
        select().map_err(|error| failed(&self.path, error))
    }

    /// Rows of a `SELECT` of [`COLUMNS`], with their ids.
    pub(super) fn select(&self, sql: &str, values: &[Value]) -> Result<Vec<(i64, Record)>, Error> {
        let select = || {
            let mut statement = self.connection.prepare(sql)?;
            let rows = statement.query_map(params_from_iter(values), record)?;
            rows.collect::<Result<Vec<_>, _>>()
        };
        select().map_err(|error| failed(&self.path, error))
    }

    /// How SQLite would answer a `SELECT`: the lines of its plan.
    #[cfg(test)]
    pub(super) fn plan(&self, sql: &str, values: &[Value]) -> Vec<String> {
        let mut statement = self.connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let lines = statement.query_map(params_from_iter(values), |row| row.get(3)).unwrap();
        lines.collect::<Result<Vec<String>, _>>().unwrap()
    }

    /// Makes the disk full for this file: it may not grow beyond what it has.
    #[cfg(test)]
    pub(super) fn grow_no_more(&self) {
        self.connection.pragma_update(None, "max_page_count", 1).unwrap();
    }
}

/// 128 bits as they are stored: in the order in which they are written down.
pub(super) const fn blob(bits: u128) -> [u8; 16] {
    bits.to_be_bytes()
}

fn insert(connection: &mut Connection, records: &[Record]) -> Result<(), rusqlite::Error> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    {
        let mut statement = transaction.prepare_cached(INSERT)?;
        for record in records {
            statement.execute(params![
                record.at.as_micros(),
                record.step.as_str(),
                record.reason,
                record.app.number(),
                record.inbox.map_or(0, InboxId::number),
                record.user.as_deref(),
                record.device.as_ref().map(|device| device.number.number()),
                record.device.as_ref().map(|device| &*device.id),
                record.wake.map(|wake| blob(wake.bits())),
                record.attempt.map(|attempt| blob(attempt.bits())),
                record.message.map(|message| blob(message.bits())),
                record.call.map(|call| blob(call.bits())),
                record.code,
                record.offsets.map(|offsets| offsets.after.number()),
                record.offsets.map(|offsets| offsets.up_to.number()),
                record.detail,
                record.push.map(|push| blob(push.bits())),
            ])?;
        }
    }
    transaction.commit()
}

fn record(row: &Row<'_>) -> Result<(i64, Record), rusqlite::Error> {
    let bits = |column| -> Result<Option<u128>, rusqlite::Error> {
        Ok(row.get::<_, Option<[u8; 16]>>(column)?.map(u128::from_be_bytes))
    };
    let step: String = row.get(2)?;
    let step = Step::parse(&step).ok_or_else(|| {
        let unknown = FromSqlError::Other(format!("no step is called {step}").into());
        rusqlite::Error::FromSqlConversionFailure(2, Type::Text, Box::new(unknown))
    })?;
    let device = match (row.get(7)?, row.get::<_, Option<Arc<str>>>(8)?) {
        (Some(number), Some(id)) => {
            Some(DeviceName { number: DeviceNumber::from_number(number), id })
        }
        _ => None,
    };
    let offsets = match (row.get(14)?, row.get(15)?) {
        (Some(after), Some(up_to)) => {
            Some(Covered { after: Offset::from_number(after), up_to: Offset::from_number(up_to) })
        }
        _ => None,
    };
    let record = Record {
        at: Time::from_micros(row.get(1)?),
        step,
        reason: Cow::Owned(row.get(3)?),
        app: AppId::from_number(row.get(4)?),
        inbox: Some(row.get(5)?).filter(|inbox| *inbox != 0).map(InboxId::from_number),
        user: row.get(6)?,
        device,
        wake: bits(9)?.map(WakeId::from_bits),
        attempt: bits(10)?.map(AttemptId::from_bits),
        message: bits(11)?.map(MessageId::from_bits),
        call: bits(12)?.map(CallId::from_bits),
        code: row.get(13)?,
        offsets,
        detail: row.get(16)?,
        push: bits(17)?.map(PushId::from_bits),
    };
    Ok((row.get(0)?, record))
}

fn failed(path: &Path, error: rusqlite::Error) -> Error {
    match Error::from(error) {
        Error::Database(text) => Error::Database(format!(
            "push log {}: {text}; if the file is damaged, move it away",
            path.display()
        )),
        other => other,
    }
}

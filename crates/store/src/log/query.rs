//! Questions to the log.

use std::fmt;
use std::path::Path;

use domain::{AppId, CallId, DeviceNumber, InboxId, MessageId, Offset, PushId, Time, WakeId};
use rusqlite::types::Value;

use super::day::Day;
use super::file::{COLUMNS, File, blob};
use super::record::{Record, Step};
use crate::Error;

/// The most records of one answer.
pub const MAX_LIMIT: usize = 1_000;

/// The most places of one trace: a message has at most 100 recipients, and a copy of its own.
const MAX_PLACES: usize = 128;

/// Which records of an app are wanted. What is left out does not matter; what is set must all hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// The app.
    pub app: AppId,
    /// The inbox of the user whom they are about.
    pub inbox: Option<InboxId>,
    /// The same by name, for a user that the store no longer knows. Slower: it looks at every
    /// record of the app.
    pub user: Option<String>,
    /// The device.
    pub device: Option<DeviceNumber>,
    /// The wake.
    pub wake: Option<WakeId>,
    /// The call.
    pub call: Option<CallId>,
    /// The direct push.
    pub push: Option<PushId>,
    /// The message.
    pub trace: Option<Trace>,
    /// The diagnosis code.
    pub code: Option<u16>,
    /// One of these steps; empty: any.
    pub steps: Vec<Step>,
    /// From then on, itself included.
    pub since: Option<Time>,
    /// Before then.
    pub until: Option<Time>,
    /// Behind the last record of the page before.
    pub after: Option<Cursor>,
    /// At most this many; 1 to [`MAX_LIMIT`], the nearest is taken.
    pub limit: usize,
    /// Which come first.
    pub order: Order,
}

/// The trace of a message: records that name it, or that cover one of its places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// The message.
    pub message: MessageId,
    /// Where it stands in inboxes; 128 at most are looked at, more than a message can have.
    pub places: Vec<Place>,
}

/// A place in an inbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The inbox.
    pub inbox: InboxId,
    /// The offset of the entry.
    pub offset: Offset,
}

/// By time, and records of one time in the order they were appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Newest first: for lists.
    NewestFirst,
    /// Oldest first: for timelines.
    OldestFirst,
}

/// Some records, and where the next ones are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The records, in the order asked for.
    pub records: Vec<Record>,
    /// To be given as `after` for the next page; `None` when this is the last.
    pub next: Option<Cursor>,
}

/// A place in the log. Its text is opaque to clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    at: Time,
    row: i64,
}

impl Cursor {
    /// Reads the text of a cursor.
    pub fn parse(text: &str) -> Option<Self> {
        let (at, row) = text.split_once('.')?;
        let cursor = Self { at: Time::from_micros(at.parse().ok()?), row: row.parse().ok()? };
        (cursor.to_string() == text).then_some(cursor)
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.at.as_micros(), self.row)
    }
}

impl Query {
    /// The newest 100 records of an app.
    pub const fn of(app: AppId) -> Self {
        Self {
            app,
            inbox: None,
            user: None,
            device: None,
            wake: None,
            call: None,
            push: None,
            trace: None,
            code: None,
            steps: Vec::new(),
            since: None,
            until: None,
            after: None,
            limit: 100,
            order: Order::NewestFirst,
        }
    }

    /// Whether a record is wanted, wherever it stands: page and order do not matter.
    ///
    /// The user of a record that has none is not known to be another, so it is not wanted either.
    pub fn wants(&self, record: &Record) -> bool {
        fn holds<T: PartialEq>(wanted: Option<T>, found: Option<T>) -> bool {
            wanted.is_none() || wanted == found
        }
        let traced = self.trace.as_ref().is_none_or(|trace| {
            record.message == Some(trace.message)
                || trace.places.iter().any(|place| {
                    let covers = record.offsets.is_some_and(|covered| {
                        covered.after < place.offset && place.offset <= covered.up_to
                    });
                    record.inbox == Some(place.inbox) && covers
                })
        });
        record.app == self.app
            && traced
            && holds(self.inbox, record.inbox)
            && holds(self.user.as_deref(), record.user.as_deref())
            && holds(self.device, record.device.as_ref().map(|device| device.number))
            && holds(self.wake, record.wake)
            && holds(self.call, record.call)
            && holds(self.push, record.push)
            && holds(self.code, record.code)
            && (self.steps.is_empty() || self.steps.contains(&record.step))
            && self.since.is_none_or(|since| record.at >= since)
            && self.until.is_none_or(|until| record.at < until)
    }

    /// Reads the files of `dir` one after the other until there is enough.
    pub(super) fn run(&self, dir: &Path) -> Result<Page, Error> {
        let limit = self.limit.clamp(1, MAX_LIMIT);
        let mut rows = Vec::new();
        for day in self.days(dir)? {
            let Some(file) = File::read(&day.file(dir))? else { continue };
            // One more than asked for tells whether there is a next page.
            let (sql, values) = self.sql(limit + 1 - rows.len());
            rows.extend(file.select(&sql, &values)?);
            if rows.len() > limit {
                break;
            }
        }
        let more = rows.len() > limit;
        rows.truncate(limit);
        let last = rows.last().map(|(row, record)| Cursor { at: record.at, row: *row });
        Ok(Page {
            records: rows.into_iter().map(|(_, record)| record).collect(),
            next: if more { last } else { None },
        })
    }

    /// The days that may hold records, in the order asked for.
    fn days(&self, dir: &Path) -> Result<Vec<Day>, Error> {
        let mut days =
            Day::list(dir).map_err(|source| Error::File { path: dir.to_owned(), source })?;
        let cursor = self.after.map(|cursor| cursor.at);
        let (behind, before) = match self.order {
            Order::NewestFirst => (None, cursor),
            Order::OldestFirst => (cursor, None),
        };
        days.retain(|day| {
            [self.since, behind].into_iter().flatten().all(|from| *day >= Day::of(from))
                && [self.until, before].into_iter().flatten().all(|to| *day <= Day::of(to))
        });
        if self.order == Order::NewestFirst {
            days.reverse();
        }
        Ok(days)
    }

    /// The question to one file. The values stand for `?` in their order.
    fn sql(&self, limit: usize) -> (String, Vec<Value>) {
        let mut clauses = Clauses::default();
        let (index, app) = self.index();
        clauses.and(app, [self.app.number().into()]);
        if let Some(inbox) = self.inbox {
            clauses.and("inbox = ?", [inbox.number().into()]);
        }
        if let Some(user) = &self.user {
            clauses.and("user = ?", [user.clone().into()]);
        }
        if let Some(device) = self.device {
            clauses.and("device = ?", [device.number().into()]);
        }
        if let Some(wake) = self.wake {
            clauses.and("wake = ?", [bits(wake.bits())]);
        }
        if let Some(call) = self.call {
            clauses.and("call = ?", [bits(call.bits())]);
        }
        if let Some(push) = self.push {
            clauses.and("push = ?", [bits(push.bits())]);
        }
        if let Some(trace) = &self.trace {
            let places = &trace.places[..trace.places.len().min(MAX_PLACES)];
            let mut any = "(message = ?".to_owned();
            let mut values = vec![bits(trace.message.bits())];
            for place in places {
                any.push_str(" OR (inbox = ? AND offset_after < ? AND offset_up_to >= ?)");
                let offset = place.offset.number();
                values.extend([place.inbox.number().into(), offset.into(), offset.into()]);
            }
            any.push(')');
            clauses.and(&any, values);
        }
        if let Some(code) = self.code {
            clauses.and("code = ?", [i64::from(code).into()]);
        }
        if !self.steps.is_empty() {
            let marks = vec!["?"; self.steps.len()].join(", ");
            let words = self.steps.iter().map(|step| step.as_str().to_owned().into());
            clauses.and(&format!("step IN ({marks})"), words);
        }
        if let Some(since) = self.since {
            clauses.and("at >= ?", [since.as_micros().into()]);
        }
        if let Some(until) = self.until {
            clauses.and("at < ?", [until.as_micros().into()]);
        }
        let (behind, direction) = match self.order {
            Order::NewestFirst => ("(at, id) < (?, ?)", "DESC"),
            Order::OldestFirst => ("(at, id) > (?, ?)", "ASC"),
        };
        if let Some(cursor) = self.after {
            clauses.and(behind, [cursor.at.as_micros().into(), cursor.row.into()]);
        }
        let Clauses { text, mut values } = clauses;
        values.push(i64::try_from(limit).unwrap_or(i64::MAX).into());
        let sql = format!(
            "SELECT {COLUMNS} FROM record {index} WHERE {text} \
             ORDER BY at {direction}, id {direction} LIMIT ?"
        );
        (sql, values)
    }

    /// The index to use, and how to ask for the app.
    ///
    /// Said, not left to SQLite, which without statistics takes an app's index for a code's.
    const fn index(&self) -> (&'static str, &'static str) {
        let index = if self.wake.is_some() {
            "INDEXED BY record_wake"
        } else if self.call.is_some() {
            "INDEXED BY record_call"
        } else if self.push.is_some() {
            "INDEXED BY record_push"
        } else if self.device.is_some() {
            "INDEXED BY record_device"
        } else if self.inbox.is_some() {
            "INDEXED BY record_inbox"
        } else if self.trace.is_some() {
            // It has several; the `+` keeps SQLite from the app's instead.
            return ("", "+app = ?");
        } else if self.code.is_some() {
            "INDEXED BY record_code"
        } else {
            "INDEXED BY record_app"
        };
        (index, "app = ?")
    }
}

/// Everything about a message, in order; its places are those of its accept records.
pub(super) fn timeline(dir: &Path, app: AppId, message: MessageId) -> Result<Vec<Record>, Error> {
    let named = Query {
        trace: Some(Trace { message, places: Vec::new() }),
        steps: vec![Step::Accept],
        limit: MAX_PLACES,
        order: Order::OldestFirst,
        ..Query::of(app)
    };
    let accepts = named.run(dir)?.records;
    let places = accepts
        .iter()
        .filter_map(|accept| Some(Place { inbox: accept.inbox?, offset: accept.offsets?.up_to }))
        .collect();
    let all = Query {
        trace: Some(Trace { message, places }),
        steps: Vec::new(),
        // Nothing was done about it before it was accepted.
        since: accepts.first().map(|first| first.at),
        limit: MAX_LIMIT,
        ..named
    };
    Ok(all.run(dir)?.records)
}

/// Conditions that must all hold.
#[derive(Default)]
struct Clauses {
    text: String,
    values: Vec<Value>,
}

impl Clauses {
    fn and(&mut self, condition: &str, values: impl IntoIterator<Item = Value>) {
        if !self.text.is_empty() {
            self.text.push_str(" AND ");
        }
        self.text.push_str(condition);
        self.values.extend(values);
    }
}

fn bits(bits: u128) -> Value {
    Value::Blob(blob(bits).to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_read_back() {
        for (at, row) in [(0, 1), (-5, 7), (1_795_392_000_000_000, i64::MAX)] {
            let cursor = Cursor { at: Time::from_micros(at), row };
            assert_eq!(Cursor::parse(&cursor.to_string()), Some(cursor));
        }
        for wrong in ["", "1", "1.", ".1", "+1.1", "1.01", "1.1.1", "x.y"] {
            assert_eq!(Cursor::parse(wrong), None, "{wrong}");
        }
    }

    /// A wide file must not be read through for one device, and nothing sorted that need not be.
    #[test]
    fn every_question_has_its_index() {
        let dir = tempfile::tempdir().unwrap();
        let file = File::create(&dir.path().join("2026-11-23.db")).unwrap();
        let all = Query::of(AppId::from_number(1));
        let place = Place { inbox: InboxId::from_number(1), offset: Offset::from_number(1) };
        let message = MessageId::from_bits(1);
        let table = [
            ("record_app", all.clone()),
            ("record_app", Query { user: Some("alice".to_owned()), ..all.clone() }),
            ("record_inbox", Query { inbox: Some(place.inbox), ..all.clone() }),
            ("record_device", Query { device: Some(DeviceNumber::from_number(1)), ..all.clone() }),
            ("record_wake", Query { wake: Some(WakeId::from_bits(1)), ..all.clone() }),
            ("record_call", Query { call: Some(CallId::from_bits(1)), ..all.clone() }),
            ("record_push", Query { push: Some(PushId::from_bits(1)), ..all.clone() }),
            ("record_code", Query { code: Some(911), ..all.clone() }),
            ("record_message", Query { trace: Some(Trace { message, places: vec![] }), ..all }),
        ];
        for (index, query) in table {
            for query in with_times(query) {
                let (sql, values) = query.sql(10);
                let plan = file.plan(&sql, &values);
                assert_eq!(plan.len(), 1, "{plan:?}");
                let uses = format!("SEARCH record USING INDEX {index} ");
                assert!(plan[0].starts_with(&uses), "{index}: {plan:?}");
            }
        }
        let trace = Trace { message, places: vec![place; MAX_PLACES] };
        let (sql, values) =
            Query { trace: Some(trace), ..Query::of(AppId::from_number(1)) }.sql(10);
        let plan = file.plan(&sql, &values);
        assert!(plan.iter().all(|line| !line.starts_with("SCAN")), "{plan:?}");
    }

    fn with_times(query: Query) -> [Query; 3] {
        let time = Some(Time::from_micros(5));
        let after = Some(Cursor { at: Time::from_micros(5), row: 5 });
        [
            Query { since: time, until: time, ..query.clone() },
            Query { after, order: Order::OldestFirst, ..query.clone() },
            query,
        ]
    }
}

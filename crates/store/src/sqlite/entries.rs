//! Ordered reads of an inbox, beside the writer.

use domain::{AppId, CallId, EntryId, InboxId, MessageId, Offset, Time};
use rusqlite::{Connection, params};

use super::bodies::{Answer, CopyBody, MissedBody, ReadBody, ReceiptBody, entry_place, parse};
use super::inboxes::{INBOX_COLUMNS, MESSAGE, OWN_COPY, READ, RECEIPT, inbox_row};
use super::rows::{At, Bits, offset};
use crate::Error;
use crate::model::{Entry, EntryKind, InboxRead, ReceiptRow, ReceiptState};

/// One ordered read: up to `limit` unexpired entries behind `after`.
pub(super) fn read(
    conn: &Connection,
    inbox: InboxId,
    after: Offset,
    limit: usize,
    now: Time,
) -> Result<Option<InboxRead>, Error> {
    // One read transaction, so that head and entries belong together.
    let snapshot = conn.unchecked_transaction()?;
    let sql = format!("SELECT {INBOX_COLUMNS} FROM inboxes WHERE id = ?1");
    let row = {
        let mut statement = snapshot.prepare_cached(&sql)?;
        let mut rows = statement.query([inbox.number()])?;
        match rows.next()? {
            None => return Ok(None),
            Some(row) => inbox_row(row)?,
        }
    };
    let mut statement = snapshot.prepare_cached(
        "SELECT offset, id, kind, created_at, expires_at, sender_name, thread, body FROM entries
         WHERE inbox = ?1 AND offset > ?2 ORDER BY offset LIMIT ?3",
    )?;
    let limit_rows = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut rows = statement.query(params![inbox.number(), after.number(), limit_rows])?;
    let mut entries = Vec::new();
    let mut looked_at = 0_usize;
    let mut read_to = after;
    while let Some(row) = rows.next()? {
        looked_at += 1;
        read_to = offset(row, 0)?;
        let expires_at = row.get::<_, At>(4)?.0;
        if expires_at > now {
            entries.push(entry(row, read_to, expires_at)?);
        }
    }
    if looked_at < limit {
        read_to = read_to.max(row.head);
    }
    Ok(Some(InboxRead { epoch: row.epoch, head: row.head, floor: row.floor, entries, read_to }))
}

fn entry(row: &rusqlite::Row<'_>, at: Offset, expires_at: Time) -> Result<Entry, Error> {
    let id = row.get::<_, Bits>(1)?.0;
    let from: Option<String> = row.get(5)?;
    let thread: Option<String> = row.get(6)?;
    let body: String = row.get(7)?;
    let kind = match row.get::<_, i64>(2)? {
        MESSAGE => EntryKind::Message { message: MessageId::from_bits(id), from, thread, body },
        OWN_COPY => {
            let copy: CopyBody = parse(&body)?;
            EntryKind::OwnCopy {
                message: MessageId::from_bits(id),
                to: copy.to,
                thread,
                body: copy.body,
            }
        }
        RECEIPT => {
            let rows: Vec<ReceiptBody> = parse(&body)?;
            EntryKind::Receipt {
                rows: rows
                    .into_iter()
                    .map(|row| ReceiptRow {
                        message: MessageId::from_bits(row.message),
                        user: row.user,
                        // A word nobody knows is from a later version; that it was delivered
                        // is the least it can say.
                        state: ReceiptState::parse(&row.state).unwrap_or(ReceiptState::Delivered),
                        at: Time::from_micros(row.at),
                    })
                    .collect(),
            }
        }
        READ => {
            let read: ReadBody = parse(&body)?;
            EntryKind::Read {
                thread: read.thread.zip(read.up_to.map(Offset::from_number)),
                messages: read.messages.into_iter().map(MessageId::from_bits).collect(),
            }
        }
        _ => {
            let missed: MissedBody = parse(&body)?;
            EntryKind::MissedCall {
                call: CallId::from_bits(missed.call),
                from: from.unwrap_or_default(),
                caller_name: missed.caller_name,
                video: missed.video,
            }
        }
    };
    Ok(Entry {
        offset: at,
        id: EntryId::from_bits(id),
        kind,
        created_at: row.get::<_, At>(3)?.0,
        expires_at,
    })
}

/// Where a message is: its inboxes and offsets, from the table of sends.
pub(super) fn find_message(
    conn: &Connection,
    app: AppId,
    message: MessageId,
) -> Result<Option<Vec<(InboxId, Offset)>>, Error> {
    let mut statement =
        conn.prepare_cached("SELECT result FROM sends WHERE message = ?1 AND app = ?2")?;
    let mut rows = statement.query(params![Bits(message.bits()), app.number()])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let answer: Answer = parse(row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?)?;
    Ok(Some(answer.entries.into_iter().map(entry_place).collect()))
}

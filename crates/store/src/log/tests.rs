//! The log through its public face, and through what a crash would leave of it.

mod figures;
mod questions;
mod trouble;

use std::path::Path;
use std::time::{Duration, Instant};

use domain::{
    AppId, AttemptId, CallId, DeviceNumber, InboxId, MessageId, Offset, PushId, Reason, Time,
    WakeId,
};
use tempfile::TempDir;

use super::*;

/// 2026-11-23 12:00 UTC.
const NOON: Time = Time::from_millis(1_795_435_200_000);

const DAY: Duration = Duration::from_secs(86_400);

const APP: AppId = AppId::from_number(1);

fn open(dir: &Path, now: Time) -> Log {
    Log::open(dir, 30, now).expect("the log opens")
}

fn temp() -> (TempDir, Log) {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path(), NOON);
    (dir, log)
}

/// A record that tells itself from others by its time, `n` microseconds after noon.
fn record(n: i64) -> Record {
    let at = Time::from_micros(NOON.as_micros() + n);
    Record::new(at, APP, InboxId::from_number(1), Step::Wake, Reason::Message.as_str())
}

/// The numbers that [`record`] was given.
fn numbers(records: &[Record]) -> Vec<i64> {
    records.iter().map(|record| record.at.as_micros() - NOON.as_micros()).collect()
}

/// Everything there is, oldest first, page by page.
async fn everything(log: &Log) -> Vec<Record> {
    let mut query = Query { limit: MAX_LIMIT, order: Order::OldestFirst, ..Query::of(APP) };
    let mut all = Vec::new();
    loop {
        let page = log.query(query.clone()).await.expect("the log can be read");
        all.extend(page.records);
        if page.next.is_none() {
            return all;
        }
        query.after = page.next;
    }
}

fn files(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Without what an open file has beside it.
fn files_of_days(dir: &Path) -> Vec<String> {
    files(dir).into_iter().filter(|name| name.ends_with(".db")).collect()
}

#[tokio::test]
async fn a_record_comes_back_as_it_was() {
    let (_dir, log) = temp();
    let full = Record {
        user: Some("alice".into()),
        device: Some(DeviceName { number: DeviceNumber::from_number(9), id: "phone-9".into() }),
        wake: Some(WakeId::from_bits(u128::MAX)),
        attempt: Some(AttemptId::from_bits(2)),
        message: Some(MessageId::from_bits(1 << 100)),
        call: Some(CallId::from_bits(4)),
        push: Some(PushId::from_bits(5)),
        code: Some(911),
        offsets: Some(Covered { after: Offset::from_number(6), up_to: Offset::from_number(17) }),
        detail: Some(r#"{"status":410}"#.to_owned()),
        ..record(1)
    };
    let bare = Record { step: Step::Accept, inbox: None, ..record(2) };
    log.append(full.clone());
    log.append(bare.clone());
    assert_eq!(everything(&log).await, [full, bare]);
    assert_eq!(log.dropped(), 0);
}

#[tokio::test]
async fn a_detail_that_is_too_long_leaves_its_length() {
    let (_dir, log) = temp();
    log.append(Record { detail: Some("x".repeat(MAX_DETAIL_BYTES)), ..record(1) });
    log.append(Record { detail: Some("x".repeat(MAX_DETAIL_BYTES + 1)), ..record(2) });
    let details: Vec<_> =
        everything(&log).await.into_iter().map(|record| record.detail.unwrap()).collect();
    assert_eq!(details[0].len(), MAX_DETAIL_BYTES);
    assert_eq!(details[1], r#"{"left_out_bytes":65537}"#);
}

#[tokio::test]
async fn each_day_has_its_file_and_late_records_go_to_their_own() {
    let (dir, log) = temp();
    let tomorrow = |n| Record { at: record(n).at.plus(DAY), ..record(n) };
    for record in [record(1), tomorrow(1), record(2), tomorrow(2), record(3)] {
        log.append(record);
    }
    log.close().await;
    // Closed files have no WAL: what was committed is in the file itself.
    assert_eq!(files(dir.path()), ["2026-11-23.db", "2026-11-24.db"]);
    let at_noon = [record(1), record(2), record(3)];
    let all: Vec<_> = at_noon.into_iter().chain([tomorrow(1), tomorrow(2)]).collect();
    assert_eq!(everything(&log).await, all);
}

#[tokio::test]
async fn the_retention_drops_whole_files_at_start_and_at_midnight() {
    let dir = tempfile::tempdir().unwrap();
    let stranger = dir.path().join("notes.txt");
    std::fs::write(&stranger, "not ours").unwrap();
    let later = |days| Record { at: NOON.plus(DAY * days), ..record(0) };
    let log = Log::open(dir.path(), 2, NOON).unwrap();
    for days in 0..3 {
        log.append(later(days));
    }
    log.flush().await;
    assert_eq!(everything(&log).await, [later(0), later(1), later(2)]);
    log.append(later(3));
    log.flush().await;
    assert_eq!(everything(&log).await, [later(1), later(2), later(3)]);
    log.close().await;
    let log = Log::open(dir.path(), 2, NOON.plus(DAY * 5)).unwrap();
    assert_eq!(everything(&log).await, [later(3)]);
    log.close().await;
    assert_eq!(files(dir.path()), ["2026-11-26.db", "2026-11-28.db", "notes.txt"]);
}

#[tokio::test]
async fn another_retention_holds_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let later = |days| Record { at: NOON.plus(DAY * days), ..record(0) };
    let log = Log::open(dir.path(), 9, NOON).unwrap();
    for days in 0..3 {
        log.append(later(days));
    }
    log.flush().await;
    log.retain(1);
    log.flush().await;
    assert_eq!(files_of_days(dir.path()), ["2026-11-24.db", "2026-11-25.db"]);
    log.append(later(3));
    log.close().await;
    assert_eq!(files_of_days(dir.path()), ["2026-11-25.db", "2026-11-26.db"]);
}

#[tokio::test]
async fn many_writers_lose_nothing_and_keep_their_order() {
    const WRITERS: i64 = 8;
    const EACH: i64 = 1_500;
    let (_dir, log) = temp();
    let log = Arc::new(log);
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 1..=WRITERS {
        let log = log.clone();
        tasks.spawn_blocking(move || {
            for n in 0..EACH {
                // All at one time, so that the order is the order of appending.
                log.append(Record {
                    inbox: Some(InboxId::from_number(writer)),
                    code: u16::try_from(n).ok(),
                    ..record(0)
                });
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let all = everything(&log).await;
    assert_eq!(log.dropped(), 0);
    for writer in 1..=WRITERS {
        let mine = all.iter().filter(|record| record.inbox == Some(InboxId::from_number(writer)));
        let order: Vec<_> = mine.map(|record| i64::from(record.code.unwrap())).collect();
        assert_eq!(order, (0..EACH).collect::<Vec<_>>());
    }
}

/// Not a test of speed: it prints what an append costs its caller and the writer, for whoever
/// changes either.
#[tokio::test]
async fn what_an_append_costs() {
    const RECORDS: u32 = 10_000;
    let (dir, log) = temp();
    let user: Arc<str> = "alice".into();
    let records: Vec<_> = (0..RECORDS)
        .map(|n| Record {
            user: Some(user.clone()),
            device: Some(DeviceName {
                number: DeviceNumber::from_number(i64::from(n % 500)),
                id: user.clone(),
            }),
            wake: Some(WakeId::from_bits(u128::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15))),
            message: Some(MessageId::from_bits(u128::from(n).wrapping_mul(0xd1b5_4a32_d192_ed03))),
            detail: Some(
                r#"{"status":200,"id":"0a1b2c3d-0000-0000-0000-000000000000"}"#.to_owned(),
            ),
            ..record(i64::from(n))
        })
        .collect();
    let start = Instant::now();
    for record in records {
        log.append(record);
    }
    let appended = start.elapsed();
    log.flush().await;
    let written = start.elapsed();
    assert_eq!(log.dropped(), 0);
    assert_eq!(everything(&log).await.len(), usize::try_from(RECORDS).unwrap());
    log.close().await;
    let bytes = dir.path().join("2026-11-23.db").metadata().unwrap().len();
    println!(
        "append {:?}, written {:?}, {} bytes, each",
        appended / RECORDS,
        written / RECORDS,
        bytes / u64::from(RECORDS)
    );
}

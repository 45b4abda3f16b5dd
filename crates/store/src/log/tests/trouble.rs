//! Crashes, full queues, disks that fail.

use std::fs;

use super::*;
use crate::log::file::File;
use crate::log::queue::{BATCH, CAPACITY, Queue};

#[tokio::test]
async fn a_handle_dropped_without_a_flush_leaves_a_readable_log() {
    let (dir, log) = temp();
    for n in 0..100 {
        log.append(record(n));
    }
    drop(log);
    // The writer may still be at work on the same file.
    let log = open(dir.path(), NOON);
    log.append(record(1_000));
    let seen = numbers(&everything(&log).await);
    assert_eq!(seen.last(), Some(&1_000));
    let before = &seen[..seen.len() - 1];
    assert_eq!(before, &(0..100).collect::<Vec<_>>()[..before.len()], "a prefix, in order");
}

/// A killed process leaves what it had handed to the system; a cut of the power any part of the
/// WAL behind the last sync. Each must open, and hold the first batches whole.
#[tokio::test]
async fn a_crash_leaves_whole_batches_and_never_a_damaged_file() {
    let (dir, log) = temp();
    let mut committed = Vec::new();
    for batch in 0..4 {
        for n in 0..50 {
            log.append(record(batch * 50 + n));
        }
        log.flush().await;
        committed.push((batch + 1) * 50);
    }
    let database = fs::read(dir.path().join("2026-11-23.db")).unwrap();
    let wal = fs::read(dir.path().join("2026-11-23.db-wal")).unwrap();
    assert!(wal.len() > 10_000, "everything is still in the WAL");
    let mut lengths: Vec<_> = (0..wal.len()).step_by(3_001).chain([wal.len()]).collect();
    lengths.reverse();
    let mut found = Vec::new();
    for length in lengths {
        let crashed = tempfile::tempdir().unwrap();
        fs::write(crashed.path().join("2026-11-23.db"), &database).unwrap();
        fs::write(crashed.path().join("2026-11-23.db-wal"), &wal[..length]).unwrap();
        let log = open(crashed.path(), NOON);
        let mut seen = numbers(&everything(&log).await);
        found.push(i64::try_from(seen.len()).unwrap());
        log.append(record(7_777));
        seen.push(7_777);
        assert_eq!(numbers(&everything(&log).await), seen, "it goes on");
        seen.pop();
        assert_eq!(seen, (0..i64::try_from(seen.len()).unwrap()).collect::<Vec<_>>());
    }
    assert_eq!(found[0], 200, "a killed process loses nothing that was flushed");
    assert!(found.iter().all(|count| *count == 0 || committed.contains(count)), "{found:?}");
    assert!(found.is_sorted_by(|more, less| more >= less), "{found:?}");
}

#[tokio::test]
async fn a_directory_that_is_gone_is_made_again() {
    let (dir, log) = temp();
    let path = dir.path().join("log");
    let inner = open(&path, NOON);
    inner.append(record(1));
    inner.flush().await;
    fs::remove_dir_all(&path).unwrap();
    inner.append(record(2));
    assert_eq!(numbers(&everything(&inner).await), [2]);
    assert_eq!(inner.dropped(), 0);
    assert!(everything(&log).await.is_empty());
}

#[tokio::test]
async fn records_that_cannot_be_written_are_counted_and_the_log_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let log = open(&path, NOON);
    // No directory can be made where a file stands, not even by root.
    fs::remove_dir_all(&path).unwrap();
    fs::write(&path, "in the way").unwrap();
    for n in 0..3 {
        log.append(record(n));
    }
    log.flush().await;
    assert_eq!(log.dropped(), 3);
    let error = log.query(Query::of(APP)).await.expect_err("there is nothing to read");
    assert!(matches!(error, Error::File { path: named, .. } if named == path));
    fs::remove_file(&path).unwrap();
    log.append(record(4));
    assert_eq!(numbers(&everything(&log).await), [4]);
    assert_eq!(log.dropped(), 3);
}

#[test]
fn a_full_disk_takes_no_part_of_a_batch_and_nothing_from_before() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("2026-11-23.db");
    let mut file = File::create(&path).unwrap();
    file.insert(&[record(1)]).unwrap();
    file.grow_no_more();
    let many: Vec<_> = (2..2_000).map(record).collect();
    assert!(matches!(file.insert(&many), Err(Error::Full)));
    drop(file);
    let mut file = File::create(&path).unwrap();
    file.insert(&[record(3)]).unwrap();
    drop(file);
    let page = Query { order: Order::OldestFirst, ..Query::of(APP) }.run(dir.path()).unwrap();
    assert_eq!(numbers(&page.records), [1, 3]);
}

#[tokio::test]
async fn a_full_queue_drops_and_counts_instead_of_waiting() {
    // No writer: the queue stays full.
    let queue = Arc::new(Queue::new());
    for n in 0..CAPACITY + 10 {
        queue.append(record(i64::try_from(n).unwrap()));
    }
    assert_eq!(queue.dropped(), 10);
    let taken = queue.take(Vec::new());
    assert_eq!(taken.records.len(), CAPACITY);
    assert!(!taken.last);
    // The same by bytes.
    let long = Record { detail: Some("x".repeat(MAX_DETAIL_BYTES)), ..record(0) };
    for _ in 0..600 {
        queue.append(long.clone());
    }
    assert_eq!(queue.dropped(), 10 + 600 - (32 << 20) / MAX_DETAIL_BYTES as u64);
    assert_eq!(queue.take(Vec::new()).records.len(), 512);
    // A writer that ended keeps nobody waiting, and what it left is counted.
    let before = queue.dropped();
    queue.append(record(1));
    let waits = tokio::spawn({
        let queue = queue.clone();
        async move { queue.flush().await }
    });
    while queue.flushes_waiting() == 0 {
        tokio::task::yield_now().await;
    }
    queue.end();
    waits.await.unwrap();
    queue.flush().await;
    queue.append(record(2));
    assert_eq!(queue.dropped(), before + 2);
}

#[tokio::test]
async fn a_closed_log_takes_nothing_in_and_can_be_read() {
    let (_dir, log) = temp();
    let records = i64::try_from(BATCH).unwrap() * 3 + 1;
    for n in 0..records {
        log.append(record(n));
    }
    log.close().await;
    log.close().await;
    log.append(record(records));
    assert_eq!(log.dropped(), 1);
    assert_eq!(numbers(&everything(&log).await), (0..records).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_file_of_a_later_version_is_left_alone() {
    let (dir, log) = temp();
    log.append(record(1));
    log.close().await;
    let path = dir.path().join("2026-11-23.db");
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.pragma_update(None, "user_version", 4).unwrap();
    drop(connection);
    let error = Log::open(dir.path(), 30, NOON).expect_err("today's file is newer");
    assert!(matches!(error, Error::Newer { found: 4, known: 3, .. }), "{error}");
    assert!(error.to_string().contains("2026-11-23.db"), "{error}");
    // Yesterday's does not keep today's from being written.
    let log = open(dir.path(), NOON.plus(DAY));
    let error = log.query(Query::of(APP)).await.expect_err("an answer with a hole is no answer");
    assert!(matches!(error, Error::Newer { .. }), "{error}");
    log.append(Record { at: NOON.plus(DAY), ..record(0) });
    let since = Some(NOON.plus(DAY));
    let page = log.query(Query { since, ..Query::of(APP) }).await.unwrap();
    assert_eq!(page.records.len(), 1);
    assert_eq!(log.dropped(), 0);
}

#[tokio::test]
async fn a_file_of_the_first_version_gets_what_it_lacks() {
    let (dir, log) = temp();
    let push = |n| Record { inbox: None, push: Some(PushId::from_bits(7)), ..record(n) };
    let tomorrow = |record: Record| Record { at: record.at.plus(DAY), ..record };
    log.append(record(1));
    log.append(tomorrow(record(2)));
    log.close().await;
    for day in ["2026-11-23.db", "2026-11-24.db"] {
        let connection = rusqlite::Connection::open(dir.path().join(day)).unwrap();
        let first = "DROP INDEX record_push; ALTER TABLE record DROP COLUMN push; \
                     DROP TABLE figure;";
        connection.execute_batch(first).unwrap();
        connection.pragma_update(None, "user_version", 1).unwrap();
    }
    // One is opened to be written, the other to be read.
    let log = open(dir.path(), NOON.plus(DAY));
    log.append(tomorrow(push(3)));
    assert_eq!(everything(&log).await, [record(1), tomorrow(record(2)), tomorrow(push(3))]);
    let of_push = Query { push: Some(PushId::from_bits(7)), ..Query::of(APP) };
    assert_eq!(log.query(of_push).await.unwrap().records, [tomorrow(push(3))]);
    log.count(APP, NOON.plus(DAY), Figure::Messages, 2);
    let wanted = Wanted { app: APP, since: NOON, until: NOON.plus(DAY * 2), step: DAY };
    let counted = log.figures(wanted).await.unwrap();
    assert_eq!(counted.iter().map(|counted| counted.times).collect::<Vec<_>>(), [2]);
    assert_eq!(log.dropped(), 0);
}

#[tokio::test]
async fn a_file_that_is_no_database_is_named() {
    let (dir, log) = temp();
    fs::write(dir.path().join("2026-11-20.db"), "x".repeat(5_000)).unwrap();
    let error = log.query(Query::of(APP)).await.expect_err("not a database");
    let text = error.to_string();
    assert!(text.contains("2026-11-20.db") && text.contains("move it away"), "{text}");
    let error = Log::open(dir.path(), 30, NOON.minus(DAY * 3)).expect_err("not a database");
    assert!(error.to_string().contains("2026-11-20.db"), "{error}");
    fs::write(dir.path().join("file"), "").unwrap();
    let error = Log::open(&dir.path().join("file"), 30, NOON).expect_err("not a directory");
    assert!(matches!(error, Error::File { .. }), "{error}");
}

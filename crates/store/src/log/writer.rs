//! The one thread that writes.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use super::day::Day;
use super::figures::{Counts, Key};
use super::file::File;
use super::queue::{BATCH, Queue, Taken};
use super::record::Record;
use crate::Error;

/// The writer's state.
#[derive(Debug)]
pub(super) struct Writer {
    dir: PathBuf,
    retention_days: u32,
    /// The newest day seen; when a newer one comes, old files go.
    today: Day,
    open: Option<(Day, File)>,
    queue: Arc<Queue>,
    /// The last write failed. Told once, not once per batch.
    in_trouble: bool,
}

impl Writer {
    /// Makes the directory, drops what is too old, opens today's file.
    pub(super) fn open(
        dir: PathBuf,
        retention_days: u32,
        today: Day,
        queue: Arc<Queue>,
    ) -> Result<Self, Error> {
        let mut writer = Self { dir, retention_days, today, open: None, queue, in_trouble: false };
        writer.file(today)?;
        writer.expire();
        Ok(writer)
    }

    /// Writes until the queue is closed and empty.
    pub(super) fn run(mut self) {
        // However this thread ends, nobody is left waiting for it.
        let _end = End(self.queue.clone());
        let mut room = Vec::new();
        loop {
            let Taken { mut records, figures, flushes, retention_days, last } =
                self.queue.take(room);
            self.write(&mut records);
            self.count(figures);
            if let Some(days) = retention_days {
                self.retention_days = days;
                self.expire();
            }
            for flush in flushes {
                // Whoever asked may have gone.
                let _ = flush.send(());
            }
            if last {
                return;
            }
            records.clear();
            // A burst's memory goes back once the burst is over.
            records.shrink_to(BATCH);
            room = records;
        }
    }

    fn write(&mut self, records: &mut [Record]) {
        // Around midnight the two days alternate; each file gets its own in one go. Stable, so
        // that a day's records keep their order.
        records.sort_by_key(|record| Day::of(record.at));
        for of_one_day in records.chunk_by(|a, b| Day::of(a.at) == Day::of(b.at)) {
            let Some(day) = of_one_day.first().map(|first| Day::of(first.at)) else { continue };
            for batch in of_one_day.chunks(BATCH) {
                let written = self.file_of(day).and_then(|file| file.insert(batch));
                if written.is_err() {
                    self.queue.count_dropped(batch.len());
                }
                self.note(written);
            }
        }
    }

    /// Adds to the figures. What cannot be written is gone, as records are.
    fn count(&mut self, figures: Counts) {
        let mut figures: Vec<(Key, u64)> = figures.into_iter().collect();
        figures.sort_unstable_by_key(|(key, _)| key.slot);
        for of_one_day in figures.chunk_by(|(a, _), (b, _)| a.day() == b.day()) {
            let Some((key, _)) = of_one_day.first() else { continue };
            let written = self.file_of(key.day()).and_then(|file| file.count(of_one_day));
            self.note(written);
        }
    }

    /// Tells of trouble once, and of its end.
    fn note(&mut self, written: Result<(), Error>) {
        match written {
            Ok(()) => {
                if self.in_trouble {
                    tracing::info!("the push log can be written again");
                }
                self.in_trouble = false;
            }
            Err(error) => {
                // The next batch starts from the directory: whatever was open may be half a file,
                // or no longer there.
                self.open = None;
                if !self.in_trouble {
                    tracing::warn!(%error, "the push log cannot be written; its records are dropped and counted");
                }
                self.in_trouble = true;
            }
        }
    }

    /// The file of a day that has come, and of a newer one for the first time perhaps.
    fn file_of(&mut self, day: Day) -> Result<&mut File, Error> {
        if day > self.today {
            self.today = day;
            self.open = None;
            self.expire();
        }
        self.file(day)
    }

    /// The file of `day`, opened or made if it is not the one that is open.
    fn file(&mut self, day: Day) -> Result<&mut File, Error> {
        let path = day.file(&self.dir);
        let still_open = match &self.open {
            // SQLite would go on writing to a file that was removed under it, and all would be
            // lost without an error.
            Some((open, _)) => *open == day && path.exists(),
            None => false,
        };
        if !still_open {
            // Closed before the next one is opened: the removed file and its successor share the
            // name of the WAL.
            self.open = None;
            fs::create_dir_all(&self.dir)
                .map_err(|source| Error::File { path: self.dir.clone(), source })?;
            self.open = Some((day, File::create(&path)?));
        }
        match &mut self.open {
            Some((_, file)) => Ok(file),
            None => Err(Error::Closed),
        }
    }

    /// Drops files whose days are over for longer than the retention.
    fn expire(&self) {
        let days = match Day::list(&self.dir) {
            Ok(days) => days,
            Err(error) => {
                tracing::warn!(%error, dir = %self.dir.display(), "cannot look for old push logs");
                return;
            }
        };
        for day in days.into_iter().filter(|day| self.today.since(*day) > self.retention_days) {
            if let Err(error) = day.remove(&self.dir) {
                let file = day.file(&self.dir);
                tracing::warn!(%error, file = %file.display(), "cannot remove an old push log");
            }
        }
    }
}

/// Tells the queue that the writer is gone, on a panic too.
struct End(Arc<Queue>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.end();
    }
}

//! Readers beside the writer: a thread and a connection each.
//!
//! A read sees what was committed when it began. No decision uses what was read here: a change
//! looks again, in its own transaction.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::writer::{Role, open};
use crate::Error;

type Read = Box<dyn FnOnce(&Connection) + Send>;

/// The way to the reader threads.
#[derive(Clone)]
pub(super) struct Readers {
    threads: Arc<[mpsc::Sender<Read>]>,
    next: Arc<AtomicUsize>,
}

impl Readers {
    /// Starts `count` reader threads.
    pub(super) fn start(path: &Path, count: usize) -> Result<Self, Error> {
        let mut threads = Vec::with_capacity(count.max(1));
        for number in 0..count.max(1) {
            let conn = open(path, Role::Reader)?;
            let (queue, reads) = mpsc::channel::<Read>();
            std::thread::Builder::new()
                .name(format!("store-reader-{number}"))
                .spawn(move || {
                    for read in reads {
                        read(&conn);
                    }
                })
                .map_err(|source| Error::File { path: "store-reader".into(), source })?;
            threads.push(queue);
        }
        Ok(Self { threads: threads.into(), next: Arc::default() })
    }

    /// Runs one read.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.threads.len();
        let job: Read = Box::new(move |conn| {
            // The caller may be gone; nobody else wants the answer.
            let _gone = reply.send(read(conn));
        });
        self.threads[turn].send(job).map_err(|_| Error::Closed)?;
        answer.await.map_err(|_| Error::Closed)?
    }
}

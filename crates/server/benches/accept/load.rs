//! Many senders at once, each waiting for its answer before it goes on.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::task::JoinSet;

/// Senders at once: twice the store's batch, so that a full one waits while another commits.
pub(super) const IN_FLIGHT: usize = 512;

/// Does `work` for every number below `count`, [`IN_FLIGHT`] at a time; returns how long all took.
///
/// # Errors
///
/// The first one of `work`.
pub(super) async fn spread<F, W>(count: usize, work: F) -> Result<Duration>
where
    F: Fn(usize) -> W + Send + Sync + 'static,
    W: Future<Output = Result<()>> + Send + 'static,
{
    let (next, work) = (Arc::new(AtomicUsize::new(0)), Arc::new(work));
    let mut workers = JoinSet::new();
    let start = Instant::now();
    for _ in 0..IN_FLIGHT {
        let (next, work) = (Arc::clone(&next), Arc::clone(&work));
        workers.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return anyhow::Ok(());
                }
                work(number).await?;
            }
        });
    }
    while let Some(ended) = workers.join_next().await {
        ended??;
    }
    Ok(start.elapsed())
}

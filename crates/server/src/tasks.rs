//! The one place that starts tasks.
//!
//! Every task belongs to the node: it is counted, told to stop, and waited for. A panic in one
//! does not end the process, but it is logged and counted, and a test run that saw one fails.

#[cfg(panic = "abort")]
compile_error!("a panic of one task must not end the process; build with panic = \"unwind\"");

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The tasks of a node. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
    panics: Arc<AtomicU64>,
    /// Held by the thread that computes.
    computing: Arc<tokio::sync::Mutex<()>>,
}

impl Tasks {
    /// Starts a task; `name` stands in the log should it panic.
    pub fn start(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let watch = PanicWatch { name, panics: Arc::clone(&self.panics) };
        self.tracker.spawn(async move {
            let _watch = watch;
            task.await;
        });
    }

    /// Computes what somebody else's input may make long, on a thread of its own and one at a time,
    /// so that nothing else waits for it. `None`: it was not done within the limit. Its thread then
    /// goes on, and the next one waits for that.
    pub async fn compute<T: Send + 'static>(
        &self,
        limit: Duration,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let computing = Arc::clone(&self.computing);
        let done = async move {
            let alone = computing.lock_owned().await;
            let (tell, told) = tokio::sync::oneshot::channel();
            let thread = std::thread::Builder::new().name("compute".to_owned());
            let started = thread.spawn(move || {
                let _alone = alone;
                // Whoever asked may have given up.
                let _ = tell.send(job());
            });
            started.ok()?;
            told.await.ok()
        };
        tokio::time::timeout(limit, done).await.ok().flatten()
    }

    /// Resolves once the node stops.
    pub async fn stopped(&self) {
        self.stop.cancelled().await;
    }

    /// Whether the node stops.
    pub fn is_stopping(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Tells every task to stop; returns at once.
    pub fn stop(&self) {
        self.stop.cancel();
        self.tracker.close();
    }

    /// Waits until every task has ended.
    pub async fn ended(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }

    /// How many tasks panicked.
    pub fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }
}

struct PanicWatch {
    name: &'static str,
    panics: Arc<AtomicU64>,
}

impl Drop for PanicWatch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.panics.fetch_add(1, Ordering::Relaxed);
            tracing::error!(task = self.name, "a task panicked; this is a bug, please report it");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_takes_too_long_is_given_up_and_the_next_one_waits_for_its_end() {
        let tasks = Tasks::default();
        let (release, released) = std::sync::mpsc::channel::<()>();
        let long = tasks.compute(Duration::from_millis(50), move || released.recv().is_ok()).await;
        assert_eq!(long, None);
        let next = tasks.compute(Duration::from_secs(30), || "done");
        let (next, ()) = tokio::join!(next, async { drop(release) });
        assert_eq!(next, Some("done"));
    }

    #[tokio::test]
    async fn a_panic_is_counted_and_the_others_go_on() {
        let tasks = Tasks::default();
        let (tell, told) = tokio::sync::oneshot::channel();
        tasks.start("panics", async { panic!("on purpose") });
        let stopping = tasks.clone();
        tasks.start("waits", async move {
            stopping.stopped().await;
            tell.send(()).expect("the test waits");
        });
        tasks.stop();
        told.await.expect("the task was told to stop");
        tasks.ended().await;
        assert_eq!(tasks.panics(), 1);
    }
}

//! The one place that starts tasks.
//!
//! Every task belongs to the node: it is counted, told to stop, and waited for. A panic in one
//! does not end the process, but it is logged and counted, and a test run that saw one fails.

#[cfg(panic = "abort")]
compile_error!("a panic of one task must not end the process; build with panic = \"unwind\"");

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::AppId;
use futures_util::FutureExt;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The tasks of a node. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
    panics: Arc<AtomicU64>,
    /// For each app, what is held by the thread that computes for it.
    computing: Arc<Mutex<HashMap<AppId, Arc<tokio::sync::Mutex<()>>>>>,
}

impl Tasks {
    /// Starts a task; `name` stands in the log should it panic.
    pub fn start(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let watch = PanicWatch { name, panics: Arc::clone(&self.panics) };
        // Not an `async` block: that would hold the task twice, as what it captured and as what it
        // awaits.
        self.tracker.spawn(task.map(move |()| drop(watch)));
    }

    /// Computes what an app's input may make long, on a thread of its own and one at a time of that
    /// app, so that nobody else waits for it. `None`: it was not done within the limit. Its thread
    /// then goes on, and the app's next one waits for that.
    pub async fn compute<T: Send + 'static>(
        &self,
        app: AppId,
        limit: Duration,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let turn = self.turn(app);
        let done = async move {
            let alone = turn.lock_owned().await;
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

    /// What whoever computes for an app holds.
    fn turn(&self, app: AppId) -> Arc<tokio::sync::Mutex<()>> {
        // Every change under the lock is whole.
        let mut computing = self.computing.lock().unwrap_or_else(PoisonError::into_inner);
        computing.retain(|_, turn| Arc::strong_count(turn) > 1);
        Arc::clone(computing.entry(app).or_default())
    }

    /// Works at what takes milliseconds of a processor, beside the threads that everything else
    /// shares. `None`: it panicked.
    pub async fn work<T: Send + 'static>(
        &self,
        name: &'static str,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let watch = PanicWatch { name, panics: Arc::clone(&self.panics) };
        let working = self.tracker.spawn_blocking(move || {
            let _watch = watch;
            job()
        });
        working.await.ok()
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
            // The log has the panic itself, by its place.
            tracing::debug!(task = self.name, "a task panicked; the others go on");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_takes_too_long_is_given_up_and_the_apps_next_one_waits_for_its_end() {
        let tasks = Tasks::default();
        let (own, other) = (AppId::from_number(1), AppId::from_number(2));
        let (patient, short) = (Duration::from_secs(30), Duration::from_millis(50));
        let (release, released) = std::sync::mpsc::channel::<()>();
        let long = tasks.compute(own, short, move || released.recv().is_ok()).await;
        assert_eq!(long, None);
        assert_eq!(tasks.compute(own, short, || "done").await, None);
        assert_eq!(tasks.compute(other, patient, || "done").await, Some("done"));
        let next = tasks.compute(own, patient, || "done");
        let (next, ()) = tokio::join!(next, async { drop(release) });
        assert_eq!(next, Some("done"));
    }

    #[tokio::test]
    async fn work_is_done_beside_the_others_and_its_panic_is_counted() {
        let tasks = Tasks::default();
        let (tell, told) = std::sync::mpsc::channel();
        let waits = tasks.work("waits", move || told.recv().is_ok());
        // This test has one thread: it goes on while the work waits.
        let (waited, ()) = tokio::join!(waits, async { tell.send(()).expect("it waits") });
        assert_eq!(waited, Some(true));
        assert_eq!(tasks.work("panics", || panic!("on purpose")).await, None::<()>);
        assert_eq!(tasks.panics(), 1);
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

//! The log of everything observable on one phone, and waiting on it without a race.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use tokio::sync::{mpsc, watch};

use super::event::{Logged, PhoneEvent};

/// An append-only log. Who waits looks at what is there before it sleeps, so that nothing that
/// happened between the cause and the wait is missed.
#[derive(Debug)]
pub(crate) struct Journal {
    name: String,
    events: Mutex<Vec<Logged>>,
    length: watch::Sender<usize>,
    trace: Mutex<Option<Trace>>,
}

/// Where a copy of every event goes: the phone's name and the event.
pub(crate) type Trace = mpsc::UnboundedSender<(Arc<str>, Logged)>;

impl Journal {
    /// An empty log of the phone called `name`.
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            events: Mutex::default(),
            length: watch::Sender::new(0),
            trace: Mutex::default(),
        }
    }

    /// Sends a copy of each later event to `trace`.
    pub(crate) fn set_trace(&self, trace: Trace) {
        *lock(&self.trace) = Some(trace);
    }

    /// Appends one event and wakes those who wait.
    pub(crate) fn push(&self, event: PhoneEvent) {
        let length = {
            let mut events = lock(&self.events);
            // The times are read under the lock, so that the log is in the order of its times.
            let logged = Logged { at: jiff::Timestamp::now(), instant: Instant::now(), event };
            tracing::debug!(phone = %self.name, event = %logged.event, "phone");
            if let Some(trace) = &*lock(&self.trace) {
                // A demo that stopped listening is no concern of the phone's.
                let _ = trace.send((Arc::from(self.name.as_str()), logged.clone()));
            }
            events.push(logged);
            events.len()
        };
        self.length.send_replace(length);
    }

    /// Everything so far.
    pub(crate) fn all(&self) -> Vec<Logged> {
        lock(&self.events).clone()
    }

    /// How many events there are: a mark to wait from.
    pub(crate) fn mark(&self) -> usize {
        lock(&self.events).len()
    }

    /// Whether any event from number `from` on fits.
    pub(crate) fn any_since(&self, from: usize, fits: impl Fn(&PhoneEvent) -> bool) -> bool {
        lock(&self.events).iter().skip(from).any(|logged| fits(&logged.event))
    }

    /// The first event from number `from` on for which `wanted` holds, waiting for it if need be.
    pub(crate) async fn wait(
        &self,
        from: usize,
        mut wanted: impl FnMut(&PhoneEvent) -> bool,
        timeout: Duration,
    ) -> Result<Logged> {
        let mut length = self.length.subscribe();
        let mut next = from;
        let found = tokio::time::timeout(timeout, async {
            loop {
                length.borrow_and_update();
                {
                    let events = lock(&self.events);
                    while next < events.len() {
                        if wanted(&events[next].event) {
                            return events[next].clone();
                        }
                        next += 1;
                    }
                }
                // The sender lives in `self`, so this cannot fail before `self` is gone.
                let _ = length.changed().await;
            }
        })
        .await;
        match found {
            Ok(logged) => Ok(logged),
            Err(_) => bail!(
                "{}: the event did not come within {timeout:?}; the log so far:\n{}",
                self.name,
                self.tail(40)
            ),
        }
    }

    /// The last `count` events as text, for a failed test.
    pub(crate) fn tail(&self, count: usize) -> String {
        let events = lock(&self.events);
        let mut text = String::new();
        for logged in &events[events.len().saturating_sub(count)..] {
            let _ = writeln!(text, "  {} {}", logged.at, logged.event);
        }
        text
    }
}

/// A panic elsewhere does not make a log unreadable.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typing(thread: &str) -> PhoneEvent {
        PhoneEvent::Typing { from: None, thread: thread.to_owned() }
    }

    fn is(thread: &'static str) -> impl FnMut(&PhoneEvent) -> bool {
        move |event| matches!(event, PhoneEvent::Typing { thread: is, .. } if is == thread)
    }

    #[tokio::test]
    async fn an_event_from_before_the_wait_is_found() {
        let journal = Journal::new("phone");
        journal.push(typing("a"));
        journal.push(typing("b"));
        assert!(journal.wait(0, is("a"), Duration::from_secs(5)).await.is_ok());
    }

    #[tokio::test]
    async fn an_event_from_before_the_mark_is_not_found() {
        let journal = Journal::new("phone");
        journal.push(typing("a"));
        let error = journal.wait(journal.mark(), is("a"), Duration::ZERO).await.unwrap_err();
        assert!(error.to_string().contains("thread: \"a\""), "{error}");
    }

    #[tokio::test]
    async fn an_event_of_another_task_ends_the_wait() {
        let journal = Arc::new(Journal::new("phone"));
        let (waiting, writing) = (Arc::clone(&journal), Arc::clone(&journal));
        let (found, ()) = tokio::join!(
            async move { waiting.wait(0, is("late"), Duration::from_secs(5)).await },
            async move {
                tokio::task::yield_now().await;
                writing.push(typing("early"));
                writing.push(typing("late"));
            }
        );
        assert!(found.is_ok());
    }
}

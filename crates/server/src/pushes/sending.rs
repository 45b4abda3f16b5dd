//! Pushes that this node is sending: what the transport asks right before it writes, so that a
//! cancel catches what still waits for room.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::delivery::{self, PushKind};
use domain::{PushId, Time};

use crate::clock::Clock;

/// The pushes on their way from this node. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Sending(Arc<Mutex<HashMap<PushId, Entry>>>);

#[derive(Debug)]
struct Entry {
    wanted: Arc<AtomicBool>,
    attempts: usize,
}

/// One attempt of a push; forgotten when dropped.
#[derive(Debug)]
pub struct Attempt {
    sending: Sending,
    push: PushId,
    wanted: Arc<AtomicBool>,
}

impl Sending {
    /// An attempt of a push begins.
    pub fn begin(&self, push: PushId) -> Attempt {
        let mut pushes = self.pushes();
        let entry = pushes
            .entry(push)
            .or_insert_with(|| Entry { wanted: Arc::new(AtomicBool::new(true)), attempts: 0 });
        entry.attempts += 1;
        let wanted = Arc::clone(&entry.wanted);
        drop(pushes);
        Attempt { sending: self.clone(), push, wanted }
    }

    /// A push was cancelled: what is not written yet is not written.
    pub fn cancel(&self, push: PushId) {
        if let Some(entry) = self.pushes().get(&push) {
            entry.wanted.store(false, Ordering::Release);
        }
    }

    fn pushes(&self) -> MutexGuard<'_, HashMap<PushId, Entry>> {
        // A panic elsewhere leaves the counts whole: every change is one step.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Attempt {
    /// What the transport asks right before it writes: the push was not cancelled, and is of use
    /// still.
    pub fn wanted(
        &self,
        kind: PushKind,
        expires_at: Time,
        clock: &Clock,
    ) -> impl Fn() -> bool + Send + Sync + use<> {
        let (wanted, clock) = (Arc::clone(&self.wanted), clock.clone());
        move || {
            wanted.load(Ordering::Acquire) && !delivery::is_too_late(kind, expires_at, clock.now())
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let mut pushes = self.sending.pushes();
        if let Some(entry) = pushes.get_mut(&self.push) {
            entry.attempts -= 1;
            if entry.attempts == 0 {
                pushes.remove(&self.push);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_cancel_reaches_every_attempt_of_its_push_and_nothing_is_left() {
        let sending = Sending::default();
        let (push, other) = (PushId::from_bits(1), PushId::from_bits(2));
        let attempts = [sending.begin(push), sending.begin(push), sending.begin(other)];
        sending.cancel(push);
        let clock = Clock::system();
        let later = clock.now().plus(Duration::from_secs(3_600));
        let wanted = |attempt: &Attempt| attempt.wanted(PushKind::Alert, later, &clock)();
        assert!(!sending.begin(other).wanted(PushKind::Alert, clock.now(), &clock)(), "too late");
        let wanted_each = attempts.each_ref().map(wanted);
        assert_eq!(wanted_each, [false, false, true]);
        drop(attempts);
        assert!(sending.pushes().is_empty());
        // One that begins later is looked at by the store.
        sending.cancel(push);
        assert!(wanted(&sending.begin(push)));
    }
}

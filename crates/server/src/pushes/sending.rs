//! Pushes that this node is sending: what the transport asks right before it writes, so that a
//! cancel catches what still waits for room.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::PushId;

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
    /// Whether the push is still wanted, for as long as anybody asks.
    pub fn wanted(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.wanted)
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
    use super::*;

    #[test]
    fn a_cancel_reaches_every_attempt_of_its_push_and_nothing_is_left() {
        let sending = Sending::default();
        let (push, other) = (PushId::from_bits(1), PushId::from_bits(2));
        let attempts = [sending.begin(push), sending.begin(push), sending.begin(other)];
        sending.cancel(push);
        let wanted = attempts.each_ref().map(|attempt| attempt.wanted().load(Ordering::Acquire));
        assert_eq!(wanted, [false, false, true]);
        drop(attempts);
        assert!(sending.pushes().is_empty());
        // One that begins later is looked at by the store.
        sending.cancel(push);
        assert!(sending.begin(push).wanted().load(Ordering::Acquire));
    }
}

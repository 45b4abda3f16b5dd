//! Step 2 of the way: who is there. The living sessions of this node, by inbox.
//!
//! What goes through here may be lost: a nudge says "look", a live frame is not stored. Whether
//! somebody is asleep is decided by the store alone.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use domain::{CallId, DeviceNumber, InboxId, Offset, SessionId};
use tokio::sync::Notify;
use wire::{CloseCode, ServerFrame};

use crate::steps;

/// Live frames that wait for one session at most; a session with more is closed as too slow.
const QUEUE: usize = 256;

/// The living sessions of this node.
#[derive(Debug, Default)]
pub struct Hub {
    inboxes: Mutex<HashMap<InboxId, Vec<Arc<Handle>>>>,
    /// How often tokens or devices were taken back.
    revocations: AtomicU64,
}

/// A session as others see it.
#[derive(Debug)]
pub struct Handle {
    /// The session.
    pub session: SessionId,
    /// Its device.
    pub device: DeviceNumber,
    head: AtomicI64,
    look: Notify,
    /// Empty, and without memory of its own, in a session that is idle.
    queue: Mutex<VecDeque<Event>>,
    events: Notify,
    /// Beside the queue, so that one that is full keeps no session alive.
    end: OnceLock<(CloseCode, &'static str)>,
    ends: Notify,
}

/// What others tell a session.
#[derive(Debug)]
pub enum Event {
    /// A live frame to be written.
    Frame(Box<ServerFrame>),
    /// A call has signals for this device: to be read in order.
    Signals {
        /// The store's number of the call.
        call: i64,
        /// The caller's id for it.
        id: CallId,
    },
}

impl Handle {
    /// The handle of a session.
    pub fn new(session: SessionId, device: DeviceNumber, head: Offset) -> Arc<Self> {
        Arc::new(Self {
            session,
            device,
            head: AtomicI64::new(head.number()),
            look: Notify::new(),
            queue: Mutex::default(),
            events: Notify::new(),
            end: OnceLock::new(),
            ends: Notify::new(),
        })
    }

    /// Waits for what others tell the session, in order. Nothing is lost if it is dropped while it
    /// waits.
    pub async fn told(&self) -> Event {
        loop {
            let events = self.events.notified();
            if let Some(event) = self.next_event() {
                return event;
            }
            events.await;
        }
    }

    fn next_event(&self) -> Option<Event> {
        let mut queue = self.queue();
        let event = queue.pop_front();
        if queue.is_empty() {
            *queue = VecDeque::new();
        }
        event
    }

    fn queue(&self) -> MutexGuard<'_, VecDeque<Event>> {
        // A panic elsewhere leaves the queue whole: every change is one step.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until somebody ends the session; returns the code, and the words for the client.
    pub async fn closed(&self) -> (CloseCode, &'static str) {
        loop {
            let ends = self.ends.notified();
            if let Some(end) = self.end.get() {
                return *end;
            }
            ends.await;
        }
    }

    /// Waits for a nudge; returns the newest head heard of.
    pub async fn nudged(&self) -> Offset {
        self.look.notified().await;
        Offset::from_number(self.head.load(Ordering::Acquire))
    }

    fn nudge(&self, head: Offset) {
        self.head.fetch_max(head.number(), Ordering::AcqRel);
        self.look.notify_one();
    }

    fn send(&self, event: Event) {
        let mut queue = self.queue();
        if queue.len() < QUEUE {
            queue.push_back(event);
            self.events.notify_one();
        } else {
            drop(queue);
            // What it missed it learns when it connects again: how its calls stand is told then.
            self.close(CloseCode::TooSlow, "the connection takes nothing more; resume anew");
        }
    }

    fn close(&self, code: CloseCode, why: &'static str) {
        // The first reason is the one that is told.
        if self.end.set((code, why)).is_ok() {
            self.ends.notify_one();
        }
    }
}

impl Hub {
    /// How many sessions live here.
    pub fn sessions(&self) -> u64 {
        let count = self.lock().values().map(Vec::len).sum::<usize>();
        u64::try_from(count).unwrap_or(u64::MAX)
    }

    /// Adds a session.
    pub fn add(&self, inbox: InboxId, handle: Arc<Handle>) {
        self.lock().entry(inbox).or_default().push(handle);
    }

    /// Takes a session away.
    pub fn remove(&self, inbox: InboxId, session: SessionId) {
        let mut inboxes = self.lock();
        if let Some(handles) = inboxes.get_mut(&inbox) {
            handles.retain(|handle| handle.session != session);
            if handles.is_empty() {
                inboxes.remove(&inbox);
            }
        }
    }

    /// The inbox has grown: its sessions should look.
    pub fn nudge(&self, inbox: InboxId, head: Offset) {
        let _step = steps::route(inbox).entered();
        if let Some(handles) = self.lock().get(&inbox) {
            for handle in handles {
                handle.nudge(head);
            }
        }
    }

    /// Writes a live frame to an inbox's sessions that `wanted` picks; returns to how many.
    pub fn tell(
        &self,
        inbox: InboxId,
        frame: &ServerFrame,
        wanted: impl Fn(&Handle) -> bool,
    ) -> u32 {
        let mut told = 0;
        if let Some(handles) = self.lock().get(&inbox) {
            for handle in handles.iter().filter(|handle| wanted(handle)) {
                handle.send(Event::Frame(Box::new(frame.clone())));
                told += 1;
            }
        }
        told
    }

    /// A call has signals for a device: its sessions should read them.
    pub fn signals(&self, inbox: InboxId, device: DeviceNumber, call: i64, id: CallId) {
        let inboxes = self.lock();
        let handles = inboxes.get(&inbox).into_iter().flatten();
        for handle in handles.filter(|handle| handle.device == device) {
            handle.send(Event::Signals { call, id });
        }
    }

    /// Ends one session, most likely of that inbox; a device that signs in as another user leaves
    /// sessions in the inbox of the first.
    pub fn close(&self, inbox: InboxId, session: SessionId, code: CloseCode, why: &'static str) {
        let inboxes = self.lock();
        let is_it = |handle: &&Arc<Handle>| handle.session == session;
        let here = inboxes.get(&inbox).and_then(|handles| handles.iter().find(is_it));
        if let Some(handle) = here.or_else(|| inboxes.values().flatten().find(is_it)) {
            handle.close(code, why);
        }
    }

    /// What proved a user was taken back: ends every session of the inbox, and lets those that are
    /// just connecting look again.
    pub fn revoked(&self, inbox: InboxId, why: &'static str) {
        self.revocations.fetch_add(1, Ordering::AcqRel);
        for handle in self.lock().get(&inbox).into_iter().flatten() {
            handle.close(CloseCode::Unauthorized, why);
        }
    }

    /// How often something was taken back: whoever connects compares before and after.
    pub fn revocations(&self) -> u64 {
        self.revocations.load(Ordering::Acquire)
    }

    /// Ends every session.
    pub fn close_all(&self, code: CloseCode, why: &'static str) {
        for handle in self.lock().values().flatten() {
            handle.close(code, why);
        }
    }

    /// The ids of all sessions of this node.
    pub fn ids(&self) -> HashSet<SessionId> {
        self.lock().values().flatten().map(|handle| handle.session).collect()
    }

    /// How many sessions live.
    pub fn len(&self) -> usize {
        self.lock().values().map(Vec::len).sum()
    }

    /// Whether none does.
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<InboxId, Vec<Arc<Handle>>>> {
        // A panic elsewhere leaves the map whole: every change is one step.
        self.inboxes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use domain::{DeviceNumber, InboxId};

    use super::*;

    fn handle(number: u128) -> Arc<Handle> {
        Handle::new(SessionId::from_bits(number), DeviceNumber::from_number(1), Offset::ZERO)
    }

    fn typing() -> ServerFrame {
        wire::Typing { to: None, from: None, thread: "t".to_owned() }.into()
    }

    #[tokio::test]
    async fn a_session_that_takes_no_more_is_ended_and_the_others_go_on() {
        let (hub, inbox) = (Hub::default(), InboxId::from_number(7));
        let slow = handle(1);
        let quick = handle(2);
        hub.add(inbox, Arc::clone(&slow));
        hub.add(inbox, Arc::clone(&quick));
        for _ in 0..QUEUE {
            hub.tell(inbox, &typing(), |_| true);
            assert!(matches!(quick.told().await, Event::Frame(_)));
        }
        assert!(slow.end.get().is_none(), "it has room for so many");
        // One more is not lost in silence, whatever it is.
        hub.signals(inbox, DeviceNumber::from_number(1), 7, CallId::from_bits(7));
        assert!(matches!(quick.told().await, Event::Signals { call: 7, .. }));
        assert_eq!(slow.closed().await.0, CloseCode::TooSlow);
        assert!(quick.end.get().is_none());
        // Whatever is said later, it is told why it ended; a full queue keeps nobody alive.
        hub.close_all(CloseCode::GoingAway, "over");
        assert_eq!(slow.closed().await.0, CloseCode::TooSlow);
        assert_eq!(quick.closed().await.0, CloseCode::GoingAway);
    }
}

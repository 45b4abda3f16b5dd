//! Step 2 of the way: who is there. The living sessions of this node, by inbox.
//!
//! What goes through here may be lost: a nudge says "look", a live frame is not stored. Whether
//! somebody is asleep is decided by the store alone.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::{CallId, DeviceNumber, InboxId, Offset, SessionId};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Notify, mpsc};
use wire::{CloseCode, ServerFrame};

/// Live frames that wait for one session at most; a session with more is closed as too slow.
const QUEUE: usize = 256;

/// The living sessions of this node.
#[derive(Debug, Default)]
pub struct Hub {
    inboxes: Mutex<HashMap<InboxId, Vec<Arc<Handle>>>>,
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
    /// A live frame found no room.
    full: Notify,
    events: mpsc::Sender<Event>,
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
    /// End, and say why.
    Close(CloseCode, &'static str),
}

impl Handle {
    /// A handle, and the events for its session.
    pub fn new(
        session: SessionId,
        device: DeviceNumber,
        head: Offset,
    ) -> (Arc<Self>, mpsc::Receiver<Event>) {
        let (events, receiver) = mpsc::channel(QUEUE);
        let head = AtomicI64::new(head.number());
        let (look, full) = (Notify::new(), Notify::new());
        (Arc::new(Self { session, device, head, look, full, events }), receiver)
    }

    /// Waits for a nudge; returns the newest head heard of.
    pub async fn nudged(&self) -> Offset {
        self.look.notified().await;
        Offset::from_number(self.head.load(Ordering::Acquire))
    }

    /// Waits until a live frame has found no room: the session must end, so that its device connects
    /// again and is told how things stand.
    pub async fn overrun(&self) {
        self.full.notified().await;
    }

    fn nudge(&self, head: Offset) {
        self.head.fetch_max(head.number(), Ordering::AcqRel);
        self.look.notify_one();
    }

    fn send(&self, event: Event) {
        match self.events.try_send(event) {
            // Closed: it is ending.
            Ok(()) | Err(TrySendError::Closed(_)) => {}
            Err(TrySendError::Full(_)) => self.full.notify_one(),
        }
    }
}

impl Hub {
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
            handle.send(Event::Close(code, why));
        }
    }

    /// Ends every session of an inbox.
    pub fn close_inbox(&self, inbox: InboxId, code: CloseCode, why: &'static str) {
        for handle in self.lock().get(&inbox).into_iter().flatten() {
            handle.send(Event::Close(code, why));
        }
    }

    /// Ends every session.
    pub fn close_all(&self, code: CloseCode, why: &'static str) {
        for handle in self.lock().values().flatten() {
            handle.send(Event::Close(code, why));
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
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn a_session_that_falls_behind_is_told_to_end() {
        let hub = Hub::default();
        let inbox = InboxId::from_number(1);
        let (session, device) = (SessionId::from_bits(1), DeviceNumber::from_number(1));
        let (handle, mut events) = Handle::new(session, device, Offset::ZERO);
        hub.add(inbox, Arc::clone(&handle));
        let typing = wire::Typing { to: None, from: None, thread: "lunch".to_owned() };
        let frame = ServerFrame::Typing(typing);
        let tell = || hub.tell(inbox, &frame, |_| true);
        for _ in 0..QUEUE {
            tell();
        }
        assert_eq!(handle.overrun().now_or_never(), None, "it has room for so many");
        hub.signals(inbox, device, 7, CallId::from_bits(7));
        assert_eq!(handle.overrun().now_or_never(), Some(()), "one more is not lost in silence");
        // One that has ended misses nothing any more.
        events.close();
        tell();
        assert_eq!(handle.overrun().now_or_never(), None);
    }
}

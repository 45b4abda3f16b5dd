//! The room for one request on one connection.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Shared;
use super::state::Member;
use crate::transport::connection::Connection;
use crate::transport::failure::Failure;

/// A stream's worth of room on a connection; dropping it gives the room back.
pub(in crate::transport) struct Slot {
    /// The pool; `None` once forgotten.
    shared: Option<Arc<Shared>>,
    /// The connection.
    pub(super) connection: Arc<Connection>,
    /// How the request on it ended.
    end: SlotEnd,
}

/// How the request on a slot ended, as far as the window cares.
#[derive(Clone, Copy)]
pub(super) enum SlotEnd {
    /// With a 2xx.
    Accepted,
    /// With an answer that shows the credential was believed.
    Authenticated,
    /// With REFUSED_STREAM.
    Refused,
    /// In another way.
    Unknown,
}

impl Slot {
    /// Takes room that is there.
    pub(super) fn take(shared: &Arc<Shared>, member: &mut Member) -> Self {
        member.window.take();
        member.taken += 1;
        member.connection.facts.in_flight.fetch_add(1, Ordering::Relaxed);
        Self {
            shared: Some(Arc::clone(shared)),
            connection: Arc::clone(&member.connection),
            end: SlotEnd::Unknown,
        }
    }

    /// The connection it is on.
    pub(in crate::transport) const fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// The request was answered with this status.
    pub(super) const fn answered(&mut self, status: u16) {
        self.end = match status {
            200..=299 => SlotEnd::Accepted,
            // The answers that APNs and Google give before they believe a credential.
            401 | 403 => SlotEnd::Unknown,
            _ => SlotEnd::Authenticated,
        };
    }

    /// The request was refused unprocessed.
    pub(in crate::transport) const fn refused(&mut self) {
        self.end = SlotEnd::Refused;
    }

    /// The connection is ending: opens no more streams on it. Returns the server's word against
    /// the whole connection, if it gave one.
    pub(in crate::transport) fn connection_ended(&self) -> Option<Failure> {
        let shared = self.shared.as_ref()?;
        let refusal = self.connection.refusal(shared.policy.goaway_refuses);
        shared.ended(self.connection.id, refusal.clone());
        refusal
    }

    /// Drops it without giving the room back.
    pub(super) fn forget(mut self) {
        self.connection.facts.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.shared = None;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.take() {
            self.connection.facts.in_flight.fetch_sub(1, Ordering::Relaxed);
            shared.give_back(self.connection.id, self.end);
        }
    }
}

//! Room in the lanes: how many pushes of each may be on their way.
//!
//! A wake is born claimed only if its lane has room, and that is known to this node alone; so the
//! room is a value shared by the store's accept and the wake runner.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use domain::LaneId;

/// The rooms of all lanes.
#[derive(Clone, Debug)]
pub struct Slots(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    capacity: usize,
    lanes: Mutex<HashMap<LaneId, Room>>,
    freed: tokio::sync::Notify,
}

#[derive(Clone, Copy, Debug, Default)]
struct Room {
    taken: usize,
    closed: bool,
}

/// One place in a lane; given back when dropped.
#[derive(Debug)]
pub struct Slot {
    slots: Slots,
    lane: LaneId,
}

impl Slots {
    /// Lanes of `capacity` places each.
    pub fn new(capacity: usize) -> Self {
        Self(Arc::new(Inner {
            capacity,
            lanes: Mutex::default(),
            freed: tokio::sync::Notify::new(),
        }))
    }

    /// Takes a place, unless the lane is full or closed.
    pub fn take(&self, lane: LaneId) -> Option<Slot> {
        let mut lanes = self.lanes();
        let room = lanes.entry(lane).or_default();
        if room.closed || room.taken >= self.0.capacity {
            return None;
        }
        room.taken += 1;
        Some(Slot { slots: self.clone(), lane })
    }

    /// Closes a lane whose circuit is open: no wake is born claimed and none is claimed in it.
    pub fn close(&self, lane: LaneId) {
        self.lanes().entry(lane).or_default().closed = true;
    }

    /// Opens a lane again.
    pub fn open(&self, lane: LaneId) {
        self.lanes().entry(lane).or_default().closed = false;
        self.0.freed.notify_one();
    }

    /// Waits until a place was given back or a lane opened since the last call.
    pub async fn freed(&self) {
        self.0.freed.notified().await;
    }

    fn lanes(&self) -> std::sync::MutexGuard<'_, HashMap<LaneId, Room>> {
        // A panic elsewhere leaves the counts whole: every change is one step.
        self.0.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut lanes = self.slots.lanes();
        let room = lanes.entry(self.lane).or_default();
        let was_full = room.taken >= self.slots.0.capacity;
        room.taken = room.taken.saturating_sub(1);
        drop(lanes);
        // Only a full lane can have left a due wake waiting.
        if was_full {
            self.slots.0.freed.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_has_so_many_places_and_gets_them_back() {
        let slots = Slots::new(2);
        let lane = LaneId::from_number(1);
        let first = slots.take(lane).expect("room for one");
        let _second = slots.take(lane).expect("room for two");
        assert!(slots.take(lane).is_none());
        assert!(slots.take(LaneId::from_number(2)).is_some(), "lanes do not share room");
        drop(first);
        let third = slots.take(lane);
        assert!(third.is_some());
        drop(third);
        slots.close(lane);
        assert!(slots.take(lane).is_none());
        slots.open(lane);
        assert!(slots.take(lane).is_some());
    }
}

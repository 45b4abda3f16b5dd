//! What must hold of direct pushes and their deliveries at every commit.

use std::collections::BTreeMap;

use domain::delivery::End;
use domain::{DeviceNumber, LaneId, PushId, Time};
use store::model::{DeliveryKey, PushState, Subject};

use super::Snapshot;

#[derive(Debug, PartialEq)]
pub(crate) struct PushFact {
    pub(crate) id: PushId,
    /// Not a broadcast.
    pub(crate) listed: bool,
    pub(crate) state: PushState,
    pub(crate) cursor: i64,
    pub(crate) bound: Option<i64>,
    pub(crate) devices: i64,
    pub(crate) waiting: i64,
    pub(crate) accepted: i64,
    pub(crate) refused: i64,
    pub(crate) expired: i64,
    pub(crate) cancelled: i64,
    pub(crate) ended_at: Option<Time>,
}

#[derive(Debug, PartialEq)]
pub(crate) struct DeliveryFact {
    pub(crate) key: DeliveryKey,
    pub(crate) device: Option<DeviceNumber>,
    pub(crate) lane: Option<LaneId>,
    pub(crate) due: Option<Time>,
    /// Set while a push is on its way.
    pub(crate) attempt: Option<u128>,
    pub(crate) ended: Option<End>,
}

/// A device in a topic.
#[derive(Debug, PartialEq)]
pub(crate) struct MemberFact {
    /// The topic's name, if there is one.
    pub(crate) topic: Option<String>,
    pub(crate) device: DeviceNumber,
}

impl PushFact {
    fn ended(&self, end: End) -> i64 {
        match end {
            End::Accepted => self.accepted,
            End::Cancelled => self.cancelled,
            End::Expired => self.expired,
            End::Refused => self.refused,
        }
    }

    /// Whether nothing of it is left to do, by what it counts.
    fn is_over(&self) -> bool {
        let walked = self.bound.is_some_and(|bound| self.cursor >= bound);
        self.waiting == 0 && (self.listed || walked || self.state == PushState::Cancelled)
    }
}

impl Snapshot {
    pub(crate) fn push(&self, push: PushId) -> &PushFact {
        self.pushes.iter().find(|row| row.id == push).expect("a push the test made")
    }

    /// A push's deliveries, in order.
    pub(crate) fn deliveries_of(&self, push: PushId) -> impl Iterator<Item = &DeliveryFact> {
        self.deliveries.iter().filter(move |row| row.key.push == push)
    }

    /// Every device that a push has come to is waiting or over, in one way; the push is over with
    /// the last of them and not before.
    pub(super) fn pushes_add_up(&self, faults: &mut Vec<String>) {
        for push in &self.pushes {
            let over: i64 = End::ALL.into_iter().map(|end| push.ended(end)).sum();
            if push.devices != push.waiting + over {
                faults.push(format!("{push:?} does not add up"));
            }
            let mut ended: BTreeMap<&str, i64> = BTreeMap::new();
            let mut waiting = 0;
            for delivery in self.deliveries_of(push.id) {
                match delivery.ended {
                    None => waiting += 1,
                    Some(end) => *ended.entry(end.as_str()).or_default() += 1,
                }
            }
            if waiting != push.waiting {
                faults.push(format!("{push:?}, but {waiting} of its deliveries wait"));
            }
            for end in End::ALL {
                let rows = ended.get(end.as_str()).copied().unwrap_or(0);
                // A broadcast keeps no row for what its walk has settled.
                if rows > push.ended(end) || (push.listed && rows < push.ended(end)) {
                    faults.push(format!("{push:?}, but {rows} of its deliveries are {end:?}"));
                }
            }
            let goes_on = matches!(push.state, PushState::Open | PushState::Paused);
            if push.is_over() != push.ended_at.is_some()
                || (push.ended_at.is_some() && goes_on)
                || (push.ended_at.is_none() && push.state == PushState::Done)
            {
                faults.push(format!("{push:?} is over by one account and not by another"));
            }
            if push.bound.is_some_and(|bound| push.cursor > bound) {
                faults.push(format!("{push:?} went past its bound"));
            }
        }
    }

    pub(super) fn members_are_of_topics(&self, faults: &mut Vec<String>) {
        for member in &self.members {
            if member.topic.is_none() || self.devices.iter().all(|row| row.number != member.device)
            {
                faults.push(format!("{member:?} is left of a topic or a device that is gone"));
            }
        }
    }

    pub(super) fn deliveries_can_act(&self, faults: &mut Vec<String>) {
        for delivery in &self.deliveries {
            if delivery.due.is_none() != delivery.ended.is_some() {
                faults.push(format!("{delivery:?} is neither to be sent nor over, or both"));
            }
            if delivery.ended.is_some() && delivery.attempt.is_some() {
                faults.push(format!("{delivery:?} is over and on its way"));
            }
            let lane = self.lanes.iter().find(|lane| Some(lane.id) == delivery.lane);
            if delivery.due.is_some() && lane.is_none_or(|lane| lane.subject != Subject::Push) {
                faults.push(format!("{delivery:?} is due in {lane:?}, so nobody claims it"));
            }
            let push = self.pushes.iter().find(|push| push.id == delivery.key.push);
            let Some(push) = push else {
                faults.push(format!("{delivery:?} is of no push"));
                continue;
            };
            let waits = delivery.due.is_some() && delivery.attempt.is_none();
            if push.state == PushState::Cancelled && waits {
                faults.push(format!("{delivery:?} waits to be sent, but {push:?}"));
            }
            let device = delivery.device.map(DeviceNumber::number);
            if !push.listed && device != Some(delivery.key.number) {
                faults.push(format!("{delivery:?} is of a broadcast, and not numbered by device"));
            }
            if !push.listed && delivery.key.number > push.cursor {
                faults.push(format!("{delivery:?} is ahead of {push:?}"));
            }
        }
    }
}

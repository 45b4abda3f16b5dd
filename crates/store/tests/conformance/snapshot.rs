//! The committed state, seen from outside the store; and what must hold of it at every commit.

mod pushes;

use std::collections::{BTreeMap, BTreeSet};

use domain::{DeviceNumber, Environment, InboxId, LaneId, Offset, SessionId, TargetKind, Time};
use store::model::{Subject, WakeKey};

pub(crate) use pushes::{DeliveryFact, MemberFact, PushFact};

/// Everything the rules look at, as of one moment.
#[derive(Debug, PartialEq)]
pub(crate) struct Snapshot {
    pub(crate) inboxes: Vec<InboxFact>,
    pub(crate) entries: Vec<EntryFact>,
    /// Entries that wake nobody as things stand: read, or of a muted thread.
    pub(crate) quiet: BTreeSet<(InboxId, Offset)>,
    pub(crate) devices: Vec<DeviceFact>,
    pub(crate) sessions: Vec<SessionFact>,
    pub(crate) wakes: Vec<WakeFact>,
    pub(crate) targets: Vec<TargetFact>,
    pub(crate) lanes: Vec<LaneFact>,
    pub(crate) calls: Vec<CallFact>,
    pub(crate) pushes: Vec<PushFact>,
    pub(crate) deliveries: Vec<DeliveryFact>,
    pub(crate) members: Vec<MemberFact>,
}

#[derive(Debug, PartialEq)]
pub(crate) struct InboxFact {
    pub(crate) id: InboxId,
    pub(crate) epoch: i64,
    pub(crate) head: Offset,
    pub(crate) floor: Offset,
    pub(crate) delivered: Offset,
    pub(crate) entries: i64,
    pub(crate) bytes: i64,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct EntryFact {
    pub(crate) inbox: InboxId,
    pub(crate) offset: Offset,
    pub(crate) id: u128,
    /// A message from somebody, no copy, receipt or missed call.
    pub(crate) message: bool,
    pub(crate) wakes: bool,
    pub(crate) expires_at: Time,
    pub(crate) bytes: i64,
    /// Everything else that is stored of it, in whatever form: the same as long as it is kept.
    pub(crate) rest: String,
}

#[derive(Debug, PartialEq)]
pub(crate) struct DeviceFact {
    pub(crate) number: DeviceNumber,
    pub(crate) inbox: InboxId,
    pub(crate) cursor: Offset,
}

#[derive(Debug, PartialEq)]
pub(crate) struct SessionFact {
    pub(crate) id: SessionId,
    pub(crate) device: DeviceNumber,
    pub(crate) inbox: InboxId,
    pub(crate) suspect: bool,
}

#[derive(Debug, PartialEq)]
pub(crate) struct WakeFact {
    pub(crate) device: DeviceNumber,
    /// 0 for messages.
    pub(crate) call: i64,
    pub(crate) inbox: InboxId,
    pub(crate) lane: Option<LaneId>,
    pub(crate) due: Option<Time>,
    /// Set while a push is on its way.
    pub(crate) attempt: Option<u128>,
    pub(crate) reason: String,
    pub(crate) pushed: Offset,
}

#[derive(Debug, PartialEq)]
pub(crate) struct TargetFact {
    pub(crate) device: DeviceNumber,
    pub(crate) kind: TargetKind,
    pub(crate) token: String,
}

#[derive(Debug, PartialEq)]
pub(crate) struct LaneFact {
    pub(crate) id: LaneId,
    pub(crate) subject: Subject,
    pub(crate) kind: TargetKind,
    pub(crate) environment: Option<Environment>,
}

#[derive(Debug, PartialEq)]
pub(crate) struct CallFact {
    pub(crate) number: i64,
    pub(crate) rings: bool,
    /// When it ends by itself.
    pub(crate) due: Option<Time>,
    /// The sides of a call that is not over, each with its user's inbox, and when it has to be
    /// back.
    pub(crate) legs: Vec<(DeviceNumber, InboxId, Option<Time>)>,
}

impl Snapshot {
    /// Everything wrong with this state at `now`, in words; empty when all holds.
    pub(crate) fn faults(&self, now: Time) -> Vec<String> {
        let mut faults = Vec::new();
        self.nobody_sleeps_on_a_message(now, &mut faults);
        self.inboxes_add_up(&mut faults);
        self.devices_are_within_their_inbox(&mut faults);
        self.wakes_can_act(&mut faults);
        self.pushes_add_up(&mut faults);
        self.deliveries_can_act(&mut faults);
        self.members_are_of_topics(&mut faults);
        self.nobody_waits_on_a_call_for_ever(&mut faults);
        faults
    }

    /// The device's message wake.
    pub(crate) fn wake(&self, device: DeviceNumber) -> Option<&WakeFact> {
        self.wake_at(WakeKey { device, call: 0 })
    }

    /// The wake of a device and a call.
    pub(crate) fn wake_at(&self, key: WakeKey) -> Option<&WakeFact> {
        self.wakes.iter().find(|wake| wake.device == key.device && wake.call == key.call)
    }

    /// Whether the device has a session to rely on.
    pub(crate) fn lives(&self, device: DeviceNumber) -> bool {
        self.sessions.iter().any(|session| session.device == device && !session.suspect)
    }

    /// The newest entry the device is owed.
    pub(crate) fn owed(&self, device: &DeviceFact, now: Time) -> Option<Offset> {
        self.all_owed(device, now).max()
    }

    /// The newest entry the device is owed and to be woken for.
    pub(crate) fn owed_aloud(&self, device: &DeviceFact, now: Time) -> Option<Offset> {
        self.all_owed(device, now)
            .filter(|offset| !self.quiet.contains(&(device.inbox, *offset)))
            .max()
    }

    fn all_owed(&self, device: &DeviceFact, now: Time) -> impl Iterator<Item = Offset> {
        let owed = self.entries.iter().filter(move |entry| {
            entry.inbox == device.inbox
                && entry.wakes
                && entry.offset > device.cursor
                && entry.expires_at > now
        });
        owed.map(|entry| entry.offset)
    }

    pub(crate) fn inbox(&self, inbox: InboxId) -> &InboxFact {
        self.inboxes.iter().find(|row| row.id == inbox).expect("an inbox the test made")
    }

    pub(crate) fn device(&self, device: DeviceNumber) -> &DeviceFact {
        self.devices.iter().find(|row| row.number == device).expect("a device the test made")
    }

    /// At every commit, a device with an unacknowledged entry that wakes has an open wake, or a
    /// living session that is not suspect.
    fn nobody_sleeps_on_a_message(&self, now: Time, faults: &mut Vec<String>) {
        for device in &self.devices {
            if let Some(owed) = self.owed(device, now)
                && self.wake(device.number).is_none()
                && !self.lives(device.number)
            {
                faults.push(format!(
                    "{} is owed up to {owed:?}, and has neither a wake nor a session",
                    device.number
                ));
            }
        }
    }

    /// At every commit, a side of a call without a session has a time by which it has to be back,
    /// one with a session has none, and what rings or has such a time ends by itself.
    fn nobody_waits_on_a_call_for_ever(&self, faults: &mut Vec<String>) {
        for call in &self.calls {
            let mut ends = call.rings;
            for (device, inbox, back_by) in &call.legs {
                let lives =
                    |session: &SessionFact| session.device == *device && session.inbox == *inbox;
                if self.sessions.iter().any(lives) == back_by.is_some() {
                    faults.push(format!("{device} of {call:?} is there, or is not waited for"));
                }
                ends |= back_by.is_some();
            }
            if ends != call.due.is_some() {
                faults.push(format!("{call:?} ends by itself when it should not, or does not"));
            }
        }
    }

    fn inboxes_add_up(&self, faults: &mut Vec<String>) {
        for inbox in &self.inboxes {
            let entries: Vec<_> =
                self.entries.iter().filter(|entry| entry.inbox == inbox.id).collect();
            let count = i64::try_from(entries.len()).expect("few entries");
            let bytes: i64 = entries.iter().map(|entry| entry.bytes).sum();
            if (inbox.entries, inbox.bytes) != (count, bytes) {
                faults.push(format!("{inbox:?} counts wrong: {count} entries, {bytes} bytes"));
            }
            if inbox.floor > inbox.delivered || inbox.delivered > inbox.head {
                faults.push(format!("{inbox:?} is not floor <= delivered <= head"));
            }
            let outside =
                |entry: &&EntryFact| entry.offset <= inbox.floor || entry.offset > inbox.head;
            if entries.iter().copied().any(|entry| outside(&entry)) {
                faults.push(format!("{inbox:?} has entries outside of floor and head"));
            }
            let messages: Vec<_> =
                entries.iter().filter(|entry| entry.message).map(|entry| entry.id).collect();
            if messages.iter().collect::<BTreeSet<_>>().len() != messages.len() {
                faults.push(format!("{inbox:?} has a message twice"));
            }
        }
    }

    fn devices_are_within_their_inbox(&self, faults: &mut Vec<String>) {
        let devices: BTreeMap<_, _> =
            self.devices.iter().map(|device| (device.number, device)).collect();
        for device in &self.devices {
            if device.cursor > self.inbox(device.inbox).head {
                faults.push(format!("{device:?} holds more than there is"));
            }
        }
        for session in &self.sessions {
            let inbox = devices.get(&session.device).map(|device| device.inbox);
            if inbox != Some(session.inbox) {
                faults.push(format!("{session:?} serves another inbox than its device has"));
            }
        }
        for wake in &self.wakes {
            let inbox = devices.get(&wake.device).map(|device| device.inbox);
            if inbox != Some(wake.inbox) {
                faults.push(format!("{wake:?} is about another inbox than its device has"));
            }
        }
    }

    fn wakes_can_act(&self, faults: &mut Vec<String>) {
        for wake in &self.wakes {
            if wake.due.is_some() && wake.lane.is_none() {
                faults.push(format!("{wake:?} is due in no lane, so nobody claims it"));
            }
            // A claimed one settles in the lane it was claimed in, whatever became of the target.
            let lane = self.lanes.iter().find(|lane| Some(lane.id) == wake.lane);
            if let Some(lane) = lane
                && wake.attempt.is_none()
                && !self
                    .targets
                    .iter()
                    .any(|target| target.device == wake.device && target.kind == lane.kind)
            {
                faults.push(format!("{wake:?} waits in the lane of a target that is gone"));
            }
            let subject = if wake.call == 0 { Subject::Message } else { Subject::Call };
            if lane.is_some_and(|lane| lane.subject != subject) {
                faults.push(format!("{wake:?} is in a lane of the other subject"));
            }
            let rings = self.calls.iter().any(|call| call.number == wake.call && call.rings);
            if wake.call != 0 && !rings {
                faults.push(format!("{wake:?} is for a call that does not ring"));
            }
        }
    }
}

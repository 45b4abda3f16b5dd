//! The runner: looks at each lane when its next wake or direct push is due, and claims as many as
//! it has room for.
//!
//! Lanes do not wait for one another: each has its own room, so that one app's backlog or one hung
//! provider delays nobody else. Lanes of calls are looked at first, those of direct pushes last.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use domain::{LaneId, Time};
use store::Slot;
use store::model::{Effects, Subject};
use tokio::sync::mpsc;

use super::push;
use crate::node::Node;
use crate::pushes;

/// Claims in one transaction at most, so that a backlog leaves the writer to others in between.
const CLAIM: usize = 64;

/// The pause after a claim that failed.
const FAILED_PAUSE: Duration = Duration::from_millis(500);

/// The runner's mailbox, seen from outside.
#[derive(Clone, Debug)]
pub struct Runner {
    due: mpsc::UnboundedSender<Vec<(LaneId, Time)>>,
}

/// The runner's mailbox, before the runner has started.
#[derive(Debug)]
pub struct Mailbox {
    due: mpsc::UnboundedReceiver<Vec<(LaneId, Time)>>,
}

impl Runner {
    /// A mailbox for a runner to be started.
    pub fn new() -> (Self, Mailbox) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self { due: sender }, Mailbox { due: receiver })
    }

    /// Wakes or direct pushes became due, or will.
    pub fn due(&self, due: Vec<(LaneId, Time)>) {
        if !due.is_empty() {
            // A runner that has ended is stopping; the next start looks at every lane.
            let _stopped = self.due.send(due);
        }
    }
}

impl Mailbox {
    /// Starts the runner with every lane that has something due.
    ///
    /// # Errors
    ///
    /// When the store cannot say.
    pub async fn start(self, node: &Arc<Node>) -> Result<(), store::Error> {
        let due = node.store.lanes_due().await?;
        let runner = Arc::clone(node);
        node.tasks.start("wake runner", async move {
            let mut lanes = Lanes { node: runner, due: HashMap::new(), subjects: HashMap::new() };
            lanes.learn(due);
            lanes.run(self.due).await;
        });
        Ok(())
    }
}

struct Lanes {
    node: Arc<Node>,
    /// When each lane's next is due.
    due: HashMap<LaneId, Time>,
    /// What lanes carry: a lane never changes.
    subjects: HashMap<LaneId, Subject>,
}

impl Lanes {
    async fn run(&mut self, mut mailbox: mpsc::UnboundedReceiver<Vec<(LaneId, Time)>>) {
        loop {
            let now = self.node.clock.now();
            let pause = self.claim_due(now).await;
            let node = Arc::clone(&self.node);
            tokio::select! {
                () = node.tasks.stopped() => return,
                due = mailbox.recv() => match due {
                    Some(due) => self.learn(due),
                    None => return,
                },
                () = node.slots.freed() => {}
                () = sleep(pause) => {}
            }
            while let Ok(due) = mailbox.try_recv() {
                self.learn(due);
            }
        }
    }

    /// Remembers the earliest time of each lane.
    fn learn(&mut self, due: Vec<(LaneId, Time)>) {
        for (lane, at) in due {
            let earliest = self.due.entry(lane).or_insert(at);
            *earliest = at.min(*earliest);
        }
    }

    /// What a lane carries; `None`: the store could not say.
    async fn subject(&mut self, lane: LaneId) -> Option<Subject> {
        if let Some(subject) = self.subjects.get(&lane) {
            return Some(*subject);
        }
        match self.node.store.lane(lane).await {
            Ok(found) => {
                // A lane that is not there has nothing to claim either.
                let subject = found.map_or(Subject::Message, |lane| lane.subject);
                self.subjects.insert(lane, subject);
                Some(subject)
            }
            Err(error) => {
                tracing::warn!(%error, lane = %lane, "a lane could not be read; trying again");
                None
            }
        }
    }

    /// Claims in every lane that is due and has room; returns how long until the next one is.
    async fn claim_due(&mut self, now: Time) -> Option<Duration> {
        let due: Vec<(LaneId, Time)> =
            self.due.iter().filter(|(_, at)| **at <= now).map(|(lane, at)| (*lane, *at)).collect();
        let mut lanes = Vec::with_capacity(due.len());
        let mut failed = false;
        for (lane, at) in due {
            match self.subject(lane).await {
                Some(subject) => lanes.push((subject, at, lane)),
                None => failed = true,
            }
        }
        lanes.sort_unstable();
        for (subject, _, lane) in lanes {
            failed |= !self.claim(lane, subject, now).await;
        }
        if failed {
            return Some(FAILED_PAUSE);
        }
        // A lane that is due and full is looked at when room is given back.
        self.due.values().filter(|at| **at > now).min().map(|at| now.until(*at))
    }

    /// Claims in one lane; returns whether the store answered.
    async fn claim(&mut self, lane: LaneId, subject: Subject, now: Time) -> bool {
        let room: Vec<_> = std::iter::from_fn(|| self.node.slots.take(lane)).take(CLAIM).collect();
        if room.is_empty() {
            return true;
        }
        let claimed = match subject {
            Subject::Call | Subject::Message => self.claim_wakes(lane, room, now).await,
            Subject::Push => self.claim_deliveries(lane, room, now).await,
        };
        match claimed {
            Ok(effects) => {
                // The claim says anew when the lane's next one is due.
                self.due.remove(&lane);
                self.node.carry_out(effects);
                true
            }
            Err(error) => {
                tracing::warn!(%error, lane = %lane, "nothing could be claimed; trying again");
                false
            }
        }
    }

    async fn claim_wakes(
        &self,
        lane: LaneId,
        mut room: Vec<Slot>,
        now: Time,
    ) -> Result<Effects, store::Error> {
        let node = &self.node;
        let (claimed, effects) = node.store.claim(lane, room.len(), node.incarnation, now).await?;
        for mut claimed in claimed {
            claimed.slot = room.pop();
            push(node, claimed);
        }
        Ok(effects)
    }

    async fn claim_deliveries(
        &self,
        lane: LaneId,
        mut room: Vec<Slot>,
        now: Time,
    ) -> Result<Effects, store::Error> {
        let node = &self.node;
        let (claimed, effects) = node.store.claim_deliveries(lane, room.len(), now).await?;
        for mut claimed in claimed {
            claimed.slot = room.pop();
            pushes::push(node, claimed);
        }
        Ok(effects)
    }
}

async fn sleep(pause: Option<Duration>) {
    match pause {
        Some(pause) => tokio::time::sleep(pause).await,
        None => std::future::pending().await,
    }
}

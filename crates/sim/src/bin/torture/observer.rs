//! Asks the server, right after each ack and otherwise in turn, which acks it holds as durable.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sim::phone::{Logged, Phone, PhoneEvent};
use sim::world::World;
use tokio::sync::mpsc;

use crate::evidence::{Confirmation, ConfirmedBy};

/// Between two questions while nobody acknowledges anything.
const IDLE: Duration = Duration::from_millis(20);
/// Before the next question to a server that did not answer.
const DOWN: Duration = Duration::from_millis(50);

/// What was confirmed so far; clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Confirmed(Arc<Mutex<Vec<Confirmation>>>);

impl Confirmed {
    pub(crate) fn all(&self) -> Vec<Confirmation> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn push(&self, confirmation: Confirmation) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(confirmation);
    }
}

/// Observes until its task is dropped. `trace` gets every event of every phone.
pub(crate) async fn run(
    world: Arc<World>,
    phones: Vec<Phone>,
    mut trace: mpsc::UnboundedReceiver<(Arc<str>, Logged)>,
    confirmed: Confirmed,
) {
    let user_of: BTreeMap<&str, &str> =
        phones.iter().map(|phone| (phone.name(), phone.user())).collect();
    let names: BTreeMap<String, &str> =
        phones.iter().map(|phone| (phone.device_id(), phone.name())).collect();
    let users: Vec<&str> = user_of.values().copied().collect();
    let mut dirty: BTreeSet<&str> = BTreeSet::new();
    let mut turn = users.iter().cycle();
    let mut newest: BTreeMap<&str, (i64, String)> = BTreeMap::new();
    loop {
        if dirty.is_empty() {
            // The time-out is the other way to go on, so it is no fault.
            let event = tokio::time::timeout(IDLE, trace.recv()).await;
            note(event.ok().flatten(), &user_of, &mut dirty);
        }
        while let Ok(event) = trace.try_recv() {
            note(Some(event), &user_of, &mut dirty);
        }
        let Some(user) = dirty.pop_first().or_else(|| turn.next().copied()) else { return };
        let Ok(devices) = world.devices_of(user).await else {
            dirty.insert(user);
            tokio::time::sleep(DOWN).await;
            continue;
        };
        let at = jiff::Timestamp::now();
        for device in devices {
            let Some(name) = names.get(&device.id) else { continue };
            // The first time is what counts; a later one that is lower is the judge's to see.
            let (offset, epoch) = (device.cursor.offset, device.cursor.epoch);
            let known = (offset, epoch.clone());
            if newest.insert(name, known.clone()) != Some(known) {
                let (phone, by) = ((*name).to_owned(), ConfirmedBy::Cursor);
                confirmed.push(Confirmation { phone, at, offset, epoch: Some(epoch), by });
            }
        }
    }
}

fn note<'a>(
    event: Option<(Arc<str>, Logged)>,
    user_of: &BTreeMap<&'a str, &'a str>,
    dirty: &mut BTreeSet<&'a str>,
) {
    if let Some((name, Logged { event: PhoneEvent::Acked { .. }, .. })) = event {
        dirty.extend(user_of.get(&*name));
    }
}

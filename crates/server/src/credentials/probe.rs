//! Whether a push service believes a credential, found out without reaching any device.

use std::sync::Arc;

use domain::{AppId, Outcome, Time};
use providers::{Belief, Exchange, apns, fcm};

use super::{Clients, Traffic};
use crate::circuits::{CircuitKey, Place};

/// What a probe came to.
#[derive(Debug)]
pub struct Probed {
    /// What the push service answered.
    pub outcome: Outcome,
    /// What that says of the credential.
    pub belief: Belief,
    /// Whom was asked, `host[:port]`.
    pub host: Arc<str>,
    /// What time it is there, if the answer says.
    pub date: Option<Time>,
}

impl Probed {
    fn of(exchange: Exchange, belief: impl FnOnce(&Outcome) -> Belief) -> Self {
        Self {
            belief: belief(&exchange.outcome),
            outcome: exchange.outcome,
            host: exchange.request.host,
            date: exchange.answer.and_then(|answer| answer.date()),
        }
    }
}

impl Clients {
    /// Probes a credential where it is used. `None`: only a push to a device can tell, or the
    /// credential is gone.
    pub async fn probe(&self, app: AppId, key: &CircuitKey, now: Time) -> Option<Probed> {
        let clients = self.of(app);
        match &key.place {
            Place::Apns(environment) => {
                let entry = clients.apns.iter().find(|entry| entry.id == key.credential)?;
                let client = self.apns_client(entry, *environment, Traffic::Probe).ok()?;
                let topic = entry.credential.probe_topic()?;
                Some(Probed::of(client.probe(&topic, now).await, apns::belief))
            }
            Place::Fcm => {
                let entry = clients.fcm.iter().find(|entry| entry.id == key.credential)?;
                let client = self.fcm_client(entry, Traffic::Probe).ok()?;
                Some(Probed::of(client.probe(now).await, fcm::belief))
            }
            Place::Webpush(_) => None,
        }
    }
}

//! Whether a push service believes a credential, found out without reaching any device.

use domain::{AppId, Outcome, Time};
use providers::{Belief, apns, fcm};

use super::{Clients, Traffic};
use crate::circuits::{CircuitKey, Place};

/// What a probe came to.
#[derive(Debug)]
pub struct Probed {
    /// What the push service answered.
    pub outcome: Outcome,
    /// What that says of the credential.
    pub belief: Belief,
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
                let outcome = client.probe(&topic, now).await.outcome;
                Some(Probed { belief: apns::belief(&outcome), outcome })
            }
            Place::Fcm => {
                let entry = clients.fcm.iter().find(|entry| entry.id == key.credential)?;
                let client = self.fcm_client(entry, Traffic::Probe).ok()?;
                let outcome = client.probe(now).await.outcome;
                Some(Probed { belief: fcm::belief(&outcome), outcome })
            }
            Place::Webpush(_) => None,
        }
    }
}

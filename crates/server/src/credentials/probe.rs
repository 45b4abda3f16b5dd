//! Whether a push service believes a credential, found out without reaching any device.

use domain::{AppId, Outcome, Time};
use providers::{PushToken, apns};

use super::{ApnsEntry, Clients, Traffic};
use crate::circuits::{CircuitKey, Place};

/// A token of the right form that no device has: Apple answers `BadDeviceToken` once it has
/// believed whoever asks.
const NOBODYS_TOKEN: &str = "0000000000000000000000000000000000000000000000000000000000000000";

impl Clients {
    /// Probes a credential where it is used. `None`: only a push to a device can tell, or the
    /// credential is gone.
    pub async fn probe(&self, app: AppId, key: &CircuitKey, now: Time) -> Option<Outcome> {
        let clients = self.of(app);
        match &key.place {
            Place::Apns(environment) => {
                let entry = clients.apns.iter().find(|entry| entry.id == key.credential)?;
                let client = self.apns_client(entry, *environment, Traffic::Probe).ok()?;
                let push = nobodys_push(entry)?;
                Some(client.send(&push, now, || true).await.outcome)
            }
            Place::Fcm => {
                let entry = clients.fcm.iter().find(|entry| entry.id == key.credential)?;
                let client = self.fcm_client(entry, Traffic::Probe).ok()?;
                Some(client.probe(now).await.outcome)
            }
            Place::Webpush(_) => None,
        }
    }
}

/// A push that reaches nobody; `None`: the credential names no topic.
fn nobodys_push(entry: &ApnsEntry) -> Option<apns::Push> {
    let topic = entry.credential.facts().topics.iter().find(|topic| !topic.ends_with(".voip"))?;
    Some(apns::Push {
        device_token: PushToken::new(NOBODYS_TOKEN),
        topic: apns::Topic::of_bundle(topic).ok()?,
        push_type: apns::PushType::Background,
        priority: apns::Priority::Considerate,
        expiration: apns::Expiration::Once,
        collapse_id: None,
        id: uuid::Uuid::new_v4(),
        payload: br#"{"aps":{"content-available":1}}"#.as_slice().into(),
    })
}

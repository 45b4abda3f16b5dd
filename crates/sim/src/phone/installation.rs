//! One installation of the app: all that its processes and the phone's system share.

use std::sync::Mutex;

use anyhow::Result;
use serde_json::Value;
use tokio::sync::{mpsc, watch};
use wire::{EnvironmentName, PushToken, TargetKindName};

use super::event::{Life, PhoneEvent};
use super::http;
use super::journal::{Journal, lock};
use super::options::{Behaviour, PhoneOptions, Platform};
use super::push::Push;
use super::storage::Storage;
use crate::device::{ApnsTokenKind, Delivery, Environment, FcmPlatform};

/// The user token and what the app knows about it.
#[derive(Clone, Debug)]
pub(crate) struct UserToken {
    pub(crate) text: String,
    /// The app knows that it has run out, so it does not even try it.
    pub(crate) over: bool,
}

/// A push token that the phone's system gave to the app.
#[derive(Clone, Debug)]
struct Registered {
    kind: TargetKindName,
    token: String,
}

/// What the processes of one installation share.
pub(crate) struct Installation {
    pub(crate) options: PhoneOptions,
    pub(crate) storage: Mutex<Storage>,
    pub(crate) journal: Journal,
    pub(crate) behaviour: Mutex<Behaviour>,
    pub(crate) token: Mutex<UserToken>,
    pub(crate) life: watch::Sender<Life>,
    registered: Mutex<Vec<Registered>>,
    /// Where the system learns of new tokens whose pushes it has to take in.
    deliveries: mpsc::UnboundedSender<mpsc::UnboundedReceiver<Delivery>>,
}

impl Installation {
    /// A fresh installation. Its device id is `name` and some random digits.
    pub(crate) fn new(
        options: PhoneOptions,
        deliveries: mpsc::UnboundedSender<mpsc::UnboundedReceiver<Delivery>>,
    ) -> Self {
        let stem: String =
            options.name.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
        let device_id = format!("{stem}-{:08x}", rand::random::<u32>());
        Self {
            storage: Mutex::new(Storage::new(device_id)),
            journal: Journal::new(&options.name),
            behaviour: Mutex::new(options.behaviour.clone()),
            token: Mutex::new(UserToken { text: options.token.clone(), over: false }),
            life: watch::Sender::new(Life::NotRunning),
            registered: Mutex::default(),
            deliveries,
            options,
        }
    }

    /// What the app is doing now.
    pub(crate) fn life(&self) -> Life {
        *self.life.borrow()
    }

    /// The behaviour of this moment.
    pub(crate) fn behaviour(&self) -> Behaviour {
        lock(&self.behaviour).clone()
    }

    /// Writes an event down.
    pub(crate) fn saw(&self, event: PhoneEvent) {
        self.journal.push(event);
    }

    /// Writes down that a push arrived, whatever becomes of it.
    pub(crate) fn saw_push(&self, push: &Push) {
        self.saw(PhoneEvent::PushArrived {
            kind: push.payload.as_ref().map(|payload| payload.kind),
            push_type: push.push_type,
            priority: push.priority,
            wake: push.payload.as_ref().and_then(|payload| payload.wake.clone()),
            collapse_id: push.collapse_id.clone(),
            sent_at: push.payload.as_ref().map(|payload| payload.sent_at),
        });
    }

    /// The push tokens as the app sends them at each launch. The system gives a new one for each
    /// that it has not got yet, or that has died.
    pub(crate) fn push_tokens(&self) -> Vec<PushToken> {
        let options = &self.options;
        let kinds: &[TargetKindName] = match options.platform {
            Platform::Android => &[TargetKindName::Fcm],
            Platform::Ios => &[TargetKindName::Apns, TargetKindName::ApnsVoip],
        };
        let mut registered = lock(&self.registered);
        registered.retain(|known| !self.is_gone(&known.token));
        for kind in kinds {
            if registered.iter().any(|known| known.kind == *kind) {
                continue;
            }
            let token = self.register(*kind);
            // The system's task lives as long as the phone; without it nobody looks at pushes.
            let _ = self.deliveries.send(options.devices.deliveries(&token));
            registered.push(Registered { kind: *kind, token });
        }
        let sent = registered.iter().map(|known| PushToken {
            kind: known.kind,
            token: Some(known.token.clone()),
            environment: match (known.kind, options.environment) {
                (TargetKindName::Fcm | TargetKindName::Webpush, _) => None,
                (_, Environment::Production) => Some(EnvironmentName::Production),
                (_, Environment::Sandbox) => Some(EnvironmentName::Sandbox),
            },
            app_id: Some(options.app_id.clone()),
        });
        sent.collect()
    }

    /// The token of one kind, if the app has been launched.
    pub(crate) fn push_token(&self, kind: TargetKindName) -> Option<String> {
        let registered = lock(&self.registered);
        registered.iter().find(|known| known.kind == kind).map(|known| known.token.clone())
    }

    fn register(&self, kind: TargetKindName) -> String {
        let PhoneOptions { devices, app_id, project, environment, .. } = &self.options;
        match kind {
            TargetKindName::Apns => devices.register_apns(app_id, *environment, ApnsTokenKind::App),
            TargetKindName::ApnsVoip => {
                devices.register_apns(app_id, *environment, ApnsTokenKind::Voip)
            }
            TargetKindName::Fcm | TargetKindName::Webpush => {
                devices.register_fcm_app(project, app_id, FcmPlatform::Android)
            }
        }
    }

    fn is_gone(&self, token: &str) -> bool {
        self.options.devices.find(token).is_none_or(|device| device.gone().is_some())
    }

    /// One HTTP request in the name of this device: with the user token, and with the secret
    /// alone when the token is over or was refused.
    pub(crate) async fn request(
        &self,
        method: ::http::Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(u16, Value)> {
        let token = lock(&self.token).clone();
        let secret = lock(&self.storage).secret.clone();
        let bearer = format!("Bearer {}", token.text);
        let mut headers = Vec::new();
        if let Some(secret) = &secret {
            headers.push(("reveille-device-secret", secret.as_str()));
        }
        if !token.over {
            headers.push(("authorization", bearer.as_str()));
            let answer =
                http::request(self.options.server, method.clone(), path, &headers, body).await?;
            if answer.0 != 401 || secret.is_none() {
                return Ok(answer);
            }
            headers.pop();
        }
        http::request(self.options.server, method, path, &headers, body).await
    }
}

//! A push that lacks only its device: what is the same for many is made once.

use std::sync::Arc;

use domain::{ProviderId, Refusal, TargetKind, Time};
use providers::webpush::Subscription;
use providers::{Apns, Exchange, Fcm, FieldFault, PushToken, WebPush, apns, fcm};
use store::model::{DeviceAddress, Push, Settings, Target};

use crate::circuits::CircuitKey;
use crate::credentials::{Chosen, Client, Traffic};
use crate::node::Node;
use crate::pushes::address::Destination;
use crate::pushes::content::Content;
use crate::pushes::render::apns::Topics;
use crate::pushes::render::{self, Parts};

/// A push in the form of its push service, for all devices of one app id, environment and language.
pub(super) enum Prepared {
    /// For Apple; token and id are the device's.
    Apns(Apns, apns::Push),
    /// For Google.
    Fcm(Fcm, fcm::Template),
    /// For browsers.
    Webpush(WebPush, render::webpush::Push),
}

/// What a broadcast says, and what it is rendered with.
pub(super) struct Source<'a> {
    pub(super) node: &'a Node,
    pub(super) push: &'a Push,
    pub(super) content: &'a Content,
    pub(super) settings: &'a Settings,
    pub(super) now: Time,
}

impl Source<'_> {
    /// Chooses the client for a device, and renders the push for all that are like it.
    pub(super) fn prepare(
        &self,
        device: &DeviceAddress,
    ) -> Result<(Prepared, CircuitKey), Refusal> {
        let Chosen { client, circuit } = self.choose(&device.target)?;
        Ok((self.render(client, device)?, circuit))
    }

    /// The client that carries a push to this target.
    pub(super) fn choose(&self, target: &Target) -> Result<Chosen, Refusal> {
        let Self { node, push, settings, .. } = self;
        node.clients.choose(&node.circuits, target, push.app, settings, Traffic::Broadcast)
    }

    fn render(&self, client: Client, device: &DeviceAddress) -> Result<Prepared, Refusal> {
        let parts = Parts {
            ids: &self.node.ids,
            app: self.push.app,
            push: self.push.id,
            kind: self.push.kind,
            content: self.content,
            locale: device.locale.as_deref(),
            platform: Some(device.platform),
            sound: &self.settings.sound,
            // Each device's push has its own.
            provider: ProviderId::from_bits(0),
            at: self.now,
            expires_at: self.push.expires_at,
        };
        let fault = render::Fault::into_refusal;
        match client {
            Client::Apns { client, topic, voip_topic } => {
                let topics = Topics { app: topic, voip: voip_topic };
                let kind = device.target.kind;
                let push = render::apns::push(&parts, kind, "", topics, self.now).map_err(fault)?;
                Ok(Prepared::Apns(client, push))
            }
            Client::Fcm(client) => {
                let any = Destination::Token(device.target.token.clone());
                let message = render::fcm::message(&parts, &any, self.now).map_err(fault)?;
                let template = fcm::Template::new(&message.content);
                Ok(Prepared::Fcm(client, template.map_err(FieldFault::into_refusal)?))
            }
            Client::Webpush(client) => {
                let push = render::webpush::push(&parts, self.now).map_err(fault)?;
                Ok(Prepared::Webpush(client, push))
            }
        }
    }
}

impl Prepared {
    /// Sends it to a device.
    ///
    /// # Errors
    ///
    /// A [`Refusal`] of a target that is none.
    pub(super) async fn send(
        &self,
        target: &Target,
        subscription: Option<Subscription>,
        provider: ProviderId,
        now: Time,
        wanted: impl Fn() -> bool + Send + Sync,
    ) -> Result<Exchange, Refusal> {
        match self {
            Self::Apns(client, push) => {
                let push = apns::Push {
                    device_token: PushToken::new(&*target.token),
                    id: uuid::Uuid::from_u128(provider.bits()),
                    ..push.clone()
                };
                Ok(client.send(&push, now, wanted).await)
            }
            Self::Fcm(client, template) => {
                let to = fcm::Target::Token(PushToken::new(&*target.token));
                Ok(client.send_template(template, &to, now, wanted).await)
            }
            Self::Webpush(client, push) => {
                let subscription = match subscription {
                    Some(subscription) => subscription,
                    // It was none when the page was prepared, and says again what is wrong.
                    None => Subscription::parse(target.token.as_bytes())
                        .map_err(FieldFault::into_refusal)?,
                };
                let push = push.clone().to(subscription);
                Ok(client.send(&push, now, wanted).await)
            }
        }
    }
}

/// The devices that a prepared push is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Likeness {
    kind: TargetKind,
    platform: domain::Platform,
    app_id: Option<String>,
    environment: Option<domain::Environment>,
    locale: Option<String>,
    /// Every origin of Web Push has a circuit of its own.
    origin: Option<Arc<str>>,
}

impl Likeness {
    /// Whom a device is like, as far as this push tells.
    pub(super) fn of(
        device: &DeviceAddress,
        subscription: Option<&Subscription>,
        content: &Content,
        settings: &Settings,
    ) -> Self {
        let target = &device.target;
        let is_apns = matches!(target.kind, TargetKind::Apns | TargetKind::ApnsVoip);
        let origin = |subscription: &Subscription| Arc::from(subscription.origin().to_string());
        Self {
            kind: target.kind,
            platform: device.platform,
            app_id: target.app_id.clone(),
            environment: is_apns
                .then(|| settings.policy.environment(target.environment, target.learned)),
            // Without translations every language reads the same.
            locale: device.locale.clone().filter(|_| !content.translations.is_empty()),
            origin: subscription.map(origin),
        }
    }
}

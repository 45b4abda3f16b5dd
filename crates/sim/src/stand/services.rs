//! The push services of the stand. Another one is a variant of [`Name`] and a field of
//! [`Services`]; the compiler then asks for the rest.

use std::time::Duration;

use anyhow::Result;
use futures_util::{
    StreamExt,
    stream::{BoxStream, SelectAll, poll_fn, select_all},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{StandOptions, directory::Files};
use crate::{
    ApnsOptions, ApnsSim, Devices, FcmOptions, FcmSim, Recording, SeenPush, Sighting, Trouble,
    WebPushOptions, WebPushSim,
    apns::{KnownKey, TokenUpdates, UnknownTokens},
    device::{ApnsTokenKind, ChannelStorage, Environment, FcmPlatform, Rate},
    pki::{ApnsCertificate, ApnsKey, Ca, Identity, ServiceAccount, VapidKey},
    webpush::{PushManager, Subscription, Vendor},
};

/// How many requests of Web Push are remembered, so that their messages can be read back.
const REMEMBERED: usize = 100;

/// What all services saw, as it happens.
pub(super) type Sightings = SelectAll<BoxStream<'static, (Name, Sighting)>>;

/// A service of the stand, by the name it has in logs and orders.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Name {
    /// APNs, production.
    Apns,
    /// APNs, sandbox.
    ApnsSandbox,
    /// FCM with its token endpoint.
    Fcm,
    /// Web Push, a plain service.
    Webpush,
}

/// The running services.
pub(super) struct Services {
    apns: ApnsSim,
    apns_sandbox: ApnsSim,
    fcm: FcmSim,
    webpush: WebPushSim,
    app_id: String,
    project: String,
    project_number: String,
    devices: Devices,
    tokens: Value,
}

/// What clients need to be believed.
pub(super) struct Secrets {
    pub(super) key: ApnsKey,
    pub(super) certificate: Identity,
    pub(super) account: ServiceAccount,
    pub(super) vapid: VapidKey,
    /// A browser that subscribed with `vapid`.
    pub(super) subscription: Subscription,
}

impl Services {
    /// Starts all, with one app and one device of each kind.
    pub(super) async fn start(options: &StandOptions) -> Result<(Self, Secrets)> {
        let (ca, devices) = (Ca::generate("Reveille push simulators")?, Devices::new());
        let (key, account) = (ApnsKey::generate()?, ServiceAccount::generate(&options.project)?);
        let certificate = ca.apns_identity(&ApnsCertificate::universal(&options.app_id))?;
        let unknown_tokens = if options.accept_unknown_tokens {
            UnknownTokens::Accept
        } else {
            UnknownTokens::Refuse
        };
        let apns_options = ApnsOptions {
            ip: options.listen,
            port: options.apns_port,
            keys: vec![KnownKey::new(&key, &[&options.app_id])],
            unknown_tokens,
            max_errors: options.apns_max_errors,
            device_rate: options
                .apns_device_rate
                .map(|pushes| Rate { pushes, within: Duration::from_secs(60) }),
            token_updates: if options.shared_provider_tokens {
                TokenUpdates::OfKey
            } else {
                TokenUpdates::OfConnection
            },
            recording: Recording::Count,
            ..ApnsOptions::new(&ca, &devices)
        };
        let sandbox_options = ApnsOptions {
            port: options.apns_sandbox_port,
            environment: Environment::Sandbox,
            ..apns_options.clone()
        };
        let fcm_options = FcmOptions {
            ip: options.listen,
            port: options.fcm_port,
            accounts: vec![account.clone()],
            details: options.fcm_details,
            unknown_tokens,
            recording: Recording::Count,
            ..FcmOptions::new(&ca, &devices)
        };
        let webpush_options = WebPushOptions {
            ip: options.listen,
            port: options.webpush_port,
            recording: Recording::Latest(REMEMBERED),
            ..WebPushOptions::new(&ca, &devices, Vendor::Plain)
        };
        let app = &options.app_id;
        let apple = |environment, kind| devices.register_apns(app, environment, kind);
        let channel =
            |environment| devices.create_channel(app, environment, ChannelStorage::MostRecent);
        let (production, sandbox) = (Environment::Production, Environment::Sandbox);
        let fcm_token = devices.register_fcm_app(&options.project, app, FcmPlatform::Android);
        let tokens = json!({
            "apns": apple(production, ApnsTokenKind::App),
            "apns_voip": apple(production, ApnsTokenKind::Voip),
            "apns_sandbox": apple(sandbox, ApnsTokenKind::App),
            "apns_sandbox_voip": apple(sandbox, ApnsTokenKind::Voip),
            "apns_channel": channel(production),
            "apns_sandbox_channel": channel(sandbox),
            "fcm": fcm_token,
            "fcm_fid": devices.installation(&fcm_token),
        });
        let services = Self {
            apns: ApnsSim::start(apns_options).await?,
            apns_sandbox: ApnsSim::start(sandbox_options).await?,
            fcm: FcmSim::start(fcm_options).await?,
            webpush: WebPushSim::start(webpush_options).await?,
            app_id: app.clone(),
            project: options.project.clone(),
            project_number: account.project_number.clone(),
            devices: devices.clone(),
            tokens,
        };
        let vapid = VapidKey::generate();
        let subscription = services.webpush.subscribe(Some(vapid.public_key()));
        Ok((services, Secrets { key, certificate, account, vapid, subscription }))
    }

    /// The handle that scripts a service's trouble.
    pub(super) fn trouble(&self, name: Name) -> &Trouble {
        match name {
            Name::Apns => self.apns.trouble(),
            Name::ApnsSandbox => self.apns_sandbox.trouble(),
            Name::Fcm => self.fcm.trouble(),
            Name::Webpush => self.webpush.trouble(),
        }
    }

    /// Everything that is seen from now on.
    pub(super) fn watch(&self) -> Sightings {
        select_all([
            stream(Name::Apns, self.apns.watch()),
            stream(Name::ApnsSandbox, self.apns_sandbox.watch()),
            stream(Name::Fcm, self.fcm.watch()),
            stream(Name::Webpush, self.webpush.watch()),
        ])
    }

    /// The devices of all services.
    pub(super) fn devices(&self) -> &Devices {
        &self.devices
    }

    /// The token of the Android app.
    pub(super) fn fcm_token(&self) -> &str {
        self.tokens["fcm"].as_str().unwrap_or_default()
    }

    /// A browser's way to Web Push.
    pub(super) fn push_manager(&self) -> PushManager {
        self.webpush.push_manager()
    }

    /// The latest requests to Web Push.
    pub(super) fn seen_by_webpush(&self) -> Vec<SeenPush> {
        self.webpush.seen()
    }

    /// The certificate that clients have to trust.
    pub(super) fn ca_pem(&self) -> &str {
        self.fcm.ca_pem()
    }

    /// Where access tokens are issued.
    pub(super) fn token_url(&self) -> String {
        self.fcm.token_url()
    }

    /// Where everything is.
    pub(super) fn describe(&self, files: &Files) -> Value {
        json!({
            "apns": self.apns.url(),
            "apns_sandbox": self.apns_sandbox.url(),
            "fcm": self.fcm.url(),
            "fcm_token_url": self.token_url(),
            "webpush": self.webpush.origin(),
            "app_id": self.app_id,
            "project": self.project,
            "project_number": self.project_number,
            "files": files,
            "tokens": self.tokens,
        })
    }

    /// Drops every connection and waits until all tasks have ended.
    pub(super) async fn shutdown(self) {
        self.apns.shutdown().await;
        self.apns_sandbox.shutdown().await;
        self.fcm.shutdown().await;
        self.webpush.shutdown().await;
    }
}

fn stream(
    name: Name,
    mut sightings: mpsc::UnboundedReceiver<Sighting>,
) -> BoxStream<'static, (Name, Sighting)> {
    poll_fn(move |cx| sightings.poll_recv(cx)).map(move |sighting| (name, sighting)).boxed()
}

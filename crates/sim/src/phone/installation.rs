//! One installation of the app: all that its processes and the phone's system share.

use std::sync::{Arc, Mutex};

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot, watch};
use wire::{EnvironmentName, PushToken, TargetKindName};

use super::event::{Life, PhoneEvent};
use super::http;
use super::journal::{Journal, lock};
use super::network::{Network, Radio};
use super::options::{Behaviour, Browser, PhoneOptions, Platform};
use super::os::Order;
use super::push::Push;
use super::storage::Storage;
use crate::device::{ApnsTokenKind, Delivery, Environment, FcmPlatform, Reach};
use crate::platform::Input;

/// The user token and what the app knows about it.
#[derive(Clone, Debug)]
pub(crate) struct UserToken {
    pub(crate) text: String,
    /// The app knows that it has run out, so it does not even try it.
    pub(crate) over: bool,
}

/// A push token that the phone's system gave to the app.
struct Registered {
    kind: TargetKindName,
    /// As the push services' registry knows it.
    token: String,
    /// As the server is told: the token, or a browser's whole subscription.
    told: String,
}

/// What decides how the push services reach this phone.
#[derive(Clone, Copy)]
pub(crate) struct Reached {
    /// The browser runs (web).
    pub(crate) browser_open: bool,
    /// The user has allowed the page notifications, and the browser has not taken that back (web).
    permitted: bool,
    /// FCM takes what is urgent for normal.
    demoted: bool,
    network: Network,
    /// As the system says: Doze.
    pub(crate) system: Reach,
}

impl Reached {
    fn reach(self) -> Reach {
        match (self.browser_open, self.network) {
            (true, Network::On) => self.system,
            _ => Reach::Offline,
        }
    }
}

/// What the processes of one installation share.
pub(crate) struct Installation {
    pub(crate) options: PhoneOptions,
    pub(crate) storage: Mutex<Storage>,
    pub(crate) journal: Journal,
    pub(crate) behaviour: Mutex<Behaviour>,
    pub(crate) token: Mutex<UserToken>,
    pub(crate) life: watch::Sender<Life>,
    pub(crate) radio: Arc<Radio>,
    registered: Mutex<Vec<Registered>>,
    reached: Mutex<Reached>,
    /// What the system is told.
    orders: mpsc::UnboundedSender<Order>,
    /// Where the system learns of new tokens whose pushes it has to take in.
    deliveries: mpsc::UnboundedSender<mpsc::UnboundedReceiver<Delivery>>,
}

impl Installation {
    /// A fresh installation. Its device id is `name` and some random digits.
    pub(crate) fn new(
        options: PhoneOptions,
        deliveries: mpsc::UnboundedSender<mpsc::UnboundedReceiver<Delivery>>,
        orders: mpsc::UnboundedSender<Order>,
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
            radio: Arc::new(Radio::new()),
            registered: Mutex::default(),
            reached: Mutex::new(Reached {
                browser_open: true,
                permitted: true,
                demoted: false,
                network: Network::On,
                system: Reach::Online,
            }),
            orders,
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
            push: push.payload.as_ref().and_then(|payload| payload.push.clone()),
            collapse_id: push.collapse_id.clone(),
            sent_at: push.payload.as_ref().map(|payload| payload.sent_at),
        });
    }

    /// The push tokens as the app sends them at each launch. The system gives a new one for each
    /// that it has not got yet, or that has died.
    pub(crate) fn push_tokens(&self) -> Vec<PushToken> {
        let options = &self.options;
        let kinds: &[TargetKindName] = match (options.platform, &options.browser) {
            (Platform::Android, _) => &[TargetKindName::Fcm],
            (Platform::Ios, _) if options.firebase_on_ios => {
                &[TargetKindName::Apns, TargetKindName::ApnsVoip, TargetKindName::Fcm]
            }
            (Platform::Ios, _) => &[TargetKindName::Apns, TargetKindName::ApnsVoip],
            (Platform::Web, Some(_)) if lock(&self.reached).permitted => &[TargetKindName::Webpush],
            (Platform::Web, _) => &[],
        };
        let mut registered = lock(&self.registered);
        registered.retain(|known| !self.is_gone(&known.token));
        for kind in kinds {
            if !registered.iter().any(|known| known.kind == *kind) {
                registered.extend(self.register(*kind));
            }
        }
        registered.iter().map(|known| self.frame(known)).collect()
    }

    /// Ends the browser's subscription and makes another, which the server is to be told. `None`:
    /// there is none.
    pub(crate) fn rotate_subscription(&self) -> Option<PushToken> {
        let mut registered = lock(&self.registered);
        let known = registered.iter_mut().find(|known| known.kind == TargetKindName::Webpush)?;
        self.options.devices.unregister(&known.token);
        *known = self.register(TargetKindName::Webpush)?;
        Some(self.frame(known))
    }

    /// The browser was closed, or opened: pushes wait at its service, or come.
    pub(crate) fn set_browser_open(&self, open: bool) {
        if self.options.platform == Platform::Web {
            self.reached(|reached| reached.browser_open = open);
        }
    }

    /// The network changed: connections feel it, and the push services reach the phone or not. One
    /// that stalls is none to them.
    pub(crate) fn set_network(&self, network: Network) {
        self.saw(PhoneEvent::NetworkChanged { to: network });
        self.radio.set(network);
        self.reached(|reached| reached.network = network);
    }

    /// FCM demotes what is sent high to this app, or no longer does.
    pub(crate) fn demoted(&self, demoted: bool) {
        self.saw(PhoneEvent::DemotionChanged { demoted });
        lock(&self.reached).demoted = demoted;
        for known in lock(&self.registered).iter() {
            self.options.devices.set_demoted(&known.token, demoted);
        }
    }

    /// The browser takes the page's permission away, and its subscription with it.
    pub(crate) fn revoke_permission(&self) {
        self.saw(PhoneEvent::PermissionRevoked);
        lock(&self.reached).permitted = false;
        for known in lock(&self.registered).drain(..) {
            self.options.devices.unregister(&known.token);
        }
    }

    /// Changes what decides how the push services reach this phone, and tells them.
    pub(crate) fn reached(&self, change: impl FnOnce(&mut Reached)) {
        let (before, now) = {
            let mut reached = lock(&self.reached);
            let before = reached.reach();
            change(&mut reached);
            (before, reached.reach())
        };
        if before != now {
            for known in lock(&self.registered).iter() {
                self.options.devices.set_reach(&known.token, now);
            }
        }
    }

    /// Gives the system something to take note of.
    pub(crate) fn tell_system(&self, input: Input<Box<Push>>) {
        // The system's task ends only with the phone.
        let _ = self.orders.send(Order { input, done: None });
    }

    /// The same, and waits until it has.
    pub(crate) async fn system_takes(&self, input: Input<Box<Push>>) {
        let (done, taken) = oneshot::channel();
        let _ = self.orders.send(Order { input, done: Some(done) });
        let _ = taken.await;
    }

    /// What the app tells the server about a token. A subscription's app id is the key that it was
    /// made with.
    fn frame(&self, known: &Registered) -> PushToken {
        let options = &self.options;
        let (environment, app_id) = match known.kind {
            TargetKindName::Apns | TargetKindName::ApnsVoip => {
                let environment = match options.environment {
                    Environment::Production => EnvironmentName::Production,
                    Environment::Sandbox => EnvironmentName::Sandbox,
                };
                (Some(environment), Some(options.app_id.clone()))
            }
            TargetKindName::Fcm => (None, Some(options.app_id.clone())),
            TargetKindName::Webpush => {
                let browser = options.browser.as_ref();
                let key = browser.and_then(|browser| browser.application_server_key.as_ref());
                (None, key.map(|key| URL_SAFE_NO_PAD.encode(key)))
            }
        };
        PushToken { kind: known.kind, token: Some(known.told.clone()), environment, app_id }
    }

    /// The token of one kind, if the app has been launched.
    pub(crate) fn push_token(&self, kind: TargetKindName) -> Option<String> {
        let registered = lock(&self.registered);
        registered.iter().find(|known| known.kind == kind).map(|known| known.token.clone())
    }

    /// Gets a token from the push service and takes in its pushes from now on. `None`: there is no
    /// browser.
    fn register(&self, kind: TargetKindName) -> Option<Registered> {
        let PhoneOptions { devices, app_id, project, environment, browser, .. } = &self.options;
        let token = match kind {
            TargetKindName::Apns => devices.register_apns(app_id, *environment, ApnsTokenKind::App),
            TargetKindName::ApnsVoip => {
                devices.register_apns(app_id, *environment, ApnsTokenKind::Voip)
            }
            TargetKindName::Fcm => {
                let platform = match self.options.platform {
                    Platform::Ios => FcmPlatform::Ios,
                    Platform::Android | Platform::Web => FcmPlatform::Android,
                };
                devices.register_fcm_app(project, app_id, platform)
            }
            TargetKindName::Webpush => {
                let Browser { push_manager, application_server_key } = browser.as_ref()?;
                let subscription = push_manager.subscribe(application_server_key.as_deref());
                let (token, told) = (subscription.endpoint().to_owned(), subscription.json());
                return Some(self.listen(Registered { kind, token, told }));
            }
        };
        Some(self.listen(Registered { kind, told: token.clone(), token }))
    }

    /// The system takes in the pushes to a token.
    fn listen(&self, registered: Registered) -> Registered {
        let reached = *lock(&self.reached);
        self.options.devices.set_demoted(&registered.token, reached.demoted);
        self.options.devices.set_reach(&registered.token, reached.reach());
        // The system's task lives as long as the phone; without it nobody looks at pushes.
        let _ = self.deliveries.send(self.options.devices.deliveries(&registered.token));
        registered
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
            let answer = self.exchange(method.clone(), path, &headers, body).await?;
            if answer.0 != 401 || secret.is_none() {
                return Ok(answer);
            }
            headers.pop();
        }
        self.exchange(method, path, &headers, body).await
    }

    /// One request over the phone's network.
    async fn exchange(
        &self,
        method: ::http::Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<(u16, Value)> {
        let server = self.options.server;
        let connecting = self.radio.connect(server);
        http::request_over(connecting, server, method, path, headers, body).await
    }
}

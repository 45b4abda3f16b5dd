//! The devices that the push services know: tokens, whether a device can be reached, what waits for it.
//!
//! One registry is shared by all services of a simulated world. What a service accepts is handed to the device's
//! channel at once, or stored and handed over when the device comes back:
//!
//! | | away ([`Reach::Offline`]) | asleep ([`Reach::Dozing`]) |
//! |---|---|---|
//! | APNs | the newest push of the token; expiration 0 is lost | priority 10 delivered, 5 and 1 stored |
//! | FCM | 4 collapse keys, 100 others, then all is lost and the app is told; ttl 0 is lost | high delivered, normal stored |
//! | Web Push | every push, one of each topic (RFC 8030, section 5.4); ttl 0 is lost | urgency high delivered, the others stored |
//!
//! The rules are [`Waiting`]'s.
//! Simplifying assumptions: a token stands for one app on one device, so "one push per device and bundle id" is one per
//! token (a VoIP token stores apart from its app's other token); when a fifth collapse key arrives the oldest goes,
//! where Google leaves open which four survive.

mod channels;
mod subscriptions;

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::mpsc;

pub use channels::ChannelStorage;

use crate::platform::{Released, Waiting};
use crate::window::Window;

/// The time that services and devices share: the machine's, plus what tests add to it.
#[derive(Clone, Debug, Default)]
pub struct Clock(Arc<AtomicI64>);

impl Clock {
    /// Now.
    pub fn now(&self) -> Timestamp {
        let ahead = jiff::SignedDuration::from_millis(self.0.load(Ordering::Relaxed));
        Timestamp::now().saturating_add(ahead).unwrap_or(Timestamp::MAX)
    }

    /// Moves this clock, and all its clones, ahead.
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX), Ordering::Relaxed);
    }
}

/// Which of Apple's two push services a token belongs to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Environment {
    /// `api.push.apple.com`.
    Production,
    /// `api.sandbox.push.apple.com`.
    Sandbox,
}

/// Which of an app's Apple tokens; each goes with one topic.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ApnsTokenKind {
    /// The token for notifications and background pushes.
    App,
    /// The PushKit token of a watch's complication.
    Complication,
    /// The token of a control.
    Controls,
    /// The PushKit token of a file provider.
    FileProvider,
    /// The token of one Live Activity.
    LiveActivity,
    /// The token of the location extension.
    Location,
    /// The token of device management.
    Mdm,
    /// The token of one Push to Talk channel.
    PushToTalk,
    /// The PushKit token for calls.
    Voip,
    /// The token of widgets.
    Widgets,
}

/// Whether a device can be reached.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Reach {
    /// Connected, in Doze or low power: only urgent pushes get through.
    Dozing,
    /// Not connected.
    Offline,
    /// Connected and awake.
    #[default]
    Online,
}

/// Which service delivered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Service {
    /// Apple's.
    Apns,
    /// Google's.
    Fcm,
    /// A browser's.
    Webpush,
}

/// What kind of push arrived.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PushType {
    /// APNs `alert`.
    Alert,
    /// APNs `background`.
    Background,
    /// APNs `complication`.
    Complication,
    /// APNs `controls`.
    Controls,
    /// FCM message without `notification`.
    Data,
    /// FCM dropped what it had stored; the app has to fetch everything.
    DeletedMessages,
    /// APNs `fileprovider`.
    FileProvider,
    /// APNs `liveactivity`.
    LiveActivity,
    /// APNs `location`.
    Location,
    /// APNs `mdm`.
    Mdm,
    /// FCM message with `notification`.
    Notification,
    /// APNs `pushtotalk`.
    PushToTalk,
    /// APNs `voip`.
    Voip,
    /// A Web Push message.
    Web,
    /// APNs `widgets`.
    Widgets,
}

/// How urgent a push is: APNs 10, 5, 1; FCM high, normal; the urgency of Web Push.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Priority {
    /// APNs 10, FCM high, Web Push high.
    High,
    /// APNs 1, Web Push low and very-low.
    Low,
    /// APNs 5, FCM normal, Web Push normal.
    Normal,
}

/// One push as it arrives on the device.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// Which service delivered it.
    pub service: Service,
    /// The token it was sent to; of Web Push the endpoint.
    pub token: String,
    /// `apns-id`, the FCM message name, or the id of a Web Push message.
    pub id: String,
    /// What kind of push it is.
    pub push_type: PushType,
    /// As it is worth now: what was sent high may have been demoted on the way (FCM).
    pub priority: Priority,
    /// As sent.
    pub original_priority: Priority,
    /// `apns-topic`, the FCM project, or the origin of a Web Push service.
    pub topic: String,
    /// `apns-collapse-id`, on Android the FCM collapse key, or the topic of a Web Push message.
    pub collapse_id: Option<String>,
    /// When it stops being worth storing.
    pub expiration: Expiration,
    /// The APNs payload, or the FCM `message` object; on an iPhone the APNs payload that FCM made
    /// of it; or what the browser decrypted: JSON, a string if it is no JSON, null if there was no
    /// body.
    pub payload: Value,
    /// When the device got it, by the services' clock.
    pub at: Timestamp,
}

/// How long a service may keep a push for a device that is away.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Expiration {
    /// `apns-expiration: 0`, FCM ttl 0: now or never.
    Never,
    /// Until then.
    Until(Timestamp),
    /// As long as the service likes (30 days at Apple).
    Vendor,
}

/// The vendor's word on a token that died.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Gone {
    /// APNs 410 `ExpiredToken`; FCM has no such word and says UNREGISTERED; Web Push 404.
    Expired(Timestamp),
    /// APNs 410 `Unregistered`, FCM 404 UNREGISTERED, Web Push 410.
    Unregistered(Timestamp),
}

/// An iPhone app's part in Firebase.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FcmPlatform {
    /// An Android app.
    Android,
    /// An iOS app whose APNs key was uploaded to Firebase.
    Ios,
    /// An iOS app without one: sends fail with THIRD_PARTY_AUTH_ERROR.
    IosWithoutKey,
}

/// What a token was registered for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Registration {
    /// At Apple.
    Apns {
        /// The app.
        bundle_id: String,
        /// Which of Apple's services.
        environment: Environment,
        /// Which of the app's tokens.
        kind: ApnsTokenKind,
    },
    /// At Apple, a channel for broadcasts; what its subscribers hear arrives here.
    ApnsChannel {
        /// The app.
        bundle_id: String,
        /// Which of Apple's services.
        environment: Environment,
        /// What it keeps for devices that are away.
        storage: ChannelStorage,
    },
    /// At Google.
    Fcm {
        /// Firebase project id.
        project: String,
        /// Android package or iOS bundle id.
        package: String,
        /// Where the app runs.
        platform: FcmPlatform,
    },
    /// At a browser's push service, which keeps the keys.
    Webpush,
}

/// The registry; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Devices(Arc<Registry>);

#[derive(Debug, Default)]
struct Registry {
    clock: Clock,
    devices: RwLock<HashMap<String, Arc<Device>>>,
    /// Tokens of FCM by Firebase installation id.
    installations: RwLock<HashMap<String, String>>,
}

/// One token.
#[derive(Debug)]
pub(crate) struct Device {
    pub(crate) registration: Registration,
    clock: Clock,
    state: Mutex<DeviceState>,
}

#[derive(Debug, Default)]
struct DeviceState {
    gone: Option<Gone>,
    reach: Reach,
    /// What is sent high counts as normal: Google's word on an app that shows its user too little.
    demoted: bool,
    waiting: Waiting<Delivery>,
    listener: Option<mpsc::UnboundedSender<Delivery>>,
    /// Pushes in the current windows of the service's rates.
    rates: [Window; 2],
    /// Topics of FCM.
    topics: HashSet<String>,
}

/// How often a device may be pushed to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rate {
    /// This many pushes.
    pub pushes: u32,
    /// Within this time, from the first of them on.
    pub within: Duration,
}

/// What became of an accepted push.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Handed {
    Delivered,
    Discarded,
    Stored,
}

impl Devices {
    /// An empty registry on the machine's time.
    pub fn new() -> Self {
        Self::default()
    }

    /// The clock that the registry and its services read.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// A new APNs token (64 hex digits) of an app.
    pub fn register_apns(
        &self,
        bundle_id: &str,
        environment: Environment,
        kind: ApnsTokenKind,
    ) -> String {
        let token = hex(&rand::random::<[u8; 32]>());
        let bundle_id = bundle_id.to_owned();
        self.register(token, Registration::Apns { bundle_id, environment, kind })
    }

    /// A new FCM token of an Android app `com.example.app`.
    pub fn register_fcm(&self, project: &str) -> String {
        self.register_fcm_app(project, "com.example.app", FcmPlatform::Android)
    }

    /// A new FCM token of any app.
    pub fn register_fcm_app(&self, project: &str, package: &str, platform: FcmPlatform) -> String {
        // The shape of a real one: an installation id of 22 characters, a colon, 140 characters that start with APA91b.
        let token = format!("d{}:APA91b{}", letters(21), letters(134));
        self.remember_installation(&token);
        let (project, package) = (project.to_owned(), package.to_owned());
        self.register(token, Registration::Fcm { project, package, platform })
    }

    /// Kills a token: the app was removed. Sends are answered 410 `Unregistered`, 404 UNREGISTERED, or 410 by Web Push
    /// from now on.
    pub fn unregister(&self, token: &str) {
        let now = self.0.clock.now();
        self.kill(token, Gone::Unregistered(now));
    }

    /// Kills a token by age: APNs answers 410 `ExpiredToken`, Web Push 404.
    pub fn expire(&self, token: &str) {
        let now = self.0.clock.now();
        self.kill(token, Gone::Expired(now));
    }

    /// Says whether the device can be reached; what was stored and may now pass is delivered.
    pub fn set_reach(&self, token: &str, reach: Reach) {
        if let Some(device) = self.find(token) {
            device.set_reach(reach);
        }
    }

    /// Says whether FCM demotes what is sent high to this device, or no longer.
    pub fn set_demoted(&self, token: &str, demoted: bool) {
        if let Some(device) = self.find(token) {
            device.state().demoted = demoted;
        }
    }

    /// What arrives on the device from now on. A second call takes the place of the first; what arrives while nobody
    /// listens is lost. An unknown token's channel is closed.
    pub fn deliveries(&self, token: &str) -> mpsc::UnboundedReceiver<Delivery> {
        let (sender, receiver) = mpsc::unbounded_channel();
        if let Some(device) = self.find(token) {
            device.state().listener = Some(sender);
        }
        receiver
    }

    /// A browser's subscription with this endpoint.
    pub(crate) fn register_webpush(&self, endpoint: &str) {
        self.register(endpoint.to_owned(), Registration::Webpush);
    }

    /// Takes back a push that waits for this token; says whether it waited.
    pub(crate) fn withdraw(&self, token: &str, id: &str) -> bool {
        let Some(device) = self.find(token) else { return false };
        device.state().waiting.withdraw(|delivery| delivery.id == id)
    }

    pub(crate) fn find(&self, token: &str) -> Option<Arc<Device>> {
        self.0.devices.read().unwrap_or_else(PoisonError::into_inner).get(token).cloned()
    }

    fn register(&self, token: String, registration: Registration) -> String {
        let device = Device { registration, clock: self.0.clock.clone(), state: Mutex::default() };
        let mut devices = self.0.devices.write().unwrap_or_else(PoisonError::into_inner);
        devices.insert(token.clone(), Arc::new(device));
        token
    }

    fn kill(&self, token: &str, gone: Gone) {
        if let Some(device) = self.find(token) {
            let mut state = device.state();
            state.gone = Some(gone);
            state.waiting.clear();
            state.listener = None;
        }
    }
}

impl Device {
    /// The vendor's word, if the token died.
    pub(crate) fn gone(&self) -> Option<Gone> {
        self.state().gone
    }

    /// Counts a push; false if it is one too many for any of its service's rates.
    pub(crate) fn spend<const N: usize>(&self, rates: [Rate; N], now: Timestamp) -> bool {
        let mut state = self.state();
        // Every window counts, also where an earlier one refuses.
        let mut passes = true;
        for (window, rate) in state.rates.iter_mut().zip(rates) {
            passes &= window.spend(rate.pushes, rate.within, now);
        }
        passes
    }

    /// Takes an accepted push; `delivery` is only built if somebody will see it.
    pub(crate) fn hand(
        &self,
        facts: &Facts,
        delivery: impl FnOnce(Timestamp) -> Delivery,
    ) -> Handed {
        let mut state = self.state();
        let demoted = state.demoted && facts.service == Service::Fcm;
        let priority = match facts.priority {
            Priority::High if demoted => Priority::Normal,
            priority => priority,
        };
        let delivery = |at| {
            let sent = delivery(at);
            let collapse = sent.collapse_id.clone();
            (Delivery { priority, original_priority: facts.priority, ..sent }, collapse)
        };
        let now = self.clock.now();
        if state.reach.lets_through(priority) {
            if let Some(listener) = &state.listener {
                // A receiver that was dropped is a device nobody looks at.
                let _ = listener.send(delivery(now).0);
            }
            return Handed::Delivered;
        }
        if !facts.may_be_kept(now) {
            return Handed::Discarded;
        }
        let (delivery, collapse) = delivery(now);
        state.waiting.keep(Facts { priority, ..*facts }, collapse, now, || delivery);
        Handed::Stored
    }

    fn set_reach(&self, reach: Reach) {
        let now = self.clock.now();
        let mut state = self.state();
        state.reach = reach;
        for released in state.waiting.release(reach, now) {
            let delivery = match released {
                Released::Push(delivery) => Delivery { at: now, ..delivery },
                Released::Deleted(last) => Delivery {
                    push_type: PushType::DeletedMessages,
                    priority: Priority::High,
                    original_priority: Priority::High,
                    expiration: Expiration::Vendor,
                    payload: Value::Null,
                    at: now,
                    ..last
                },
            };
            if let Some(listener) = &state.listener {
                let _ = listener.send(delivery);
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, DeviceState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What decides whether a push is kept, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// Whose push it is.
    pub service: Service,
    /// How urgent it is.
    pub priority: Priority,
    /// When it is no longer of use.
    pub expiration: Expiration,
}

impl Facts {
    /// Whether it may wait at all.
    pub(crate) fn may_be_kept(&self, now: Timestamp) -> bool {
        match self.expiration {
            Expiration::Never => false,
            Expiration::Until(end) => end > now,
            Expiration::Vendor => true,
        }
    }
}

impl Reach {
    /// Whether a push of this priority reaches a device now.
    pub fn lets_through(self, priority: Priority) -> bool {
        match self {
            Self::Dozing => priority == Priority::High,
            Self::Offline => false,
            Self::Online => true,
        }
    }
}

/// Lower-case hex digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]])
        .map(char::from)
        .collect()
}

/// Random letters and digits.
pub(crate) fn letters(n: usize) -> String {
    use rand::RngExt;
    rand::rng().sample_iter(rand::distr::Alphanumeric).take(n).map(char::from).collect()
}

//! What a phone is and how it behaves.

use std::net::SocketAddr;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use wire::PlatformName;

use crate::device::{Devices, Environment};
use crate::platform::IosRules;
use crate::webpush::PushManager;

/// The operating system of a phone: it decides what a push may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Platform {
    /// A high-priority data message runs the app's process.
    Android,
    /// A background push runs the app if the system allows it; an alert runs the notification
    /// extension; a VoIP push runs the app always, and must show a call.
    Ios,
    /// Every push runs the service worker, whether the page is open or closed, and has to be shown.
    Web,
}

impl Platform {
    /// The word for it in `connect`.
    pub const fn name(self) -> PlatformName {
        match self {
            Self::Android => PlatformName::Android,
            Self::Ios => PlatformName::Ios,
            Self::Web => PlatformName::Web,
        }
    }
}

/// How a phone, its app and its user behave. Changed at run time by [`super::Phone::behave`].
#[derive(Clone, Debug)]
pub struct Behaviour {
    /// The system does not run the app for background pushes (Background App Refresh off, low power
    /// mode); it holds the newest.
    /// Alerts and VoIP pushes still arrive. Means nothing on Android and in a browser, where there
    /// is one kind of push only.
    pub ignores_background: bool,
    /// How many background pushes in an hour run a sleeping app (iOS); the newest of the others is
    /// held. `None`: any number, as when the app runs from Xcode.
    pub background_runs_per_hour: Option<usize>,
    /// Whether the user allows alerts of this app (iOS); without, no extension runs either.
    pub alerts_allowed: bool,
    /// Whether app and worker show something for what they were woken for. On Android and in
    /// browsers it costs them to show nothing.
    pub shows_notifications: bool,
    /// Whether the app reports the call of a VoIP push. One that does not is killed, and in the end
    /// gets no more of them.
    pub reports_calls: bool,
    /// The user takes a call this long after the screen lit up. `None`: nobody picks up, unless
    /// [`super::Phone::answer`] says so.
    pub answers_calls: Option<Duration>,
    /// Whether the app acknowledges what it holds. Without, its `connect` does not tell a newer
    /// position either: a position held counts as an ack.
    pub ack: bool,
    /// How long a woken app stays for more after the last thing happened, before it is suspended.
    pub linger: Duration,
    /// How long the system lets a woken app or extension run in all. The vendors give 20 to 30 s.
    pub background_run: Duration,
    /// How far the phone's clock is ahead, or behind. It shows in every time that the phone tells:
    /// when a push came, and in the ids that it makes (UUIDs of version 7).
    pub clock_ahead: SignedDuration,
}

impl Behaviour {
    /// What the phone's clock says.
    pub fn clock(&self) -> Timestamp {
        // A clock that is hours off is still within what a time can be.
        Timestamp::now().checked_add(self.clock_ahead).unwrap_or(Timestamp::MAX)
    }

    /// An id made by the phone's clock.
    pub(crate) fn new_id(&self) -> String {
        let now = self.clock();
        let seconds = u64::try_from(now.as_second()).unwrap_or_default();
        let nanos = u32::try_from(now.subsec_nanosecond()).unwrap_or_default();
        let time = uuid::Timestamp::from_unix(uuid::NoContext, seconds, nanos);
        uuid::Uuid::new_v7(time).to_string()
    }
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            ignores_background: false,
            background_runs_per_hour: IosRules::default().runs_per_hour,
            alerts_allowed: true,
            shows_notifications: true,
            reports_calls: true,
            answers_calls: None,
            ack: true,
            linger: Duration::from_millis(300),
            background_run: Duration::from_secs(20),
            clock_ahead: SignedDuration::ZERO,
        }
    }
}

/// A browser that may show notifications.
#[derive(Clone, Debug)]
pub struct Browser {
    /// Its push service.
    pub push_manager: PushManager,
    /// The key that the page subscribes with, an uncompressed P-256 point; the server's at
    /// `GET /v1/webpush-key`.
    pub application_server_key: Option<Vec<u8>>,
}

/// A phone to be made: one installation of one user's app.
#[derive(Clone, Debug)]
pub struct PhoneOptions {
    /// What people call it ("alice's iPhone"); also the stem of its device id.
    pub name: String,
    /// The user who is logged in.
    pub user: String,
    /// What it runs.
    pub platform: Platform,
    /// Where the server listens.
    pub server: SocketAddr,
    /// The user token, `rvl_user_…`.
    pub token: String,
    /// Bundle id (iOS) or package name (Android); nothing on the web.
    pub app_id: String,
    /// The Firebase project that the app was built with.
    pub project: String,
    /// Whether an iPhone's app uses Firebase too, and has its token beside Apple's. On Android
    /// there is nothing else.
    pub firebase_on_ios: bool,
    /// Apple's environment that the app was signed for (iOS).
    pub environment: Environment,
    /// The browser (web). `None`: its user allows no notifications, so that it gets no pushes.
    pub browser: Option<Browser>,
    /// The push services' registry of installations, which gives tokens and delivers pushes.
    pub devices: Devices,
    /// Its language, a BCP 47 tag.
    pub locale: String,
    /// How it behaves from the start.
    pub behaviour: Behaviour,
}

//! The part of a message that is for Android phones.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::Time;

use super::FcmOptions;

/// How Android phones treat a push (`AndroidConfig`).
#[derive(Clone, Debug, Default)]
pub struct Android {
    /// Whether it may wake the phone. Always sent: Google's pages differ on the default.
    pub priority: Priority,
    /// How long Google keeps it for a phone that is offline, rounded down to seconds; `None`
    /// means Google's four weeks. Zero is never kept, and so never throttled.
    pub ttl: Option<Duration>,
    /// Stored pushes with the same key replace each other; Google stores four keys for a device.
    pub collapse_key: Option<String>,
    /// Only the app with this package name may get it.
    pub restricted_package_name: Option<String>,
    /// What the app's handler gets in place of the message's data.
    pub data: BTreeMap<String, String>,
    /// It may be handed to the app before the phone was unlocked for the first time.
    pub direct_boot_ok: bool,
    /// It may go over a network that is short of bandwidth.
    pub bandwidth_constrained_ok: bool,
    /// It may go over a satellite that lets only some messages through.
    pub restricted_satellite_ok: bool,
    /// How it is counted.
    pub fcm_options: FcmOptions,
    /// What the system shows without the app's help.
    pub notification: Option<AndroidNotification>,
}

/// Whether a push may wake the phone (`AndroidMessagePriority`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Priority {
    /// Waits for the phone to wake by itself.
    #[default]
    Normal,
    /// Wakes it.
    High,
}

/// What the system shows (`AndroidNotification`).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AndroidNotification {
    /// The first line.
    pub title: Option<String>,
    /// The text.
    pub body: Option<String>,
    /// A drawable of the app; its launcher icon if there is none.
    pub icon: Option<String>,
    /// The icon's colour, `#rrggbb`.
    pub color: Option<String>,
    /// A sound of the app, or `default`.
    pub sound: Option<String>,
    /// Shown notifications with the same tag replace each other.
    pub tag: Option<String>,
    /// The intent action of the activity that a tap opens.
    pub click_action: Option<String>,
    /// The app's string resource for the text.
    pub body_loc_key: Option<String>,
    /// What goes into it.
    pub body_loc_args: Vec<String>,
    /// The app's string resource for the first line.
    pub title_loc_key: Option<String>,
    /// What goes into it.
    pub title_loc_args: Vec<String>,
    /// The app's notification channel.
    pub channel_id: Option<String>,
    /// What a screen reader says.
    pub ticker: Option<String>,
    /// A tap does not remove it.
    pub sticky: bool,
    /// When what it tells of happened; notifications are sorted by it.
    pub event_time: Option<Time>,
    /// It stays on this phone and is not bridged to a watch.
    pub local_only: bool,
    /// How much it asks for attention once it is there; it has no part in the delivery.
    pub notification_priority: Option<NotificationPriority>,
    /// The system's own sound.
    pub default_sound: bool,
    /// The system's own vibration.
    pub default_vibrate_timings: bool,
    /// The system's own light.
    pub default_light_settings: bool,
    /// How long the vibrator is off, on, off and so on.
    pub vibrate_timings: Vec<Duration>,
    /// How much of it a locked phone shows.
    pub visibility: Option<Visibility>,
    /// The number on the app's icon.
    pub notification_count: Option<u32>,
    /// The blinking light, on phones that have one.
    pub light_settings: Option<LightSettings>,
    /// The URL of a picture that the phone fetches itself.
    pub image: Option<String>,
    /// Whether Google Play services show it without starting the app.
    pub proxy: Option<Proxy>,
}

/// How much a notification asks for attention (`NotificationPriority`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotificationPriority {
    /// Perhaps not shown at all.
    Min,
    /// Shown at the end of the list.
    Low,
    /// As the app says.
    Default,
    /// Shown at the top, perhaps over what is on the screen.
    High,
    /// Like an alarm.
    Max,
}

/// Whether Google Play services show a notification without starting the app (`Proxy`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proxy {
    /// They try to.
    Allow,
    /// They do not.
    Deny,
    /// They try to when the priority was lowered on the way.
    IfPriorityLowered,
}

/// How much of a notification a locked phone shows (`Visibility`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visibility {
    /// That there is one, if the user hides sensitive content.
    Private,
    /// All of it.
    Public,
    /// Nothing.
    Secret,
}

/// A blinking light (`LightSettings`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LightSettings {
    /// Its colour.
    pub color: Color,
    /// How long it is on.
    pub light_on_duration: Duration,
    /// How long it is off.
    pub light_off_duration: Duration,
}

/// A colour; each part is from 0 to 1 (`Color`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Color {
    /// How red.
    pub red: f64,
    /// How green.
    pub green: f64,
    /// How blue.
    pub blue: f64,
    /// How opaque.
    pub alpha: f64,
}

//! The part for Android phones.

use std::collections::BTreeMap;

use providers::fcm;
use serde::Deserialize;

use super::{FcmOptions, Seconds};
use crate::from_wire;

/// `AndroidConfig`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Android {
    #[serde(default)]
    priority: Priority,
    ttl: Option<Seconds>,
    collapse_key: Option<String>,
    restricted_package_name: Option<String>,
    #[serde(default)]
    data: BTreeMap<String, String>,
    #[serde(default)]
    direct_boot_ok: bool,
    #[serde(default)]
    bandwidth_constrained_ok: bool,
    #[serde(default)]
    restricted_satellite_ok: bool,
    #[serde(default)]
    fcm_options: FcmOptions,
    notification: Option<Notification>,
}

/// `AndroidMessagePriority`.
#[derive(Default, Deserialize)]
enum Priority {
    #[default]
    #[serde(rename = "NORMAL", alias = "normal")]
    Normal,
    #[serde(rename = "HIGH", alias = "high")]
    High,
}

/// `AndroidNotification`.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Notification {
    title: Option<String>,
    body: Option<String>,
    icon: Option<String>,
    color: Option<String>,
    sound: Option<String>,
    tag: Option<String>,
    click_action: Option<String>,
    body_loc_key: Option<String>,
    body_loc_args: Vec<String>,
    title_loc_key: Option<String>,
    title_loc_args: Vec<String>,
    channel_id: Option<String>,
    ticker: Option<String>,
    sticky: bool,
    event_time: Option<jiff::Timestamp>,
    local_only: bool,
    notification_priority: Option<NotificationPriority>,
    default_sound: bool,
    default_vibrate_timings: bool,
    default_light_settings: bool,
    vibrate_timings: Vec<Seconds>,
    visibility: Option<Visibility>,
    notification_count: Option<u32>,
    light_settings: Option<LightSettings>,
    image: Option<String>,
    proxy: Option<Proxy>,
}

/// `NotificationPriority`.
#[derive(Deserialize)]
enum NotificationPriority {
    #[serde(rename = "PRIORITY_MIN")]
    Min,
    #[serde(rename = "PRIORITY_LOW")]
    Low,
    #[serde(rename = "PRIORITY_DEFAULT")]
    Default,
    #[serde(rename = "PRIORITY_HIGH")]
    High,
    #[serde(rename = "PRIORITY_MAX")]
    Max,
}

/// `Visibility`.
#[derive(Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Visibility {
    Private,
    Public,
    Secret,
}

/// `Proxy`.
#[derive(Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Proxy {
    Allow,
    Deny,
    IfPriorityLowered,
}

/// `LightSettings`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LightSettings {
    color: Color,
    light_on_duration: Seconds,
    light_off_duration: Seconds,
}

/// `Color`; what is left out of it is 0, and the light solid.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Color {
    red: f64,
    green: f64,
    blue: f64,
    alpha: f64,
}

impl Default for Color {
    fn default() -> Self {
        Self { red: 0.0, green: 0.0, blue: 0.0, alpha: 1.0 }
    }
}

impl Android {
    /// In the provider's words.
    pub(super) fn into_part(self) -> fcm::Android {
        fcm::Android {
            priority: match self.priority {
                Priority::Normal => fcm::Priority::Normal,
                Priority::High => fcm::Priority::High,
            },
            ttl: self.ttl.map(|Seconds(ttl)| ttl),
            collapse_key: self.collapse_key,
            restricted_package_name: self.restricted_package_name,
            data: self.data,
            direct_boot_ok: self.direct_boot_ok,
            bandwidth_constrained_ok: self.bandwidth_constrained_ok,
            restricted_satellite_ok: self.restricted_satellite_ok,
            fcm_options: self.fcm_options.into_options(),
            notification: self.notification.map(Notification::into_part),
        }
    }
}

impl Notification {
    fn into_part(self) -> fcm::AndroidNotification {
        fcm::AndroidNotification {
            title: self.title,
            body: self.body,
            icon: self.icon,
            color: self.color,
            sound: self.sound,
            tag: self.tag,
            click_action: self.click_action,
            body_loc_key: self.body_loc_key,
            body_loc_args: self.body_loc_args,
            title_loc_key: self.title_loc_key,
            title_loc_args: self.title_loc_args,
            channel_id: self.channel_id,
            ticker: self.ticker,
            sticky: self.sticky,
            event_time: self.event_time.map(from_wire::time),
            local_only: self.local_only,
            notification_priority: self.notification_priority.map(|priority| match priority {
                NotificationPriority::Min => fcm::NotificationPriority::Min,
                NotificationPriority::Low => fcm::NotificationPriority::Low,
                NotificationPriority::Default => fcm::NotificationPriority::Default,
                NotificationPriority::High => fcm::NotificationPriority::High,
                NotificationPriority::Max => fcm::NotificationPriority::Max,
            }),
            default_sound: self.default_sound,
            default_vibrate_timings: self.default_vibrate_timings,
            default_light_settings: self.default_light_settings,
            vibrate_timings: self.vibrate_timings.into_iter().map(|Seconds(time)| time).collect(),
            visibility: self.visibility.map(|visibility| match visibility {
                Visibility::Private => fcm::Visibility::Private,
                Visibility::Public => fcm::Visibility::Public,
                Visibility::Secret => fcm::Visibility::Secret,
            }),
            notification_count: self.notification_count,
            light_settings: self.light_settings.map(LightSettings::into_part),
            image: self.image,
            proxy: self.proxy.map(|proxy| match proxy {
                Proxy::Allow => fcm::Proxy::Allow,
                Proxy::Deny => fcm::Proxy::Deny,
                Proxy::IfPriorityLowered => fcm::Proxy::IfPriorityLowered,
            }),
        }
    }
}

impl LightSettings {
    fn into_part(self) -> fcm::LightSettings {
        let Color { red, green, blue, alpha } = self.color;
        let (Seconds(light_on_duration), Seconds(light_off_duration)) =
            (self.light_on_duration, self.light_off_duration);
        let color = fcm::Color { red, green, blue, alpha };
        fcm::LightSettings { color, light_on_duration, light_off_duration }
    }
}

//! The objects of the part for Android phones.

use std::time::Duration;

use serde::{Serialize, Serializer};

use super::fields::Fields;
use super::{duration, timestamp};
use crate::fcm::message::{
    Android, AndroidNotification, Color, LightSettings, NotificationPriority, Priority, Proxy,
    Visibility,
};

impl Serialize for Android {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut android = Fields::start(serializer)?;
        android.some("collapse_key", self.collapse_key.as_ref())?;
        android.some("priority", Some(self.priority))?;
        // FCM keeps whole seconds; rounded up, a push could outlive what it is about.
        let ttl = self.ttl.map(|ttl| duration(Duration::from_secs(ttl.as_secs())));
        android.some("ttl", ttl)?;
        android.some("restricted_package_name", self.restricted_package_name.as_ref())?;
        android.map("data", &self.data)?;
        android.on("direct_boot_ok", self.direct_boot_ok)?;
        android.on("bandwidth_constrained_ok", self.bandwidth_constrained_ok)?;
        android.on("restricted_satellite_ok", self.restricted_satellite_ok)?;
        android.some("fcm_options", self.fcm_options.if_given())?;
        android.some("notification", self.notification.as_ref())?;
        android.end()
    }
}

impl Serialize for AndroidNotification {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut shown = Fields::start(serializer)?;
        shown.some("title", self.title.as_ref())?;
        shown.some("body", self.body.as_ref())?;
        shown.some("icon", self.icon.as_ref())?;
        shown.some("color", self.color.as_ref())?;
        shown.some("sound", self.sound.as_ref())?;
        shown.some("tag", self.tag.as_ref())?;
        shown.some("click_action", self.click_action.as_ref())?;
        shown.some("body_loc_key", self.body_loc_key.as_ref())?;
        shown.list("body_loc_args", &self.body_loc_args)?;
        shown.some("title_loc_key", self.title_loc_key.as_ref())?;
        shown.list("title_loc_args", &self.title_loc_args)?;
        shown.some("channel_id", self.channel_id.as_ref())?;
        shown.some("ticker", self.ticker.as_ref())?;
        shown.on("sticky", self.sticky)?;
        shown.some("event_time", self.event_time.and_then(timestamp))?;
        shown.on("local_only", self.local_only)?;
        shown.some("notification_priority", self.notification_priority)?;
        shown.on("default_sound", self.default_sound)?;
        shown.on("default_vibrate_timings", self.default_vibrate_timings)?;
        shown.on("default_light_settings", self.default_light_settings)?;
        let timings: Vec<_> = self.vibrate_timings.iter().copied().map(duration).collect();
        shown.list("vibrate_timings", &timings)?;
        shown.some("visibility", self.visibility)?;
        shown.some("notification_count", self.notification_count)?;
        shown.some("light_settings", self.light_settings)?;
        shown.some("image", self.image.as_ref())?;
        shown.some("proxy", self.proxy)?;
        shown.end()
    }
}

impl Serialize for LightSettings {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { color, light_on_duration, light_off_duration } = *self;
        let mut light = Fields::start(serializer)?;
        light.some("color", Some(color))?;
        light.some("light_on_duration", Some(duration(light_on_duration)))?;
        light.some("light_off_duration", Some(duration(light_off_duration)))?;
        light.end()
    }
}

impl Serialize for Color {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { red, green, blue, alpha } = *self;
        let mut color = Fields::start(serializer)?;
        color.some("red", Some(red))?;
        color.some("green", Some(green))?;
        color.some("blue", Some(blue))?;
        color.some("alpha", Some(alpha))?;
        color.end()
    }
}

impl Serialize for Priority {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            Self::High => "HIGH",
            Self::Normal => "NORMAL",
        })
    }
}

impl Serialize for NotificationPriority {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            Self::Min => "PRIORITY_MIN",
            Self::Low => "PRIORITY_LOW",
            Self::Default => "PRIORITY_DEFAULT",
            Self::High => "PRIORITY_HIGH",
            Self::Max => "PRIORITY_MAX",
        })
    }
}

impl Serialize for Proxy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            Self::Allow => "ALLOW",
            Self::Deny => "DENY",
            Self::IfPriorityLowered => "IF_PRIORITY_LOWERED",
        })
    }
}

impl Serialize for Visibility {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            Self::Private => "PRIVATE",
            Self::Public => "PUBLIC",
            Self::Secret => "SECRET",
        })
    }
}

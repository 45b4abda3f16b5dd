//! Names of things: one type each, so that no two can be swapped.

use std::fmt;

/// Declares a small number given by the store.
macro_rules! number {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(i64);

        impl $name {
            /// From the store's number.
            pub const fn from_number(number: i64) -> Self {
                Self(number)
            }

            /// The store's number.
            pub const fn number(self) -> i64 {
                self.0
            }

            /// Reads the public form, prefix and number.
            pub fn parse(text: &str) -> Option<Self> {
                let digits = text.strip_prefix($prefix)?;
                let canonical = digits.bytes().all(|byte| byte.is_ascii_digit())
                    && (digits == "0" || !digits.starts_with('0'));
                if canonical { digits.parse().ok().map(Self) } else { None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }
    };
}

/// Declares a 128-bit name, drawn or hashed by the caller.
macro_rules! drawn {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(u128);

        impl $name {
            /// From 128 bits.
            pub const fn from_bits(bits: u128) -> Self {
                Self(bits)
            }

            /// The 128 bits.
            pub const fn bits(self) -> u128 {
                self.0
            }

            /// Reads the public form, prefix and 32 hexadecimal digits.
            pub fn parse(text: &str) -> Option<Self> {
                let digits = text.strip_prefix($prefix)?;
                let canonical = digits.len() == 32
                    && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
                if canonical { u128::from_str_radix(digits, 16).ok().map(Self) } else { None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{:032x}"), self.0)
            }
        }
    };
}

number!(
    /// An app: a tenant.
    AppId, "app_");
number!(
    /// An API key.
    KeyId, "key_");
number!(
    /// A provider credential.
    CredentialId, "crd_");
number!(
    /// What an app's back end signs user tokens with.
    TokenKeyId, "tky_");
number!(
    /// An endpoint of an app's back end that events are sent to.
    WebhookId, "whk_");
number!(
    /// An inbox, and so a user.
    InboxId, "inb_");
number!(
    /// The immutable number of a device: given once, never reused, in order of registration.
    DeviceNumber, "dev_");
number!(
    /// A lane: wakes that share an app, a target kind, an app id and a subject.
    LaneId, "lan_");
number!(
    /// One life of one node: given at its start, dead once its heartbeat stops.
    Incarnation, "inc_");

drawn!(
    /// One try to push for a wake.
    AttemptId, "att_");
drawn!(
    /// An entry of an inbox.
    EntryId, "ent_");
drawn!(
    /// An event: its number, and a keyed hash that tells it from one of the same number in another
    /// history.
    EventId, "evt_");
drawn!(
    /// A message; the same for every recipient.
    MessageId, "msg_");
drawn!(
    /// What a provider knows an attempt and its successors by; the `apns-id`.
    ProviderId, "prv_");
drawn!(
    /// A direct push, to some devices or to a topic's or an app's.
    PushId, "psh_");
drawn!(
    /// One live connection of one device.
    SessionId, "ses_");
drawn!(
    /// The duty to bring one device back.
    WakeId, "wak_");
drawn!(
    /// A call; on the wire the caller's UUID.
    CallId, "cal_");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_forms_go_there_and_back() {
        let wake = WakeId::from_bits(0x0123_4567_89ab_cdef);
        assert_eq!(WakeId::parse(&wake.to_string()), Some(wake));
        assert_eq!(AppId::parse("app_17"), Some(AppId::from_number(17)));
        for wrong in
            ["app_", "app_017", "app_+1", "app_-1", "17", "key_17", "app_99999999999999999999"]
        {
            assert_eq!(AppId::parse(wrong), None, "{wrong}");
        }
        assert_eq!(WakeId::parse("wak_00"), None);
        assert_eq!(WakeId::parse(&"wak_F".repeat(7)), None);
    }
}

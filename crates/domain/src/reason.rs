//! Why: the stable word every decision leaves behind.

/// Why a wake is where it is. Stable words: they stand in timelines, logs and the console.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Everything owed was acknowledged.
    Acked,
    /// The background budget of the device is spent; the alert goes instead.
    Budget,
    /// The call is over, or was never this device's.
    CallOver,
    /// A push is on its way.
    Claimed,
    /// A push was taken; the next rung follows if nobody comes.
    Climbing,
    /// The credential is missing, broken or of another app.
    Credential,
    /// Pushing is switched off for the app.
    Disabled,
    /// The session ended behind the head.
    Disconnected,
    /// Every rung and every repeat was used.
    Exhausted,
    /// Everything owed has expired.
    Expired,
    /// A newer message waits for the one push of a burst.
    Joined,
    /// The user is looking at the app on another device; the push waits, once.
    HeldElsewhere,
    /// The attempt before ended without a word.
    Lapsed,
    /// A session lives; it delivers.
    Live,
    /// A message was accepted for a device that is asleep.
    Message,
    /// The user has muted all that is owed.
    Muted,
    /// The device has no push target that could be used.
    NoTarget,
    /// The device fetched its inbox by HTTP; its ack is awaited.
    Fetched,
    /// The user has read all that is owed on another device.
    ReadElsewhere,
    /// The server started anew.
    Restart,
    /// The provider refused; again later, on the same rung.
    Refused,
    /// A call rings, and the push for it was taken.
    Rings,
    /// A call came in.
    Ring,
    /// The session missed its ack deadline.
    Suspect,
    /// A target, credential or setting changed.
    Changed,
    /// Too little of the ring time is left.
    TooLate,
    /// Nobody knows whether the push was taken.
    Unknown,
    /// The smallest push there is was refused for its content.
    Unsendable,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 28] = [
        Self::Acked,
        Self::Budget,
        Self::CallOver,
        Self::Changed,
        Self::Claimed,
        Self::Climbing,
        Self::Credential,
        Self::Disabled,
        Self::Disconnected,
        Self::Exhausted,
        Self::Expired,
        Self::Fetched,
        Self::HeldElsewhere,
        Self::Joined,
        Self::Lapsed,
        Self::Live,
        Self::Message,
        Self::Muted,
        Self::NoTarget,
        Self::ReadElsewhere,
        Self::Refused,
        Self::Restart,
        Self::Ring,
        Self::Rings,
        Self::Suspect,
        Self::TooLate,
        Self::Unknown,
        Self::Unsendable,
    ];

    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Acked => "acked",
            Self::Budget => "budget",
            Self::CallOver => "call_over",
            Self::Changed => "changed",
            Self::Claimed => "claimed",
            Self::Climbing => "climbing",
            Self::Credential => "credential",
            Self::Disabled => "disabled",
            Self::Disconnected => "disconnected",
            Self::Exhausted => "exhausted",
            Self::Expired => "expired",
            Self::Fetched => "fetched",
            Self::HeldElsewhere => "held_elsewhere",
            Self::Joined => "joined",
            Self::Lapsed => "lapsed",
            Self::Live => "live",
            Self::Message => "message",
            Self::Muted => "muted",
            Self::NoTarget => "no_target",
            Self::ReadElsewhere => "read_elsewhere",
            Self::Refused => "refused",
            Self::Restart => "restart",
            Self::Ring => "ring",
            Self::Rings => "rings",
            Self::Suspect => "suspect",
            Self::TooLate => "too_late",
            Self::Unknown => "unknown",
            Self::Unsendable => "unsendable",
        }
    }

    /// The reason of a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_reads_back() {
        for reason in Reason::ALL {
            assert_eq!(Reason::parse(reason.as_str()), Some(reason));
        }
    }
}

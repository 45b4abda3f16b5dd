//! What an app's settings say about waking.

use std::time::Duration;

use crate::target::{Platform, TargetKind};

/// Where the ladder starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FirstRung {
    /// A push nobody sees, which lets the app fetch and show the message itself.
    #[default]
    Background,
    /// A push the user sees.
    Alert,
}

/// What an app's settings say about waking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The switch: off refuses every push with 902.
    pub push_enabled: bool,
    /// Where the ladder starts.
    pub first_rung: FirstRung,
    /// How long an unanswered background push waits before the alert follows.
    pub climb_after: Duration,
    /// After which pauses the alert is repeated, one after the other.
    pub repeats: Vec<Duration>,
    /// How long a session may take to acknowledge before it is suspect.
    pub ack_deadline: Duration,
    /// How long a call rings.
    pub ring_time: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            push_enabled: true,
            first_rung: FirstRung::Background,
            climb_after: Duration::from_secs(30),
            repeats: vec![
                Duration::from_secs(600),
                Duration::from_secs(3_600),
                Duration::from_secs(6 * 3_600),
                Duration::from_secs(24 * 3_600),
            ],
            ack_deadline: Duration::from_secs(5),
            ring_time: Duration::from_secs(45),
        }
    }
}

/// Which of a device's targets carries a wake for messages; `None`: it has none that could.
pub fn route_messages(platform: Platform, targets: &[TargetKind]) -> Option<TargetKind> {
    let order: &[TargetKind] = match platform {
        Platform::Ios => &[TargetKind::Apns, TargetKind::Fcm, TargetKind::Webpush],
        Platform::Web => &[TargetKind::Webpush, TargetKind::Fcm, TargetKind::Apns],
        Platform::Android | Platform::Other => {
            &[TargetKind::Fcm, TargetKind::Webpush, TargetKind::Apns]
        }
    };
    order.iter().copied().find(|kind| targets.contains(kind))
}

/// Which of a device's targets carries the ringing of a call: PushKit's where there is one.
pub fn route_call(platform: Platform, targets: &[TargetKind]) -> Option<TargetKind> {
    if targets.contains(&TargetKind::ApnsVoip) {
        return Some(TargetKind::ApnsVoip);
    }
    route_messages(platform, targets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes() {
        use TargetKind::{Apns, ApnsVoip, Fcm, Webpush};
        let messages = [
            (Platform::Ios, &[Fcm, Apns, ApnsVoip][..], Some(Apns)),
            (Platform::Ios, &[Fcm], Some(Fcm)),
            (Platform::Ios, &[ApnsVoip], None),
            (Platform::Android, &[Fcm], Some(Fcm)),
            (Platform::Web, &[Webpush], Some(Webpush)),
            (Platform::Other, &[], None),
        ];
        for (platform, targets, expected) in messages {
            assert_eq!(route_messages(platform, targets), expected, "{platform:?} {targets:?}");
        }
        assert_eq!(route_call(Platform::Ios, &[Apns, ApnsVoip]), Some(ApnsVoip));
        assert_eq!(route_call(Platform::Ios, &[Apns]), Some(Apns));
        assert_eq!(route_call(Platform::Android, &[Fcm]), Some(Fcm));
    }
}

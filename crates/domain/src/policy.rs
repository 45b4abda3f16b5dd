//! What an app's settings say about waking.

use std::time::Duration;

use crate::target::{Environment, Platform, TargetKind};

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
    /// How long a wake waits, once, while the user looks at the app on another device; `None`: not
    /// at all.
    pub hold_while_active_elsewhere: Option<Duration>,
    /// How long a call rings.
    pub ring_time: Duration,
    /// How long a side of a call whose connection was lost has to come back.
    pub resume_time: Duration,
    /// What iPhones are reached through.
    pub ios_route: IosRoute,
    /// Whether tokens of apps run from Xcode go to Apple's production service.
    pub sandbox_to_production: bool,
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
            hold_while_active_elsewhere: None,
            ring_time: Duration::from_secs(45),
            resume_time: Duration::from_secs(30),
            ios_route: IosRoute::Automatic,
            sandbox_to_production: false,
        }
    }
}

/// What iPhones are reached through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IosRoute {
    /// APNs where target and credential exist, else FCM.
    #[default]
    Automatic,
    /// FCM, whatever else there is: Firebase holds the app's APNs key. A call then rings by an
    /// alert, because PushKit's tokens are not Firebase's.
    Fcm,
}

/// Chooses among a device's targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Router {
    /// The app's setting.
    pub ios: IosRoute,
    /// Whether the app has a credential for APNs.
    pub apns: bool,
}

impl Router {
    /// Which of a device's targets carries a wake for messages, or a direct push; `None`: it has
    /// none that could.
    pub fn messages(self, platform: Platform, targets: &[TargetKind]) -> Option<TargetKind> {
        use TargetKind::{Apns, Fcm, Webpush};
        let order: &[TargetKind] = match (platform, self.ios, self.apns) {
            (Platform::Ios, IosRoute::Fcm, _) => &[Fcm, Webpush],
            (Platform::Ios, IosRoute::Automatic, true) => &[Apns, Fcm, Webpush],
            // Without a credential APNs is the last resort: its refusal says what to upload.
            (Platform::Ios, IosRoute::Automatic, false) => &[Fcm, Webpush, Apns],
            (Platform::Web, _, _) => &[Webpush, Fcm, Apns],
            (Platform::Android | Platform::Other, _, _) => &[Fcm, Webpush, Apns],
        };
        order.iter().copied().find(|kind| targets.contains(kind))
    }

    /// Which of a device's targets carries the ringing of a call: PushKit's where there is one.
    pub fn call(self, platform: Platform, targets: &[TargetKind]) -> Option<TargetKind> {
        let voip = targets.contains(&TargetKind::ApnsVoip) && self.ios == IosRoute::Automatic;
        let other = self.messages(platform, targets);
        match other {
            // Nothing else can ring, or PushKit can: without a credential its refusal says so.
            None | Some(TargetKind::Apns) if voip => Some(TargetKind::ApnsVoip),
            Some(_) if voip && self.apns => Some(TargetKind::ApnsVoip),
            other => other,
        }
    }
}

impl Policy {
    /// Apple's environment for a token: the setting decides, then what the device declared, then
    /// what was learned; production is the usual case.
    pub fn environment(
        &self,
        declared: Option<Environment>,
        learned: Option<Environment>,
    ) -> Environment {
        if self.sandbox_to_production {
            return Environment::Production;
        }
        declared.or(learned).unwrap_or(Environment::Production)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes() {
        use TargetKind::{Apns, ApnsVoip, Fcm, Webpush};
        const WITH: Router = Router { ios: IosRoute::Automatic, apns: true };
        const WITHOUT: Router = Router { ios: IosRoute::Automatic, apns: false };
        const FIREBASE: Router = Router { ios: IosRoute::Fcm, apns: true };
        let messages = [
            (WITH, Platform::Ios, &[Fcm, Apns, ApnsVoip][..], Some(Apns)),
            (WITH, Platform::Ios, &[Fcm], Some(Fcm)),
            (WITH, Platform::Ios, &[ApnsVoip], None),
            (WITHOUT, Platform::Ios, &[Fcm, Apns], Some(Fcm)),
            (WITHOUT, Platform::Ios, &[Apns], Some(Apns)),
            (FIREBASE, Platform::Ios, &[Fcm, Apns], Some(Fcm)),
            (FIREBASE, Platform::Ios, &[Apns], None),
            (WITH, Platform::Android, &[Fcm], Some(Fcm)),
            (WITH, Platform::Web, &[Webpush], Some(Webpush)),
            (WITH, Platform::Other, &[], None),
        ];
        for (router, platform, targets, expected) in messages {
            let chosen = router.messages(platform, targets);
            assert_eq!(chosen, expected, "{router:?} {platform:?} {targets:?}");
        }
        let calls = [
            (WITH, Platform::Ios, &[Apns, ApnsVoip][..], Some(ApnsVoip)),
            (WITH, Platform::Ios, &[Fcm, ApnsVoip], Some(ApnsVoip)),
            (WITH, Platform::Ios, &[ApnsVoip], Some(ApnsVoip)),
            (WITH, Platform::Ios, &[Apns], Some(Apns)),
            (WITHOUT, Platform::Ios, &[Fcm, ApnsVoip], Some(Fcm)),
            (WITHOUT, Platform::Ios, &[Apns, ApnsVoip], Some(ApnsVoip)),
            (FIREBASE, Platform::Ios, &[Fcm, ApnsVoip], Some(Fcm)),
            (WITH, Platform::Android, &[Fcm], Some(Fcm)),
        ];
        for (router, platform, targets, expected) in calls {
            let chosen = router.call(platform, targets);
            assert_eq!(chosen, expected, "{router:?} {platform:?} {targets:?}");
        }
    }

    #[test]
    fn environments() {
        use Environment::{Production, Sandbox};
        let policy = Policy::default();
        let to_production = Policy { sandbox_to_production: true, ..Policy::default() };
        for (policy, declared, learned, expected) in [
            (&policy, None, None, Production),
            (&policy, None, Some(Sandbox), Sandbox),
            (&policy, Some(Production), Some(Sandbox), Production),
            (&policy, Some(Sandbox), None, Sandbox),
            (&to_production, Some(Sandbox), Some(Sandbox), Production),
        ] {
            assert_eq!(policy.environment(declared, learned), expected, "{declared:?} {learned:?}");
        }
    }
}

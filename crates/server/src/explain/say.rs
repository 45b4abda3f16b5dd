//! The rules that hold, in sentences for the person who has to do something about them.

use std::time::Duration;

use domain::explain::{Rule, SILENCE};
use domain::{Environment, Platform, TargetKind, Time};

use super::gather::Gathered;
use crate::report;

/// A user without devices, of whom there are no facts to be told.
pub(super) const NO_DEVICE: &str =
    "No device of the user ever connected, so there is nothing to wake.";

/// What to do about that.
pub(super) const LET_CONNECT: &str =
    "Let the user's app connect once with a user token; what was sent before waits for it.";

/// A device, and now.
pub(super) struct About<'a> {
    pub(super) gathered: &'a Gathered,
    pub(super) now: Time,
}

impl About<'_> {
    /// What is the case.
    pub(super) fn text(&self, rule: Rule) -> String {
        let seen = &self.gathered.facts.seen;
        match rule {
            Rule::NoDevice => NO_DEVICE.to_owned(),
            Rule::PushOff => "Pushes of this app are switched off (902).".to_owned(),
            Rule::Live => {
                "The device is connected: messages go over its session, and nothing is pushed."
                    .to_owned()
            }
            Rule::Suspect => format!(
                "The device has a session that does not answer; it is taken for asleep. Last connected {}.",
                self.ago(self.gathered.facts.last_seen_at)
            ),
            Rule::Asleep => format!(
                "The device is not connected; it was last connected {}, so it is woken by a push.",
                self.ago(self.gathered.facts.last_seen_at)
            ),
            Rule::LongGone => format!(
                "The device was not seen since {}; the app may have been removed or the phone replaced.",
                self.ago(self.gathered.facts.last_seen_at)
            ),
            Rule::TokenDropped => format!(
                "The push service said that the device's token is gone, so it was dropped {}; no new one was registered.",
                self.ago_if(seen.token_dropped_at)
            ),
            Rule::VoipOnly => {
                "The device has a PushKit token, which is for calls alone, and none for messages."
                    .to_owned()
            }
            Rule::NoTarget => "The device has registered no push token.".to_owned(),
            Rule::NoVoip => {
                "The iPhone has no PushKit token, so calls show as a notification and do not ring."
                    .to_owned()
            }
            Rule::TokenSuspect => format!(
                "The push service did not know the device's token {}; a second such word, a day later, drops it.",
                self.ago_if(self.gathered.target.as_ref().and_then(|target| target.suspect_since))
            ),
            Rule::NoCredential => format!(
                "The app has no credential for {} (901).",
                self.service()
            ),
            Rule::CredentialExpired => "The push certificate has expired (903).".to_owned(),
            Rule::ProductionRequired => {
                "The certificate is for development builds, and the token is of the production service (905)."
                    .to_owned()
            }
            Rule::OtherApp => {
                "Credential and push token belong to different apps (912).".to_owned()
            }
            Rule::CredentialRefused => format!(
                "{} does not take the credential (904); nothing is pushed until a probe is taken.",
                self.service()
            ),
            Rule::ServiceAway => format!(
                "{} is away or takes nothing from here (902); it is probed, and pushes wait.",
                self.service()
            ),
            Rule::MassFailure => {
                "Most pushes of the last five minutes were refused for their tokens: the credential is of another app or environment, and the tokens are kept."
                    .to_owned()
            }
            Rule::CredentialEnds => "The push certificate ends soon.".to_owned(),
            Rule::NeverBelieved => format!(
                "No push with the credential{} was ever taken yet.",
                self.credential()
            ),
            Rule::CredentialGood => format!(
                "The credential{} is good: a push with it was taken {}.",
                self.credential(),
                self.ago_if(self.believed_at())
            ),
            Rule::PushRefused => match &self.gathered.refused {
                Some((code, reason, _)) => format!(
                    "The last push, {}, was refused: {reason} ({code}).",
                    self.pushed()
                ),
                None => format!("The last push, {}, was refused.", self.pushed()),
            },
            Rule::PushUnknown => format!(
                "Nobody knows whether the push service took the last push, {}: the connection broke.",
                self.pushed()
            ),
            Rule::NeverReached => format!(
                "The push service took the last push, {}, and the app was not heard of since: the push never reached the app.",
                self.pushed()
            ),
            Rule::WokenButRefused => match &self.gathered.woken_problem {
                Some(problem) => format!(
                    "The last push reached the app, but the server did not let it in: {problem}."
                ),
                None => "The last push reached the app, but the server did not let it in."
                    .to_owned(),
            },
            Rule::WokenLate => {
                "The last push reached the app, but the app could connect only long after: its network failed, or it was stopped too early."
                    .to_owned()
            }
            Rule::WokenDemoted => {
                "The last push reached the app with a lower priority than it was sent with: Google lowers it for apps whose pushes often show nothing."
                    .to_owned()
            }
            Rule::NotAcknowledged => {
                "The app was woken and read its inbox, but did not acknowledge it.".to_owned()
            }
            Rule::PushArrived => {
                format!("The last push, {}, reached the app.", self.pushed())
            }
            Rule::BudgetSpent => {
                "Three background pushes went to the device within the hour, all that Apple grants; the next one is visible."
                    .to_owned()
            }
            Rule::Muted => "The user has muted all that waits; it is kept, and nothing is pushed."
                .to_owned(),
            Rule::ReadElsewhere => {
                "The user has read all that waits on another device; nothing is pushed.".to_owned()
            }
            Rule::Exhausted => {
                "Every push that may be sent for what waits was sent; the next message tries again."
                    .to_owned()
            }
            Rule::Unsendable => {
                "The push service refuses even the smallest push for its content (913).".to_owned()
            }
            Rule::WakeOpen => self.wake(),
            Rule::NothingOwed => {
                "Nothing waits for the device: it has acknowledged all there is.".to_owned()
            }
        }
    }

    /// What to do about it; `None`: nothing.
    pub(super) fn remedy(&self, rule: Rule) -> Option<String> {
        let platform = self.gathered.facts.platform;
        let said = match rule {
            Rule::PushOff => {
                "Switch them on: PATCH /v1/apps/{app}/settings with push_enabled true."
            }
            Rule::LongGone => {
                "Ask the user to open the app; if it was removed, sign the device out: DELETE /v1/users/{user}/devices/{device}."
            }
            Rule::TokenDropped | Rule::NoTarget => match platform {
                Platform::Ios => {
                    "Let the app ask for permission, call registerForRemoteNotifications at each start, and register the token it gets (push_token, or PUT /v1/me/targets/apns); without the entitlement aps-environment it gets none."
                }
                Platform::Android => {
                    "Let the app register the token of FirebaseMessaging at each start and in onNewToken (push_token, or PUT /v1/me/targets/fcm)."
                }
                Platform::Web | Platform::Other => {
                    "Let the app subscribe with the key of GET /v1/webpush-key after the user allowed notifications, and register the subscription (push_token, or PUT /v1/me/targets/webpush)."
                }
            },
            Rule::VoipOnly => {
                "Register the app's ordinary token too, the one of registerForRemoteNotifications, as the kind apns."
            }
            Rule::NoVoip => "For calls that ring, register PushKit's token as the kind apns_voip.",
            Rule::TokenSuspect => {
                "Let the app register its current token again at its next start; check that it is of this app and of the environment it declares."
            }
            Rule::NoCredential | Rule::CredentialExpired | Rule::OtherApp => {
                return Some(self.gathered.unsent.clone().unwrap_or_else(|| {
                    "Upload a credential that covers this app: POST /v1/apps/{app}/credentials."
                        .to_owned()
                }));
            }
            Rule::ProductionRequired => {
                "Upload a production certificate or a .p8 key; or, for a build run from Xcode, let the app declare the environment sandbox."
            }
            Rule::CredentialRefused => {
                "Probe it for the push service's own words (POST /v1/apps/{app}/credentials/{credential}/probe), and upload another one."
            }
            Rule::ServiceAway => {
                "Wait; if others reach it, check this machine's DNS, firewall and proxy with `reveille doctor`: APNs needs TCP 443 or 2197, FCM TCP 443."
            }
            Rule::MassFailure => {
                "Check bundle id, team and environment of the APNs credential, or the Firebase project of the service account, against the app that registers the tokens."
            }
            Rule::CredentialEnds => {
                "Upload another certificate beside this one, or a .p8 key, which does not end."
            }
            Rule::PushRefused => {
                let (_, _, remedy) = self.gathered.refused.as_ref()?;
                return (!remedy.is_empty()).then(|| remedy.clone());
            }
            Rule::PushUnknown => "Nothing: it is sent again under the same name.",
            Rule::NeverReached => return Some(self.never_reached()),
            Rule::WokenButRefused => {
                "Let the push handler drain with the device secret (GET /v1/me/inbox), which does not expire as user tokens do; or refresh the token before connecting."
            }
            Rule::WokenLate => {
                "Drain by HTTP in the push handler (GET /v1/me/inbox, POST /v1/me/ack): one request is quicker than a session, and fits the seconds a handler has."
            }
            Rule::WokenDemoted => {
                "Show a notification for each high-priority push within its handler; Google looks at the last seven days."
            }
            Rule::NotAcknowledged => {
                "Acknowledge what was read: POST /v1/me/ack with the last position, or `ack` over the session."
            }
            Rule::Exhausted => {
                "Nothing more comes by itself. If the user has the phone in hand, ask them to open the app; see the other findings for why no push woke it."
            }
            Rule::Unsendable => {
                "See the request in the push log (GET /v1/push-log?device=…&code=913), and correct texts or sound in the settings."
            }
            Rule::NoDevice => LET_CONNECT,
            Rule::Live
            | Rule::Suspect
            | Rule::Asleep
            | Rule::NeverBelieved
            | Rule::CredentialGood
            | Rule::PushArrived
            | Rule::BudgetSpent
            | Rule::Muted
            | Rule::ReadElsewhere
            | Rule::WakeOpen
            | Rule::NothingOwed => return None,
        };
        Some(said.to_owned())
    }

    fn never_reached(&self) -> String {
        let causes = match self.gathered.facts.platform {
            Platform::Android => {
                "the phone is off or offline; the app was force-stopped, or a battery saver of the vendor stops it (its settings: battery, unrestricted; autostart); it has two Firebase projects, and the token is of the other"
            }
            Platform::Ios => {
                "the phone is off or offline; the user closed the app by swiping it away, so background pushes do not start it (the alert that follows does); Background App Refresh is off, or Low Power Mode on; the background mode remote-notification is missing in the build"
            }
            Platform::Web | Platform::Other => {
                "the browser is not running; the user took the permission back; the service worker is gone"
            }
        };
        format!(
            "On the phone, one of these: {causes}. Open the app once, then send a test push with `reveille doctor --user {}`.",
            self.gathered.user
        )
    }

    fn wake(&self) -> String {
        let Some(wake) = &self.gathered.facts.wake else { return String::new() };
        let rung = match wake.rung {
            domain::wake::Rung::Background => "a background push",
            domain::wake::Rung::Alert => "an alert",
            domain::wake::Rung::Repeat(_) => "the alert again",
            domain::wake::Rung::Ring => "a call's push",
        };
        let because = report::wake_sentence(wake.reason);
        match wake.due() {
            Some(due) if due > self.now => {
                let left = length(self.now.until(due));
                format!("Something waits, and {rung} follows in {left}. {because}")
            }
            Some(_) | None => format!("Something waits, and {rung} is on its way. {because}"),
        }
    }

    fn pushed(&self) -> String {
        self.ago_if(self.gathered.facts.seen.push.map(|(at, _)| at))
    }

    fn believed_at(&self) -> Option<Time> {
        self.gathered.facts.target?.credential.ok()?.believed_at
    }

    fn credential(&self) -> String {
        self.gathered.credential.as_ref().map_or_else(String::new, |name| format!(" ({name})"))
    }

    /// The push service, by the name people know it by.
    fn service(&self) -> String {
        let kind = self.gathered.facts.target.map(|target| target.kind);
        match (kind, self.gathered.environment) {
            (Some(TargetKind::Apns | TargetKind::ApnsVoip), Some(Environment::Sandbox)) => {
                "Apple's sandbox (APNs)".to_owned()
            }
            (Some(TargetKind::Apns | TargetKind::ApnsVoip), _) => "Apple (APNs)".to_owned(),
            (Some(TargetKind::Fcm), _) => "Google (FCM)".to_owned(),
            (Some(TargetKind::Webpush), _) => "the browser's push service".to_owned(),
            (None, _) => "the push service".to_owned(),
        }
    }

    fn ago_if(&self, at: Option<Time>) -> String {
        at.map_or_else(|| "some time ago".to_owned(), |at| self.ago(at))
    }

    fn ago(&self, at: Time) -> String {
        format!("{} ago", length(self.now.since(at)))
    }
}

/// A length of time, as people say it.
fn length(time: Duration) -> String {
    let seconds = time.as_secs();
    let (number, unit) = match seconds {
        0..120 => (seconds, "second"),
        120..7_200 => (seconds / 60, "minute"),
        7_200..172_800 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {unit}{plural}")
}

// docs/troubleshooting.md says a minute.
const _: () = assert!(SILENCE.as_secs() == 60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_as_people_say_them() {
        for (seconds, expected) in [
            (0, "0 seconds"),
            (1, "1 second"),
            (119, "119 seconds"),
            (120, "2 minutes"),
            (7_200, "2 hours"),
            (172_800, "2 days"),
        ] {
            assert_eq!(length(Duration::from_secs(seconds)), expected);
        }
    }
}

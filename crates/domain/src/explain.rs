//! Why did my push not arrive? What is known of a device, judged rule by rule.
//!
//! ```text
//!   app ─▶ session ─▶ target ─▶ credential ─▶ last push ─▶ wake
//!    │        │          │          │             │          │
//!    └────────┴──────────┴── each rule that holds ┴──────────┴──▶ the worst, the first of those: fix this
//! ```
//!
//! A push that was taken and never heard of again is told from one that reached the app while the
//! app could not connect, and from one whose priority Google had lowered: the first is the phone's
//! or its owner's, the second the app's or the network's, the third the app's use of its pushes.
//!
//! Every rule has a row in `docs/troubleshooting.md`.

use std::time::Duration;

use crate::outcome::Diagnosis;
use crate::reason::Reason;
use crate::target::{Platform, TargetKind};
use crate::time::Time;
use crate::wake::{Phase, Wake};

/// A push that was taken is waited for this long, before its silence means something: a phone that
/// wakes connects within seconds.
pub const SILENCE: Duration = Duration::from_secs(60);

/// A device that was not seen for so long may be gone: FCM takes a token for stale after a month
/// (Firebase, "Best practices for FCM registration token management").
pub const LONG_GONE: Duration = Duration::from_secs(30 * 86_400);

/// A credential that ends within this time is worth a word.
pub const ENDS_SOON: Duration = Duration::from_secs(30 * 86_400);

/// What is known of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Whether the app's pushes are switched on.
    pub push_enabled: bool,
    /// What the device runs.
    pub platform: Platform,
    /// Its session.
    pub session: Link,
    /// When it was last connected.
    pub last_seen_at: Time,
    /// The kinds of its push targets.
    pub targets: Vec<TargetKind>,
    /// The target that carries its messages.
    pub target: Option<TargetFacts>,
    /// What the push log has of it.
    pub seen: Seen,
    /// Its wake for messages, if one is open.
    pub wake: Option<Wake>,
    /// Whether something waits for it that it has not acknowledged.
    pub is_behind: bool,
}

/// A device's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// It has a session that answers.
    Live,
    /// It has a session that did not answer in time.
    Suspect,
    /// It has none.
    None,
}

/// The target that carries a device's messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TargetFacts {
    /// Its kind.
    pub kind: TargetKind,
    /// Since when its token is suspect.
    pub suspect_since: Option<Time>,
    /// The credential that carries it, or why none does.
    pub credential: Result<CredentialHealth, Diagnosis>,
}

/// How a credential is, in the place where it is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CredentialHealth {
    /// Why nothing goes out with it now.
    pub open: Option<Diagnosis>,
    /// When a push with it was last taken.
    pub believed_at: Option<Time>,
    /// Whether most pushes are refused for their tokens.
    pub in_mass_failure: bool,
    /// When it ends.
    pub not_after: Option<Time>,
}

/// What the push log has of a device, newest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Its last push.
    pub push: Option<(Time, LastPush)>,
    /// Its last sign of life, of any kind.
    pub life_at: Option<Time>,
    /// When its app was last woken, and how.
    pub woken: Option<(Time, Woken)>,
    /// When it last read something.
    pub read_at: Option<Time>,
    /// When it last acknowledged something.
    pub acked_at: Option<Time>,
    /// When a token of it was last dropped.
    pub token_dropped_at: Option<Time>,
    /// Background pushes that were taken in the last hour.
    pub background_last_hour: usize,
}

/// What a device's last push came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastPush {
    /// The push service took it.
    Taken,
    /// It was refused.
    Refused(Diagnosis),
    /// No answer came.
    Unknown,
}

/// How a push reached its app, as the app told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// The app connected.
    Well,
    /// The app was not let in.
    Refused,
    /// The app could not connect for long.
    Late,
    /// Google had lowered its priority.
    Demoted,
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// Good to know, and nobody's fault.
    Note,
    /// May keep pushes away, now or soon.
    Warning,
    /// Keeps pushes away.
    Failure,
}

impl Verdict {
    /// The word used in the API and on the terminal.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Failure => "failure",
        }
    }
}

macro_rules! rules {
    ($($(#[doc = $doc:literal])+ $rule:ident = $word:literal is $verdict:ident;)+) => {
        /// What may be the case, in the order in which it is looked for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Rule { $($(#[doc = $doc])+ $rule),+ }

        impl Rule {
            /// Every rule, in order.
            pub const ALL: &[Self] = &[$(Self::$rule),+];

            /// The stable word used in the API, on the terminal and in `docs/troubleshooting.md`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$rule => $word),+ }
            }

            /// How much it matters.
            pub const fn verdict(self) -> Verdict {
                match self { $(Self::$rule => Verdict::$verdict),+ }
            }
        }
    };
}

rules! {
    /// The user never connected, so there is nothing to push to.
    NoDevice = "no_device" is Failure;
    /// The app's pushes are switched off.
    PushOff = "push_off" is Failure;
    /// The device has a session.
    Live = "live" is Ok;
    /// Its session does not answer.
    Suspect = "suspect" is Note;
    /// It has no session.
    Asleep = "asleep" is Note;
    /// It was not seen for a month.
    LongGone = "long_gone" is Warning;
    /// Its token was dropped, and no new one came.
    TokenDropped = "token_dropped" is Failure;
    /// It has a token for calls alone.
    VoipOnly = "voip_only" is Failure;
    /// It registered no push token.
    NoTarget = "no_target" is Failure;
    /// An iPhone without PushKit's token.
    NoVoip = "no_voip" is Note;
    /// The push service had a word against its token.
    TokenSuspect = "token_suspect" is Warning;
    /// The app has no credential for it.
    NoCredential = "no_credential" is Failure;
    /// The certificate has ended.
    CredentialExpired = "credential_expired" is Failure;
    /// A development certificate, and a token of the production service.
    ProductionRequired = "production_required" is Failure;
    /// The credential is of another app.
    OtherApp = "other_app" is Failure;
    /// The push service does not take the credential.
    CredentialRefused = "credential_refused" is Failure;
    /// The push service is away.
    ServiceAway = "service_away" is Failure;
    /// Most pushes are refused for their tokens.
    MassFailure = "mass_failure" is Failure;
    /// The credential ends soon.
    CredentialEnds = "credential_ends" is Warning;
    /// No push with it was ever taken.
    NeverBelieved = "never_believed" is Note;
    /// Pushes with it are taken.
    CredentialGood = "credential_good" is Ok;
    /// The last push was refused.
    PushRefused = "push_refused" is Failure;
    /// Nobody knows of the last push.
    PushUnknown = "push_unknown" is Warning;
    /// The last push was taken and never reached the app.
    NeverReached = "never_reached" is Failure;
    /// It reached the app, which was not let in.
    WokenButRefused = "woken_but_refused" is Failure;
    /// It reached the app, which could not connect for long.
    WokenLate = "woken_late" is Warning;
    /// Google had lowered its priority.
    WokenDemoted = "woken_demoted" is Warning;
    /// The last push did what it should.
    PushArrived = "push_arrived" is Ok;
    /// The app reads and does not acknowledge.
    NotAcknowledged = "not_acknowledged" is Warning;
    /// Apple's background pushes of this hour are used up.
    BudgetSpent = "budget_spent" is Note;
    /// The user has muted all that waits.
    Muted = "muted" is Note;
    /// The user has read all that waits elsewhere.
    ReadElsewhere = "read_elsewhere" is Note;
    /// Every push that may be sent was sent.
    Exhausted = "exhausted" is Warning;
    /// Even the smallest push is refused for its content.
    Unsendable = "unsendable" is Failure;
    /// A push is on its way or due.
    WakeOpen = "wake_open" is Note;
    /// Nothing waits for the device.
    NothingOwed = "nothing_owed" is Ok;
}

/// Every rule that holds, in order.
pub fn judge(facts: &Facts, now: Time) -> Vec<Rule> {
    let mut rules = Vec::new();
    rules.extend((!facts.push_enabled).then_some(Rule::PushOff));
    session(facts, now, &mut rules);
    target(facts, now, &mut rules);
    last_push(facts, now, &mut rules);
    wake(facts, &mut rules);
    rules
}

/// The one thing to fix: the worst, and of those the first. `None`: nothing is wrong.
pub fn worst(rules: &[Rule]) -> Option<Rule> {
    let worst = rules.iter().map(|rule| rule.verdict()).max()?;
    let is_trouble = worst >= Verdict::Warning;
    rules.iter().copied().find(|rule| is_trouble && rule.verdict() == worst)
}

fn session(facts: &Facts, now: Time, rules: &mut Vec<Rule>) {
    match facts.session {
        Link::Live => rules.push(Rule::Live),
        Link::Suspect => rules.push(Rule::Suspect),
        Link::None => {
            rules.push(Rule::Asleep);
            if now.since(facts.last_seen_at) > LONG_GONE {
                rules.push(Rule::LongGone);
            }
        }
    }
}

fn target(facts: &Facts, now: Time, rules: &mut Vec<Rule>) {
    let Some(target) = facts.target else {
        rules.push(if !facts.targets.is_empty() {
            Rule::VoipOnly
        } else if facts.seen.token_dropped_at.is_some() {
            Rule::TokenDropped
        } else {
            Rule::NoTarget
        });
        return;
    };
    let lacks_voip = facts.platform == Platform::Ios
        && target.kind == TargetKind::Apns
        && !facts.targets.contains(&TargetKind::ApnsVoip);
    rules.extend(lacks_voip.then_some(Rule::NoVoip));
    rules.extend(target.suspect_since.map(|_| Rule::TokenSuspect));
    match target.credential {
        Err(diagnosis) => rules.push(fault(diagnosis)),
        Ok(health) => credential(health, now, rules),
    }
}

fn credential(health: CredentialHealth, now: Time, rules: &mut Vec<Rule>) {
    let trouble =
        health.open.map(fault).or_else(|| health.in_mass_failure.then_some(Rule::MassFailure));
    rules.extend(trouble);
    let ends_soon = health.not_after.is_some_and(|end| now.until(end) < ENDS_SOON);
    rules.extend(ends_soon.then_some(Rule::CredentialEnds));
    match (trouble, health.believed_at) {
        (None, Some(_)) => rules.push(Rule::CredentialGood),
        (None, None) => rules.push(Rule::NeverBelieved),
        (Some(_), _) => {}
    }
}

/// The rule of a diagnosis that stands before anything is sent.
const fn fault(diagnosis: Diagnosis) -> Rule {
    match diagnosis {
        Diagnosis::NotConfigured => Rule::NoCredential,
        Diagnosis::TemporarilyDisabled => Rule::ServiceAway,
        Diagnosis::CertificateExpired => Rule::CredentialExpired,
        Diagnosis::CertificateError => Rule::CredentialRefused,
        Diagnosis::ProductionCertificateRequired => Rule::ProductionRequired,
        Diagnosis::AppMismatch => Rule::OtherApp,
        Diagnosis::BadPushToken => Rule::TokenSuspect,
        Diagnosis::BadPayload => Rule::Unsendable,
    }
}

fn last_push(facts: &Facts, now: Time, rules: &mut Vec<Rule>) {
    let Seen { push, life_at, woken, .. } = facts.seen;
    let Some((pushed_at, last)) = push else { return };
    let since = |at: Option<Time>| at.is_some_and(|at| at > pushed_at);
    let woken_by_it = woken.filter(|(at, _)| *at > pushed_at).map(|(_, how)| how);
    match (woken_by_it, last) {
        (Some(Woken::Refused), _) => rules.push(Rule::WokenButRefused),
        (Some(Woken::Late), _) => rules.push(Rule::WokenLate),
        (Some(Woken::Demoted), _) => rules.push(Rule::WokenDemoted),
        (Some(Woken::Well), _) => rules.push(Rule::PushArrived),
        // Whoever came by themselves has shown nothing about a refused push.
        (None, LastPush::Refused(_)) => rules.push(Rule::PushRefused),
        (None, LastPush::Taken) if since(life_at) => rules.push(Rule::PushArrived),
        (None, LastPush::Unknown) if since(life_at) => rules.push(Rule::PushArrived),
        (None, LastPush::Unknown) => rules.push(Rule::PushUnknown),
        (None, LastPush::Taken) if now.since(pushed_at) > SILENCE => rules.push(Rule::NeverReached),
        (None, LastPush::Taken) => {}
    }
    let read_only = facts.is_behind && since(facts.seen.read_at) && !since(facts.seen.acked_at);
    rules.extend(read_only.then_some(Rule::NotAcknowledged));
}

fn wake(facts: &Facts, rules: &mut Vec<Rule>) {
    let spent = facts.target.is_some_and(|target| target.kind.ends_at_apple(facts.platform))
        && facts.seen.background_last_hour >= crate::BackgroundBudget::PER_HOUR;
    rules.extend(spent.then_some(Rule::BudgetSpent));
    let Some(wake) = &facts.wake else {
        rules.extend((!facts.is_behind).then_some(Rule::NothingOwed));
        return;
    };
    rules.extend(match (wake.phase, wake.reason) {
        (Phase::Parked, Reason::Muted) => Some(Rule::Muted),
        (Phase::Parked, Reason::ReadElsewhere) => Some(Rule::ReadElsewhere),
        (Phase::Parked, Reason::Exhausted) => Some(Rule::Exhausted),
        (Phase::Parked, Reason::Unsendable) => Some(Rule::Unsendable),
        // Switch, target and credential have said so above.
        (Phase::Parked, _) => None,
        (Phase::Due(_) | Phase::Claimed(_), _) => Some(Rule::WakeOpen),
    });
}

#[cfg(test)]
mod tests;

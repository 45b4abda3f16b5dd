//! Looks whether all is as it should be, before traffic does.
//!
//! ```text
//!   reveille doctor ─┬─ by itself: configuration, data folder, master key, database
//!                    └─ GET /v1/doctor ─▶ the server: disk, push log, credentials (each probed where
//!                                         it is used), push services, clock, webhooks
//! ```
//!
//! What the server looks at it looks at from where it runs: through its own proxy, with its own
//! trust. No probe reaches a device, and none can be taken for an event.

mod credentials;
pub(crate) mod disk;
mod reach;
mod services;
mod token_keys;
mod webhooks;

use std::sync::Arc;
use std::time::Duration;

use domain::Time;
use domain::explain::Verdict;
use wire::http::{Check, Examination};

use crate::node::Node;
use crate::to_wire;

pub use disk::free_space;

/// What is looked at, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Checked {
    /// File, variables and flags.
    Configuration,
    /// The folder, its rights and its keys.
    DataFolder,
    /// The database.
    Database,
    /// The key that opens what is sealed.
    MasterKey,
    /// Whether the server answers.
    Server,
    /// Room for the database and the push log.
    DiskSpace,
    /// The push log's losses.
    PushLog,
    /// A push service, reached with its TLS.
    Reach,
    /// A credential, as its push service sees it.
    Credential,
    /// This machine's clock against the push services'.
    Clock,
    /// An endpoint of a back end, by what became of its events.
    Webhook,
    /// The host of an endpoint, by asking it.
    WebhookReach,
    /// A shared secret that signs user tokens.
    TokenKey,
}

impl Checked {
    /// Every check.
    pub const ALL: [Self; 13] = [
        Self::Configuration,
        Self::DataFolder,
        Self::Database,
        Self::MasterKey,
        Self::Server,
        Self::DiskSpace,
        Self::PushLog,
        Self::Reach,
        Self::Credential,
        Self::Clock,
        Self::Webhook,
        Self::WebhookReach,
        Self::TokenKey,
    ];

    /// The stable word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::DataFolder => "data_folder",
            Self::Database => "database",
            Self::MasterKey => "master_key",
            Self::Server => "server",
            Self::DiskSpace => "disk_space",
            Self::PushLog => "push_log",
            Self::Reach => "reach",
            Self::Credential => "credential",
            Self::Clock => "clock",
            Self::Webhook => "webhook",
            Self::WebhookReach => "webhook_reach",
            Self::TokenKey => "token_key",
        }
    }

    /// It is as it should be.
    pub fn ok(self, text: impl Into<String>) -> Check {
        self.found(Verdict::Ok, text, None)
    }

    /// What was found.
    pub fn found(self, verdict: Verdict, text: impl Into<String>, remedy: Option<String>) -> Check {
        Check {
            verdict: verdict.as_str().to_owned(),
            check: self.as_str().to_owned(),
            about: None,
            text: text.into(),
            remedy,
        }
    }
}

/// Looks at everything that the running server can see.
///
/// # Errors
///
/// When the store cannot be read.
pub async fn examine(node: &Arc<Node>) -> Result<Examination, store::Error> {
    let at = to_wire::time(node.clock.now());
    let (credentials, services, webhooks, token_keys) = tokio::try_join!(
        credentials::check(node),
        services::check(node),
        webhooks::check(node),
        token_keys::check(node)
    )?;
    let mut checks = vec![disk::check(&node.config().data_dir), push_log(node.log.dropped())];
    checks.extend(credentials.into_iter().chain(services).chain(webhooks).chain(token_keys));
    // What is of one word stays in the order it was found.
    checks.sort_by_key(|check| Checked::ALL.iter().position(|it| it.as_str() == check.check));
    Ok(Examination { at, checks })
}

/// A hint of a few words as a sentence.
pub fn sentence(hint: &str) -> String {
    let mut letters = hint.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string());
    let end = if hint.ends_with('.') { "" } else { "." };
    format!("{}{}{end}", first.unwrap_or_default(), letters.as_str())
}

fn push_log(dropped: u64) -> Check {
    if dropped == 0 {
        return Checked::PushLog.ok("The push log has lost nothing since the start.");
    }
    let text = format!("The push log has lost {dropped} records since the start.");
    let remedy = "Look at the server's log for what the disk said; a burst that was too fast for it loses records too.";
    Checked::PushLog.found(Verdict::Warning, text, Some(remedy.to_owned()))
}

/// A clock that is off by more than this is worth a word.
const SKEW_SEEN: Duration = Duration::from_secs(30);

/// A clock that is off by more than this has its provider tokens refused sooner or later: Google
/// takes none whose `iat` lies ahead of its own time.
const SKEW_BAD: Duration = Duration::from_secs(300);

/// Compares the clock with a push service's.
fn clock(own: Time, theirs: Time, host: &str) -> Check {
    let off = own.since(theirs).max(theirs.since(own));
    let check = if off > SKEW_SEEN {
        let way = if own > theirs { "ahead of" } else { "behind" };
        let text = format!("This machine's clock is {} s {way} {host}'s.", off.as_secs());
        let verdict = if off > SKEW_BAD { Verdict::Failure } else { Verdict::Warning };
        let remedy = "Let the machine keep time (chrony, systemd-timesyncd): tokens for the push services carry it, and so do expiries.";
        Checked::Clock.found(verdict, text, Some(remedy.to_owned()))
    } else {
        Checked::Clock.ok(format!("The clock agrees with {host}'s."))
    };
    Check { about: Some(host.to_owned()), ..check }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_off_is_told_by_how_much() {
        let theirs = Time::from_millis(1_800_000_000_000);
        for (ahead, verdict, says) in [
            (0, "ok", "agrees"),
            (30, "ok", "agrees"),
            (31, "warning", "31 s ahead of"),
            (-31, "warning", "31 s behind"),
            (300, "warning", "300 s ahead of"),
            (-301, "failure", "301 s behind"),
        ] {
            let own = Time::from_millis(theirs.as_millis() + ahead * 1_000);
            let check = clock(own, theirs, "api.push.apple.com");
            assert_eq!(check.verdict, verdict, "{ahead}");
            assert!(check.text.contains(says), "{}", check.text);
            assert_eq!(check.remedy.is_some(), verdict != "ok");
        }
    }

    #[test]
    fn lost_records_are_told() {
        assert_eq!(push_log(0).verdict, "ok");
        let lost = push_log(7);
        assert_eq!((&*lost.verdict, lost.text.contains('7')), ("warning", true));
    }
}

//! Configuration: a file, then the environment, then flags, checked before anything starts.
//!
//! ```text
//!   options.rs (one table) ──▶ flags and --help, docs/configuration.md, `reveille config`
//!                     │
//!   reveille.toml ─┐  ▼
//!   REVEILLE_*  ───┼▶ RawConfig (as typed, with where it came from) ──▶ Config (checked, typed)
//!   --flags  ──────┘
//! ```
//!
//! What is wrong is told all at once, each fault with its place, its name and what to do.
//! This folder is the one door to the process's environment.

mod allowed_origins;
mod environment;
mod error;
mod file;
#[cfg(test)]
mod fuzz;
#[cfg(test)]
pub(crate) mod golden;
mod kind;
mod nearest;
pub mod options;
mod raw;
pub mod reference;
mod resolve;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use http::Uri;
use providers::outbound::Network;

pub use allowed_origins::AllowedOrigins;
pub use environment::{CommandVariable, Environment};
pub use error::{ConfigError, Fault};
pub use kind::{Kind, UrlForm};
pub use raw::{Origin, RawConfig, Sources};

use crate::secret::Secret;

/// The file that `serve` reads when it lies in the current folder and no other one is named.
pub const FILE_NAME: &str = "reveille.toml";

/// How a server is meant to run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ServeMode {
    /// For developers of apps: reachable from phones in the same network, with a test app, and
    /// strict about unknown fields in frames.
    Dev,
    /// As configured.
    #[default]
    Standard,
}

/// The configuration, resolved and checked. Its fields are the rows of [`options`], which say
/// what each is for.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the rows of the options table say what each is for")]
pub struct Config {
    pub data_dir: PathBuf,
    pub listen: SocketAddr,
    pub internal_listen: SocketAddr,
    pub tls: Tls,
    pub trusted_proxies: Vec<Network>,
    pub allowed_origins: AllowedOrigins,
    pub master_key: Option<Secret<String>>,
    pub log: Log,
    pub session: Session,
    pub rate: Rate,
    pub inbox: Inbox,
    pub wake: Wake,
    pub providers: Providers,
    pub circuit: Circuit,
    /// How long is waited before an event is sent to a webhook again.
    pub webhooks: domain::webhook::Pauses,
    pub broadcast: Broadcast,
    pub outbound: Outbound,
    pub webpush: Webpush,
    pub store: Store,
    pub push_log: PushLog,
}

/// The section `tls`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the rows of the options table say what each is for")]
pub struct Tls {
    pub certificate_file: Option<PathBuf>,
    pub key_file: Option<PathBuf>,
}

/// The section `log`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the rows of the options table say what each is for")]
pub struct Log {
    pub level: LogLevel,
    pub format: LogFormat,
}

/// How much is logged; each level includes the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Nothing.
    Off,
    /// What needs somebody's hand.
    Error,
    /// What may need it soon.
    Warn,
    /// What an operator wants to have seen: starts, stops, refused credentials.
    Info,
    /// Each decision.
    Debug,
    /// Each step, and what libraries have to say.
    Trace,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object per line.
    Json,
    /// For people.
    Text,
}

/// The section `session`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the rows of the options table say what each is for")]
pub struct Session {
    pub ping_interval: Duration,
    pub ack_deadline: Duration,
    pub background_ack_deadline: Duration,
    pub first_frame_timeout: Duration,
    pub drain_spread: Duration,
}

/// The section `rate`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the rows of the options table say what each is for")]
pub struct Rate {
    pub messages_per_minute: u32,
    pub messages_to_user_per_minute: u32,
    pub calls_per_minute: u32,
    pub calls_to_user_per_minute: u32,
    pub live_per_minute: u32,
    pub frames_per_minute: u32,
    pub failed_logins_per_minute: u32,
}

/// The section `inbox`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the rows of the options table say what each is for")]
pub struct Inbox {
    pub max_entries: u32,
    pub max_size_mb: u32,
    pub silent_after_days: u32,
    pub forget_device_after_days: u32,
    pub idempotency_days: u32,
}

/// The section `wake`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the rows of the options table say what each is for")]
pub struct Wake {
    pub lane_slots: usize,
    pub restart_grace: Duration,
}

/// The section `providers`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the rows of the options table say what each is for")]
pub struct Providers {
    pub apns_production_url: Uri,
    pub apns_sandbox_url: Uri,
    pub fcm_url: Uri,
    pub fcm_oauth_url: Option<Uri>,
    pub extra_ca_file: Option<PathBuf>,
    pub request_timeout: Duration,
    pub connect_timeout: Duration,
    pub apns_retry_after_unavailable: Duration,
    pub apns_connections: usize,
}

/// The section `circuit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the rows of the options table say what each is for")]
pub struct Circuit {
    pub credential_probe: Duration,
    pub service_probe: Duration,
}

/// The section `broadcast`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the rows of the options table say what each is for")]
pub struct Broadcast {
    pub fcm_per_second: u32,
    pub fcm_ramp: Duration,
}

/// The section `outbound`.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the rows of the options table say what each is for")]
pub struct Outbound {
    pub proxy_url: Option<Secret<String>>,
    pub no_proxy: Option<String>,
    pub allow_private: Option<String>,
}

/// The section `webpush`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the rows of the options table say what each is for")]
pub struct Webpush {
    pub allowed_hosts: Option<String>,
}

/// The section `store`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the rows of the options table say what each is for")]
pub struct Store {
    pub readers: usize,
    pub batch: usize,
    pub max_size_mb: usize,
}

/// The section `push_log`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the rows of the options table say what each is for")]
pub struct PushLog {
    pub retention_days: u32,
}

impl Config {
    /// Every option at its default; a caller sets the fields that differ.
    ///
    /// # Errors
    /// Only if a row of the table has a default that breaks its own rule, which a test forbids.
    pub fn defaults() -> Result<Self, ConfigError> {
        RawConfig::default().resolve()
    }

    /// What a running server makes of a configuration that was read anew: every option that says
    /// so in the table, [`options::Change::Reload`], has its new value.
    pub fn reloaded(&self, new: &Self) -> Self {
        Self {
            tls: new.tls.clone(),
            allowed_origins: new.allowed_origins.clone(),
            log: Log { level: new.log.level, ..self.log },
            session: new.session,
            rate: new.rate,
            push_log: new.push_log,
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use options::{Change, OptionRow};

    /// A value that is not the option's default.
    fn another(row: &'static OptionRow) -> String {
        match row.kind {
            Kind::Address => "127.0.0.1:1".to_owned(),
            Kind::Count { least, most }
            | Kind::Days { least, most }
            | Kind::Milliseconds { least, most } => {
                let default = row.default.unwrap_or_default();
                if default == least.to_string() { most.to_string() } else { least.to_string() }
            }
            Kind::Networks => "192.0.2.0/24".to_owned(),
            Kind::Origins => "https://another.example".to_owned(),
            Kind::Path | Kind::Secret | Kind::Text => "another".to_owned(),
            Kind::Url(_) => "https://another.example".to_owned(),
            Kind::Word(words) => {
                words.iter().find(|word| row.default != Some(**word)).unwrap().to_string()
            }
        }
    }

    #[test]
    fn a_reload_takes_what_the_table_says_and_nothing_else() {
        let running = Config::defaults().unwrap();
        for row in options::ALL {
            let mut raw = RawConfig::default();
            let typed = kind::Typed::Text(another(row));
            let origin = Origin::Flag("test".to_owned());
            raw.entries.insert(row.name, raw::Entry { typed, origin });
            let new = raw.resolve().unwrap();
            let told = raw.differences(&RawConfig::default());
            assert_eq!(told.iter().map(|row| row.name).collect::<Vec<_>>(), [row.name]);
            let expected = match row.change {
                Change::Reload => &new,
                Change::Restart => &running,
            };
            let seen = running.reloaded(&new);
            assert_eq!(format!("{seen:?}"), format!("{expected:?}"), "{}", row.name);
        }
    }
}

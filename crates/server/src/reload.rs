//! SIGHUP: a running server reads its configuration and its certificate anew.
//!
//! ```text
//!   SIGHUP ─▶ file, environment, flags ─▶ checked ─┬─▶ node, log level: what can change
//!                                │                 ├─▶ certificate and key
//!                                ▼                 └─▶ what takes a restart: named in the log
//!                     wrong: all stays as it was
//! ```
//!
//! Every outcome is one line of the log, with the names of options and never their values.

use std::error::Error as _;
use std::sync::Arc;

use crate::config::options::{self, Change, OptionRow};
use crate::config::{Config, ConfigError, RawConfig, Sources};
use crate::logging::Level;
use crate::node::Node;

/// What a server does when it is asked to read its configuration anew.
#[derive(Debug)]
pub struct Reload {
    sources: Sources,
    /// As typed when the server started: what takes a restart is told until there was one.
    started: RawConfig,
    /// As typed when it was last read.
    last: RawConfig,
    level: Level,
}

impl Reload {
    /// A server started with what `sources` said as `typed`; its log has this `level`.
    pub fn new(sources: Sources, typed: RawConfig, level: Level) -> Self {
        Self { sources, started: typed.clone(), last: typed, level }
    }

    /// Waits for signals until the node stops.
    pub fn start(mut self, node: &Arc<Node>, mut hangups: Hangups) {
        let tasks = node.tasks.clone();
        let node = Arc::clone(node);
        tasks.start("reload", async move {
            loop {
                tokio::select! {
                    () = node.tasks.stopped() => return,
                    () = hangups.next() => self.reload(&node),
                }
            }
        });
    }

    /// Reads a few small files, so seldom that it may do so in its place.
    fn reload(&mut self, node: &Node) {
        let (typed, new) = match self.read() {
            Ok(read) => read,
            Err(error) => {
                let error = in_one_line(&error);
                tracing::error!(error, "the configuration cannot be used; all stays as it was");
                return;
            }
        };
        let certificate = Certificate::of(node, &new);
        let reloads = |row: &&OptionRow| row.change == Change::Reload && !is_kept(row, certificate);
        let restarts = |row: &&OptionRow| match certificate {
            Certificate::AtRestart => row.change == Change::Restart || is_kept(row, certificate),
            Certificate::None | Certificate::Refused | Certificate::Read { .. } => {
                row.change == Change::Restart
            }
        };
        let changed = names(typed.differences(&self.last).into_iter().filter(reloads));
        let restarts = names(typed.differences(&self.started).into_iter().filter(restarts));
        let tell = || match certificate {
            Certificate::Read { is_another } => {
                tracing::info!(
                    changed,
                    new_certificate = is_another,
                    "the configuration was read anew"
                );
            }
            Certificate::AtRestart | Certificate::None | Certificate::Refused => {
                tracing::info!(changed, "the configuration was read anew");
            }
        };
        let level = new.log.level;
        if level > node.config().log.level {
            self.level.set(level);
            tell();
        } else {
            tell();
            self.level.set(level);
        }
        if !restarts.is_empty() {
            tracing::warn!(options = restarts, "options that changed wait for a restart");
        }
        node.take(&new);
        let before = std::mem::replace(&mut self.last, typed);
        for row in options::ALL.iter().filter(|row| is_kept(row, certificate)) {
            self.last.leave(row, &before);
        }
    }

    fn read(&self) -> Result<(RawConfig, Config), ConfigError> {
        let typed = self.sources.read()?;
        let new = typed.resolve()?;
        Ok((typed, new))
    }
}

/// What became of the certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Certificate {
    /// TLS begins or ends with the next start.
    AtRestart,
    /// There is none.
    None,
    /// It cannot be used, which was told; the one before stays.
    Refused,
    /// It was read.
    Read {
        /// It is another one than before.
        is_another: bool,
    },
}

impl Certificate {
    /// Reads the certificate anew, where there is one.
    fn of(node: &Node, new: &Config) -> Self {
        let wanted = new.tls.certificate_file.is_some() || new.tls.key_file.is_some();
        match (&node.tls, wanted) {
            (None, false) => Self::None,
            (None, true) | (Some(_), false) => Self::AtRestart,
            (Some(door), true) => match door.renew(&new.tls) {
                Ok(is_another) => Self::Read { is_another },
                Err(error) => {
                    tracing::error!(%error, "the certificate cannot be used; the old one stays");
                    Self::Refused
                }
            },
        }
    }
}

/// Whether an option is about a certificate that stays what it was.
fn is_kept(row: &OptionRow, certificate: Certificate) -> bool {
    match certificate {
        Certificate::None | Certificate::Read { .. } => false,
        Certificate::AtRestart | Certificate::Refused => row.section_and_key().0 == Some("tls"),
    }
}

fn names<'a>(rows: impl Iterator<Item = &'a OptionRow>) -> String {
    rows.map(|row| row.name).collect::<Vec<_>>().join(", ")
}

/// A configuration has several faults at once, and the log one line for them.
fn in_one_line(error: &ConfigError) -> String {
    let mut line = error.to_string();
    if let Some(source) = error.source() {
        line = format!("{line}: {source}");
    }
    line.lines().map(str::trim).filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ")
}

/// The signals that ask for it. Taken before anything else is done: one that comes while nobody
/// takes them ends the process.
#[derive(Debug)]
pub struct Hangups(#[cfg(unix)] tokio::signal::unix::Signal);

impl Hangups {
    /// Takes them from here on; `None`: the system gives none.
    #[cfg(unix)]
    pub fn listen() -> Option<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::hangup()) {
            Ok(signals) => Some(Self(signals)),
            Err(error) => {
                tracing::warn!(%error, "SIGHUP cannot be taken; it ends the process");
                None
            }
        }
    }

    /// Takes them from here on; `None`: the system gives none.
    #[cfg(not(unix))]
    pub fn listen() -> Option<Self> {
        None
    }

    async fn next(&mut self) {
        #[cfg(unix)]
        if self.0.recv().await.is_some() {
            return;
        }
        std::future::pending().await
    }
}

//! What a test world is made of.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use wire::http::Settings;

use crate::proxy::ProxyUser;
use crate::webpush::Vendor;

/// The bundle id and package name of the app in every test world.
pub const APP: &str = "com.example.reveille";
/// Its Firebase project.
pub const PROJECT: &str = "reveille-example";

/// A test world to be started.
#[derive(Clone, Debug)]
pub struct WorldOptions {
    /// The server's binary.
    pub server_exe: PathBuf,
    /// By what the server proves itself to Apple.
    pub apns: ApnsAuth,
    /// Whose Web Push service there is, for phones of [`Platform::Web`](crate::phone::Platform); the
    /// app has a VAPID key pair then. `None`: there is none.
    pub webpush: Option<Vendor>,
    /// Whether the app has a back end that takes webhooks, [`World::back_end`](super::World).
    pub back_end: bool,
    /// How the server reaches the push services.
    pub way: Way,
    /// Settings of the app that differ from the server's defaults.
    pub settings: Settings,
    /// Where the server listens for whoever runs it; with port 0 nobody is told the port.
    pub internal_listen: SocketAddr,
    /// Configuration of the server that differs from its defaults.
    pub tuning: Tuning,
    /// Where the server's output goes.
    pub output: Output,
}

impl WorldOptions {
    /// A world with the server at `server_exe`, all else by default.
    pub fn new(server_exe: impl Into<PathBuf>) -> Self {
        Self {
            server_exe: server_exe.into(),
            apns: ApnsAuth::Key,
            webpush: None,
            back_end: false,
            way: Way::Direct,
            settings: Settings::default(),
            internal_listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            tuning: Tuning::default(),
            output: Output::File,
        }
    }
}

/// How the server reaches the push services.
#[derive(Clone, Debug)]
pub enum Way {
    /// At their addresses on this machine, by its configuration.
    Direct,
    /// At the vendors' own names, as it is configured by default, through a proxy that this user may
    /// use. Only the proxy knows where the names lead, so that nothing gets around it.
    Proxy(ProxyUser),
}

/// By what the server proves itself to Apple.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApnsAuth {
    /// A `.p8` key and provider tokens.
    Key,
    /// A universal push certificate in a `.p12` file. Needs `openssl` on the machine.
    Certificate,
}

/// Where the server's output goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// To a file of the world, which [`super::World::server_log`] reads.
    File,
    /// To this process's own output.
    Inherited,
}

/// Keys of the server's configuration file; left out is the server's default.
#[derive(Clone, Debug)]
pub struct Tuning {
    /// `[log] level`.
    pub log_level: String,
    /// `[log] format`.
    pub log_format: String,
    /// `allowed_origins`.
    pub allowed_origins: Option<String>,
    /// `[session] ping_interval_ms`.
    pub ping_interval: Option<Duration>,
    /// `[session] ack_deadline_ms`.
    pub ack_deadline: Option<Duration>,
    /// `[session] background_ack_deadline_ms`.
    pub background_ack_deadline: Option<Duration>,
    /// `[wake] restart_grace_ms`.
    pub restart_grace: Option<Duration>,
    /// `[providers] apns_retry_after_unavailable_ms`.
    pub apns_retry_after_unavailable: Option<Duration>,
    /// `[providers] request_timeout_ms`.
    pub request_timeout: Option<Duration>,
    /// `[wake] lane_slots`.
    pub lane_slots: Option<usize>,
    /// `[circuit] credential_probe_ms` and `service_probe_ms`.
    pub probe: Option<Duration>,
    /// More lines for the end of the file, whole tables.
    pub more: String,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            log_level: "info".to_owned(),
            log_format: "text".to_owned(),
            allowed_origins: None,
            ping_interval: None,
            ack_deadline: None,
            background_ack_deadline: None,
            restart_grace: None,
            apns_retry_after_unavailable: None,
            request_timeout: None,
            lane_slots: None,
            probe: None,
            more: String::new(),
        }
    }
}

//! The table of options: one row each, from which come the file's keys, the variables, the flags,
//! the help, `reveille config` and `docs/configuration.md`.
//!
//! To add an option: a row here, a field in [`super::Config`], a line in `resolve.rs`; then
//! regenerate the page with `UPDATE_GOLDEN=1`.

use super::kind::{Kind, UrlForm};
use super::nearest::nearest;

/// One option.
#[derive(Debug)]
pub struct OptionRow {
    /// Its key in the file, with its section: `session.ack_deadline_ms`.
    pub name: &'static str,
    /// What values it takes.
    pub kind: Kind,
    /// Its value when nobody gives one, as it would be typed; `None`: it is then not set.
    pub default: Option<&'static str>,
    /// What it takes for a new value to hold.
    pub change: Change,
    /// What it is for: full sentences.
    pub about: &'static str,
}

/// What it takes for a new value to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A running server takes it on SIGHUP: [`super::Config::reloaded`].
    Reload,
    /// Built into what runs: only a restart.
    Restart,
}

impl Change {
    /// In the words of the reference.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Reload => "reload",
            Self::Restart => "restart",
        }
    }
}

impl OptionRow {
    /// The environment variable: `REVEILLE_SESSION_ACK_DEADLINE_MS`.
    pub fn variable(&self) -> String {
        format!("REVEILLE_{}", self.name.replace('.', "_").to_ascii_uppercase())
    }

    /// The flag without its dashes: `session-ack-deadline-ms`. A secret has none: what stands on a
    /// command line can be read by every user of the machine.
    pub fn flag(&self) -> Option<String> {
        match self.kind {
            Kind::Secret => None,
            Kind::Address
            | Kind::Count { .. }
            | Kind::Days { .. }
            | Kind::Milliseconds { .. }
            | Kind::Networks
            | Kind::Origins
            | Kind::Path
            | Kind::Text
            | Kind::Url(_)
            | Kind::Word(_) => Some(self.name.replace(['.', '_'], "-")),
        }
    }

    /// The section and the key inside it; options at the top of the file have no section.
    pub fn section_and_key(&self) -> (Option<&'static str>, &'static str) {
        match self.name.split_once('.') {
            Some((section, key)) => (Some(section), key),
            None => (None, self.name),
        }
    }
}

/// The row of a name.
pub fn find(name: &str) -> Option<&'static OptionRow> {
    ALL.iter().copied().find(|row| row.name == name)
}

/// The row of a name as a person typed it; else the name they probably meant.
pub fn named(name: &str) -> Result<&'static OptionRow, Option<&'static str>> {
    find(name).ok_or_else(|| nearest(name, ALL.iter().map(|row| row.name)))
}

/// Declares the rows, and [`ALL`] in the order of their declaration.
macro_rules! options {
    ($($row:ident = $name:literal, $kind:expr, $default:expr, $change:ident, $about:literal;)*) => {
        $(
            #[doc = $about]
            pub const $row: OptionRow = OptionRow {
                name: $name,
                kind: $kind,
                default: $default,
                change: Change::$change,
                about: $about,
            };
        )*

        /// Every row, by section.
        pub const ALL: &[&OptionRow] = &[$(&$row),*];
    };
}

/// One minute, hour and day in the unit of the duration options.
const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

options! {
    DATA_DIR = "data_dir", Kind::Path, Some("./reveille-data"), Restart,
        "The folder of the database, the push log, the master key and the admin key.";
    LISTEN = "listen", Kind::Address, Some("127.0.0.1:7300"), Restart,
        "Where the HTTP API and the WebSocket are served; port 0 takes any free one.";
    INTERNAL_LISTEN = "internal_listen", Kind::Address, Some("127.0.0.1:7301"), Restart,
        "Where whoever runs the server finds the console, behind its password, and the metrics, without a key; both without TLS: keep it inside your own network. Port 0 takes any free one.";
    TRUSTED_PROXIES = "trusted_proxies", Kind::Networks, None, Restart,
        "The proxies in front of this server: from these alone `X-Forwarded-For` is believed, and the right-most address in it that is none of them is the client's.";
    ALLOWED_ORIGINS = "allowed_origins", Kind::Origins, None, Reload,
        "The origins whose pages may use this server from a browser, `https://app.example.com`, separated by commas, or `*` for any. Not set: by HTTP none but pages of the server's own origin, over the WebSocket any; set, these and its own in both. What is no browser is not asked.";
    MASTER_KEY = "master_key", Kind::Secret, None, Restart,
        "The key that seals credentials in the database; when not set, the file `master.key` in `data_dir`, made at the first start.";
    TLS_CERTIFICATE_FILE = "tls.certificate_file", Kind::Path, None, Reload,
        "A PEM file with the certificate, and those between it and the authority, for TLS at the server's own door; when not set, it speaks plain HTTP and leaves TLS to a proxy. A reload reads both files anew; to begin or end TLS takes a restart.";
    TLS_KEY_FILE = "tls.key_file", Kind::Path, None, Reload,
        "A PEM file with the private key of `tls.certificate_file`.";
    LOG_LEVEL = "log.level", Kind::Word(&["off", "error", "warn", "info", "debug", "trace"]),
        Some("info"), Reload,
        "How much is logged to standard error.";
    LOG_FORMAT = "log.format", Kind::Word(&["text", "json"]), Some("text"), Restart,
        "How a log line looks: for people, or one JSON object.";
    SESSION_PING_INTERVAL_MS = "session.ping_interval_ms",
        Kind::Milliseconds { least: 100, most: 5 * MINUTE }, Some("25000"), Reload,
        "How often the server pings a session; a load balancer in between must wait longer. A session keeps what it was told when it connected.";
    SESSION_ACK_DEADLINE_MS = "session.ack_deadline_ms",
        Kind::Milliseconds { least: 50, most: MINUTE }, Some("5000"), Reload,
        "How long a session may take to acknowledge what it was sent before its device counts as asleep.";
    SESSION_BACKGROUND_ACK_DEADLINE_MS = "session.background_ack_deadline_ms",
        Kind::Milliseconds { least: 50, most: MINUTE }, Some("1000"), Reload,
        "The same for a session in background state, whose app the phone may suspend at any moment.";
    SESSION_FIRST_FRAME_TIMEOUT_MS = "session.first_frame_timeout_ms",
        Kind::Milliseconds { least: 50, most: MINUTE }, Some("10000"), Reload,
        "How long a new WebSocket may take to send `connect`.";
    SESSION_DRAIN_SPREAD_MS = "session.drain_spread_ms",
        Kind::Milliseconds { least: 0, most: 5 * MINUTE }, Some("5000"), Reload,
        "Over how long the devices of a server that stops are told to spread their coming back; keep it below `wake.restart_grace_ms`.";
    RATE_MESSAGES_PER_MINUTE = "rate.messages_per_minute",
        Kind::Count { least: 1, most: 10_000_000 }, Some("600"), Reload,
        "How many messages one user may send a minute, each recipient counted; the app's back end is not limited.";
    RATE_MESSAGES_TO_USER_PER_MINUTE = "rate.messages_to_user_per_minute",
        Kind::Count { least: 1, most: 10_000_000 }, Some("3000"), Reload,
        "How many messages a minute one user takes from other users.";
    RATE_CALLS_PER_MINUTE = "rate.calls_per_minute",
        Kind::Count { least: 1, most: 10_000_000 }, Some("20"), Reload,
        "How many calls one user may start a minute.";
    RATE_CALLS_TO_USER_PER_MINUTE = "rate.calls_to_user_per_minute",
        Kind::Count { least: 1, most: 10_000_000 }, Some("20"), Reload,
        "How many calls a minute may ring at one user.";
    RATE_LIVE_PER_MINUTE = "rate.live_per_minute",
        Kind::Count { least: 1, most: 10_000_000 }, Some("1200"), Reload,
        "How many frames that are passed on live one user may send a minute: typing, signals of a call, messages with a ttl of 0.";
    RATE_FRAMES_PER_MINUTE = "rate.frames_per_minute",
        Kind::Count { least: 60, most: 10_000_000 }, Some("60000"), Reload,
        "How many frames of any kind one session may send a minute; with more it is closed.";
    RATE_FAILED_LOGINS_PER_MINUTE = "rate.failed_logins_per_minute",
        Kind::Count { least: 1, most: 10_000_000 }, Some("30"), Reload,
        "How many keys, tokens and secrets that are not good one address may show a minute; with more it is told `rate_limited` instead of why. A good key passes all the same. So many wrong guesses at the console's password, counted apart, hold off further ones.";
    INBOX_MAX_ENTRIES = "inbox.max_entries", Kind::Count { least: 10, most: 1_000_000 },
        Some("10000"), Restart,
        "How many entries wait for one user at most; what only lagging devices lack goes first, then sends are refused.";
    INBOX_MAX_SIZE_MB = "inbox.max_size_mb", Kind::Count { least: 1, most: 10_000 }, Some("64"),
        Restart,
        "The same in MiB of message bodies.";
    INBOX_SILENT_AFTER_DAYS = "inbox.silent_after_days", Kind::Days { least: 1, most: 365 },
        Some("14"), Restart,
        "How long a device may stay away before it holds nothing back any more: it learns of a gap when it comes.";
    INBOX_FORGET_DEVICE_AFTER_DAYS = "inbox.forget_device_after_days",
        Kind::Days { least: 2, most: 3_650 }, Some("90"), Restart,
        "How long a device may stay away before it is forgotten, with its push targets.";
    INBOX_IDEMPOTENCY_DAYS = "inbox.idempotency_days", Kind::Days { least: 1, most: 30 },
        Some("2"), Restart,
        "How long a message sent again with the same id is known for the same.";
    WAKE_LANE_SLOTS = "wake.lane_slots", Kind::Count { least: 1, most: 10_000 }, Some("500"), Restart,
        "How many pushes of one lane (app, target kind, app id, message or call) may be under way at once.";
    WAKE_RESTART_GRACE_MS = "wake.restart_grace_ms",
        Kind::Milliseconds { least: 0, most: 5 * MINUTE }, Some("15000"), Restart,
        "How long devices whose session a restart cut have to come back by themselves before they are pushed.";
    PROVIDERS_APNS_PRODUCTION_URL = "providers.apns_production_url", Kind::Url(UrlForm::Base),
        Some("https://api.push.apple.com"), Restart,
        "Apple's push service for apps from the store and TestFlight; port 2197 is the same service.";
    PROVIDERS_APNS_SANDBOX_URL = "providers.apns_sandbox_url", Kind::Url(UrlForm::Base),
        Some("https://api.sandbox.push.apple.com"), Restart,
        "Apple's push service for apps run from Xcode.";
    PROVIDERS_FCM_URL = "providers.fcm_url", Kind::Url(UrlForm::Base),
        Some("https://fcm.googleapis.com"), Restart,
        "Google's push service.";
    PROVIDERS_FCM_OAUTH_URL = "providers.fcm_oauth_url", Kind::Url(UrlForm::Full), None, Restart,
        "Where access tokens for FCM come from; when not set, the `token_uri` of the service account, which must be Google's.";
    PROVIDERS_EXTRA_CA_FILE = "providers.extra_ca_file", Kind::Path, None, Restart,
        "A PEM file of certificate authorities to trust beside the system's, for a proxy or a simulator.";
    PROVIDERS_REQUEST_TIMEOUT_MS = "providers.request_timeout_ms",
        Kind::Milliseconds { least: 100, most: 2 * MINUTE }, Some("10000"), Restart,
        "How long a push may wait for its answer; Google asks for at least 10 seconds.";
    PROVIDERS_CONNECT_TIMEOUT_MS = "providers.connect_timeout_ms",
        Kind::Milliseconds { least: 100, most: MINUTE }, Some("5000"), Restart,
        "How long a new connection to a push service may take, TLS included.";
    PROVIDERS_APNS_RETRY_AFTER_UNAVAILABLE_MS = "providers.apns_retry_after_unavailable_ms",
        Kind::Milliseconds { least: 100, most: DAY }, Some("900000"), Restart,
        "How long to wait after Apple's push service answered with a fault of its own; Apple asks for 15 minutes.";
    PROVIDERS_APNS_CONNECTIONS = "providers.apns_connections", Kind::Count { least: 1, most: 64 },
        Some("4"), Restart,
        "How many connections to Apple's push service one credential may have.";
    CIRCUIT_CREDENTIAL_PROBE_MS = "circuit.credential_probe_ms",
        Kind::Milliseconds { least: 100, most: HOUR }, Some("60000"), Restart,
        "How long after a push service refused a credential it is probed first; the pauses double up to five times as long.";
    CIRCUIT_SERVICE_PROBE_MS = "circuit.service_probe_ms",
        Kind::Milliseconds { least: 100, most: HOUR }, Some("5000"), Restart,
        "How long after a push service went away it is probed first; the pauses double up to twelve times as long.";
    WEBHOOKS_RETRY_MS = "webhooks.retry_ms",
        Kind::Milliseconds { least: 100, most: HOUR }, Some("5000"), Restart,
        "How long after a webhook refused an event it is sent again first; the pauses double up to four hours, for a day.";
    WEBHOOKS_PAUSE_MS = "webhooks.pause_ms",
        Kind::Milliseconds { least: 100, most: 300_000 }, Some("10000"), Restart,
        "How long a webhook that refused five events in a row is left in peace first; the pauses double up to five minutes.";
    BROADCAST_FCM_PER_SECOND = "broadcast.fcm_per_second",
        Kind::Count { least: 1, most: 1_000_000 }, Some("8000"), Restart,
        "How many pushes a second broadcasts send through one Firebase project at most; Google's own limit is 10000, and wakes need room beside them.";
    BROADCAST_FCM_RAMP_MS = "broadcast.fcm_ramp_ms",
        Kind::Milliseconds { least: 0, most: HOUR }, Some("60000"), Restart,
        "How long broadcasts take to come to that rate; Google asks for a minute at least.";
    OUTBOUND_PROXY_URL = "outbound.proxy_url", Kind::Secret, None, Restart,
        "The HTTP proxy that all connections to the outside take (CONNECT), `http://[user:password@]host:port`.";
    OUTBOUND_NO_PROXY = "outbound.no_proxy", Kind::Text, None, Restart,
        "Hosts that are reached without the proxy, separated by commas: names, `.example.org` for all below, addresses and networks.";
    OUTBOUND_ALLOW_PRIVATE = "outbound.allow_private", Kind::Text, None, Restart,
        "Addresses inside your own network that Web Push endpoints, webhooks and key URLs may lead to, separated by commas: `10.1.2.3`, `10.0.0.0/8`, `127.0.0.1:8443`.";
    WEBPUSH_ALLOWED_HOSTS = "webpush.allowed_hosts", Kind::Text, None, Restart,
        "Hosts of Web Push services beside Google's, Mozilla's, Apple's and Microsoft's, separated by commas: `push.example.org`, `*.example.org`, or `*` for any.";
    STORE_READERS = "store.readers", Kind::Count { least: 1, most: 64 }, Some("2"), Restart,
        "How many connections read the database beside its one writer.";
    STORE_BATCH = "store.batch", Kind::Count { least: 1, most: 10_000 }, Some("256"), Restart,
        "How many changes the writer commits together at most.";
    STORE_MAX_SIZE_MB = "store.max_size_mb", Kind::Count { least: 1, most: 10_000_000 },
        Some("1000000"), Restart,
        "How large the database may grow, in MiB; at the limit sends are refused and nothing is lost.";
    PUSH_LOG_RETENTION_DAYS = "push_log.retention_days", Kind::Days { least: 1, most: 3_650 },
        Some("30"), Reload,
        "How long the push log keeps its records.";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_have_one_form_in_each_place() {
        let row = &SESSION_ACK_DEADLINE_MS;
        assert_eq!(row.variable(), "REVEILLE_SESSION_ACK_DEADLINE_MS");
        assert_eq!(row.flag().as_deref(), Some("session-ack-deadline-ms"));
        assert_eq!(row.section_and_key(), (Some("session"), "ack_deadline_ms"));
        assert_eq!(MASTER_KEY.flag(), None);
    }

    #[test]
    fn no_two_rows_share_a_name_a_variable_or_a_flag() {
        for form in [
            |row: &OptionRow| row.name.to_owned(),
            OptionRow::variable,
            |row: &OptionRow| row.flag().unwrap_or_else(|| row.name.to_owned()),
        ] {
            let forms: BTreeSet<_> = ALL.iter().map(|row| form(row)).collect();
            assert_eq!(forms.len(), ALL.len());
        }
    }

    #[test]
    fn a_quantity_has_its_unit_in_its_name() {
        for row in ALL {
            match row.kind {
                Kind::Milliseconds { .. } => assert!(row.name.ends_with("_ms"), "{}", row.name),
                Kind::Days { .. } => assert!(row.name.ends_with("_days"), "{}", row.name),
                Kind::Url(_) => assert!(row.name.ends_with("_url"), "{}", row.name),
                Kind::Secret if row.name.ends_with("_url") => {}
                Kind::Address
                | Kind::Count { .. }
                | Kind::Networks
                | Kind::Origins
                | Kind::Path
                | Kind::Secret
                | Kind::Text
                | Kind::Word(_) => {}
            }
            assert!(row.about.ends_with('.'), "{}", row.name);
        }
    }
}

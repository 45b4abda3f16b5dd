//! From the configuration as typed to the one that is checked.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use http::Uri;
use providers::outbound::Network;

use super::error::{ConfigError, Fault};
use super::kind::{Typed, Value};
use super::options::{self as row, OptionRow};
use super::raw::{Origin, RawConfig};
use super::{
    AllowedOrigins, Broadcast, Circuit, Config, Inbox, Log, LogFormat, LogLevel, Outbound,
    Providers, PushLog, Rate, Session, Store, Tls, Wake, Webpush,
};
use crate::secret::Secret;

impl RawConfig {
    /// Checks every value and fills in the defaults.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] with everything that is wrong, unknown names included.
    pub fn resolve(&self) -> Result<Config, ConfigError> {
        let mut reader = Reader { raw: self, faults: self.faults.clone() };
        let config = Config {
            data_dir: reader.path(&row::DATA_DIR).unwrap_or_default(),
            listen: reader.address(&row::LISTEN),
            internal_listen: reader.address(&row::INTERNAL_LISTEN),
            tls: Tls {
                certificate_file: reader.path(&row::TLS_CERTIFICATE_FILE),
                key_file: reader.path(&row::TLS_KEY_FILE),
            },
            trusted_proxies: reader.networks(&row::TRUSTED_PROXIES),
            allowed_origins: reader.origins(&row::ALLOWED_ORIGINS),
            master_key: reader.secret(&row::MASTER_KEY),
            log: Log { level: reader.level(), format: reader.format() },
            session: Session {
                ping_interval: reader.duration(&row::SESSION_PING_INTERVAL_MS),
                ack_deadline: reader.duration(&row::SESSION_ACK_DEADLINE_MS),
                background_ack_deadline: reader.duration(&row::SESSION_BACKGROUND_ACK_DEADLINE_MS),
                first_frame_timeout: reader.duration(&row::SESSION_FIRST_FRAME_TIMEOUT_MS),
                drain_spread: reader.duration(&row::SESSION_DRAIN_SPREAD_MS),
            },
            rate: Rate {
                messages_per_minute: reader.count(&row::RATE_MESSAGES_PER_MINUTE),
                messages_to_user_per_minute: reader.count(&row::RATE_MESSAGES_TO_USER_PER_MINUTE),
                calls_per_minute: reader.count(&row::RATE_CALLS_PER_MINUTE),
                calls_to_user_per_minute: reader.count(&row::RATE_CALLS_TO_USER_PER_MINUTE),
                live_per_minute: reader.count(&row::RATE_LIVE_PER_MINUTE),
                frames_per_minute: reader.count(&row::RATE_FRAMES_PER_MINUTE),
                failed_logins_per_minute: reader.count(&row::RATE_FAILED_LOGINS_PER_MINUTE),
            },
            inbox: Inbox {
                max_entries: reader.count(&row::INBOX_MAX_ENTRIES),
                max_size_mb: reader.count(&row::INBOX_MAX_SIZE_MB),
                silent_after_days: reader.count(&row::INBOX_SILENT_AFTER_DAYS),
                forget_device_after_days: reader.count(&row::INBOX_FORGET_DEVICE_AFTER_DAYS),
                idempotency_days: reader.count(&row::INBOX_IDEMPOTENCY_DAYS),
            },
            wake: Wake {
                lane_slots: reader.count(&row::WAKE_LANE_SLOTS),
                restart_grace: reader.duration(&row::WAKE_RESTART_GRACE_MS),
            },
            providers: Providers {
                apns_production_url: reader.url(&row::PROVIDERS_APNS_PRODUCTION_URL),
                apns_sandbox_url: reader.url(&row::PROVIDERS_APNS_SANDBOX_URL),
                fcm_url: reader.url(&row::PROVIDERS_FCM_URL),
                fcm_oauth_url: reader.url_if_set(&row::PROVIDERS_FCM_OAUTH_URL),
                extra_ca_file: reader.path(&row::PROVIDERS_EXTRA_CA_FILE),
                request_timeout: reader.duration(&row::PROVIDERS_REQUEST_TIMEOUT_MS),
                connect_timeout: reader.duration(&row::PROVIDERS_CONNECT_TIMEOUT_MS),
                apns_retry_after_unavailable: reader
                    .duration(&row::PROVIDERS_APNS_RETRY_AFTER_UNAVAILABLE_MS),
                apns_connections: reader.count(&row::PROVIDERS_APNS_CONNECTIONS),
            },
            webhooks: domain::webhook::Pauses {
                retry: reader.duration(&row::WEBHOOKS_RETRY_MS),
                endpoint: reader.duration(&row::WEBHOOKS_PAUSE_MS),
            },
            circuit: Circuit {
                credential_probe: reader.duration(&row::CIRCUIT_CREDENTIAL_PROBE_MS),
                service_probe: reader.duration(&row::CIRCUIT_SERVICE_PROBE_MS),
            },
            broadcast: Broadcast {
                fcm_per_second: reader.count(&row::BROADCAST_FCM_PER_SECOND),
                fcm_ramp: reader.duration(&row::BROADCAST_FCM_RAMP_MS),
            },
            outbound: Outbound {
                proxy_url: reader.secret(&row::OUTBOUND_PROXY_URL),
                no_proxy: reader.text(&row::OUTBOUND_NO_PROXY),
                allow_private: reader.text(&row::OUTBOUND_ALLOW_PRIVATE),
            },
            webpush: Webpush { allowed_hosts: reader.text(&row::WEBPUSH_ALLOWED_HOSTS) },
            store: Store {
                readers: reader.count(&row::STORE_READERS),
                batch: reader.count(&row::STORE_BATCH),
                max_size_mb: reader.count(&row::STORE_MAX_SIZE_MB),
            },
            push_log: PushLog { retention_days: reader.count(&row::PUSH_LOG_RETENTION_DAYS) },
        };
        // Whatever a reader gave in place of a value that is wrong goes no further than this.
        if reader.faults.is_empty() { Ok(config) } else { Err(ConfigError::Invalid(reader.faults)) }
    }
}

/// Reads values and gathers what is wrong, so that all of it is told at once.
struct Reader<'a> {
    raw: &'a RawConfig,
    faults: Vec<Fault>,
}

impl Reader<'_> {
    fn address(&mut self, row: &OptionRow) -> SocketAddr {
        match self.value(row) {
            Some(Value::Address(address)) => address,
            other => self.otherwise(row, other, (Ipv4Addr::LOCALHOST, 0).into()),
        }
    }

    /// The ranges of the table fit the types of the fields; one that did not is told as a fault.
    fn count<T: TryFrom<u64> + Default>(&mut self, row: &OptionRow) -> T {
        match self.value(row) {
            Some(Value::Count(number)) => match T::try_from(number) {
                Ok(count) => count,
                Err(_) => self.otherwise(row, Some(Value::Count(number)), T::default()),
            },
            other => self.otherwise(row, other, T::default()),
        }
    }

    fn duration(&mut self, row: &OptionRow) -> Duration {
        match self.value(row) {
            Some(Value::Duration(duration)) => duration,
            other => self.otherwise(row, other, Duration::ZERO),
        }
    }

    fn networks(&mut self, row: &OptionRow) -> Vec<Network> {
        match self.value(row) {
            None => Vec::new(),
            Some(Value::Networks(networks)) => networks,
            other => self.otherwise(row, other, Vec::new()),
        }
    }

    fn origins(&mut self, row: &OptionRow) -> AllowedOrigins {
        match self.value(row) {
            None => AllowedOrigins::default(),
            Some(Value::Origins(origins)) => origins,
            other => self.otherwise(row, other, AllowedOrigins::default()),
        }
    }

    fn path(&mut self, row: &OptionRow) -> Option<PathBuf> {
        match self.value(row) {
            None => None,
            Some(Value::Path(path)) => match self.raw.origin(row) {
                // A file means the same wherever the server is started from.
                Origin::File { path: file, .. } => {
                    let path = path.strip_prefix(".").unwrap_or(&path);
                    file.parent().map(|folder| folder.join(path))
                }
                Origin::Default | Origin::Environment(_) | Origin::Flag(_) => Some(path),
            },
            other => self.otherwise(row, other, None),
        }
    }

    fn text(&mut self, row: &OptionRow) -> Option<String> {
        match self.value(row) {
            None => None,
            Some(Value::Text(text)) => Some(text),
            other => self.otherwise(row, other, None),
        }
    }

    fn secret(&mut self, row: &OptionRow) -> Option<Secret<String>> {
        match self.value(row) {
            None => None,
            Some(Value::Secret(secret)) => Some(secret),
            other => self.otherwise(row, other, None),
        }
    }

    fn url(&mut self, row: &OptionRow) -> Uri {
        match self.value(row) {
            Some(Value::Url(url)) => url,
            other => self.otherwise(row, other, Uri::default()),
        }
    }

    fn url_if_set(&mut self, row: &OptionRow) -> Option<Uri> {
        match self.value(row) {
            None => None,
            Some(Value::Url(url)) => Some(url),
            other => self.otherwise(row, other, None),
        }
    }

    fn level(&mut self) -> LogLevel {
        match self.value(&row::LOG_LEVEL) {
            Some(Value::Word("off")) => LogLevel::Off,
            Some(Value::Word("error")) => LogLevel::Error,
            Some(Value::Word("warn")) => LogLevel::Warn,
            Some(Value::Word("info")) => LogLevel::Info,
            Some(Value::Word("debug")) => LogLevel::Debug,
            Some(Value::Word("trace")) => LogLevel::Trace,
            other => self.otherwise(&row::LOG_LEVEL, other, LogLevel::Info),
        }
    }

    fn format(&mut self) -> LogFormat {
        match self.value(&row::LOG_FORMAT) {
            Some(Value::Word("json")) => LogFormat::Json,
            Some(Value::Word("text")) => LogFormat::Text,
            other => self.otherwise(&row::LOG_FORMAT, other, LogFormat::Text),
        }
    }

    /// The value of an option, or its default. `None`: it is not set, or wrong and told.
    fn value(&mut self, row: &OptionRow) -> Option<Value> {
        let (typed, place) = match self.raw.entries.get(row.name) {
            Some(entry) => (entry.typed.clone(), entry.origin.clone()),
            None => (Typed::Text(row.default?.to_owned()), Origin::Default),
        };
        match row.kind.read(&typed) {
            Ok(value) => Some(value),
            Err(misfit) => {
                self.faults.push(Fault {
                    place,
                    name: row.name.to_owned(),
                    problem: misfit.problem,
                    remedy: misfit.remedy,
                });
                None
            }
        }
    }

    /// What to go on with when there is no value of the right kind. `None` is a value that is
    /// wrong and told; anything else means that the table and this file disagree.
    fn otherwise<T>(&mut self, row: &OptionRow, value: Option<Value>, placeholder: T) -> T {
        if value.is_some() || row.default.is_none() {
            self.faults.push(Fault {
                place: self.raw.origin(row),
                name: row.name.to_owned(),
                problem: "is not understood by this version".to_owned(),
                remedy: "report this as a fault of Reveille".to_owned(),
            });
        }
        placeholder
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::path::Path;

    use super::*;
    use crate::config::Environment;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        variables.iter().map(|(name, value)| ((*name).to_owned(), OsString::from(value))).collect()
    }

    fn faults(raw: &RawConfig) -> Vec<String> {
        match raw.resolve() {
            Ok(_) => Vec::new(),
            Err(error) => error.to_string().lines().map(str::to_owned).collect(),
        }
    }

    #[test]
    fn every_default_keeps_its_own_rule() {
        let config = Config::defaults().unwrap();
        assert_eq!(config.data_dir, Path::new("./reveille-data"));
        assert_eq!(config.listen, ([127, 0, 0, 1], 7300).into());
        assert_eq!(config.session.ack_deadline, Duration::from_secs(5));
        assert_eq!(config.providers.apns_retry_after_unavailable, Duration::from_secs(900));
        assert_eq!(config.providers.fcm_oauth_url, None);
        assert_eq!(config.push_log.retention_days, 30);
    }

    #[test]
    fn every_word_and_every_end_of_a_range_is_taken() {
        for option in row::ALL {
            let texts: Vec<String> = match option.kind {
                crate::config::Kind::Count { least, most }
                | crate::config::Kind::Days { least, most }
                | crate::config::Kind::Milliseconds { least, most } => {
                    vec![least.to_string(), most.to_string()]
                }
                crate::config::Kind::Word(words) => {
                    words.iter().map(|word| (*word).to_owned()).collect()
                }
                crate::config::Kind::Address
                | crate::config::Kind::Networks
                | crate::config::Kind::Origins
                | crate::config::Kind::Path
                | crate::config::Kind::Secret
                | crate::config::Kind::Text
                | crate::config::Kind::Url(_) => continue,
            };
            for text in texts {
                let flags = [(*option, text.clone())];
                let raw = RawConfig::read(None, &Environment::default(), flags).unwrap();
                assert_eq!(faults(&raw), Vec::<String>::new(), "{} = {text}", option.name);
            }
        }
    }

    #[test]
    fn flags_win_over_the_environment_and_that_over_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("reveille.toml");
        std::fs::write(&file, "[store]\nbatch = 1\nreaders = 1\n[wake]\nlane_slots = 1\n").unwrap();
        let environment =
            environment(&[("REVEILLE_STORE_BATCH", "2"), ("REVEILLE_STORE_READERS", "2")]);
        let flags = [(&row::STORE_READERS, "3".to_owned())];
        let raw = RawConfig::read(Some(&file), &environment, flags).unwrap();
        let config = raw.resolve().unwrap();
        assert_eq!(config.wake.lane_slots, 1);
        assert_eq!((config.store.readers, config.store.batch), (3, 2));
        assert_eq!(raw.origin(&row::STORE_READERS).to_string(), "--store-readers");
        assert_eq!(raw.origin(&row::STORE_BATCH).to_string(), "REVEILLE_STORE_BATCH");
        assert!(raw.origin(&row::WAKE_LANE_SLOTS).to_string().ends_with("reveille.toml:5"));
        assert_eq!(raw.origin(&row::LISTEN), Origin::Default);
    }

    #[test]
    fn relative_paths_of_a_file_start_from_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("reveille.toml");
        std::fs::write(&file, "data_dir = \"data\"\nproviders.extra_ca_file = \"/ca.pem\"\n")
            .unwrap();
        let raw = RawConfig::read(Some(&file), &Environment::default(), []).unwrap();
        let config = raw.resolve().unwrap();
        assert_eq!(config.data_dir, folder.path().join("data"));
        assert_eq!(config.providers.extra_ca_file.as_deref(), Some(Path::new("/ca.pem")));
        let flags = [(&row::DATA_DIR, "data".to_owned())];
        let raw = RawConfig::read(Some(&file), &Environment::default(), flags).unwrap();
        assert_eq!(raw.resolve().unwrap().data_dir, Path::new("data"));
    }

    #[test]
    fn everything_wrong_is_told_at_once() {
        let environment =
            environment(&[("REVEILLE_STORE_BATCH", "many"), ("REVEILLE_STORE_BATCHES", "2")]);
        let flags = [(&row::LOG_FORMAT, "xml".to_owned())];
        let raw = RawConfig::read(None, &environment, flags).unwrap();
        assert_eq!(
            faults(&raw),
            [
                "REVEILLE_STORE_BATCHES is not the variable of any option; did you mean REVEILLE_STORE_BATCH? Else unset it",
                "--log-format is \"xml\", which it does not know; write one of \"text\", \"json\"",
                "REVEILLE_STORE_BATCH is \"many\", not a whole number; write a whole number from 1 to 10000",
            ]
        );
    }

    #[test]
    fn a_secret_is_never_shown() {
        let environment = environment(&[("REVEILLE_MASTER_KEY", "hidden")]);
        let raw = RawConfig::read(None, &environment, []).unwrap();
        assert_eq!(raw.shown(&row::MASTER_KEY).as_deref(), Some("(set)"));
        let config = raw.resolve().unwrap();
        assert!(!format!("{config:?}").contains("hidden"));
        assert_eq!(config.master_key.unwrap().expose(), "hidden");
    }
}

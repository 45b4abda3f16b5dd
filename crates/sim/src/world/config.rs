//! The server's configuration file in a test world.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use super::options::Tuning;

/// Where the server finds the rest of the world.
pub(super) struct Places<'a> {
    pub(super) data_dir: &'a Path,
    pub(super) ca_file: &'a Path,
    pub(super) listen: SocketAddr,
    pub(super) internal_listen: SocketAddr,
    pub(super) services: Services,
    /// The app's back end, if there is one.
    pub(super) back_end: Option<SocketAddr>,
}

/// Where the server finds the push services.
pub(super) enum Services {
    /// At these addresses.
    Direct {
        apns_production: String,
        apns_sandbox: String,
        fcm: String,
        fcm_oauth: String,
        /// The Web Push service, if there is one.
        webpush: Option<SocketAddr>,
    },
    /// Where they are in life, by the proxy with this URL.
    Proxy(String),
}

/// The text of the file.
pub(super) fn text(places: &Places<'_>, tuning: &Tuning) -> String {
    let mut file = String::new();
    let mut text = |key: &str, value: &str| {
        // Rust's escapes of a printable string are TOML's.
        let _ = writeln!(file, "{key} = {value:?}");
    };
    text("data_dir", &places.data_dir.display().to_string());
    text("listen", &places.listen.to_string());
    text("internal_listen", &places.internal_listen.to_string());
    if let Some(origins) = &tuning.allowed_origins {
        text("allowed_origins", origins);
    }
    file.push_str("\n[log]\n");
    let _ = writeln!(file, "level = {:?}\nformat = {:?}", tuning.log_level, tuning.log_format);
    file.push_str("\n[providers]\n");
    if let Services::Direct { apns_production, apns_sandbox, fcm, fcm_oauth, .. } = &places.services
    {
        let _ = writeln!(file, "apns_production_url = {apns_production:?}");
        let _ = writeln!(file, "apns_sandbox_url = {apns_sandbox:?}");
        let _ = writeln!(file, "fcm_url = {fcm:?}");
        let _ = writeln!(file, "fcm_oauth_url = {fcm_oauth:?}");
    }
    let _ = writeln!(file, "extra_ca_file = {:?}", places.ca_file.display().to_string());
    duration(&mut file, "apns_retry_after_unavailable_ms", tuning.apns_retry_after_unavailable);
    duration(&mut file, "request_timeout_ms", tuning.request_timeout);
    let (webpush, proxy) = match &places.services {
        Services::Direct { webpush, .. } => (*webpush, None),
        Services::Proxy(url) => (None, Some(url)),
    };
    let private: Vec<_> = webpush.iter().chain(&places.back_end).map(ToString::to_string).collect();
    if proxy.is_some() || !private.is_empty() {
        file.push_str("\n[outbound]\n");
    }
    if let Some(url) = proxy {
        let _ = writeln!(file, "proxy_url = {url:?}");
    }
    if !private.is_empty() {
        let _ = writeln!(file, "allow_private = \"{}\"", private.join(", "));
    }
    if let Some(address) = webpush {
        let _ = writeln!(file, "\n[webpush]\nallowed_hosts = \"{}\"", address.ip());
    }
    file.push_str("\n[session]\n");
    duration(&mut file, "ping_interval_ms", tuning.ping_interval);
    duration(&mut file, "ack_deadline_ms", tuning.ack_deadline);
    duration(&mut file, "background_ack_deadline_ms", tuning.background_ack_deadline);
    file.push_str("\n[wake]\n");
    duration(&mut file, "restart_grace_ms", tuning.restart_grace);
    if let Some(slots) = tuning.lane_slots {
        let _ = writeln!(file, "lane_slots = {slots}");
    }
    file.push_str("\n[circuit]\n");
    duration(&mut file, "credential_probe_ms", tuning.probe);
    duration(&mut file, "service_probe_ms", tuning.probe);
    let _ = writeln!(file, "\n{}", tuning.more);
    file
}

fn duration(file: &mut String, key: &str, value: Option<Duration>) {
    if let Some(value) = value {
        let _ = writeln!(file, "{key} = {}", value.as_millis());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A configuration file with the services there.
    fn file(services: Services, tuning: &Tuning) -> String {
        file_with(services, None, tuning)
    }

    fn file_with(services: Services, back_end: Option<SocketAddr>, tuning: &Tuning) -> String {
        let places = Places {
            data_dir: Path::new("/tmp/a b"),
            ca_file: Path::new("/tmp/ca.pem"),
            listen: SocketAddr::from(([127, 0, 0, 1], 20_000)),
            internal_listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            services,
            back_end,
        };
        text(&places, tuning)
    }

    fn direct(webpush: Option<SocketAddr>) -> Services {
        Services::Direct {
            apns_production: "https://127.0.0.1:1".to_owned(),
            apns_sandbox: "https://127.0.0.1:2".to_owned(),
            fcm: "https://127.0.0.1:3".to_owned(),
            fcm_oauth: "https://127.0.0.1:3/token".to_owned(),
            webpush,
        }
    }

    #[test]
    fn what_is_not_tuned_is_left_to_the_server() {
        let plain = file(direct(None), &Tuning::default());
        assert!(plain.contains("data_dir = \"/tmp/a b\"\n"), "{plain}");
        assert!(!plain.contains("_ms"), "{plain}");
        assert!(!plain.contains("webpush") && !plain.contains("outbound"), "{plain}");
        let tuned = Tuning { restart_grace: Some(Duration::from_secs(2)), ..Tuning::default() };
        let tuned = file(direct(None), &tuned);
        assert!(tuned.contains("[wake]\nrestart_grace_ms = 2000\n"), "{tuned}");
    }

    #[test]
    fn a_push_service_of_browsers_is_let_through() {
        let address = SocketAddr::from(([127, 0, 0, 1], 4));
        let file = file(direct(Some(address)), &Tuning::default());
        assert!(file.contains("[outbound]\nallow_private = \"127.0.0.1:4\"\n"), "{file}");
        assert!(file.contains("[webpush]\nallowed_hosts = \"127.0.0.1\"\n"), "{file}");
    }

    #[test]
    fn a_back_end_is_let_through_beside_the_browsers() {
        let (browsers, back_end) = (([127, 0, 0, 1], 4).into(), ([127, 0, 0, 1], 5).into());
        let alone = file_with(direct(None), Some(back_end), &Tuning::default());
        assert!(alone.contains("[outbound]\nallow_private = \"127.0.0.1:5\"\n"), "{alone}");
        assert!(!alone.contains("webpush"), "{alone}");
        let both = file_with(direct(Some(browsers)), Some(back_end), &Tuning::default());
        assert!(both.contains("allow_private = \"127.0.0.1:4, 127.0.0.1:5\"\n"), "{both}");
    }

    #[test]
    fn behind_a_proxy_the_services_are_where_they_are_in_life() {
        let file = file(Services::Proxy("http://a:b@127.0.0.1:5".to_owned()), &Tuning::default());
        assert!(file.contains("[outbound]\nproxy_url = \"http://a:b@127.0.0.1:5\"\n"), "{file}");
        let local = ["apns_", "fcm_", "allow_private", "allowed_hosts"];
        assert!(!local.iter().any(|key| file.contains(key)), "{file}");
    }
}

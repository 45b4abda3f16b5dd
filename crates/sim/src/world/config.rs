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
    pub(super) apns_production: String,
    pub(super) apns_sandbox: String,
    pub(super) fcm: String,
    pub(super) fcm_oauth: String,
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
    file.push_str("\n[log]\n");
    let _ = writeln!(file, "level = {:?}\nformat = \"text\"", tuning.log_level);
    file.push_str("\n[providers]\n");
    let _ = writeln!(file, "apns_production_url = {:?}", places.apns_production);
    let _ = writeln!(file, "apns_sandbox_url = {:?}", places.apns_sandbox);
    let _ = writeln!(file, "fcm_url = {:?}", places.fcm);
    let _ = writeln!(file, "fcm_oauth_url = {:?}", places.fcm_oauth);
    let _ = writeln!(file, "extra_ca_file = {:?}", places.ca_file.display().to_string());
    duration(&mut file, "apns_retry_after_unavailable_ms", tuning.apns_retry_after_unavailable);
    duration(&mut file, "request_timeout_ms", tuning.request_timeout);
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

    #[test]
    fn what_is_not_tuned_is_left_to_the_server() {
        let places = Places {
            data_dir: Path::new("/tmp/a b"),
            ca_file: Path::new("/tmp/ca.pem"),
            listen: SocketAddr::from(([127, 0, 0, 1], 20_000)),
            apns_production: "https://127.0.0.1:1".to_owned(),
            apns_sandbox: "https://127.0.0.1:2".to_owned(),
            fcm: "https://127.0.0.1:3".to_owned(),
            fcm_oauth: "https://127.0.0.1:3/token".to_owned(),
        };
        let plain = text(&places, &Tuning::default());
        assert!(plain.contains("data_dir = \"/tmp/a b\"\n"), "{plain}");
        assert!(!plain.contains("_ms"), "{plain}");
        let tuned = Tuning { restart_grace: Some(Duration::from_secs(2)), ..Tuning::default() };
        assert!(text(&places, &tuned).contains("[wake]\nrestart_grace_ms = 2000\n"));
    }
}

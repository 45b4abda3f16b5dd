//! The entry point for the configuration file.

use std::path::Path;

use super::file;
use super::raw::{Entry, RawConfig};

/// A configuration file: every fault in it has a place, a name and a remedy.
pub(crate) fn read(bytes: &[u8]) {
    // What is no UTF-8 is refused when the file is read.
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let found = match file::parse(Path::new("reveille.toml"), text) {
        Ok(found) => found,
        Err(error) => {
            let said = error.to_string();
            let line = said.strip_prefix("reveille.toml:").and_then(|rest| rest.split(':').next());
            let line: Option<usize> = line.and_then(|line| line.parse().ok());
            let lines = 1 + text.matches('\n').count();
            assert!(line.is_some_and(|line| (1..=lines).contains(&line)), "{said}");
            return;
        }
    };
    let mut raw = RawConfig { faults: found.faults, ..RawConfig::default() };
    for (row, typed, origin) in found.typed {
        raw.entries.insert(row.name, Entry { typed, origin });
    }
    if let Err(error) = raw.resolve() {
        let said = error.to_string();
        assert!(said.lines().all(|line| !line.trim().is_empty()), "{said}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn config_file() {
        let examples = [
            "listen = \"127.0.0.1:8080\"\ndata_dir = \"data\"\n\n[session]\nping_interval_ms = 30_000\n",
            "log.level = \"debug\"\nlog.format = 'json'\n[wake]\nlane_slots = 4\n",
            "[outbound]\nproxy_url = \"http://user:pass@proxy:3128\"\nno_proxy = \"10.0.0.0/8,example.org\"\nallow_private = \"10.1.0.0/16\"\n",
            "[webpush]\nallowed_hosts = \"push.example.org, *.example.org\"\n[broadcast]\nfcm_per_second = 0x10\n",
            "[providers]\nfcm_url = \"https://fcm.googleapis.com\"\n",
        ];
        fuzz::run("config_file", read, examples.map(Vec::from).to_vec());
    }
}

//! The entry point for what a backup says about itself.

use super::Manifest;

/// The longest text that says what is wrong with it, in characters.
const LONGEST_ERROR: usize = 300;

/// A `backup.json`.
fn manifest(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match Manifest::parse(&text) {
        Ok(manifest) => {
            let written = serde_json::to_string(&manifest).expect("it is written as JSON");
            let again = Manifest::parse(&written).expect("what is written reads back");
            assert_eq!(again.made_at, manifest.made_at);
            let shown = manifest.master_key.unwrap_or_default();
            assert!([0, 12].contains(&shown.len()), "it is shown on a terminal");
        }
        Err(error) => {
            let length = error.to_string().chars().count();
            assert!((1..=LONGEST_ERROR).contains(&length), "{error:.300}");
        }
    }
}

#[test]
fn backup_manifest() {
    let example = r#"{"made_at":"2026-03-01T06:30:00.5Z","made_by":"reveille 0.1.0","schema":7,"master_key":"0123456789ab"}"#;
    fuzz::run("backup_manifest", manifest, vec![example.into()]);
}

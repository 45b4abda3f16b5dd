//! The unit for systemd.

use std::process::{Command, Output};

use super::{file, program, replaced};

const SERVER: &str = env!("CARGO_BIN_EXE_reveille");

/// The most that a service may be exposed by systemd's own count, in tenths: it calls more than
/// this no longer "OK".
const MOST_EXPOSED: &str = "20";

fn analyzed(unit: &str, arguments: &[&str], test: &str) -> Option<Output> {
    let analyze = program("systemd-analyze", test)?;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("reveille.service");
    std::fs::write(&path, unit).expect("written");
    Some(Command::new(analyze).args(arguments).arg(&path).output().expect("it runs"))
}

fn unit() -> String {
    replaced(&file("reveille.service"), "/usr/local/bin/reveille", SERVER)
}

#[test]
fn systemd_finds_nothing_wrong_with_the_unit() {
    let verify = |unit: &str| analyzed(unit, &["verify", "--man=no"], "contrib::systemd");
    let Some(output) = verify(&unit()) else { return };
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
    let misspelt = replaced(&unit(), "ProtectHome=yes", "ProtectHomes=yes");
    let said = verify(&misspelt).expect("it was there").stderr;
    assert!(String::from_utf8_lossy(&said).contains("ProtectHomes"), "it finds nothing at all");
}

#[test]
fn the_unit_lets_the_server_do_no_more_than_it_needs() {
    let arguments = ["security", "--offline=true", "--no-pager"];
    let threshold = format!("--threshold={MOST_EXPOSED}");
    let arguments = [&arguments[..], &[threshold.as_str()]].concat();
    let Some(output) = analyzed(&unit(), &arguments, "contrib::systemd") else { return };
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let open = replaced(&unit(), "\nUser=reveille\n", "\n");
    let open = replaced(&open, "\nCapabilityBoundingSet=\n", "\n");
    let open = analyzed(&open, &arguments, "contrib::systemd").expect("it was there");
    assert!(!open.status.success(), "the threshold holds nothing");
}

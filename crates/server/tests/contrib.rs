//! The files of `contrib`, checked by the programs that they are for.

mod files;
mod proxies;
mod systemd;

use std::path::{Path, PathBuf};

/// A file of that folder.
fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contrib").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Puts something else in the place of what must be there.
#[track_caller]
fn replaced(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from} is not in it: {text}");
    text.replace(from, to)
}

/// A program that `cargo xtask test` unpacks beside the build, or that the system has; `None`: the
/// test that wants it is skipped, and says so.
fn program(name: &str, test: &str) -> Option<PathBuf> {
    let unpacked = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("programs").join("usr");
    let folders = [unpacked.as_path(), Path::new("/usr"), Path::new("/usr/local")];
    let found = folders
        .iter()
        .flat_map(|folder| [folder.join("sbin").join(name), folder.join("bin").join(name)])
        .find(|path| path.is_file());
    if found.is_none() {
        anstream::eprintln!("skipped: {test}: there is no {name}; `cargo xtask test` says why");
    }
    found
}

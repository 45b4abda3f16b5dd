//! Golden files: what a shape looks like on the wire, as it was agreed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Serialize;

/// Whether the files are to be written instead of compared; for whoever runs the tests.
const UPDATE: bool = option_env!("UPDATE_GOLDEN").is_some();

/// Compares a value, pretty-printed, with `goldens/<name>.json`; returns the file's text. With
/// `UPDATE_GOLDEN=1` the file is written first.
#[track_caller]
pub(crate) fn check_golden(name: &str, value: &impl Serialize) -> String {
    let path = folder().join(format!("{name}.json"));
    let printed = pretty(value);
    if UPDATE {
        std::fs::create_dir_all(path.parent().expect("it has a folder")).expect("a folder");
        std::fs::write(&path, &printed).expect("the file is written");
    }
    let agreed = std::fs::read_to_string(&path).unwrap_or_default();
    if let Err(difference) = compare(name, &agreed, &printed) {
        panic!("{difference}");
    }
    agreed
}

fn compare(name: &str, agreed: &str, printed: &str) -> Result<(), String> {
    if agreed == printed {
        return Ok(());
    }
    Err(format!(
        "goldens/{name}.json says\n{agreed}\nand the shape is now\n{printed}\n\
         a client in the field reads the former; if the change is meant, run the tests with \
         UPDATE_GOLDEN=1 and look at the difference"
    ))
}

/// What a golden file of this value holds.
pub(crate) fn pretty(value: &impl Serialize) -> String {
    let mut text = serde_json::to_string_pretty(value).expect("a public shape is JSON");
    text.push('\n');
    text
}

/// Fails unless the files of a folder are exactly the ones a test has compared: a file that
/// nothing reads guards nothing.
#[track_caller]
pub(crate) fn check_complete<'a>(part: &str, names: impl IntoIterator<Item = &'a str>) {
    let entries = std::fs::read_dir(folder().join(part)).expect("a folder");
    let files: BTreeSet<String> = entries
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .map(|file| format!("{part}/{}", file.trim_end_matches(".json")))
        .collect();
    let names: BTreeSet<String> = names.into_iter().map(str::to_owned).collect();
    assert_eq!(files, names, "files in goldens/{part} on the left, the test's on the right");
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("goldens")
}

#[test]
fn a_shape_that_differs_from_its_file_is_told() {
    assert_eq!(compare("frames/x", "{}\n", "{}\n"), Ok(()));
    for other in ["{}", "{ }\n", ""] {
        let told = compare("frames/x", other, "{}\n").expect_err("it differs");
        assert!(told.contains("goldens/frames/x.json") && told.contains("UPDATE_GOLDEN"), "{told}");
    }
}

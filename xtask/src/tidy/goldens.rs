//! Golden files: the public shapes as they were agreed. One that no test reads guards nothing.

use crate::tidy::Finding;
use crate::tidy::source::{Area, Source, Tree};

/// The folder of golden files inside a crate.
const FOLDER: &str = "/goldens/";

/// Finds golden files that no test of their crate names.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    tree.paths()
        .filter_map(|path| path.split_once(FOLDER).map(|(krate, name)| (path, krate, name)))
        .filter(|(_, krate, name)| !is_named(name, krate, &tree.sources))
        .map(|(path, ..)| {
            Finding::of(
                path,
                "no test of its crate names this golden file".to_owned(),
                "compare with it in a test that names it as a string, or delete it",
            )
        })
        .collect()
}

/// Whether a test of the crate has the file's path below `goldens/` in a string, with its ending
/// or without.
fn is_named(name: &str, krate: &str, sources: &[Source]) -> bool {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    sources.iter().filter(|source| source.crate_dir() == krate).any(|source| {
        source.text.lines().enumerate().any(|(index, line)| {
            source.area(index + 1) == Area::Test
                && [name, stem].iter().any(|name| {
                    // Either the whole string, or the end of one that holds the folder too.
                    line.contains(&format!("\"{name}\"")) || line.contains(&format!("/{name}\""))
                })
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(test: &str) -> Tree {
        Tree {
            sources: vec![
                Source::new("crates/wire/tests/main.rs".into(), test.into()),
                Source::new("crates/wire/src/lib.rs".into(), "// \"frames/ack.json\"".into()),
            ],
            others: vec![("crates/wire/goldens/frames/ack.json".into(), "{}".into())],
        }
    }

    #[test]
    fn a_golden_file_named_by_a_test_passes() {
        assert!(check(&tree("golden(\"frames/ack.json\", &frame)")).is_empty());
        assert!(check(&tree("golden(\"frames/ack\", &frame)")).is_empty());
        assert!(check(&tree("include_str!(\"../goldens/frames/ack.json\")")).is_empty());
    }

    #[test]
    fn a_golden_file_that_only_shipped_code_names_is_reported() {
        let findings = check(&tree("golden(\"frames/connect.json\", &frame)"));
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].place, "crates/wire/goldens/frames/ack.json");
    }
}

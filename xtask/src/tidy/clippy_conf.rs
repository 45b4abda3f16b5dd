//! A crate's own `clippy.toml` replaces the root's as a whole, so it must repeat every line of it.

use crate::tidy::Finding;
use crate::tidy::source::Tree;

/// Finds lines of the root's `clippy.toml` that a crate's own one has lost.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let root = tree.other("clippy.toml").unwrap_or_default();
    let own = tree.others.iter().filter(|(path, _)| path.ends_with("/clippy.toml"));
    own.flat_map(|(path, text)| {
        rules(root).filter(|rule| !rules(text).any(|own| own == *rule)).map(move |rule| {
            Finding::of(
                path,
                format!("it lacks a line of the root's clippy.toml, which it replaces: {rule}"),
                "copy that line",
            )
        })
    })
    .collect()
}

/// The lines that say something.
fn rules(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(own: &str) -> Vec<Finding> {
        let root = "# comment\nallow = true\nbans = [\n    \"a\",\n]\n";
        let own = ("crates/domain/clippy.toml".to_owned(), own.to_owned());
        check(&Tree {
            sources: Vec::new(),
            others: vec![("clippy.toml".to_owned(), root.to_owned()), own],
        })
    }

    #[test]
    fn a_stricter_file_passes() {
        assert!(findings("allow = true\nbans = [\n    \"a\",\n    \"b\",\n]\n").is_empty());
    }

    #[test]
    fn a_lost_line_is_named() {
        let findings = findings("bans = [\n    \"a\",\n]\n");
        assert_eq!(findings.len(), 1);
        assert!(findings[0].problem.ends_with("allow = true"), "{:?}", findings[0]);
    }
}

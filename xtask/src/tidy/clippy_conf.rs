//! A crate's own `clippy.toml` replaces the root's as a whole, so it must repeat every line of it; and
//! so do lints in its `Cargo.toml` with the workspace's.

use crate::tidy::Finding;
use crate::tidy::source::Tree;

/// Finds lines of the root's `clippy.toml` and lints that a crate's own have lost.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let root = tree.other("clippy.toml").unwrap_or_default();
    let own = tree.others.iter().filter(|(path, _)| path.ends_with("/clippy.toml"));
    let lost = own.flat_map(|(path, text)| {
        rules(root).filter(|rule| !rules(text).any(|own| own == *rule)).map(move |rule| {
            Finding::of(
                path,
                format!("it lacks a line of the root's clippy.toml, which it replaces: {rule}"),
                "copy that line",
            )
        })
    });
    let root = tree.other("Cargo.toml").unwrap_or_default();
    let own = tree.others.iter().filter(|(path, _)| path.ends_with("/Cargo.toml"));
    let lost_lints = own.filter(|(_, text)| text.contains("\n[lints.")).flat_map(|(path, text)| {
        ["rust", "clippy"].into_iter().flat_map(move |tool| {
            let has = move |lint: &str| {
                // Where something of somebody else's is called; the code then says so once more.
                let weaker = lint.replace(r#"unsafe_code = "forbid""#, r#"unsafe_code = "deny""#);
                table(text, &format!("[lints.{tool}]")).any(|own| own == lint || own == weaker)
            };
            let lints: Vec<_> = table(root, &format!("[workspace.lints.{tool}]")).collect();
            lints.into_iter().filter(move |lint| !has(lint)).map(move |lint| {
                let problem =
                    format!("it lacks a lint of the workspace, whose it replaces: {lint}");
                Finding::of(path, problem, "copy that line")
            })
        })
    });
    lost.chain(lost_lints).collect()
}

/// The lines that say something in a table of a `Cargo.toml`.
fn table<'a>(text: &'a str, head: &str) -> impl Iterator<Item = &'a str> {
    let from = text.split_once(&format!("{head}\n")).map_or("", |(_, rest)| rest);
    rules(from).take_while(|line| !line.starts_with('['))
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

    #[test]
    fn a_lost_lint_is_named() {
        let root = "[workspace.lints.rust]\nunsafe_code = \"forbid\"\nshouts = \"warn\"\n\n\
                    [workspace.lints.clippy]\ntodo = \"warn\"\n";
        let check = |own: &str| {
            let own = ("crates/fuzz/Cargo.toml".to_owned(), own.to_owned());
            check(&Tree {
                sources: Vec::new(),
                others: vec![("Cargo.toml".to_owned(), root.to_owned()), own],
            })
        };
        assert!(check("[package]\n[lints]\nworkspace = true\n").is_empty());
        let own = "[package]\n[lints.rust]\nunsafe_code = \"deny\"\nshouts = \"warn\"\n";
        let findings = check(own);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert!(findings[0].problem.ends_with("todo = \"warn\""), "{:?}", findings[0]);
        assert!(check(&format!("{own}[lints.clippy]\ntodo = \"warn\"\n")).is_empty());
    }
}

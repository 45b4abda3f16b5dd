//! How long the files are.
//!
//! A file that one cannot hold in one's head is cut along an idea, not along a number; the ceiling
//! only says when it is high time. What we aim at is a median of 120 lines and nine in ten below
//! 400; tidy prints how it stands.

use crate::tidy::Finding;
use crate::tidy::source::Tree;

/// Longer than this fails.
const CEILING: usize = 600;

/// Files that may be longer: uniform tables and generated code, each with its reason.
const LONG: &[(&str, &str)] = &[];

/// Finds files above the ceiling, and exceptions that nothing needs any more.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let lengths: Vec<_> = lengths(tree).collect();
    check_lengths(&lengths, LONG)
}

/// One line about how long the files are.
pub(crate) fn distribution(tree: &Tree) -> String {
    let mut lengths: Vec<_> = lengths(tree).map(|(path, lines)| (lines, path)).collect();
    lengths.sort_unstable();
    let Some((longest, path)) = lengths.last() else { return "no Rust files".to_owned() };
    format!(
        "{} files, median {} lines (aim 120), nine in ten up to {} (aim 400), longest {longest} ({path})",
        lengths.len(),
        rank(&lengths, 50),
        rank(&lengths, 90),
    )
}

fn lengths(tree: &Tree) -> impl Iterator<Item = (&str, usize)> {
    tree.sources.iter().map(|source| (source.path.as_str(), source.text.lines().count()))
}

/// The length that `percent` of the sorted files do not exceed.
fn rank(sorted: &[(usize, &str)], percent: usize) -> usize {
    let index = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(index).map_or(0, |(lines, _)| *lines)
}

fn check_lengths(lengths: &[(&str, usize)], long: &[(&str, &str)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, lines) in lengths.iter().filter(|(_, lines)| *lines > CEILING) {
        if !long.iter().any(|(exception, _)| exception == path) {
            findings.push(Finding::of(
                path,
                format!("{lines} lines, the ceiling is {CEILING}"),
                "cut it along an idea; a uniform table may be listed in xtask/src/tidy/size.rs",
            ));
        }
    }
    for (exception, why) in long {
        let needed = lengths.iter().any(|(path, lines)| path == exception && *lines > CEILING);
        if !needed {
            findings.push(Finding::of(
                exception,
                format!("it needs no exception from the ceiling of {CEILING} lines any more"),
                format!("remove its row ({why}) from xtask/src/tidy/size.rs"),
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ceiling_holds_but_for_listed_files() {
        let files = [("a.rs", 600), ("b.rs", 601), ("table.rs", 900)];
        let findings = check_lengths(&files, &[("table.rs", "a table")]);
        let places: Vec<_> = findings.iter().map(|finding| finding.place.as_str()).collect();
        assert_eq!(places, ["b.rs"]);
    }

    #[test]
    fn an_exception_nobody_needs_is_reported() {
        assert_eq!(check_lengths(&[("a.rs", 10)], &[("a.rs", "a table")]).len(), 1);
        assert_eq!(check_lengths(&[], &[("gone.rs", "a table")]).len(), 1);
    }

    #[test]
    fn ranks_are_of_whole_files() {
        let sorted: Vec<_> = (1..=10).map(|lines| (lines, "")).collect();
        assert_eq!((rank(&sorted, 50), rank(&sorted, 90)), (5, 9));
        assert_eq!(rank(&sorted[..1], 50), 1);
        assert_eq!(rank(&[], 50), 0);
    }
}

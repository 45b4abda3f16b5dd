//! Every invariant of ARCHITECTURE.md and every threat of SECURITY.md names what holds it, and that
//! exists.
//!
//! The form, in the numbered list below `## Invariants`, or `## Threats`:
//!
//! ```text
//! 3. **No push to the awake.** … (held by: `server::journeys::live_phone_gets_no_push`, `torture`)
//! ```
//!
//! A name is a test (first our crate, last the function), a gate of tidy (`gate:edges`), one rule
//! of the gate absence (`absence:wall-clock`), or one of the other gates in [`OTHER_GATES`].

use crate::tidy::source::{Area, Source, Tree, has_word};
use crate::tidy::{Finding, Gate, absence};
use crate::workspace::Workspace;

/// Gates outside tidy that can hold an invariant, each run by `cargo xtask ci`.
const OTHER_GATES: [&str; 7] =
    ["clippy", "compiler", "demo", "deny", "rustdoc", "rustfmt", "torture"];

/// The documents, each with the heading of its list.
const DOCUMENTS: [(&str, &str); 2] =
    [("ARCHITECTURE.md", "## Invariants"), ("SECURITY.md", "## Threats")];

const FORM: &str = "end it with (held by: `crate::path::test_fn`, `gate:edges`, …)";

/// Finds invariants that name nothing, or something that does not exist.
pub(crate) fn check(workspace: &Workspace, tree: &Tree) -> Vec<Finding> {
    let crates: Vec<_> = workspace
        .packages
        .iter()
        .map(|package| {
            (package.name.strip_prefix("reveille-").unwrap_or(&package.name), package.dir.as_str())
        })
        .collect();
    // A missing document is the gate markdown's to report.
    let documents = DOCUMENTS.iter().filter_map(|list| Some((list, tree.other(list.0)?)));
    documents.flat_map(|(list, text)| check_text(*list, text, &crates, &tree.sources)).collect()
}

fn check_text(
    (document, heading): (&'static str, &str),
    text: &str,
    crates: &[(&str, &str)],
    sources: &[Source],
) -> Vec<Finding> {
    let invariants = invariants(text, heading);
    if invariants.is_empty() {
        return vec![Finding::of(
            document,
            format!("it has no numbered list below `{heading}`"),
            "write there what must stay true, one numbered line each",
        )];
    }
    let mut findings = Vec::new();
    for (line, invariant) in invariants {
        let names = held_by(&invariant);
        if names.is_empty() {
            let problem = "this line names nothing that holds it".to_owned();
            findings.push(Finding::at(document, line, problem, FORM));
        }
        for name in names {
            if let Err(problem) = exists(name, crates, sources) {
                findings.push(Finding::at(document, line, problem, FORM));
            }
        }
    }
    findings
}

/// Each numbered item below the heading: its first line's number and its whole text.
fn invariants(text: &str, heading: &str) -> Vec<(usize, String)> {
    let mut items: Vec<(usize, String)> = Vec::new();
    let mut inside = false;
    for (index, line) in text.lines().enumerate() {
        if line.starts_with("## ") {
            inside = line.trim_end() == heading;
        } else if inside {
            let number = line.bytes().take_while(u8::is_ascii_digit).count();
            if number > 0 && line[number..].starts_with(". ") {
                items.push((index + 1, line.to_owned()));
            } else if let Some((_, item)) = items.last_mut() {
                item.push(' ');
                item.push_str(line.trim());
            }
        }
    }
    items
}

/// The names in backticks between `(held by:` and the bracket's end.
fn held_by(invariant: &str) -> Vec<&str> {
    let Some((_, rest)) = invariant.rsplit_once("(held by:") else { return Vec::new() };
    let list = rest.split(')').next().unwrap_or_default();
    list.split('`').skip(1).step_by(2).collect()
}

/// Whether a name stands for something; an error says what is missing.
fn exists(name: &str, crates: &[(&str, &str)], sources: &[Source]) -> Result<(), String> {
    let known = |found: bool, kind: &str| match found {
        true => Ok(()),
        false => Err(format!("`{name}`: there is no such {kind}")),
    };
    if let Some(gate) = name.strip_prefix("gate:") {
        return known(Gate::ALL.iter().any(|known| known.as_str() == gate), "gate of tidy");
    }
    if let Some(rule) = name.strip_prefix("absence:") {
        return known(absence::RULES.iter().any(|known| known.name == rule), "rule of absence");
    }
    if OTHER_GATES.contains(&name) {
        return Ok(());
    }
    let Some((krate, rest)) = name.split_once("::") else {
        return Err(format!("`{name}` is no gate, and as a test it lacks its crate"));
    };
    let Some((_, dir)) = crates.iter().find(|(known, _)| *known == krate) else {
        return Err(format!("`{name}` does not start with a crate of ours"));
    };
    let function = rest.rsplit("::").next().unwrap_or(rest);
    let found = sources
        .iter()
        .filter(|source| source.crate_dir() == *dir)
        .any(|source| has_test(source, function));
    known(found, "test")
}

/// Whether the file has a test function of that name.
///
/// A function counts as a test where tests stand, and in a conformance suite, whose functions are
/// called once for each back end.
fn has_test(source: &Source, function: &str) -> bool {
    let suite = source.path.split(['/', '.']).any(|part| part == "conformance");
    let declared = format!("fn {function}");
    source
        .lines()
        .any(|(line, code)| (suite || source.area(line) == Area::Test) && has_word(code, &declared))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(invariant: &str) -> Vec<String> {
        let text = format!("# A\n\n## Invariants\n\n{invariant}\n\n## Next\n\n9. not one\n");
        let sources = [
            Source::new("crates/store/tests/main.rs".into(), "fn accepted_is_stored() {}".into()),
            Source::new("crates/store/src/lib.rs".into(), "fn accept() {}".into()),
            Source::new("crates/store/src/conformance/claim.rs".into(), "fn ack_race() {}".into()),
        ];
        let crates = [("store", "crates/store"), ("domain", "crates/domain")];
        let list = ("ARCHITECTURE.md", "## Invariants");
        check_text(list, &text, &crates, &sources)
            .into_iter()
            .map(|finding| finding.problem)
            .collect()
    }

    #[test]
    fn tests_suites_gates_and_rules_hold() {
        for invariant in [
            "1. A. (held by: `store::accepted_is_stored`)",
            "1. A. (held by: `store::accept::accepted_is_stored`, `torture`)",
            "1. A. (held by: `store::conformance::ack_race`)",
            "1. A. (held by: `gate:edges`, `absence:wall-clock`, `clippy`)",
            "1. A that\n   spans lines. (held by:\n   `gate:edges`)",
        ] {
            assert!(problems(invariant).is_empty(), "{invariant}: {:?}", problems(invariant));
        }
    }

    #[test]
    fn what_does_not_exist_is_named() {
        for (invariant, problem) in [
            ("1. A.", "names nothing"),
            ("1. A. (held by: review)", "names nothing"),
            ("1. A. (held by: `store::gone`)", "no such test"),
            ("1. A. (held by: `store::accept`)", "no such test"),
            ("1. A. (held by: `domain::accepted_is_stored`)", "no such test"),
            ("1. A. (held by: `other::accepted_is_stored`)", "a crate of ours"),
            ("1. A. (held by: `accepted_is_stored`)", "lacks its crate"),
            ("1. A. (held by: `gate:edge`)", "no such gate"),
            ("1. A. (held by: `absence:clock`)", "no such rule"),
            ("no list", "no numbered list"),
        ] {
            let problems = problems(invariant);
            assert_eq!(problems.len(), 1, "{invariant}: {problems:?}");
            assert!(problems[0].contains(problem), "{invariant}: {}", problems[0]);
        }
    }
}

//! Every rule of STYLE.md says what holds it, and that exists.
//!
//! A rule is a line that starts with `- ` and ends with its holders in brackets:
//! `[absence:wall-clock, clippy::unwrap_used]`, or `[review]` where only people can tell.

use crate::tidy::source::Tree;
use crate::tidy::{Finding, Gate, absence};

/// The document with the rules.
const DOCUMENT: &str = "STYLE.md";

/// From this heading on, lines are no rules.
const END: &str = "## Departures";

/// Holders outside tidy.
const OTHERS: [&str; 4] = ["review", "rustdoc", "rustfmt", "test"];

/// Finds rules that name no holder, or one that does not exist.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    // A missing document is the gate markdown's to report.
    let Some(text) = tree.other(DOCUMENT) else { return Vec::new() };
    let rules = text.lines().enumerate().take_while(|(_, line)| *line != END);
    rules
        .filter(|(_, line)| line.starts_with("- "))
        .filter_map(|(index, line)| Some((index + 1, problem(line)?)))
        .map(|(line, problem)| {
            let remedy = "end the rule with what holds it, such as [edges] or [review]";
            Finding::at(DOCUMENT, line, problem, remedy)
        })
        .collect()
}

fn problem(rule: &str) -> Option<String> {
    let holders = rule.strip_suffix(']').and_then(|rule| rule.rsplit_once(" ["));
    let Some((_, holders)) = holders else {
        return Some("this rule does not say what holds it".to_owned());
    };
    let unknown = holders.split(", ").find(|holder| !is_known(holder))?;
    Some(format!("nothing is called `{unknown}`"))
}

/// Lints of clippy and rustc are taken at their word: both refuse unknown names themselves.
fn is_known(holder: &str) -> bool {
    match holder.split_once(':') {
        Some(("absence", rule)) => absence::RULES.iter().any(|known| known.name == rule),
        Some(("clippy" | "rustc", _)) => true,
        Some(_) => false,
        None => OTHERS.contains(&holder) || Gate::ALL.iter().any(|gate| gate.as_str() == holder),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_with_a_known_holder_pass() {
        for rule in [
            "- A. [review]",
            "- A `b[0]` c. [edges, absence:wall-clock]",
            "- A. [clippy::unwrap_used, rustfmt]",
        ] {
            assert_eq!(problem(rule), None, "{rule}");
        }
    }

    #[test]
    fn rules_without_one_are_found() {
        for rule in ["- A.", "- A. [edge]", "- A. [absence:clock]", "- A. [review, other:x]"] {
            assert!(problem(rule).is_some(), "{rule}");
        }
    }

    #[test]
    fn only_rules_are_read() {
        let text = "# A\nnot a rule\n- A.\n## Departures\n- not a rule\n";
        let others = vec![(DOCUMENT.to_owned(), text.to_owned())];
        let findings = check(&Tree { sources: Vec::new(), others });
        let places: Vec<_> = findings.into_iter().map(|finding| finding.place).collect();
        assert_eq!(places, ["STYLE.md:3"]);
    }
}

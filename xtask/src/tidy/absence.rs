//! What must not be where: one row per rule in [`rules`], one loop over them here.

mod rules;
#[cfg(test)]
mod samples;

use crate::tidy::Finding;
use crate::tidy::source::{Area, Source, Tree, has_word};

pub(crate) use self::rules::RULES;

/// Something that must be absent.
pub(crate) struct Rule {
    /// The rule's name; an invariant of ARCHITECTURE.md names it as `absence:…`.
    pub(crate) name: &'static str,
    /// What must be absent, each as it stands in the code: a path, a name, an attribute.
    pub(crate) words: &'static [&'static str],
    /// Where it must be absent: beginnings of paths; `""` is everywhere.
    pub(crate) from: &'static [&'static str],
    /// In which kind of code it must be absent.
    pub(crate) kind: Kind,
    /// Where it belongs. It may be there, it need not.
    pub(crate) home: &'static [&'static str],
    /// Files that may have it all the same, each with its reason. One that no longer needs it is
    /// reported, so that the list stays short.
    pub(crate) except: &'static [Exception],
    /// Why it must be absent.
    pub(crate) why: &'static str,
    /// What to write instead.
    pub(crate) fix: &'static str,
}

/// In which kind of code a rule holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Everywhere.
    Any,
    /// In what runs at the user's: not in tests, not in benches.
    Ship,
    /// In tests only.
    Test,
}

/// A file that a rule lets pass.
pub(crate) struct Exception {
    /// The file, or a folder with `/` at its end.
    pub(crate) path: &'static str,
    /// Why it may.
    pub(crate) why: &'static str,
}

/// Finds what should be absent, and exceptions that nothing needs any more.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    RULES.iter().flat_map(|rule| check_rule(rule, &tree.sources)).collect()
}

fn check_rule(rule: &Rule, sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut needed = vec![false; rule.except.len()];
    for source in sources.iter().filter(|source| rule.covers(&source.path)) {
        let exception = rule.except.iter().position(|except| lies_in(&source.path, except.path));
        for (line, word) in rule.breaches(source) {
            match exception {
                Some(index) => needed[index] = true,
                None => findings.push(Finding::at(
                    &source.path,
                    line,
                    format!("`{word}` must not be here ({}): {}", rule.name, rule.why),
                    rule.fix,
                )),
            }
        }
    }
    for (exception, _) in rule.except.iter().zip(needed).filter(|(_, needed)| !needed) {
        findings.push(Finding::of(
            exception.path,
            format!("nothing here needs the exception from {} any more", rule.name),
            format!("remove its row ({}) from xtask/src/tidy/absence/rules.rs", exception.why),
        ));
    }
    findings
}

impl Rule {
    /// Whether the rule holds in a file of that path at all.
    fn covers(&self, path: &str) -> bool {
        self.from.iter().any(|from| path.starts_with(from))
            && !self.home.iter().any(|home| lies_in(path, home))
    }

    /// The lines that break the rule, with the word that does.
    fn breaches(&self, source: &Source) -> Vec<(usize, &'static str)> {
        let mut breaches = Vec::new();
        let imports = source.imports.iter().map(|(line, path)| (*line, path.as_str()));
        for (line, code) in source.lines().chain(imports) {
            if !self.kind.holds_in(source.area(line)) {
                continue;
            }
            if let Some(word) = self.words.iter().copied().find(|word| has_word(code, word)) {
                breaches.push((line, word));
            }
        }
        breaches.sort_unstable();
        breaches.dedup();
        breaches
    }
}

impl Kind {
    fn holds_in(self, area: Area) -> bool {
        match self {
            Self::Any => true,
            Self::Ship => area == Area::Ship,
            Self::Test => area == Area::Test,
        }
    }
}

/// Whether a file is `place`, or lies in it when that is a folder.
fn lies_in(path: &str, place: &str) -> bool {
    path == place || (place.ends_with('/') && path.starts_with(place))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Rule = Rule {
        name: "sample",
        words: &["tokio::spawn"],
        from: &["crates/"],
        kind: Kind::Ship,
        home: &["crates/server/src/tasks.rs"],
        except: &[Exception { path: "crates/sim/src/", why: "a sample" }],
        why: "w",
        fix: "f",
    };

    fn found(path: &str, text: &str) -> Vec<String> {
        let source = Source::new(path.into(), text.into());
        let needed = Source::new("crates/sim/src/a.rs".into(), "fn a() { tokio::spawn(b) }".into());
        check_rule(&RULE, &[source, needed]).into_iter().map(|finding| finding.place).collect()
    }

    #[test]
    fn a_breach_is_named_by_its_line() {
        let text = "// tokio::spawn\nfn a() {\n    tokio::spawn(b)\n}\n";
        assert_eq!(found("crates/server/src/a.rs", text), ["crates/server/src/a.rs:3"]);
    }

    #[test]
    fn an_import_through_braces_is_a_breach() {
        let text = "use tokio::{\n    spawn,\n    time,\n};\n";
        assert_eq!(found("crates/server/src/a.rs", text), ["crates/server/src/a.rs:1"]);
    }

    #[test]
    fn home_exceptions_and_tests_pass() {
        let text = "fn a() { tokio::spawn(b) }";
        assert!(found("crates/server/src/tasks.rs", text).is_empty());
        assert!(found("crates/sim/src/b.rs", text).is_empty());
        assert!(found("crates/server/tests/main.rs", text).is_empty());
        assert!(found("xtask/src/main.rs", text).is_empty());
    }

    #[test]
    fn an_exception_nobody_needs_is_reported() {
        let findings = check_rule(&RULE, &[]);
        assert_eq!(findings.len(), 1);
        assert!(findings[0].problem.contains("any more"), "{:?}", findings[0]);
    }
}

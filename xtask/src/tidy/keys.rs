//! Keys and certificates are made at run time, in tests too: none lies in the tree.

use crate::tidy::Finding;
use crate::tidy::source::Tree;

/// Endings of files that hold keys or certificates.
const ENDINGS: [&str; 9] =
    [".cer", ".crt", ".der", ".jks", ".key", ".keystore", ".p12", ".p8", ".pfx"];

/// How the line before a PEM key's bytes ends.
const PEM: &str = "PRIVATE KEY-----";

/// Finds key files by their ending and PEM keys by their text.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let rust = tree.sources.iter().map(|source| (source.path.as_str(), source.text.as_str()));
    let others = tree.others.iter().map(|(path, text)| (path.as_str(), text.as_str()));
    let mut findings = Vec::new();
    for (path, text) in rust.chain(others) {
        let remedy = "make it at run time; a real one must be revoked, it is in the history now";
        if ENDINGS.iter().any(|ending| path.ends_with(ending)) || path.ends_with(".pem") {
            findings.push(Finding::of(path, "a key or certificate file".to_owned(), remedy));
        }
        if let Some(line) = pem_key(text) {
            findings.push(Finding::at(path, line, "a private key".to_owned(), remedy));
        }
    }
    findings
}

/// The line of a PEM key with bytes after it; the bare words are no key.
fn pem_key(text: &str) -> Option<usize> {
    let is_base64 = |c: char| c.is_ascii_alphanumeric() || c == '+' || c == '/' || c == '=';
    let bytes_follow = |line: &str| {
        let line = line.trim().trim_start_matches("\\n");
        line.chars().take_while(|c| is_base64(*c)).count() >= 40
    };
    text.match_indices(PEM)
        .find(|(at, _)| {
            let rest = &text[at + PEM.len()..];
            // In a source file the bytes may stand on the same line, after an escaped line end.
            bytes_follow(rest.lines().next().unwrap_or_default())
                || bytes_follow(rest.lines().nth(1).unwrap_or_default())
        })
        .map(|(at, _)| text[..at].lines().count())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        let tree = Tree { sources: Vec::new(), others: vec![(path.into(), text.into())] };
        check(&tree).into_iter().map(|finding| finding.place).collect()
    }

    /// Not a key: the right letters, made here.
    fn bytes() -> String {
        "AbC1".repeat(12)
    }

    #[test]
    fn key_files_are_found_by_their_ending() {
        assert_eq!(found("crates/sim/AuthKey.p8", ""), ["crates/sim/AuthKey.p8"]);
        assert!(found("crates/sim/p8.rs", "").is_empty());
    }

    #[test]
    fn a_key_in_a_text_is_found_with_its_line() {
        let text = format!("a\n-----BEGIN EC {PEM}\n{}\n", bytes());
        assert_eq!(found("docs/a.md", &text), ["docs/a.md:2"]);
        let text = format!("let key = \"-----BEGIN {PEM}\\n{}\";", bytes());
        assert_eq!(found("docs/a.md", &text), ["docs/a.md:1"]);
    }

    #[test]
    fn the_words_alone_are_no_key() {
        assert!(
            found("docs/a.md", &format!("starts with -----BEGIN {PEM}\nand ends so")).is_empty()
        );
    }
}

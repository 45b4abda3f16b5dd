//! Spells out nested imports: `use tokio::{spawn, time::{self, sleep}}` becomes `tokio::spawn`,
//! `tokio::time` and `tokio::time::sleep`, so that a rule about a path sees it.

/// The full path of everything imported through braces, with its line number from 1.
///
/// Takes masked text. Imports without braces stand in their line as they are and are not repeated.
pub(crate) fn spelled_out(masked: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut lines = masked.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        let Some(start) = use_path(line) else { continue };
        let mut statement = start.to_owned();
        while !statement.contains(';') {
            let Some((_, more)) = lines.next() else { break };
            statement.push(' ');
            statement.push_str(more.trim());
        }
        let tree = statement.split(';').next().unwrap_or_default();
        if tree.contains('{') {
            spell_out("", tree, &mut |path| found.push((index + 1, path)));
        }
    }
    found
}

/// What follows `use` in a line that starts an import, whatever its visibility.
fn use_path(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let line = match line.strip_prefix("pub") {
        Some(rest) if rest.starts_with('(') => rest.split_once(')')?.1.trim_start(),
        Some(rest) => rest.trim_start(),
        None => line,
    };
    line.strip_prefix("use ")
}

fn spell_out(prefix: &str, tree: &str, each: &mut impl FnMut(String)) {
    for part in split_top(tree) {
        let part = part.trim();
        match part.split_once('{') {
            Some((path, inner)) => {
                let inner = inner.trim_end().strip_suffix('}').unwrap_or(inner);
                spell_out(&format!("{prefix}{}", path.trim()), inner, each);
            }
            None if part.is_empty() => {}
            None => {
                let name = part.split(" as ").next().unwrap_or(part).trim();
                match name {
                    "self" => each(prefix.trim_end_matches("::").to_owned()),
                    _ => each(format!("{prefix}{name}")),
                }
            }
        }
    }
}

/// Splits at the commas that stand outside braces.
fn split_top(tree: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut depth = 0_usize;
    let mut start = 0;
    for (at, character) in tree.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(&tree[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&tree[start..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[(usize, &str)]) {
        let found = spelled_out(text);
        let found: Vec<_> = found.iter().map(|(line, path)| (*line, path.as_str())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn braces_are_spelled_out() {
        check(
            "use tokio::{spawn, time::{self, sleep as nap}};",
            &[(1, "tokio::spawn"), (1, "tokio::time"), (1, "tokio::time::sleep")],
        );
    }

    #[test]
    fn an_import_may_span_lines_and_be_public() {
        check(
            "fn a() {}\npub(crate) use std::{\n    env,\n    fs::File,\n};\n",
            &[(2, "std::env"), (2, "std::fs::File")],
        );
    }

    #[test]
    fn plain_imports_are_left_alone() {
        check("use std::env;\nlet used = { 1 };", &[]);
    }
}

//! Links of the documents lead somewhere: relative links name a file or folder that exists, and a
//! `#section` a heading of it. Links to other hosts are not followed.

use crate::tidy::Finding;
use crate::tidy::source::Tree;

/// Documents that a newcomer looks for at the root.
const REQUIRED: [&str; 6] =
    ["ARCHITECTURE.md", "CHANGELOG.md", "LICENSE", "README.md", "SECURITY.md", "STYLE.md"];

/// Finds required documents that are missing and links that lead nowhere.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let missing = REQUIRED.iter().filter(|path| tree.other(path).is_none()).map(|path| {
        Finding::of(path, "this document is missing".to_owned(), "write it at the root")
    });
    let documents = tree.others.iter().filter(|(path, _)| path.ends_with(".md"));
    let broken = documents.flat_map(|(path, text)| check_document(tree, path, text));
    missing.chain(broken).collect()
}

fn check_document(tree: &Tree, path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (line, link) in links(text) {
        if let Err(problem) = follow(tree, path, text, &link) {
            findings.push(Finding::at(path, line, problem, "correct the link, or its target"));
        }
    }
    findings
}

/// Follows a link from a document; an error says where it got lost.
fn follow(tree: &Tree, path: &str, text: &str, link: &str) -> Result<(), String> {
    if link.contains("://") || link.starts_with("mailto:") {
        return Ok(());
    }
    let (file, section) = match link.split_once('#') {
        Some((file, section)) => (file, Some(section)),
        None => (link, None),
    };
    let target = match file {
        "" => path.to_owned(),
        file => resolve(path, file).ok_or_else(|| format!("`{link}` leads out of the project"))?,
    };
    if !tree.has(&target) {
        return Err(format!("`{link}` leads to {target}, which does not exist"));
    }
    let Some(section) = section else { return Ok(()) };
    let target_text = if file.is_empty() { Some(text) } else { tree.other(&target) };
    match target_text.filter(|_| target.ends_with(".md")) {
        Some(target_text) if !headings(target_text).any(|heading| slug(heading) == section) => {
            Err(format!("`{link}` leads to a section that {target} does not have"))
        }
        _ => Ok(()),
    }
}

/// The path from the root that a relative link means; `None` if it leads above the root.
fn resolve(document: &str, link: &str) -> Option<String> {
    let mut parts: Vec<&str> = document.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Every link with its line from 1: `[text](link)` and `[name]: link`.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut links = Vec::new();
    for (line, prose) in prose(text) {
        for (at, _) in prose.match_indices("](") {
            let link = prose[at + 2..].split(')').next().unwrap_or_default();
            // A title may follow the target: `(file.md "Title")`.
            let link = link.split(" \"").next().unwrap_or(link).trim();
            links.push((line, link.trim_matches(['<', '>']).to_owned()));
        }
        let definition = prose.strip_prefix('[').and_then(|rest| rest.split_once("]: "));
        // `[^1]: …` is a footnote, and a name with a bracket in it is a link in running text.
        if let Some((_, link)) = definition.filter(|(name, _)| !name.contains(['^', ']'])) {
            let link = link.split_whitespace().next().unwrap_or_default();
            links.push((line, link.trim_matches(['<', '>']).to_owned()));
        }
    }
    links
}

/// The lines outside code blocks with their numbers from 1, code inside them blanked.
pub(crate) fn prose(text: &str) -> impl Iterator<Item = (usize, String)> {
    let mut in_code = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let fence = line.trim_start().starts_with("```");
        in_code ^= fence;
        (!in_code && !fence).then(|| (index + 1, without_code(line)))
    })
}

fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join("``")
}

fn headings(text: &str) -> impl Iterator<Item = &str> {
    let mut in_code = false;
    text.lines().filter_map(move |line| {
        in_code ^= line.trim_start().starts_with("```");
        let heading = line.trim_start_matches('#');
        (!in_code && heading.len() < line.len()).then(|| heading.trim())
    })
}

/// How a heading is named in a link: lowercase, blanks to hyphens, no other signs.
fn slug(heading: &str) -> String {
    heading
        .to_lowercase()
        .chars()
        .filter_map(|character| match character {
            ' ' => Some('-'),
            '-' | '_' => Some(character),
            other => other.is_alphanumeric().then_some(other),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        let others = [
            ("docs/a.md", text),
            ("docs/b.md", "# First part\n## Second, with `code`: more\n```\n# no heading\n```\n"),
            ("README.md", ""),
        ];
        let others = others.map(|(path, text)| (path.to_owned(), text.to_owned())).to_vec();
        let tree = Tree { sources: Vec::new(), others };
        check_document(&tree, "docs/a.md", text).into_iter().map(|f| f.problem).collect()
    }

    #[test]
    fn links_that_lead_somewhere_pass() {
        for text in [
            "[b](b.md) and [root](../README.md)",
            "[b](b.md#first-part)",
            "[b](b.md#second-with-code-more)",
            "# Here\n[here](#here)",
            "[folder](../docs)",
            "[b]: b.md",
            "[elsewhere](https://example.com/none.md)",
            "`[no](link.md)`",
            "```\n[no](link.md)\n```",
            "[^1]: a note",
        ] {
            assert!(problems(text).is_empty(), "{text}: {:?}", problems(text));
        }
    }

    #[test]
    fn links_that_lead_nowhere_are_named() {
        for (text, problem) in [
            ("[c](c.md)", "docs/c.md, which does not exist"),
            ("[c]: c.md", "docs/c.md, which does not exist"),
            ("[b](b.md#third)", "a section that docs/b.md does not have"),
            ("[b](b.md#no-heading)", "a section that docs/b.md does not have"),
            ("[here](#there)", "a section that docs/a.md does not have"),
            ("[out](../../a.md)", "leads out of the project"),
        ] {
            let problems = problems(text);
            assert_eq!(problems.len(), 1, "{text}");
            assert!(problems[0].contains(problem), "{text}: {}", problems[0]);
        }
    }

    #[test]
    fn missing_documents_are_named() {
        let tree = Tree { sources: Vec::new(), others: vec![("LICENSE".into(), String::new())] };
        let places: Vec<_> = check(&tree).into_iter().map(|finding| finding.place).collect();
        let missing = ["ARCHITECTURE.md", "CHANGELOG.md", "README.md", "SECURITY.md", "STYLE.md"];
        assert_eq!(places, missing);
    }
}

//! The project's files, read once for all gates.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::tidy::{imports, mask};

/// Every file of the project that a gate looks at.
pub(crate) struct Tree {
    /// The Rust sources of our crates.
    pub(crate) sources: Vec<Source>,
    /// Markdown, TOML and whatever else is not Rust: path and text, the text empty if it is not
    /// UTF-8.
    pub(crate) others: Vec<(String, String)>,
}

/// One Rust file.
pub(crate) struct Source {
    /// Path from the root, with `/`.
    pub(crate) path: String,
    /// The text as it is.
    pub(crate) text: String,
    /// The lines with comments and the insides of strings blanked: what the compiler sees.
    pub(crate) code: Vec<String>,
    /// For each line, what kind of code stands there.
    areas: Vec<Area>,
    /// Imports spelled out: line number from 1 and full path, for nested `use` trees.
    pub(crate) imports: Vec<(usize, String)>,
}

/// What kind of code a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Area {
    /// A measuring program, under `benches/`.
    Bench,
    /// Code that runs at the user's.
    Ship,
    /// A test: under `tests/`, in a file `tests.rs`, or behind `#[cfg(test)]`.
    Test,
}

impl Tree {
    /// Reads the project below `root`.
    pub(crate) fn load(root: &Path) -> Result<Self> {
        let mut tree = Self { sources: Vec::new(), others: Vec::new() };
        tree.walk(root, "")?;
        tree.mark_test_files();
        Ok(tree)
    }

    /// The text of a file that is not Rust.
    pub(crate) fn other(&self, path: &str) -> Option<&str> {
        self.others.iter().find(|(other, _)| other == path).map(|(_, text)| text.as_str())
    }

    /// Whether there is a file or a folder of that path.
    pub(crate) fn has(&self, path: &str) -> bool {
        let folder = format!("{}/", path.trim_end_matches('/'));
        let path = path.trim_end_matches('/');
        let mut all = self.paths();
        path.is_empty() || all.any(|known| known == path || known.starts_with(&folder))
    }

    /// The path of every file.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &str> {
        let rust = self.sources.iter().map(|source| source.path.as_str());
        rust.chain(self.others.iter().map(|(path, _)| path.as_str()))
    }

    /// A file whose `mod` line stands behind `#[cfg(test)]` is a test as a whole.
    fn mark_test_files(&mut self) {
        let files: Vec<String> = self.sources.iter().flat_map(Source::test_files).collect();
        for source in self.sources.iter_mut().filter(|source| files.contains(&source.path)) {
            source.areas.fill(Area::Test);
        }
    }

    fn walk(&mut self, folder: &Path, prefix: &str) -> Result<()> {
        let cannot_read = || format!("cannot read {}", folder.display());
        let mut entries = fs::read_dir(folder)
            .and_then(Iterator::collect::<std::io::Result<Vec<_>>>)
            .with_context(cannot_read)?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = format!("{prefix}{name}");
            if entry.file_type().with_context(cannot_read)?.is_dir() {
                // Built things and history are not the project.
                if !["target", ".git", "node_modules"].contains(&name.as_str()) {
                    self.walk(&entry.path(), &format!("{path}/"))?;
                }
                continue;
            }
            let bytes = fs::read(entry.path()).with_context(|| format!("cannot read {path}"))?;
            let text = String::from_utf8(bytes).unwrap_or_default();
            if path.ends_with(".rs") {
                self.sources.push(Source::new(path, text));
            } else {
                self.others.push((path, text));
            }
        }
        Ok(())
    }
}

impl Source {
    /// A Rust file from its path and text.
    pub(crate) fn new(path: String, text: String) -> Self {
        let masked = mask::mask(&text);
        let code: Vec<String> = masked.lines().map(str::to_owned).collect();
        let areas = areas(&path, &code);
        let imports = imports::spelled_out(&masked);
        Self { path, text, code, areas, imports }
    }

    /// What kind of code stands in a line; lines are counted from 1.
    pub(crate) fn area(&self, line: usize) -> Area {
        self.areas.get(line.saturating_sub(1)).copied().unwrap_or(Area::Ship)
    }

    /// The lines of code with their numbers, counted from 1.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code.iter().enumerate().map(|(index, line)| (index + 1, line.as_str()))
    }

    /// The files that this one declares as modules behind `#[cfg(test)]`.
    fn test_files(&self) -> Vec<String> {
        let (folder, name) = self.path.rsplit_once('/').unwrap_or(("", &self.path));
        let folder = match name {
            "lib.rs" | "main.rs" | "mod.rs" => folder.to_owned(),
            name => format!("{folder}/{}", name.trim_end_matches(".rs")),
        };
        let modules = self.lines().filter(|(line, _)| self.area(*line) == Area::Test);
        modules
            .filter_map(|(_, code)| code.trim_end().strip_suffix(';')?.rsplit_once("mod "))
            .flat_map(|(_, module)| {
                [format!("{folder}/{module}.rs"), format!("{folder}/{module}/mod.rs")]
            })
            .collect()
    }

    /// The folder of the crate that the file belongs to: `crates/store`, `xtask`.
    pub(crate) fn crate_dir(&self) -> &str {
        match self.path.strip_prefix("crates/").and_then(|rest| rest.find('/')) {
            Some(end) => &self.path[.."crates/".len() + end],
            None => self.path.split('/').next().unwrap_or_default(),
        }
    }
}

fn areas(path: &str, code: &[String]) -> Vec<Area> {
    let folder = |name: &str| path.split('/').any(|part| part == name);
    if folder("tests") || folder("tests.rs") {
        return vec![Area::Test; code.len()];
    }
    if folder("benches") {
        return vec![Area::Bench; code.len()];
    }
    let mut areas = vec![Area::Ship; code.len()];
    let mut line = 0;
    while line < code.len() {
        if code[line].trim_start().starts_with("#[cfg(test)]") {
            let end = end_of_item(code, line);
            areas[line..=end].fill(Area::Test);
            line = end;
        }
        line += 1;
    }
    areas
}

/// The last line of the item that starts in line `first`: where its braces close, or its `;`.
fn end_of_item(code: &[String], first: usize) -> usize {
    let mut depth = 0_usize;
    for (offset, line) in code[first..].iter().enumerate() {
        for character in line.chars() {
            match character {
                '{' => depth += 1,
                '}' if depth <= 1 => return first + offset,
                '}' => depth -= 1,
                ';' if depth == 0 => return first + offset,
                _ => {}
            }
        }
    }
    code.len() - 1
}

/// Where `word` stands in `line` as a word of its own.
///
/// `Instant::now` is found in `std::time::Instant::now()`, but not in `Instant::nowhere` or
/// `MyInstant::now`.
pub(crate) fn has_word(line: &str, word: &str) -> bool {
    let is_ident = |character: char| character.is_alphanumeric() || character == '_';
    line.match_indices(word).any(|(start, _)| {
        let before = line[..start].chars().next_back().filter(|_| word.starts_with(is_ident));
        let after = line[start + word.len()..].chars().next().filter(|_| word.ends_with(is_ident));
        !before.is_some_and(is_ident) && !after.is_some_and(is_ident)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_end_where_identifiers_end() {
        assert!(has_word("let t = std::time::Instant::now();", "Instant::now"));
        assert!(has_word("#[ignore = \"\"]", "#[ignore"));
        assert!(!has_word("MyInstant::now()", "Instant::now"));
        assert!(!has_word("task::spawn_blocking(f)", "task::spawn"));
        assert!(has_word("xspawn(); spawn();", "spawn"));
    }

    #[test]
    fn a_test_region_ends_with_its_braces() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() { c('{') }\n}\nfn d() {}\n";
        let source = Source::new("crates/x/src/a.rs".into(), text.into());
        let areas: Vec<_> = (1..=6).map(|line| source.area(line)).collect();
        use Area::{Ship, Test};
        assert_eq!(areas, [Ship, Test, Test, Test, Test, Ship]);
    }

    #[test]
    fn a_test_import_is_one_statement() {
        let text = "#[cfg(test)]\nuse a::b;\nfn d() {}\n";
        let source = Source::new("crates/x/src/a.rs".into(), text.into());
        assert_eq!(source.area(2), Area::Test);
        assert_eq!(source.area(3), Area::Ship);
    }

    #[test]
    fn a_file_declared_as_a_test_is_one() {
        let mut tree = Tree {
            sources: vec![
                Source::new("crates/x/src/a.rs".into(), "#[cfg(test)]\nmod b;\nmod c;\n".into()),
                Source::new("crates/x/src/a/b.rs".into(), "fn d() {}".into()),
                Source::new("crates/x/src/a/c.rs".into(), "fn d() {}".into()),
            ],
            others: Vec::new(),
        };
        tree.mark_test_files();
        let areas: Vec<_> = tree.sources.iter().map(|source| source.area(1)).collect();
        assert_eq!(areas, [Area::Test, Area::Test, Area::Ship]);
    }

    #[test]
    fn the_path_decides_for_whole_files() {
        let area = |path: &str| Source::new(path.into(), "fn a() {}".into()).area(1);
        assert_eq!(area("crates/x/tests/main.rs"), Area::Test);
        assert_eq!(area("crates/x/src/wake/tests.rs"), Area::Test);
        assert_eq!(area("crates/x/benches/accept.rs"), Area::Bench);
        assert_eq!(area("crates/x/src/contests.rs"), Area::Ship);
    }

    #[test]
    fn knows_the_crate_of_a_file() {
        let dir = |path: &str| Source::new(path.into(), String::new()).crate_dir().to_owned();
        assert_eq!(dir("crates/store/src/lib.rs"), "crates/store");
        assert_eq!(dir("xtask/src/main.rs"), "xtask");
    }
}

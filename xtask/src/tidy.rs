//! The shape of the project, checked: who imports whom, what is absent, how long files are,
//! whether the documents point at things that exist.
//!
//! Each gate reads the sources once loaded and returns what it found; none of them writes.
//! Simplifying assumption: the sources are formatted by rustfmt (a gate of its own), so a path
//! such as `tokio::spawn` stands on one line.

pub(crate) mod absence;
mod clippy_conf;
pub(crate) mod edges;
mod goldens;
mod imports;
mod invariants;
mod keys;
mod markdown;
mod mask;
mod size;
mod source;
mod style;

use anyhow::Result;

use crate::say;
use crate::tidy::source::Tree;
use crate::workspace::Workspace;

/// The gates that an invariant of ARCHITECTURE.md may name as `gate:…`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    /// What must not be where: [`absence`].
    Absence,
    /// A crate's own `clippy.toml` and lints repeat the root's: [`clippy_conf`].
    ClippyConf,
    /// Who may import whom: [`edges`].
    Edges,
    /// Every golden file is read by a test: [`goldens`].
    Goldens,
    /// Every invariant names what holds it: [`invariants`].
    Invariants,
    /// No key or certificate lies in the tree: [`keys`].
    Keys,
    /// Links of the documents lead somewhere: [`markdown`].
    Markdown,
    /// No file is too long: [`size`].
    Size,
    /// Every rule of the style says what holds it: [`style`].
    Style,
}

impl Gate {
    /// Every gate, in the order in which they run.
    pub(crate) const ALL: [Self; 9] = [
        Self::Edges,
        Self::Absence,
        Self::ClippyConf,
        Self::Goldens,
        Self::Invariants,
        Self::Keys,
        Self::Markdown,
        Self::Style,
        Self::Size,
    ];

    /// The gate's name in ARCHITECTURE.md and in what tidy prints.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Absence => "absence",
            Self::ClippyConf => "clippy-conf",
            Self::Edges => "edges",
            Self::Goldens => "goldens",
            Self::Invariants => "invariants",
            Self::Keys => "keys",
            Self::Markdown => "markdown",
            Self::Size => "size",
            Self::Style => "style",
        }
    }

    fn check(self, workspace: &Workspace, tree: &Tree) -> Vec<Finding> {
        match self {
            Self::Absence => absence::check(tree),
            Self::ClippyConf => clippy_conf::check(tree),
            Self::Edges => edges::check::check(workspace, tree),
            Self::Goldens => goldens::check(tree),
            Self::Invariants => invariants::check(workspace, tree),
            Self::Keys => keys::check(tree),
            Self::Markdown => markdown::check(tree),
            Self::Size => size::check(tree),
            Self::Style => style::check(tree),
        }
    }
}

/// One thing that is not as it should be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// Where: a path, with `:line` if there is one.
    pub(crate) place: String,
    /// What is wrong there.
    pub(crate) problem: String,
    /// What to do about it.
    pub(crate) remedy: String,
}

impl Finding {
    /// A finding in a line of a file; lines are counted from 1.
    pub(crate) fn at(path: &str, line: usize, problem: String, remedy: impl Into<String>) -> Self {
        Self { place: format!("{path}:{line}"), problem, remedy: remedy.into() }
    }

    /// A finding about a file as a whole.
    pub(crate) fn of(path: &str, problem: String, remedy: impl Into<String>) -> Self {
        Self { place: path.to_owned(), problem, remedy: remedy.into() }
    }
}

/// Runs every gate, prints what each found, and fails if any found something.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let tree = Tree::load(&workspace.root)?;
    let mut total = 0;
    for gate in Gate::ALL {
        let findings = gate.check(workspace, &tree);
        total += findings.len();
        for (index, finding) in findings.iter().enumerate() {
            say::line(format_args!(
                "    {}: {}: {}",
                gate.as_str(),
                finding.place,
                finding.problem
            ));
            // Many findings often have one remedy; it is said once, below the last of them.
            if findings.get(index + 1).is_none_or(|next| next.remedy != finding.remedy) {
                say::line(format_args!("      -> {}", finding.remedy));
            }
        }
    }
    say::line(format_args!("    {}", size::distribution(&tree)));
    match total {
        0 => Ok(()),
        1 => anyhow::bail!("tidy found 1 thing to put right, see above"),
        more => anyhow::bail!("tidy found {more} things to put right, see above"),
    }
}

//! The pages that the server serves, in Chromium: `browser-tests`.

use anyhow::Result;

use super::node::tests;
use super::tally::Tally;
use crate::provision::chromium;
use crate::provision::node::PAGES;
use crate::say;
use crate::workspace::Workspace;

/// Runs them; nothing where there is no Node or no browser.
pub(super) fn run(workspace: &Workspace) -> Result<Tally> {
    if !PAGES.is_there(workspace) || !chromium::is_there() {
        say::line(
            "    skipped: browser-tests…: node, its packages or chromium is missing, see above",
        );
        return Ok(Tally::default());
    }
    tests(workspace, PAGES, ".")
}

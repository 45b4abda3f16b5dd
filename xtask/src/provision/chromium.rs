//! The browser that the tests of the pages drive.
//!
//! Nobody needs it to work on the server: where it cannot be had, those tests are skipped, which is
//! said.

use anyhow::{Result, bail};

use super::{System, apt_calls, install};
use crate::run::answer;
use crate::say;

/// Where Debian has it, and where `browser-tests/harness.js` looks for it.
const PROGRAM: &str = "/usr/bin/chromium";

/// Debian's packages: the browser, and letters for it to write with.
const PACKAGES: [&str; 2] = ["chromium", "fonts-dejavu-core"];

/// Installs it where that is ours to do, else says what is skipped.
pub(super) fn run() {
    if let Err(error) = provide() {
        say::line(format_args!("    skipped: browser-tests…: {error:#}"));
    }
}

/// Whether it is there, and starts.
pub(crate) fn is_there() -> bool {
    answer(PROGRAM, &["--version"]).is_some()
}

fn provide() -> Result<()> {
    if is_there() {
        return Ok(());
    }
    let calls = apt_calls(&PACKAGES);
    match System::here() {
        System::DebianRoot => {
            for call in calls {
                say::line(format_args!("    {}", call.join(" ")));
                install(&call)?;
            }
        }
        System::DebianUser => {
            let packages = PACKAGES.join(" ");
            bail!("there is no {PROGRAM}; `sudo apt-get install {packages}` brings it");
        }
        System::MacOs | System::Other => bail!("there is no {PROGRAM}, as on Debian"),
    }
    if !is_there() {
        bail!("{PROGRAM} does not start");
    }
    Ok(())
}
